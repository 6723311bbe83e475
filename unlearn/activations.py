"""What goes into and comes out of the edited projections, at the tokens an edit works on."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

from unlearn.model import LocalModel
from unlearn.modules import projection
from unlearn.tokens import Encoded, batches, padded

if TYPE_CHECKING:
    from torch import Tensor

Where = Literal["last", "span"]  # last token of the prompt; from the subject to the end


@dataclass(frozen=True, slots=True)
class Activations:
    """Rows follow probes and, inside a probe, tokens; all in float64."""

    keys: "Tensor"  # what goes into the projection, `(n, d_in)`
    values: "Tensor"  # what comes out of it, `(n, d_out)`
    states: "Tensor"  # what the whole layer hands on, `(n, d_out)`


def places(one: Encoded, where: Where) -> range:
    """Return the places of a probe's tokens that are redirected."""
    return range(one.last, one.last + 1) if where == "last" else range(one.subject, len(one.ids))


def collect(
    model: LocalModel, coded: Sequence[Encoded], layers: Sequence[int], where: Where
) -> dict[int, Activations]:
    """Return the activations of layers at the chosen tokens of each probe, in their order."""
    rows: dict[int, list[tuple[Tensor, ...]]] = {layer: [()] * len(coded) for layer in layers}
    with _watched(model, layers) as seen:
        for group in batches(coded):
            decode(model, padded([coded[i] for i in group]))
            for row, i in enumerate(group):
                at = places(coded[i], where)
                for layer in layers:
                    rows[layer][i] = tuple(
                        one[row, at.start : at.stop].double() for one in seen[layer]
                    )
    return {
        layer: Activations(*(torch.cat(part) for part in zip(*found, strict=True)))
        for layer, found in rows.items()
    }


def moments(
    model: LocalModel, coded: Sequence[Encoded], layers: Sequence[int]
) -> "dict[int, Tensor]":
    """Return per layer the mean of ``h hᵀ`` over all tokens of all probes, `(d_in, d_in)`.

    It is derived from what it was computed over: never written to disk, and stale after an
    erasure.
    """
    size = model.modules.inner
    sums = {layer: torch.zeros(size, size, dtype=torch.float64) for layer in layers}
    real = torch.empty(0)

    def adding(total: "Tensor") -> "Callable[[object, tuple[Tensor, ...]], None]":
        def add(_: object, given: "tuple[Tensor, ...]") -> None:
            keys = given[0][real].float()  # (tokens, d_in), padding left out
            total.add_(keys.T @ keys)

        return add

    hooks = [
        projection(model.net, model.modules, layer).register_forward_pre_hook(adding(total))
        for layer, total in sums.items()
    ]
    try:
        for group in batches(coded):
            part = [coded[i] for i in group]
            ids = padded(part)
            sizes = torch.tensor([len(one.ids) for one in part])
            real = torch.arange(ids.shape[1]) < sizes.unsqueeze(1)
            decode(model, ids)
    finally:
        for hook in hooks:
            hook.remove()
    tokens = sum(len(one.ids) for one in coded)
    return {layer: total / tokens for layer, total in sums.items()}


def decode(model: LocalModel, ids: "Tensor") -> None:
    """Run the layers of a model; the product with the output embedding is left out."""
    with torch.no_grad():
        model.net.base_model(input_ids=ids)


@contextmanager
def _watched(model: LocalModel, layers: Sequence[int]) -> "Iterator[dict[int, list[Tensor]]]":
    """Keep key, value and state of the layers, as of the latest pass."""
    seen = {layer: [torch.empty(0)] * 3 for layer in layers}
    hooks = []
    try:
        for layer, three in seen.items():
            down = projection(model.net, model.modules, layer)
            hooks.append(down.register_forward_hook(_inside(three)))
            block = model.net.get_submodule(model.modules.down[layer].rpartition(".mlp.")[0])
            hooks.append(block.register_forward_hook(_outside(three)))
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def _inside(three: "list[Tensor]") -> Callable[..., None]:
    def keep(_: object, given: "tuple[Tensor, ...]", made: "Tensor") -> None:
        three[0], three[1] = given[0], made

    return keep


def _outside(three: "list[Tensor]") -> Callable[..., None]:
    def keep(_: object, __: object, made: "Tensor | tuple[Tensor, ...]") -> None:
        three[2] = made[0] if isinstance(made, tuple) else made

    return keep
