"""SSD: weights that matter more to the erased than to the kept are scaled towards zero.

Source: Foster, Schoepf, Brintrup, "Fast Machine Unlearning Without Retraining Through Selective
Synaptic Dampening" (arXiv 2308.07707). Three things differ, each measured: gradients are squared
per record, the ratio is taken against what is kept only, and its threshold is searched. Taken
against all data, a threshold of one over the forget share or more selects nothing at all.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import torch

from unlearn.accept import NAMES, Acceptance, Limits, swap
from unlearn.edit import Trial, WeightEdit, edit, failed, preserved, write
from unlearn.errors import AlreadyForgottenError, NothingLearnedError
from unlearn.importance import Importance, Kind, importance
from unlearn.model import LocalModel
from unlearn.probes import Probes
from unlearn.score import scores
from unlearn.tokens import Encoded, encode, some

if TYPE_CHECKING:
    from torch import Tensor

HALVINGS = 4  # of the interval in which a threshold is looked for
SAMPLED = 4_000_000  # ratios that quantiles are taken over, at most


@dataclass(frozen=True, slots=True, kw_only=True)
class Ssd:
    """The method and its settings; the share of weights it touches is searched, least first."""

    shares: tuple[float, ...] = (0.001, 0.002, 0.005, 0.01, 0.02, 0.04, 0.08)
    strength: float = 1.0  # lambda: scales what is left of a selected weight
    alphas: tuple[float, ...] = ()  # thresholds to use in place of those from `shares`
    adaptive: bool = False  # one threshold from the size of the forget set (ASSD, 2402.10098)
    kind: Kind = "sample"
    against: Literal["retain", "all"] = "retain"
    guard: bool = True  # a weight counts for what it is worth to those who share a name
    sample: int = 400  # kept records that importance is measured over, at most
    limits: Limits = field(default_factory=Limits)
    seed: int = 0

    name = "ssd"

    def propose(self, model: LocalModel, probes: Probes) -> WeightEdit:
        """Return the edit that touches least and passes the acceptance test, or an empty one.

        The model is as it was afterwards. In models whose knowledge of a name sits in the rows
        of an embedding, who shares the name pays as well; the test counts them apart.

        Raises:
            AlreadyForgottenError: no probe about the erased is answered any more. Damping such
                records again destroys a model, because their loss dominates every weight.
        """
        done = AlreadyForgottenError(
            "the model answers no probe about what is erased; damping would destroy it",
            hint="audit it instead",
        )
        try:
            judge = Acceptance.of(model, probes, self.limits, seed=self.seed)
        except NothingLearnedError as exc:
            raise done from exc
        # An edit lowers what the model says of strangers, too: what is left above that is no
        # knowledge that damping could find.
        if judge.before.forget == 0:
            raise done
        forget = still_known(model, probes)
        kept = encode(model.tokenizer, [*probes.retain, *probes.general])
        gone = importance(model, forget, self.kind)
        stay = importance(model, some(kept, self.sample, self.seed), self.kind)
        if self.against == "all":
            stay = stay.plus(gone)
        near = encode(model.tokenizer, probes.neighbours)
        if self.guard and near:
            stay = stay.or_more(importance(model, some(near, self.sample, self.seed), self.kind))
        work = _Work(model, judge, gone, stay, self.strength)
        alpha = self._search(work, len(forget) / (len(forget) + len(kept)))
        trials = tuple(work.trials)
        if alpha is None:
            return failed(self.name, "no threshold both forgets and keeps enough", trials=trials)
        values = dampened(model, gone, stay, alpha=alpha, lam=self.strength)
        notes = {"alpha": alpha, "touched": _touched(model, values)}
        return edit(self.name, model.net, values, trials=trials, notes=notes)

    def _search(self, work: "_Work", forget_share: float) -> float | None:
        """Return the threshold that touches the fewest weights and is accepted, if one is."""
        if self.alphas:
            return next((alpha for alpha in self.alphas if work.trial(alpha).accepted), None)
        if self.adaptive:
            [alpha] = work.thresholds([math.log(1 + 100 * forget_share) / 100])
            return alpha if work.trial(alpha).accepted else None
        below = 0.0
        for share in self.shares:
            [alpha] = work.thresholds([share])
            found = work.trial(alpha)
            if found.accepted:
                return alpha
            if work.judge.reached(found):
                # It forgets but costs too much: the answer, if there is one, lies before it.
                return work.bisect(below, share) if below else None
            below = share
        return None


@dataclass(frozen=True, slots=True)
class _Work:
    """One search: what it measures with, and what it has tried."""

    model: LocalModel
    judge: Acceptance
    gone: Importance
    stay: Importance
    lam: float
    trials: list[Trial] = field(default_factory=list)

    def trial(self, alpha: float) -> Trial:
        """Return what a threshold does; the model is as it was afterwards."""
        values = dampened(self.model, self.gone, self.stay, alpha=alpha, lam=self.lam)
        with preserved(self.model.net, values):
            write(self.model.net, values)
            self.trials.append(self.judge.measure(self.model, alpha))
        return self.trials[-1]

    def bisect(self, below: float, above: float) -> float | None:
        """Return the threshold of the smallest accepted share between two, if one is found."""
        best = None
        for _ in range(HALVINGS):
            share = math.sqrt(below * above)
            [alpha] = self.thresholds([share])
            found = self.trial(alpha)
            if found.accepted:
                best = alpha
            if self.judge.reached(found):
                above = share
            else:
                below = share
        return best

    def thresholds(self, shares: Sequence[float]) -> list[float]:
        """Return the thresholds that select these shares of all weights."""
        return quantiles(self.gone, self.stay, shares)


def factors(gone: "Tensor", stay: "Tensor", *, alpha: float, lam: float) -> "Tensor":
    """Return what each weight is multiplied by: equation 4 of the paper.

    1 where ``gone <= alpha · stay``, else ``min(lam · stay / gone, 1)``: never above 1, and 0
    only where a weight matters to the erased alone.

    Args:
        gone: Importance to the erased, any shape.
        stay: Importance to the kept, the same shape.
        alpha: Ratio above which a weight is selected.
        lam: Scales what is left of it.
    """
    selected = gone > alpha * stay
    left = (lam * stay / gone.clamp_min(torch.finfo(gone.dtype).tiny)).clamp(max=1.0)
    return torch.where(selected, left, torch.ones_like(left))


def dampened(
    model: LocalModel, gone: Importance, stay: Importance, *, alpha: float, lam: float
) -> "dict[str, Tensor]":
    """Return the new values of all parameters in which a weight is selected."""
    values: dict[str, Tensor] = {}
    for name in gone.sums:
        scale = factors(gone.mean(name), stay.mean(name), alpha=alpha, lam=lam)
        if bool((scale < 1).any()):
            old = model.net.get_parameter(name).detach()
            values[name] = old.double() * scale.double()
    return values


def quantiles(gone: Importance, stay: Importance, shares: Sequence[float]) -> list[float]:
    """Return the thresholds that select the given shares of all weights.

    Absolute thresholds carry over to no other model, nor to another request.
    """
    ratios = torch.cat(
        [
            (gone.mean(name) / stay.mean(name).clamp_min(torch.finfo(torch.float32).tiny)).flatten()
            for name in gone.sums
        ]
    )
    ratios = ratios[:: max(1, len(ratios) // SAMPLED)].sort(descending=True).values
    places = [min(len(ratios) - 1, max(1, round(share * len(ratios)))) for share in shares]
    return [ratios[place].item() for place in places]


def still_known(model: LocalModel, probes: Probes) -> list[Encoded]:
    """Return the probes whose answers are more probable than they are about strangers."""
    coded = encode(model.tokenizer, probes.forget)
    own = scores(model, coded).log_p
    named = [i for i, probe in enumerate(probes.forget) if probe.subject]
    names = probes.names[:NAMES]
    others = scores(model, encode(model.tokenizer, swap(probes.forget, names))).log_p
    level = torch.full_like(own, -math.inf)
    if named and names:
        level[torch.tensor(named)] = others.view(len(named), len(names)).mean(1)
    return [one for one, known in zip(coded, own > level, strict=True) if known]


def _touched(model: LocalModel, values: "dict[str, Tensor]") -> float:
    changed = sum(
        int((value != model.net.get_parameter(name).double()).sum())
        for name, value in values.items()
    )
    total: int = sum(value.numel() for value in model.net.parameters())
    return changed / total
