"""How much each parameter matters to some answers: the diagonal of the empirical Fisher."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

from unlearn.model import LocalModel
from unlearn.tokens import Encoded, answers, padded

if TYPE_CHECKING:
    from torch import Tensor

Kind = Literal["sample", "batch", "loss_free"]


@dataclass(frozen=True, slots=True)
class Importance:
    """Sums over records, so that sets of records can be added.

    It is derived from personal data: it lives as long as the erasure that needs it.
    """

    sums: "Mapping[str, Tensor]"  # per parameter, in float32
    count: int  # of records, or of batches in the batch form

    def mean(self, name: str) -> "Tensor":
        """Return the importance of one parameter."""
        return self.sums[name] / max(1, self.count)

    def or_more(self, other: "Importance") -> "Importance":
        """Return per weight the larger of the two means, as of one record."""
        sums = {name: torch.maximum(self.mean(name), other.mean(name)) for name in self.sums}
        return Importance(sums, 1)

    def plus(self, other: "Importance") -> "Importance":
        """Return the importance over both sets of records."""
        sums = {name: total + other.sums[name] for name, total in self.sums.items()}
        return Importance(sums, self.count + other.count)


def importance(
    model: LocalModel, coded: Sequence[Encoded], kind: Kind = "sample", *, batch: int = 64
) -> Importance:
    """Return the importance of all matrices, embeddings included; the model is left as it is.

    Vectors are left out: a norm or a bias is shared by everything the model knows.

    Args:
        model: The model.
        coded: Records; only the tokens of their answers count.
        kind: "sample" squares the gradient of each record, which is the Fisher diagonal.
            "batch" squares that of the mean over a batch, as the published SSD does; gradients
            of different records cancel in it. "loss_free" needs no right answers: it takes the
            size of the gradient of the squared logits (LFSSD, arXiv 2402.19308).
        batch: Records per batch in the batch form.
    """
    params = {name: value for name, value in model.net.named_parameters() if value.dim() == 2}
    sums = {name: torch.zeros_like(value, dtype=torch.float32) for name, value in params.items()}
    size = batch if kind == "batch" else 1
    groups = [coded[i : i + size] for i in range(0, len(coded), size)]
    for group in groups:
        found = torch.autograd.grad(
            _objective(model, group, kind), list(params.values()), allow_unused=True
        )
        for total, gradient in zip(sums.values(), found, strict=True):
            if gradient is not None:
                flat = gradient.float()
                total.add_(flat.abs() if kind == "loss_free" else flat.square())
    return Importance(sums, len(groups))


def _objective(model: LocalModel, group: Sequence[Encoded], kind: Kind) -> "Tensor":
    rows, places, wanted = answers(group)
    with torch.enable_grad():
        logits = model.net(input_ids=padded(group)).logits[rows, places]
        if kind == "loss_free":
            return logits.float().square().sum(-1).mean()
        return torch.nn.functional.cross_entropy(logits.float(), wanted)
