"""Tests that touch the weights: what a little training or a coarser precision brings back."""

import copy
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from unlearn.audit.figure import Figure
from unlearn.edit import preserved, write
from unlearn.model import LocalModel
from unlearn.probes import Fact, Probe
from unlearn.score import ask
from unlearn.tokens import answers, encode, padded

if TYPE_CHECKING:
    from torch import Tensor, nn

GROUP = 32  # weights of a row that share a scale at 4 bits
SHOWN = 0.4  # share of the facts that a relearning attack trains on


def relearned(
    model: LocalModel,
    probes: Sequence[Probe],
    *,
    steps: Sequence[int] = (0, 4, 8, 16),
    rate: float = 5e-4,
    seed: int = 0,
) -> dict[int, Figure]:
    """Return what the model answers about some facts while it is trained on others.

    A copy is trained on two fifths of the erased facts; the others are asked. A model that never
    knew them learns nothing of them so; one in which they were only covered up recovers them
    (Hu et al., "Unlearning or Obfuscating?", arXiv 2406.13356). Compare with a model that was
    never told: some values are guessed.

    Args:
        model: The model; it is left alone.
        probes: About what was erased.
        steps: Of the optimiser, after which the other facts are asked.
        rate: Of learning.
        seed: Decides which facts are shown.
    """
    rng = random.Random(seed)  # noqa: S311 - a sample, no secret
    facts: list[Fact] = list(dict.fromkeys(one.fact for one in probes if one.fact))
    rng.shuffle(facts)
    shown = set(facts[: max(1, round(SHOWN * len(facts)))])
    hidden = [probe for probe in probes if probe.fact and probe.fact not in shown]
    lesson = encode(model.tokenizer, [probe for probe in probes if probe.fact in shown])
    pupil = LocalModel(copy.deepcopy(model.net), model.tokenizer, model.modules)
    params = list(pupil.net.parameters())
    optimiser = torch.optim.AdamW(params, lr=rate, weight_decay=0.0)
    found: dict[int, Figure] = {}
    for step in range(max(steps) + 1):
        if step in steps:
            found[step] = Figure(ask(pupil, hidden).rate, len(hidden))
        batch = rng.sample(lesson, min(16, len(lesson)))
        rows, places, wanted = answers(batch)
        logits = pupil.net(input_ids=padded(batch)).logits[rows, places]
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(logits.float(), wanted).backward()
        optimiser.step()
    return found


def rounded_exact(model: LocalModel, probes: Sequence[Probe], bits: int) -> Figure:
    """Return the share of probes answered exactly when the weights are rounded to 8 or 4 bits.

    A change smaller than half a step of the coarser grid is undone by rounding, and local models
    are used rounded (Zhang et al., arXiv 2410.16454).
    """
    with rounded(model.net, bits):
        return Figure(ask(model, probes).rate, len(probes))


@contextmanager
def rounded(net: "nn.Module", bits: int) -> Iterator[None]:
    """Lend a model weights on a grid of `bits`; embeddings and vectors stay as they are.

    8 bits have a scale per row, 4 bits one per 32 weights of a row: the usual local formats.
    """
    embedding = net.get_input_embeddings().weight
    names = [
        name
        for name, value in net.named_parameters()
        if value.dim() == 2 and value is not embedding
    ]
    with preserved(net, names):
        write(net, {name: on_grid(net.get_parameter(name).detach(), bits) for name in names})
        yield


def on_grid(weight: "Tensor", bits: int) -> "Tensor":
    """Return a matrix rounded to the nearest of `2**bits - 1` levels around zero per group."""
    rows, columns = weight.shape
    group = GROUP if bits < 8 and columns % GROUP == 0 else columns
    parts = weight.float().reshape(rows, -1, group)
    most = 2 ** (bits - 1) - 1
    scale = parts.abs().amax(-1, keepdim=True).clamp_min(1e-12) / most
    return ((parts / scale).round().clamp(-most, most) * scale).reshape(rows, columns)
