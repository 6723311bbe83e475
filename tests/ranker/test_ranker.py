import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ranker import features, fuse, metrics
from ranker.features import NAMES, Candidates, support
from ranker.model import DEFAULT, DEFAULT_WEIGHTS, LinearRanker

SCORES = arrays.arrays(np.float32, st.integers(0, 30), elements=st.floats(-10, 10, width=32))


@given(SCORES)
def test_min_max_lies_between_zero_and_one_and_keeps_the_order(scores: np.ndarray) -> None:
    scaled = fuse.min_max(scores)

    assert ((scaled >= 0) & (scaled <= 1)).all()
    order = np.argsort(scores, kind="stable")
    assert (np.diff(scaled[order]) >= 0).all()


@given(SCORES)
def test_equal_scores_are_no_evidence(scores: np.ndarray) -> None:
    assert (fuse.min_max(np.full_like(scores, 3.0)) == 0).all()


def test_a_floor_is_worth_nothing_and_so_is_what_lies_below() -> None:
    assert fuse.min_max(np.array([-1, 0, 1, 2], np.float32), 0.0).tolist() == [0, 0, 0.5, 1]


@given(SCORES, st.randoms())
def test_reciprocal_rank_fusion_does_not_depend_on_the_order_of_channels(
    scores: np.ndarray, chance: object
) -> None:
    other = scores[::-1].copy()
    assert fuse.reciprocal_rank(scores, other) == pytest.approx(fuse.reciprocal_rank(other, scores))


def test_reciprocal_rank_fusion_is_the_formula() -> None:
    fused = fuse.reciprocal_rank(np.array([3, 1, 2], np.float32), k=60)
    assert fused == pytest.approx([1 / 61, 1 / 63, 1 / 62])


def candidates(n: int, seed: int = 0) -> Candidates:
    rng = np.random.default_rng(seed)
    return Candidates(
        lexical=rng.random(n, np.float32) * 9,
        dense=rng.random(n, np.float32),
        context=rng.random(n, np.float32),
        subject=rng.integers(-1, 2, n).astype(np.float32),
        question=rng.random(n) < 0.3,
        month=rng.integers(1, 13, n),
        day=rng.integers(1, 29, n),
        year=np.full(n, 2026),
        session=rng.integers(0, 5, n),
        identifier=np.zeros(n, np.float32),
    )


def test_the_matrix_has_a_column_per_name_within_minus_one_and_one() -> None:
    X = features.matrix(candidates(40), months=frozenset({4}), days=frozenset({7}))

    assert X.shape == (40, len(NAMES))
    assert (np.abs(X) <= 1 + 1e-6).all()
    assert set(DEFAULT_WEIGHTS) == set(NAMES)


def test_a_query_without_a_month_has_no_calendar() -> None:
    X = features.matrix(candidates(10))
    assert (X[:, NAMES.index("month")] == 0).all()
    assert (X[:, NAMES.index("day")] == 0).all()


def test_the_named_month_counts_one_the_next_a_third_and_the_mean_is_taken_off() -> None:
    found = candidates(4)
    when = Candidates(
        **{
            **{name: getattr(found, name) for name in Candidates.__dataclass_fields__},
            "month": np.array([12, 1, 6, 12]),
            "day": np.array([3, 3, 3, 11]),
        }
    )

    month, day = features.calendar(when, frozenset({12}), frozenset({3}), frozenset())

    assert month == pytest.approx(np.array([1, 0.3, 0, 1]) - 0.575)
    assert day == pytest.approx([1, 0, 0, math.exp(-2)])


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 100)), max_size=40))
def test_session_support_is_the_mean_of_the_two_best(rows: list[tuple[int, int]]) -> None:
    session = np.array([group for group, _ in rows], np.int64)
    scores = np.array([score for _, score in rows], np.float32)

    expected = []
    for group, _ in rows:
        best = sorted((s for g, s in rows if g == group), reverse=True)[:2]
        expected.append((best[0] + best[-1]) / 2)

    assert support(scores, session).tolist() == pytest.approx(expected)


def test_contributions_add_up_to_the_score() -> None:
    X = features.matrix(candidates(25))
    assert DEFAULT.contributions(X).sum(axis=1) == pytest.approx(DEFAULT.score(X), abs=1e-5)


def test_an_exact_identifier_outweighs_everything_else_together() -> None:
    others = sum(abs(w) for name, w in DEFAULT_WEIGHTS.items() if name != "identifier")
    assert DEFAULT_WEIGHTS["identifier"] > others


def test_a_missing_weight_counts_nothing() -> None:
    X = features.matrix(candidates(5))
    assert (LinearRanker({}).score(X) == 0).all()


def test_metrics_are_those_of_a_worked_example() -> None:
    run, gold = ["a", "b", "c", "d"], {"b", "d", "x"}
    assert metrics.recall_at(run, gold, 2) == pytest.approx(1 / 3)
    assert metrics.hit_at(run, gold, 1) == 0
    assert metrics.reciprocal_rank(run, gold) == 0.5
    ideal = 1 + 1 / math.log2(3) + 0.5
    assert metrics.ndcg_at(run, gold, 10) == pytest.approx(
        (1 / math.log2(3) + 1 / math.log2(5)) / ideal
    )


@given(st.permutations(list(range(6))))
def test_no_order_beats_the_ideal_one(run: list[int]) -> None:
    gold = {0, 1, 2}
    assert metrics.ndcg_at(run, gold, 6) <= metrics.ndcg_at([0, 1, 2, 3, 4, 5], gold, 6) == 1.0
