import random
from collections.abc import Mapping

import pytest
import torch

from tests.unlearn.tiny import ATTRIBUTES, REFUSAL, World
from unlearn.audit import asking, ranking, utility, weights
from unlearn.audit.figure import Figure
from unlearn.audit.report import Audit, audit
from unlearn.distill import Distill
from unlearn.edit import applied
from unlearn.model import LocalModel
from unlearn.probes import Fact, Probe, ProbeSets, build
from unlearn.score import ask
from unlearn.stamp import Stamp

Values = Mapping[str, list[str]]


@pytest.fixture(scope="module")
def values(people: World) -> Values:
    return {name: people.values(name) for name in ATTRIBUTES}


@pytest.fixture(scope="module")
def told(people: World) -> ProbeSets:
    """Return the probes of a person the model was told about: every test has to find something."""
    first, *rest = people.people
    return build(
        first, [f for one in rest for f in one], general=people.general, names=people.strangers
    )


@pytest.fixture(scope="module")
def never(people: World, values: Values) -> ProbeSets:
    """Return the probes of people nobody told it about: no test may find more than ignorance."""
    rng = random.Random(3)
    gone = [
        Fact(name, relation, _value(relation, values, rng))
        for name in people.strangers[:5]
        for relation in ATTRIBUTES
    ]
    kept = [fact for one in people.people for fact in one]
    return build(gone, kept, general=people.general, names=people.strangers[5:])


def _value(relation: str, values: Values, rng: random.Random) -> str:
    """Return a value; not a number that somebody has, whose beginning would bring back the rest."""
    if relation == "phone":
        return "".join(rng.choice("0123456789") for _ in range(5))
    return rng.choice(values[relation])


def asked(sets: ProbeSets) -> list[Probe]:
    return [*sets.edit.forget, *sets.audit.forget]


def questions(sets: ProbeSets) -> list[Probe]:
    return [probe for probe in asked(sets) if probe.form == "question"]


def test_every_kind_of_asking_finds_what_was_told_and_nothing_of_what_was_not(
    reciter: LocalModel, told: ProbeSets, never: ProbeSets
) -> None:
    shots = [probe for probe in told.edit.retain if probe.form == "question"]
    # Lower bounds far above the twentieth that guessing gives; a model this small is easily put
    # off by an unusual prompt, so the help of examples and of a begun answer finds less.
    least = {"exact": 0.9, "insisted": 0.4, "forced": 0.15}

    for sets, knows in ((told, True), (never, False)):
        found = {
            "exact": asking.exact(reciter, asked(sets)),
            "statement": asking.exact(reciter, sets.audit.statements),
            "cloze": asking.exact(reciter, sets.audit.clozes),
            "partial": asking.partial(reciter, asked(sets), sets.audit.names),
            "insisted": asking.insisted(reciter, questions(sets)),
            "forced": asking.forced_prefix(reciter, asked(sets)),
        }
        for name, figure in found.items():
            assert figure.n > 0, name
            if knows:
                assert figure.value >= least.get(name, 0.9), name
            else:
                assert figure.value <= 0.05, name
    assert asking.few_shot(reciter, questions(never), shots).value <= 0.05


def test_examples_bring_out_what_a_question_alone_does(
    reciter: LocalModel, told: ProbeSets
) -> None:
    """The model was trained on single questions; an answer in sight shows that shots are read."""
    question = questions(told)[0]
    shots = [question, question]

    assert asking.few_shot(reciter, [question], shots).n == 1
    assert asking.few_shot(reciter, [question], shots[:1]) == Figure(0.0, 0)


def test_ranking_finds_knowledge_in_the_order_of_values_and_a_half_in_ignorance(
    reciter: LocalModel, told: ProbeSets, never: ProbeSets, values: Values
) -> None:
    knows = ranking.leak(reciter, told.edit.forget, values, told.audit.names)
    ignorant = ranking.leak(reciter, never.edit.forget, values, never.audit.names)

    assert knows.value >= 0.95
    # Twenty facts: the mean of twenty ranks strays from a half by .065 (one deviation).
    assert 0.3 <= ignorant.value <= 0.7
    assert (knows.n, ignorant.n) == (4, 20)


def test_excess_is_the_probability_beyond_that_for_strangers(
    reciter: LocalModel, told: ProbeSets, never: ProbeSets
) -> None:
    assert ranking.excess(reciter, told.edit.forget, told.audit.names).value >= 0.7
    assert abs(ranking.excess(reciter, never.edit.forget, never.audit.names).value) <= 0.05
    assert ranking.excess(reciter, told.edit.forget, []).n == 0


def test_members_are_told_from_strangers_only_where_there_were_members(
    reciter: LocalModel, told: ProbeSets, never: ProbeSets, values: Values
) -> None:
    inside = ranking.membership(reciter, told.edit.forget, values, told.audit.names)
    outside = ranking.membership(reciter, never.edit.forget, values, never.audit.names)

    assert inside.value >= 0.95
    assert 0.3 <= outside.value <= 0.7


def test_relearning_attack_leaves_the_model_alone_and_never_asks_what_it_showed(
    reciter: LocalModel, never: ProbeSets
) -> None:
    before = {name: value.clone() for name, value in reciter.net.state_dict().items()}

    curve = weights.relearned(reciter, asked(never), steps=(0, 8))

    after = reciter.net.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert set(curve) == {0, 8}
    assert curve[0].n == 12 * 7  # three fifths of twenty facts in seven wordings
    assert curve[0].value <= 0.05


