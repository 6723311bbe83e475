import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unlearn.solve import (
    minimal_update,
    null_space_update,
    penalty,
    protected_update,
    truncated_update,
    woodbury_update,
)

# Solves of well-conditioned float64 systems of this size lose about four digits.
CLOSE = {"rtol": 1e-10, "atol": 1e-10}


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def moment_of(kept: torch.Tensor) -> torch.Tensor:
    return kept.T @ kept / len(kept)


def woodbury(
    keys: torch.Tensor, gaps: torch.Tensor, moment: torch.Tensor, weight: float, ridge: float
) -> torch.Tensor:
    cost = penalty(moment, weight=weight, ridge=ridge)
    return woodbury_update(keys, gaps, torch.linalg.cholesky(cost))


@settings(deadline=None, max_examples=25)
@given(n=st.integers(1, 8), inner=st.integers(8, 20), out=st.integers(1, 9))
def test_independent_keys_are_sent_exactly_where_they_should_go(
    n: int, inner: int, out: int
) -> None:
    W, keys, targets = drawn(out, inner), drawn(n, inner, seed=1), drawn(n, out, seed=2)

    D = minimal_update(keys, targets - keys @ W.T)

    torch.testing.assert_close(keys @ (W + D).T, targets, rtol=1e-7, atol=1e-7)


@settings(deadline=None, max_examples=25)
@given(n=st.integers(1, 5), ridge=st.sampled_from([0.0, 0.1]))
def test_what_is_orthogonal_to_all_keys_is_left_as_it_is(n: int, ridge: float) -> None:
    keys, gaps = drawn(n, 12, seed=n), drawn(n, 6, seed=n + 1)
    x = drawn(12, seed=n + 2)
    x = x - keys.T @ torch.linalg.lstsq(keys.T, x).solution

    D = minimal_update(keys, gaps, ridge=ridge)

    assert (D @ x).abs().max() <= 1e-9 * (1 + D.norm())
    assert (D @ keys[0]).abs().max() > 1e-3, "positive control"


def test_rank_of_a_change_is_at_most_the_number_of_keys() -> None:
    keys, gaps, kept = drawn(3, 16), drawn(3, 10, seed=1), drawn(200, 16, seed=2)

    for D in (
        minimal_update(keys, gaps),
        protected_update(keys, gaps, moment_of(kept), weight=2.0, ridge=0.01),
        woodbury(keys, gaps, moment_of(kept), 2.0, 0.01),
    ):
        assert torch.linalg.matrix_rank(D) == 3
    D = truncated_update(drawn(9, 16), drawn(9, 10), moment_of(kept), weight=1.0, ridge=0.1, rank=2)
    assert torch.linalg.matrix_rank(D) == 2


@settings(deadline=None, max_examples=30)
@given(
    n=st.integers(1, 40),
    inner=st.integers(4, 30),
    weight=st.floats(0.5, 500),
    ridge=st.floats(1e-3, 1),
)
def test_woodbury_form_equals_the_full_solve(
    n: int, inner: int, weight: float, ridge: float
) -> None:
    keys, gaps, kept = drawn(n, inner), drawn(n, 7, seed=1), drawn(60, inner, seed=2)

    full = protected_update(keys, gaps, moment_of(kept), weight=weight, ridge=ridge)

    torch.testing.assert_close(woodbury(keys, gaps, moment_of(kept), weight, ridge), full, **CLOSE)


def test_protected_change_is_the_minimum_of_what_it_says_it_minimises() -> None:
    keys, gaps, kept = drawn(5, 12), drawn(5, 4, seed=1), drawn(80, 12, seed=2)
    moment, weight, ridge = moment_of(kept), 3.0, 0.05
    D = protected_update(keys, gaps, moment, weight=weight, ridge=ridge).requires_grad_()

    cost = (
        (keys @ D.T - gaps).pow(2).sum(1).mean()
        + weight * (kept @ D.T).pow(2).sum(1).mean()
        + ridge * moment.diagonal().mean() * D.pow(2).sum()
    )
    cost.backward()

    assert D.grad is not None
    assert D.grad.abs().max() < 1e-12


