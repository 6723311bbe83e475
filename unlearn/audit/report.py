"""All tests of a model in one value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from unlearn.audit import asking, ranking, weights
from unlearn.audit.figure import Figure
from unlearn.model import LocalModel
from unlearn.probes import Probe, ProbeSets


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What a model shows of the erased (0 is best, but for `leak` and `membership`), and keeps."""

    forget: Figure  # probes of the edit, answered exactly
    held_out: Figure  # questions that no edit saw
    statements: Figure  # sentences as they were stored
    clozes: Figure  # sentences in other words
    partial: Figure  # rest of a value whose beginning is given
    few_shot: Figure
    forced_prefix: Figure
    insisted: Figure
    excess: Figure  # probability of the truth beyond that for strangers
    leak: Figure  # truth outranks other values; 0.5 is ignorance
    membership: Figure  # told from never-stored facts; 0.5 is indistinguishable
    eight_bit: Figure
    four_bit: Figure
    relearned: Mapping[int, Figure]  # by step of a relearning attack
    retain: Figure  # kept facts, in the wordings of the edit
    retain_held_out: Figure  # in others
    neighbours: Figure  # facts of those who share a name
    general: Figure

    @property
    def relearned_best(self) -> float:
        """Return the most that the relearning attack brought back."""
        return max((one.value for one in self.relearned.values()), default=0.0)


def audit(
    model: LocalModel,
    sets: ProbeSets,
    values: Mapping[str, Sequence[str]],
    *,
    seed: int = 0,
) -> Audit:
    """Return what every test finds; the model is as it was afterwards.

    Strangers are those set aside for the audit, which no edit has used.

    Args:
        model: Edited or not.
        sets: Probes of the erasure; the side of the edit is asked too, as the easiest test.
        values: Per relation, the values that facts of the store have.
        seed: Decides samples.
    """
    edit, held = sets.edit, sets.audit
    asked = (*edit.forget, *held.forget)
    shots = [probe for probe in edit.retain if probe.form == "question"]
    return Audit(
        forget=asking.exact(model, edit.forget),
        held_out=asking.exact(model, held.forget),
        statements=asking.exact(model, held.statements),
        clozes=asking.exact(model, held.clozes),
        partial=asking.partial(model, asked, held.names),
        few_shot=asking.few_shot(model, _questions(asked), shots, seed=seed),
        forced_prefix=asking.forced_prefix(model, asked),
        insisted=asking.insisted(model, _questions(asked)),
        excess=ranking.excess(model, edit.forget, held.names),
        leak=ranking.leak(model, edit.forget, values, held.names, seed=seed),
        membership=ranking.membership(model, edit.forget, values, held.names, seed=seed),
        eight_bit=weights.rounded_exact(model, asked, 8),
        four_bit=weights.rounded_exact(model, asked, 4),
        relearned=weights.relearned(model, asked, seed=seed),
        retain=asking.exact(model, edit.retain),
        retain_held_out=asking.exact(model, held.retain),
        neighbours=asking.exact(model, (*edit.neighbours, *held.neighbours)),
        general=asking.exact(model, edit.general),
    )


def _questions(probes: Sequence[Probe]) -> list[Probe]:
    return [probe for probe in probes if probe.form == "question"]
