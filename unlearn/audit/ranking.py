"""Tests that need no answer: whether the truth is likelier than it would be for a stranger."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from unlearn.accept import swap
from unlearn.audit.figure import Figure
from unlearn.model import LocalModel
from unlearn.probes import Probe, about
from unlearn.score import ask

if TYPE_CHECKING:
    from torch import Tensor

OTHERS = 19  # values of the same kind that the truth is ranked among
FACTS = 40  # that are ranked, at most
NAMES = 4  # strangers that say what the model guesses anyway


def excess(model: LocalModel, probes: Sequence[Probe], names: Sequence[str]) -> Figure:
    """Return by how much the truth is more probable than for strangers, on average.

    0 is ignorance. An absolute probability would be judged wrongly: a model that knows nothing
    gives each of twenty cities a twentieth .
    """
    named = [probe for probe in probes if probe.subject]
    if not named or not names:
        return Figure(0.0, 0)
    own = ask(model, named).probability
    others = ask(model, swap(named, names[:NAMES])).probability
    return Figure(own - others, len(named))


def leak(
    model: LocalModel,
    probes: Sequence[Probe],
    values: Mapping[str, Sequence[str]],
    names: Sequence[str],
    *,
    seed: int = 0,
) -> Figure:
    """Return the probability that the truth outranks another value of its kind.

    Log probabilities are compared after those for strangers are subtracted, so that a frequent
    value is not taken for a remembered one; ties count a half. 0.5 is ignorance and 1 is
    knowledge, whatever the model says: a refusal does not hide an order
    (the exposure of Carlini et al., arXiv 1802.08232, with a reference).

    Args:
        model: The model.
        probes: About what was erased; one question is asked per fact, of at most forty facts.
        values: Per relation, the values a fact of it may have: the store's own.
        names: Strangers.
        seed: Decides which other values are compared.
    """
    rng = random.Random(seed)  # noqa: S311 - a sample, no secret
    asked: dict[object, Probe] = {}
    for probe in probes:
        if probe.fact and probe.subject:
            asked.setdefault(probe.fact, probe)
    shares = []
    for probe in rng.sample(list(asked.values()), min(FACTS, len(asked))):
        pool = [value for value in _of(values, probe) if value != probe.answer.strip()]
        if len(pool) < 2:
            continue
        others = rng.sample(pool, min(OTHERS, len(pool)))
        gain = _gain(model, probe, [probe.answer.strip(), *others], names[:NAMES])
        ranks = (gain[0] > gain[1:]).double() + 0.5 * (gain[0] == gain[1:]).double()
        shares.append(ranks.mean().item())
    return Figure(sum(shares) / len(shares) if shares else 0.5, len(shares))


def membership(
    model: LocalModel,
    probes: Sequence[Probe],
    values: Mapping[str, Sequence[str]],
    names: Sequence[str],
    *,
    seed: int = 0,
) -> Figure:
    """Return the AUC of telling erased facts from never-stored ones by their log probability.

    Non-members are strangers with values drawn from the same kinds; 0.5 is indistinguishable.
    Below 0.5 the erased is treated as less likely than a stranger, which gives it away as well
    (LOSS attack, Yeom et al., arXiv 1709.01604).
    """
    rng = random.Random(seed)  # noqa: S311 - a sample, no secret
    members = [probe for probe in probes if len(_of(values, probe)) > 1 and probe.subject]
    if not members or not names:
        return Figure(0.5, 0)
    others = [
        replace(about(probe, rng.choice(names)), answer=f" {rng.choice(_of(values, probe))}")
        for probe in members
    ]
    inside, outside = (_per_token(model, part) for part in (members, others))
    gap = inside.unsqueeze(1) - outside.unsqueeze(0)
    above = (gap > 0).double() + 0.5 * (gap == 0).double()
    return Figure(above.mean().item(), len(members))


def _of(values: Mapping[str, Sequence[str]], probe: Probe) -> Sequence[str]:
    return values.get(probe.fact.relation, ()) if probe.fact else ()


def _gain(
    model: LocalModel, probe: Probe, answers: Sequence[str], names: Sequence[str]
) -> "Tensor":
    """Return, per answer, its log probability minus the mean of that for strangers."""
    offered = [replace(probe, answer=f" {answer}") for answer in answers]
    everyone = [*offered, *(about(one, name) for name in names for one in offered)]
    table = ask(model, everyone).log_p.view(1 + len(names), len(answers))
    return table[0] - table[1:].mean(0) if names else table[0]


def _per_token(model: LocalModel, probes: Sequence[Probe]) -> "Tensor":
    found = ask(model, probes)
    return found.log_p / found.tokens.clamp_min(1)