def test_change_vanishes_as_the_weight_of_what_is_kept_grows() -> None:
    keys, gaps, kept = drawn(4, 10), drawn(4, 6, seed=1), drawn(50, 10, seed=2)

    sizes = [
        protected_update(keys, gaps, moment_of(kept), weight=10.0**e, ridge=0.01).norm().item()
        for e in range(-2, 13, 2)
    ]

    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < 1e-10 < 1e-2 < sizes[0]


def test_kept_keys_orthogonal_to_forget_keys_are_not_moved() -> None:
    keys = torch.cat([drawn(3, 5), torch.zeros(3, 5, dtype=torch.float64)], 1)
    kept = torch.cat([torch.zeros(40, 5, dtype=torch.float64), drawn(40, 5, seed=1)], 1)
    gaps = drawn(3, 4, seed=2)

    D = protected_update(keys, gaps, moment_of(kept), weight=1e3, ridge=1e-9)

    assert (kept @ D.T).abs().max() < 1e-12
    torch.testing.assert_close(keys @ D.T, gaps, rtol=1e-4, atol=1e-4)


def test_null_space_change_moves_nothing_outside_the_unused_directions() -> None:
    kept = drawn(50, 6) @ drawn(6, 12, seed=1)  # spans six of twelve directions
    keys, gaps = drawn(3, 12, seed=2), drawn(3, 4, seed=3)

    D = null_space_update(keys, gaps, moment_of(kept), below=1e-6, ridge=1e-9)

    assert (kept @ D.T).abs().max() < 1e-9
    torch.testing.assert_close(keys @ D.T, gaps, rtol=1e-4, atol=1e-4)


def test_truncated_change_is_that_of_the_singular_values_of_all_keys() -> None:
    keys, gaps, kept = drawn(6, 10), drawn(6, 4, seed=1), drawn(70, 10, seed=2)
    weight, ridge, rank = 5.0, 0.02, 4
    stacked = torch.cat([keys, (weight * 6 / 70) ** 0.5 * kept])
    wanted = torch.cat([gaps, torch.zeros(70, 4, dtype=torch.float64)])
    U, S, Vh = torch.linalg.svd(stacked, full_matrices=False)
    U, S, Vh = U[:, :rank], S[:rank], Vh[:rank]
    dense = wanted.T @ U @ torch.diag(S / (S**2 + ridge * S[0] ** 2)) @ Vh

    D = truncated_update(keys, gaps, moment_of(kept), weight=weight, ridge=ridge, rank=rank)

    torch.testing.assert_close(D, dense, **CLOSE)


def test_small_truncated_rank_keeps_the_wrong_directions() -> None:
    kept = 10 * drawn(200, 30)
    kept[:, :10] *= 1e-3
    keys = torch.cat([drawn(4, 10, seed=1), torch.zeros(4, 20, dtype=torch.float64)], 1)
    gaps = drawn(4, 6, seed=2)

    def missed(D: torch.Tensor) -> float:
        return ((keys @ D.T - gaps).norm() / gaps.norm()).item()

    low = truncated_update(keys, gaps, moment_of(kept), weight=1.0, ridge=1e-9, rank=8)
    exact = woodbury(keys, gaps, moment_of(kept), 1.0, 1e-9)

    assert missed(exact) < 0.01
    assert missed(low) == pytest.approx(1.0, abs=1e-3)


def test_solving_in_single_precision_is_worse_which_is_why_it_is_not_done() -> None:
    base = drawn(1, 40)
    keys = base + 1e-3 * drawn(12, 40, seed=1)  # paraphrases of one fact nearly coincide
    gaps = drawn(12, 8, seed=2)

    double = minimal_update(keys, gaps)
    single = minimal_update(keys.float(), gaps.float()).double()

    assert (keys @ double.T - gaps).abs().max() < 1e-6
    assert (keys @ single.T - gaps).abs().max() > 1e-3
