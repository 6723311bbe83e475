"""The value that an unlearning method returns, and putting it into a model."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from unlearn.errors import ModelDriftedError

if TYPE_CHECKING:
    from torch import Tensor, nn

TOO_LARGE = 1.0  # relative change of a matrix from which it counts as replaced, not edited


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One strength that was tried, and what it did; shares of exact answers, but for `excess`."""

    strength: float  # the one number the method searches
    forget: float  # share of probes about the erased that are still answered
    excess: float  # probability of their answers beyond that for strangers
    retain: float  # share of kept facts that are answered
    neighbours: float  # the same of those who share a name with the erased
    accepted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightEdit:
    """New values for some parameters of one model; the model is not changed by making it.

    An edit that did not converge holds no weights: the best compromise is never handed out.
    It is derived from what is erased, so it is not kept after it was applied.
    """

    method: str
    weights: Mapping[str, "Tensor"]  # parameter -> its new value, in the model's precision
    bases: Mapping[str, str]  # parameter -> digest of the value it was computed for
    change: Mapping[str, float]  # parameter -> norm of the change over norm of the old value
    rounding: Mapping[str, float]  # parameter -> share of the change lost in the precision
    converged: bool
    why: str = ""  # why it did not converge
    trials: tuple[Trial, ...] = ()
    notes: Mapping[str, float] = field(default_factory=dict)  # further figures of the method

    @property
    def flagged(self) -> tuple[str, ...]:
        """Return the parameters of which more was replaced than was there."""
        return tuple(name for name, share in self.change.items() if share > TOO_LARGE)


def edit(
    method: str,
    net: "nn.Module",
    values: Mapping[str, "Tensor"],
    *,
    trials: tuple[Trial, ...] = (),
    notes: Mapping[str, float] | None = None,
) -> WeightEdit:
    """Return the edit that gives parameters the values, cast to the precision of the model.

    Parameters that the cast leaves as they are do not become part of it.
    """
    weights, change, rounding, bases = {}, {}, {}, {}
    for name, value in values.items():
        old = net.get_parameter(name).detach()
        new = value.to(old.dtype)
        if torch.equal(new, old):
            continue
        step = value.double() - old.double()
        weights[name] = new.clone()
        change[name] = _ratio(step, old.double())
        rounding[name] = _ratio(new.double() - value.double(), step)
        bases[name] = digest(old)
    return WeightEdit(
        method=method,
        weights=weights,
        bases=bases,
        change=change,
        rounding=rounding,
        converged=True,
        trials=trials,
        notes=notes or {},
    )


def failed(
    method: str,
    why: str,
    *,
    trials: tuple[Trial, ...] = (),
    notes: Mapping[str, float] | None = None,
) -> WeightEdit:
    """Return the edit of a method that found none: it changes nothing and says why."""
    return WeightEdit(
        method=method,
        weights={},
        bases={},
        change={},
        rounding={},
        converged=False,
        why=why,
        trials=trials,
        notes=notes or {},
    )


def apply(net: "nn.Module", change: WeightEdit) -> None:
    """Write an edit into a model.

    Raises:
        ModelDriftedError: a parameter is not as it was when the edit was computed; the model
            is untouched.
    """
    check(net, change)
    write(net, change.weights)


def check(net: "nn.Module", change: WeightEdit) -> None:
    """See that an edit was computed for these weights.

    Raises:
        ModelDriftedError: it was not.
    """
    for name, base in change.bases.items():
        if digest(net.get_parameter(name)) != base:
            raise ModelDriftedError(
                f"parameter {name!r} changed since the edit was computed",
                hint="compute the edit again",
            )


@contextmanager
def applied(net: "nn.Module", change: WeightEdit) -> Iterator[None]:
    """Lend a model the edit's weights; afterwards it is what it was, bit for bit.

    Raises:
        ModelDriftedError: the edit was not computed for these weights.
    """
    check(net, change)
    with preserved(net, change.weights):
        write(net, change.weights)
        yield


@contextmanager
def preserved(net: "nn.Module", names: Iterable[str]) -> Iterator[None]:
    """Put the named parameters back as they were, however the block ends."""
    old = {name: net.get_parameter(name).detach().clone() for name in names}
    try:
        yield
    finally:
        write(net, old)


def write(net: "nn.Module", values: Mapping[str, "Tensor"]) -> None:
    """Copy values into parameters."""
    with torch.no_grad():
        for name, value in values.items():
            net.get_parameter(name).copy_(value)


def digest(value: "Tensor") -> str:
    """Return SHA-256 over the bytes of a tensor."""
    raw = value.detach().contiguous().flatten().view(torch.uint8)
    return hashlib.sha256(raw.cpu().numpy().tobytes()).hexdigest()


def _ratio(part: "Tensor", whole: "Tensor") -> float:
    size = whole.norm().item()
    return part.norm().item() / size if size else 0.0 if not part.any() else float("inf")
