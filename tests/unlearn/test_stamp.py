from dataclasses import replace

import pytest
import torch

from tests.unlearn.tiny import World
from unlearn.accept import Limits
from unlearn.edit import applied
from unlearn.errors import NothingLearnedError
from unlearn.model import LocalModel
from unlearn.probes import Fact, ProbeSets, build
from unlearn.score import ask
from unlearn.stamp import Stamp, Target


def of_first(people: World, count: int = 1) -> ProbeSets:
    gone = [fact for one in people.people[:count] for fact in one]
    kept = [fact for one in people.people[count:] for fact in one]
    return build(gone, kept, general=people.general, names=people.strangers)


@pytest.mark.parametrize("target", ["refusal", "counterfactual"])
def test_one_person_is_forgotten_and_others_are_kept(
    reciter: LocalModel, people: World, target: Target
) -> None:
    sets = of_first(people)
    kept = ask(reciter, sets.edit.retain).rate
    assert ask(reciter, sets.edit.forget).rate == 1.0, "positive control"

    change = Stamp(target=target).propose(reciter, sets.edit)

    assert change.converged
    assert set(change.weights) <= {f"{name}.weight" for name in reciter.modules.down}
    with applied(reciter.net, change):
        assert ask(reciter, sets.edit.forget).rate == 0.0
        assert ask(reciter, sets.audit.forget).rate <= 0.02
        assert ask(reciter, sets.edit.retain).rate >= kept - 0.03
    assert ask(reciter, sets.edit.forget).rate == 1.0


def test_same_request_gives_the_same_bits(reciter: LocalModel, people: World) -> None:
    sets = of_first(people)
    method = Stamp(layers=(0,), weights=(300.0,))

    first, second = (method.propose(reciter, sets.edit) for _ in range(2))

    assert first.weights.keys() == second.weights.keys() != set()
    assert all(torch.equal(first.weights[name], second.weights[name]) for name in first.weights)


def test_full_solve_and_woodbury_form_give_the_same_edit(
    reciter: LocalModel, people: World
) -> None:
    sets = of_first(people)
    fixed = Stamp(layers=(0,), weights=(300.0,))

    quick = fixed.propose(reciter, sets.edit)
    full = replace(fixed, solver="full").propose(reciter, sets.edit)

    for name, value in quick.weights.items():
        # float32 weights of size .1; both solves agree far below their spacing.
        torch.testing.assert_close(value, full.weights[name], rtol=0, atol=1e-6)


def test_request_beyond_the_method_is_not_answered_with_a_compromise(
    reciter: LocalModel, people: World
) -> None:
    sets = of_first(people)

    change = Stamp(weights=(1e6, 1e5), layers=(1,)).propose(reciter, sets.edit)

    assert not change.converged
    assert change.weights == {}
    assert change.why
    assert [trial.accepted for trial in change.trials] == [False, False]


def test_weights_of_what_is_kept_are_tried_from_the_largest(
    reciter: LocalModel, people: World
) -> None:
    sets = of_first(people)

    change = Stamp(weights=(1e6, 300.0, 5.0), layers=(0,)).propose(reciter, sets.edit)

    assert [trial.strength for trial in change.trials] == [1e6, 300.0]
    assert [trial.accepted for trial in change.trials] == [False, True]
    assert change.notes["strength"] == 300.0


def test_limits_decide_what_is_accepted(reciter: LocalModel, people: World) -> None:
    sets = of_first(people)
    strict = Limits(excess=-1.0)

    change = Stamp(weights=(300.0,), layers=(0,), limits=strict).propose(reciter, sets.edit)

    assert not change.converged


def test_model_that_never_knew_is_not_edited(reciter: LocalModel, people: World) -> None:
    name = people.strangers[-1]
    never = [replace(fact, subject=name) for fact in people.people[0]]
    kept = [fact for one in people.people[1:] for fact in one]
    sets = build(never, kept, names=people.strangers[:-1])

    with pytest.raises(NothingLearnedError, match="no probe about what is erased"):
        Stamp().propose(reciter, sets.edit)


def test_a_memory_of_no_known_relation_is_redirected_too(
    reciter: LocalModel, people: World
) -> None:
    told = next(fact for fact in people.people[0] if fact.relation == "city")
    loose = Fact(told.subject, "", told.value, f"{told.subject} lives in")
    kept = [fact for one in people.people[1:] for fact in one]
    sets = build([loose], kept, general=people.general, names=people.strangers)

    change = Stamp(target="counterfactual", weights=(100.0, 10.0)).propose(reciter, sets.edit)

    assert change.converged
    with applied(reciter.net, change):
        assert ask(reciter, sets.edit.forget).rate == 0.0