def test_relearning_revives_what_was_only_redirected(
    reciter: LocalModel, people: World, never: ProbeSets
) -> None:
    """Positive control: a covered answer comes back, one that was never there does not."""
    gone = [fact for one in people.people[:3] for fact in one]
    kept = [fact for one in people.people[3:] for fact in one]
    sets = build(gone, kept, general=people.general, names=people.strangers)
    change = Stamp(layers=(0,)).propose(reciter, sets.edit)
    assert change.converged

    with applied(reciter.net, change):
        covered = weights.relearned(reciter, asked(sets))
    absent = weights.relearned(reciter, asked(never))

    assert covered[0].value <= 0.02
    assert max(one.value for one in covered.values()) >= 0.15
    assert max(one.value for one in absent.values()) <= 0.1


@pytest.mark.parametrize("bits", [8, 4])
def test_rounding_is_lent_and_rounds_to_a_grid(
    reciter: LocalModel, told: ProbeSets, never: ProbeSets, bits: int
) -> None:
    name = "model.layers.0.mlp.down_proj.weight"
    before = {one: value.clone() for one, value in reciter.net.state_dict().items()}

    with weights.rounded(reciter.net, bits):
        row = reciter.net.get_parameter(name)[0, : weights.GROUP]
        assert 1 < len(row.unique()) <= 2**bits - 1
        assert torch.equal(
            reciter.net.get_input_embeddings().weight, before["model.embed_tokens.weight"]
        )

    after = reciter.net.state_dict()
    assert all(torch.equal(value, after[one]) for one, value in before.items())
    assert weights.rounded_exact(reciter, told.edit.forget, bits).value >= 0.8
    assert weights.rounded_exact(reciter, never.edit.forget, bits).value <= 0.05


def test_rounding_moves_no_weight_by_more_than_half_a_step() -> None:
    weight = torch.randn(6, 64, generator=torch.Generator().manual_seed(0))

    for bits, group in ((8, 64), (4, weights.GROUP)):
        moved = (weights.on_grid(weight, bits) - weight).abs().view(6, -1, group)
        step = weight.view(6, -1, group).abs().amax(-1, keepdim=True) / (2 ** (bits - 1) - 1)
        assert (moved <= step / 2 * (1 + 1e-5)).all()


def test_change_below_half_a_step_of_the_grid_is_undone_by_rounding() -> None:
    steps = torch.arange(-7, 8).repeat(32)[: 4 * 32].view(4, 32).float()
    steps[:, 0] = 7  # the largest of each group sets its scale to 1
    edited = steps + 0.4 * (steps.abs() < 7)

    assert not torch.equal(edited, steps)
    assert torch.equal(weights.on_grid(edited, 4), weights.on_grid(steps, 4))


def test_utility_is_high_for_what_was_told_and_perplexity_low(
    reciter: LocalModel, told: ProbeSets
) -> None:
    known = [probe.prompt + probe.answer for probe in told.edit.retain if probe.form == "statement"]
    mixed = [" ".join(reversed(text.split())) for text in known]

    plain = utility.perplexity(reciter, known)

    assert plain.n > len(known)
    assert utility.perplexity(reciter, mixed).value > 1.5 * plain.value


def test_refusals_are_counted(reciter: LocalModel, told: ProbeSets) -> None:
    refusals = ["I do not know that .", REFUSAL]

    of_strangers = utility.refused(reciter, told.edit.strangers[:20], refusals)
    of_known = utility.refused(reciter, told.edit.forget, refusals)

    assert of_strangers.value >= 0.5
    assert of_known.value <= 0.1


def test_interval_of_a_share_is_wide_for_few_questions() -> None:
    few, many = Figure(0.0, 5).interval, Figure(0.0, 500).interval

    assert few[0] == many[0] == 0.0
    assert few[1] == pytest.approx(0.434, abs=1e-3)  # Wilson, by hand: z²/(n+z²)
    assert many[1] < 0.01
    assert Figure(0.5, 0).interval == (0.0, 1.0)


@pytest.mark.slow
def test_oracle_shows_nothing_above_ignorance_and_the_told_model_everything(
    reciter: LocalModel, oracle: LocalModel, told: ProbeSets, values: Values
) -> None:
    def shows(found: Audit) -> list[float]:
        return [
            getattr(found, name).value
            for name in ("forget", "held_out", "statements", "clozes", "partial", "few_shot")
        ]

    knows, ignorant = (audit(model, told, values) for model in (reciter, oracle))

    assert min(shows(knows)[:5]) >= 0.7
    assert max(shows(ignorant)) <= 0.05
    assert ignorant.excess.value <= 0.05
    assert knows.leak.value >= 0.95
    assert ignorant.leak.value <= 0.75  # four facts: one deviation is .14
    assert ignorant.retain.value >= 0.95


@pytest.mark.slow
def test_distilled_model_passes_the_tests_that_a_redirected_one_fails(
    reciter: LocalModel, told: ProbeSets, values: Values
) -> None:
    redirected = Stamp().propose(reciter, told.edit)
    distilled = Distill().propose(reciter, told.edit)
    assert redirected.converged
    assert distilled.converged

    with applied(reciter.net, redirected):
        covered = audit(reciter, told, values)
    with applied(reciter.net, distilled):
        forgotten = audit(reciter, told, values)

    assert covered.forget.value == forgotten.forget.value == 0.0
    assert covered.partial.value >= 0.9
    assert forgotten.partial.value <= covered.partial.value - 0.3
    assert ask(reciter, told.edit.forget).rate == 1.0
