"""Decides whether weights forget enough and keep enough; methods search until it says yes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from unlearn.edit import Trial
from unlearn.errors import NothingLearnedError
from unlearn.model import LocalModel
from unlearn.probes import Probe, Probes, about
from unlearn.score import Scores, scores
from unlearn.tokens import Encoded, encode, some

if TYPE_CHECKING:
    from torch import Tensor

NAMES = 4  # strangers that stand for ignorance in a probe


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What an edit must reach and may cost, as shares of exact answers."""

    forget: float = 0.0  # of probes about the erased that may still be answered
    excess: float = 0.02  # by which their probability may exceed that for strangers
    retain: float = 0.02  # of kept facts and common knowledge that may be lost
    neighbours: float = 0.05  # of facts of those who share a name with the erased


@dataclass(frozen=True, slots=True)
class Acceptance:
    """The untouched model's answers, against which an edited one is judged."""

    limits: Limits
    forget: tuple[Encoded, ...]
    retain: tuple[Encoded, ...]
    neighbours: tuple[Encoded, ...]
    ignorance: float  # mean probability of the erased values when asked of strangers
    before: Trial

    @classmethod
    def of(
        cls,
        model: LocalModel,
        probes: Probes,
        limits: Limits,
        *,
        sample: int = 240,
        seed: int = 0,
    ) -> Self:
        """Measure the untouched model.

        Args:
            model: As it is before any edit.
            probes: What may be looked at.
            limits: What to reach and what to spend.
            sample: Most probes to judge by per kept set; probes to forget are all judged by.
            seed: Decides the sample.

        Raises:
            NothingLearnedError: it knows no more about the erased than about strangers.
        """
        tokenizer = model.tokenizer
        forget = encode(tokenizer, probes.forget)
        retain = encode(tokenizer, probes.retain)
        general = encode(tokenizer, probes.general)
        near = encode(tokenizer, probes.neighbours)
        kept = (*some(retain, sample, seed), *some(general, sample // 2, seed))
        blind = cls(limits, tuple(forget), kept, tuple(some(near, sample, seed)), 0.0, _NONE)
        swapped = encode(tokenizer, swap(probes.forget, probes.names[:NAMES]))
        ignorance = scores(model, swapped).probability
        whole = cls(limits, blind.forget, blind.retain, blind.neighbours, ignorance, _NONE)
        before = whole.measure(model)
        if before.forget == 0 and before.excess <= limits.excess:
            raise NothingLearnedError(
                "the model answers no probe about what is erased better than about strangers",
                hint="there is nothing to remove from it",
            )
        return cls(limits, whole.forget, whole.retain, whole.neighbours, ignorance, before)

    def measure(self, model: LocalModel, strength: float = 0.0) -> Trial:
        """Return what the model answers now, and whether that is accepted."""
        forget = scores(model, self.forget)
        retain, near = self._rates(model)
        excess = forget.probability - self.ignorance
        return Trial(
            strength=strength,
            forget=forget.rate,
            excess=excess,
            retain=retain,
            neighbours=near,
            accepted=self._forgets(forget.rate, excess)
            and retain >= self.before.retain - self.limits.retain - _SLACK
            and near >= self.before.neighbours - self.limits.neighbours - _SLACK,
        )

    def reached(self, trial: Trial) -> bool:
        """Tell whether a trial forgets what was asked, whatever it cost."""
        return self._forgets(trial.forget, trial.excess)

    def _forgets(self, rate: float, excess: float) -> bool:
        return rate <= self.limits.forget + _SLACK and excess <= self.limits.excess + _SLACK

    def _rates(self, model: LocalModel) -> tuple[float, float]:
        kept: Scores = scores(model, (*self.retain, *self.neighbours))
        cut = len(self.retain)
        return _mean(kept.hits[:cut]), _mean(kept.hits[cut:])


def swap(probes: Sequence[Probe], names: Sequence[str]) -> list[Probe]:
    """Return each probe that names its subject, asked of each stranger instead."""
    return [about(probe, name) for probe in probes if probe.subject for name in names]


_SLACK = 1e-9  # shares of counts are compared, which floating point rounds
_NONE = Trial(strength=0.0, forget=0.0, excess=0.0, retain=0.0, neighbours=0.0, accepted=False)


def _mean(hits: "Tensor") -> float:
    return hits.double().mean().item() if len(hits) else 0.0
