"""STAMP: closed-form redirection of the erased into what the model says about strangers.

Source: RePAIR (arXiv 2604.12820), equations as reconstructed in its relatives LUNAR, UCE and
MEMIT. It suppresses: the value is no longer said, and may be found by means other than asking.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import torch

from memory.errors import UsageError
from unlearn import solve
from unlearn.accept import NAMES, Acceptance, Limits
from unlearn.activations import Where, collect, moments
from unlearn.edit import Trial, WeightEdit, edit, failed, preserved, write
from unlearn.model import LocalModel
from unlearn.modules import weight as weight_of
from unlearn.probes import Probes, about
from unlearn.score import scores
from unlearn.tokens import Encoded, encode

if TYPE_CHECKING:
    from torch import Tensor

Target = Literal["refusal", "counterfactual"]
Solver = Literal["woodbury", "full", "truncated", "null_space"]

SCAN_STRENGTH = 30.0  # at which layers are tried one by one
GAIN = 0.1  # share of the best layer's effect from which a layer is edited


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """The method and its settings; the weight of what is kept is searched, largest first."""

    target: Target = "refusal"  # mean over strangers, or the same text about strangers
    solver: Solver = "woodbury"
    weights: tuple[float, ...] = (300.0, 100.0, 30.0, 10.0, 5.0)  # of kept keys
    ridge: float = 1e-3  # of the penalty, in units of the mean energy of kept keys
    free_below: float = 0.01  # null-space form: energy of an unused direction over the mean
    rank: int = 64  # truncated form: number of directions
    layers: tuple[int, ...] = ()  # to edit, in order; chosen by their effect if none are given
    limits: Limits = field(default_factory=Limits)
    seed: int = 0

    name = "stamp"

    def propose(self, model: LocalModel, probes: Probes) -> WeightEdit:
        """Return the weakest edit that the acceptance test passes, or one that changes nothing.

        The model is as it was afterwards. Retain statistics are taken over everything that is
        kept, in all its phrasings, over common knowledge, and over questions about strangers.

        Raises:
            NothingLearnedError: the model knows nothing of what is erased.
        """
        judge = Acceptance.of(model, probes, self.limits, seed=self.seed)
        work = _Work.of(self, model, probes)
        layers = self.layers or work.effective(judge)
        trials: list[Trial] = []
        for strength in self.weights:
            with preserved(model.net, work.names(layers)):
                values = work.redirect(layers, strength)
                trials.append(judge.measure(model, strength))
            if trials[-1].accepted:
                notes = {"layers": float(len(layers)), "strength": strength}
                return edit(self.name, model.net, values, trials=tuple(trials), notes=notes)
        best = "no weight of what is kept both forgets and keeps enough"
        return failed(self.name, best, trials=tuple(trials))


@dataclass(frozen=True, slots=True)
class _Work:
    """What does not depend on the strength of an edit: computed once per erasure."""

    settings: Stamp
    model: LocalModel
    forget: Sequence[Encoded]
    goals: "Mapping[int, Tensor]"  # per layer, where forget tokens should land, (n or 1, d_out)
    moments: "Mapping[int, Tensor]"  # per layer, mean of h hᵀ over kept keys
    factors: "dict[int, Tensor]"  # per layer, Cholesky factor of the penalty at weight 1

    @classmethod
    def of(cls, settings: Stamp, model: LocalModel, probes: Probes) -> "_Work":
        tokenizer = model.tokenizer
        layers = settings.layers or tuple(range(model.modules.layers))
        forget = encode(tokenizer, probes.forget)
        if settings.target == "refusal":
            found = collect(model, encode(tokenizer, probes.strangers), layers, "last")
            goals = {i: one.values.mean(0, keepdim=True) for i, one in found.items()}
        else:
            goals = _counterfactual(model, probes, forget, layers)
        kept = encode(tokenizer, [*probes.retain, *probes.general, *probes.strangers])
        return cls(settings, model, forget, goals, moments(model, kept, layers), {})

    @property
    def where(self) -> Where:
        """Return the tokens that are redirected."""
        return "last" if self.settings.target == "refusal" else "span"

    def names(self, layers: Sequence[int]) -> list[str]:
        """Return the parameters that an edit of the layers writes."""
        return [f"{self.model.modules.down[layer]}.weight" for layer in layers]

    def effective(self, judge: Acceptance) -> tuple[int, ...]:
        """Return the layers whose edit alone lowers the probability of what is erased.

        They are measured: the layer that is right for one model does nothing in another.
        """
        before = scores(self.model, judge.forget).probability
        gains: dict[int, float] = {}
        for layer in range(self.model.modules.layers):
            with preserved(self.model.net, self.names([layer])):
                self.redirect([layer], SCAN_STRENGTH)
                gains[layer] = before - scores(self.model, judge.forget).probability
        best = max(gains.values())
        return tuple(layer for layer, gain in gains.items() if best <= 0 or gain >= GAIN * best)

    def redirect(self, layers: Sequence[int], strength: float) -> "dict[str, Tensor]":
        """Edit the layers of the model one after another; return their new weights in float64."""
        values: dict[str, Tensor] = {}
        for done, layer in enumerate(layers):
            # Keys are read again: the layers below have just changed them.
            now = collect(self.model, self.forget, [layer], self.where)[layer]
            if self.settings.target == "refusal":
                gaps = self.goals[layer] - now.values
            else:
                # Each layer takes its part of what is still missing (MEMIT, equation 20).
                gaps = (self.goals[layer] - now.states) / (len(layers) - done)
            change = self._change(layer, now.keys, gaps, strength)
            new = weight_of(self.model.net, self.model.modules, layer).double() + change
            name = self.names([layer])[0]
            values[name] = new.T if self.model.modules.transposed else new
            write(self.model.net, {name: values[name]})
        return values

    def _change(self, layer: int, keys: "Tensor", gaps: "Tensor", strength: float) -> "Tensor":
        """Return the change of one layer by the chosen form.

        The ridge grows with the weight, so one factor of the penalty serves every strength.
        """
        given, moment = self.settings, self.moments[layer]
        ridge = strength * given.ridge
        if given.solver == "null_space":
            return solve.null_space_update(keys, gaps, moment, below=given.free_below, ridge=ridge)
        if given.solver == "truncated":
            return solve.truncated_update(
                keys, gaps, moment, weight=strength, ridge=given.ridge, rank=given.rank
            )
        if given.solver == "full" or len(keys) >= keys.shape[1]:
            return solve.protected_update(keys, gaps, moment, weight=strength, ridge=ridge)
        if layer not in self.factors:
            cost = solve.penalty(moment, weight=1.0, ridge=given.ridge)
            self.factors[layer] = torch.linalg.cholesky(cost)
        return solve.woodbury_update(keys, gaps, strength**0.5 * self.factors[layer])


def _counterfactual(
    model: LocalModel, probes: Probes, forget: Sequence[Encoded], layers: Sequence[int]
) -> "dict[int, Tensor]":
    """Return per layer the mean state of the same tokens when the text is about strangers.

    Raises:
        UsageError: no stranger's name leaves the tokens behind it as they are.
    """
    behind = [len(one.ids) - one.subject for one in forget]
    sums: dict[int, Tensor] = {}
    used = 0
    for name in probes.names:
        swapped = encode(model.tokenizer, [about(probe, name) for probe in probes.forget])
        if [len(one.ids) - one.subject for one in swapped] != behind:
            continue
        for layer, one in collect(model, swapped, layers, "span").items():
            sums[layer] = sums[layer] + one.states if used else one.states
        used += 1
        if used == NAMES:
            break
    if not used:
        raise UsageError("no stranger's name can stand for the subject in this tokenizer")
    return {layer: total / used for layer, total in sums.items()}
