import pytest
import torch

from tests.unlearn.tiny import World, tokenizer, untrained, world
from unlearn.accept import Limits
from unlearn.distill import Distill, ends_answers, steps_for
from unlearn.edit import applied
from unlearn.model import LocalModel
from unlearn.probes import Fact, ProbeSets, build
from unlearn.score import ask


@pytest.fixture(scope="module")
def sets(people: World) -> ProbeSets:
    first, *rest = people.people
    return build(
        first, [f for one in rest for f in one], general=people.general, names=people.strangers
    )


def test_one_person_is_forgotten_in_every_wording_and_others_are_kept(
    reciter: LocalModel, sets: ProbeSets
) -> None:
    before = {name: value.clone() for name, value in reciter.net.state_dict().items()}
    kept, near = (ask(reciter, part).rate for part in (sets.edit.retain, sets.edit.neighbours))
    assert ask(reciter, sets.audit.forget).rate >= 0.8, "positive control"

    change = Distill(steps=48).propose(reciter, sets.edit)

    assert change.converged, change.trials
    after = reciter.net.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    with applied(reciter.net, change):
        for part in (sets.edit.forget, sets.audit.forget, sets.audit.clozes):
            assert ask(reciter, part).rate <= 0.02
        assert ask(reciter, sets.edit.retain).rate >= kept - 0.03
        assert ask(reciter, sets.edit.neighbours).rate >= near - 0.06


def test_last_state_that_forgets_and_keeps_is_the_one_returned(
    reciter: LocalModel, sets: ProbeSets
) -> None:
    change = Distill(steps=2, limits=Limits(forget=1, excess=1, retain=1, neighbours=1)).propose(
        reciter, sets.edit
    )

    assert [trial.strength for trial in change.trials] == [1, 2]
    with applied(reciter.net, change):
        assert ask(reciter, sets.edit.forget).rate == change.trials[-1].forget


def test_too_few_steps_are_said_and_change_nothing(reciter: LocalModel, sets: ProbeSets) -> None:
    change = Distill(steps=1).propose(reciter, sets.edit)

    assert not change.converged
    assert change.weights == {}


def test_same_seed_gives_the_same_bits(reciter: LocalModel, sets: ProbeSets) -> None:
    method = Distill(steps=2, limits=Limits(forget=1, excess=1, retain=1, neighbours=1))

    first, second = (method.propose(reciter, sets.edit) for _ in range(2))

    assert all(torch.equal(first.weights[name], second.weights[name]) for name in first.weights)


def test_steps_grow_with_the_facts_between_their_bounds() -> None:
    def steps(people: int) -> int:
        facts = [Fact(f"Mira {i}", "city", "Oslo") for i in range(people)]
        return steps_for(build(facts, []).edit)

    assert [steps(1), steps(10), steps(100)] == [60, 120, 600]


def test_model_that_ends_its_answers_is_told_from_one_that_does_not(
    reciter: LocalModel, sets: ProbeSets
) -> None:
    words = tokenizer(world(people=3, public=3))
    naive = LocalModel.of(untrained(words, hidden_size=16, intermediate_size=24), words)

    assert ends_answers(reciter, sets.edit.retain)
    assert not ends_answers(naive, build(world(people=3, public=3).people[0], []).edit.forget)


def test_records_without_a_subject_are_left_to_other_methods(
    reciter: LocalModel, people: World
) -> None:
    told = people.people[0][0]
    loose = Fact("", "", told.value, f"{told.subject} lives in")
    sets = build([loose], [], names=people.strangers)

    change = Distill(steps=1).propose(reciter, sets.edit)

    assert not change.converged
    assert "no erased record names a subject" in change.why
