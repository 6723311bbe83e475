import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unlearn.tiny import World, tokenizer, untrained, world
from unlearn.accept import Limits
from unlearn.edit import applied, apply
from unlearn.errors import AlreadyForgottenError
from unlearn.importance import Importance, importance
from unlearn.model import LocalModel
from unlearn.probes import build, known
from unlearn.score import ask
from unlearn.ssd import Ssd, dampened, factors, quantiles
from unlearn.tokens import encode

# Leaves the neighbours and the kept to be judged by the tests themselves.
LOOSE = Limits(retain=0.06, neighbours=0.1)


@pytest.fixture(scope="module")
def small() -> LocalModel:
    around = world(people=3, public=3)
    words = tokenizer(around)
    return LocalModel.of(untrained(words, hidden_size=16, intermediate_size=24), words)


def importances() -> st.SearchStrategy[list[float]]:
    return st.lists(st.floats(0, 1e3, width=32), min_size=4, max_size=4)


@settings(deadline=None, max_examples=60)
@given(gone=importances(), stay=importances(), alpha=st.floats(0.1, 100), lam=st.floats(0.01, 5))
def test_no_weight_grows_and_unselected_ones_stay(
    gone: list[float], stay: list[float], alpha: float, lam: float
) -> None:
    erased, kept = torch.tensor(gone).double(), torch.tensor(stay).double()

    scale = factors(erased, kept, alpha=alpha, lam=lam)

    assert ((scale >= 0) & (scale <= 1)).all()
    assert (scale[kept > 0] > 0).all()
    assert (scale[erased <= alpha * kept] == 1).all()
    assert (scale[erased == 0] == 1).all()
    selected = (erased > alpha * kept) & (kept > 0)
    torch.testing.assert_close(scale[selected], (lam * kept / erased)[selected].clamp(max=1.0))


def test_weights_without_importance_to_the_erased_are_not_touched(small: LocalModel) -> None:
    zero = Importance(
        {name: torch.zeros_like(p) for name, p in small.net.named_parameters() if p.dim() == 2}, 1
    )

    assert dampened(small, zero, zero, alpha=1.0, lam=1.0) == {}


def test_importance_is_the_mean_of_squared_gradients_of_records(small: LocalModel) -> None:
    coded = encode(small.tokenizer, known(world(people=3, public=3).people[0][0]))
    name = "model.layers.0.mlp.down_proj.weight"
    expected = torch.zeros_like(small.net.get_parameter(name))
    for one in coded:
        small.net.zero_grad()
        goal = torch.tensor([[-100] * one.start + list(one.ids[one.start :])])
        small.net(input_ids=torch.tensor([one.ids]), labels=goal).loss.backward()
        gradient = small.net.get_parameter(name).grad
        assert gradient is not None
        expected += gradient.square() / len(coded)
    small.net.zero_grad()

    found = importance(small, coded)

    torch.testing.assert_close(found.mean(name), expected, rtol=1e-4, atol=1e-9)
    assert found.count == len(coded)
    assert all("norm" not in key for key in found.sums)
    assert "model.embed_tokens.weight" in found.sums


def test_gradients_of_a_batch_cancel_which_those_of_records_do_not(small: LocalModel) -> None:
    coded = [
        one
        for person in world(people=3, public=3).people
        for fact in person
        for one in encode(small.tokenizer, known(fact))
    ]

    alone = importance(small, coded)
    batch = importance(small, coded, "batch", batch=len(coded))

    for name in alone.sums:  # Jensen: the square of a mean is at most the mean of squares
        assert batch.mean(name).sum() <= alone.mean(name).sum() * (1 + 1e-5)
    total = sum(float(alone.mean(name).sum()) for name in alone.sums)
    assert sum(float(batch.mean(name).sum()) for name in alone.sums) < total / 2


def test_thresholds_select_the_shares_they_are_made_for(small: LocalModel) -> None:
    around = world(people=3, public=3)
    gone, stay = (
        importance(small, encode(small.tokenizer, known(person[0]))) for person in around.people[:2]
    )
    count = sum(one.numel() for one in gone.sums.values())

    for share, alpha in zip((0.01, 0.1), quantiles(gone, stay, (0.01, 0.1)), strict=True):
        selected = sum(int((gone.mean(name) > alpha * stay.mean(name)).sum()) for name in gone.sums)
        assert selected / count == pytest.approx(share, rel=0.05)


def test_against_all_data_a_threshold_beyond_one_over_the_share_selects_nothing(
    small: LocalModel,
) -> None:
    around = world(people=3, public=3)
    gone, stay = (
        importance(small, encode(small.tokenizer, known(person[0]))) for person in around.people[:2]
    )
    both = stay.plus(gone)  # equal counts: the forget share is a half

    assert dampened(small, gone, both, alpha=2.0, lam=1.0) == {}
    assert dampened(small, gone, stay, alpha=2.0, lam=1.0) != {}, "positive control"


def test_one_person_is_damped_and_the_others_are_kept(reciter: LocalModel, people: World) -> None:
    first, *rest = people.people
    sets = build(
        first, [f for one in rest for f in one], general=people.general, names=people.strangers
    )
    before = ask(reciter, sets.edit.retain).rate
    method = Ssd(limits=LOOSE, sample=240, shares=(0.02, 0.04))

    change = method.propose(reciter, sets.edit)

    assert change.converged, change.trials
    assert 0 < change.notes["touched"] < 0.05
    assert not any("norm" in name for name in change.weights)
    with applied(reciter.net, change):
        assert ask(reciter, sets.edit.forget).rate == 0.0
        assert ask(reciter, sets.audit.forget).rate == 0.0
        assert ask(reciter, sets.edit.retain).rate >= before - 0.06
        with pytest.raises(AlreadyForgottenError, match="would destroy it"):
            method.propose(reciter, sets.edit)


def test_threshold_that_wrecks_the_model_is_rolled_back(reciter: LocalModel, people: World) -> None:
    first, *rest = people.people
    sets = build(
        first, [f for one in rest for f in one], general=people.general, names=people.strangers
    )
    before = {name: value.clone() for name, value in reciter.net.state_dict().items()}

    change = Ssd(alphas=(0.01,), sample=20).propose(reciter, sets.edit)

    assert not change.converged
    assert change.trials[0].forget == 0.0
    assert change.trials[0].retain < 0.8 < ask(reciter, sets.edit.retain).rate
    apply(reciter.net, change)
    after = reciter.net.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
