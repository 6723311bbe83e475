"""Closed forms for the change of one linear map: what keys should give, and what must stay.

Rows are samples. `W` maps a key `h` to `W @ h`; a change `D` adds `D @ h`. All are solved in the
precision given, which should be float64: normal equations square the condition of the keys.
"""

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


def minimal_update(keys: "Tensor", gaps: "Tensor", *, ridge: float = 0.0) -> "Tensor":
    """Return the smallest change that closes the gap of each key, with no thought of others.

    Only the span of the keys is touched: any `x` orthogonal to all keys satisfies ``D @ x == 0``.

    Args:
        keys: One row per forget token, `(n, d_in)`, linearly independent if `ridge` is 0.
        gaps: What should be added to the output for each, `(n, d_out)`.
        ridge: Added to the Gram diagonal, in units of its mean; 0 solves exactly.

    Returns:
        The change `D`, `(d_out, d_in)`, rank at most n.
    """
    gram = keys @ keys.T  # (n, n)
    gram = gram + ridge * gram.diagonal().mean() * _eye(len(keys), keys)
    return torch.linalg.solve(gram, gaps).T @ keys


def protected_update(
    keys: "Tensor", gaps: "Tensor", moment: "Tensor", *, weight: float, ridge: float
) -> "Tensor":
    """Return the change that weighs closing gaps against moving what is kept.

    It minimises ``mean |D h - gap|² + weight · mean |D r|² + ridge · t · |D|²`` over forget keys
    h and retain keys r, where t is the mean of the retain energy: the system of UCE (arXiv
    2308.14761) and MEMIT (2210.07229) with the identity added. As `weight` grows it goes to 0.

    Args:
        keys: Forget keys, `(n, d_in)`.
        gaps: What should be added to the output for each, `(n, d_out)`.
        moment: Mean of ``r rᵀ`` over retain keys, `(d_in, d_in)`.
        weight: How much a kept output counts.
        ridge: Keeps directions that neither side knows still, in units of t.

    Returns:
        The change `D`, `(d_out, d_in)`.
    """
    n = len(keys)
    system = keys.T @ keys / n + penalty(moment, weight=weight, ridge=ridge)
    return torch.linalg.solve(system, keys.T @ gaps / n).T


def penalty(moment: "Tensor", *, weight: float, ridge: float) -> "Tensor":
    """Return what a change costs besides its gaps, as a positive definite `(d_in, d_in)`."""
    mean = moment.diagonal().mean()
    return weight * moment + ridge * mean * _eye(len(moment), moment)


def woodbury_update(keys: "Tensor", gaps: "Tensor", factor: "Tensor") -> "Tensor":
    """Return what `protected_update` returns, from a system of the size of the forget set.

    By the identity of Woodbury, ``Hᵀ (H P⁻¹ Hᵀ + n I)⁻¹`` takes the place of the inverse of
    ``HᵀH / n + P``: no approximation, and the factor of P serves every forget set.

    Args:
        keys: Forget keys, `(n, d_in)`, best with n below d_in.
        gaps: What should be added to the output for each, `(n, d_out)`.
        factor: Lower Cholesky factor of `penalty(…)`, `(d_in, d_in)`.

    Returns:
        The change `D`, `(d_out, d_in)`, rank at most n.
    """
    spread = torch.cholesky_solve(keys.T, factor)  # P⁻¹ Hᵀ, (d_in, n)
    system = keys @ spread + len(keys) * _eye(len(keys), keys)
    return torch.linalg.solve(system, gaps).T @ spread.T


def truncated_update(
    keys: "Tensor", gaps: "Tensor", moment: "Tensor", *, weight: float, ridge: float, rank: int
) -> "Tensor":
    """Return the change in the leading singular directions of all keys (STAMP-LR, for comparison).

    Those directions belong to the kept keys, of which there are more, so a small rank leaves the
    erased as it was. They are the leading eigenvectors of ``HᵀH / n + weight · moment``, which are
    the right singular vectors of both sets of keys on top of each other.

    Args:
        keys: Forget keys, `(n, d_in)`.
        gaps: What should be added to the output for each, `(n, d_out)`.
        moment: Mean of ``r rᵀ`` over retain keys, `(d_in, d_in)`.
        weight: How much a kept output counts.
        ridge: In units of the largest eigenvalue.
        rank: Number of directions.

    Returns:
        The change `D`, `(d_out, d_in)`, rank at most `rank`.
    """
    energy, directions = torch.linalg.eigh(keys.T @ keys / len(keys) + weight * moment)
    energy, directions = energy[-rank:], directions[:, -rank:]  # ascending, so the last lead
    wanted = directions.T @ (keys.T @ gaps) / len(keys)  # (rank, d_out)
    return (directions @ (wanted / (energy + ridge * energy[-1]).unsqueeze(1))).T


def null_space_update(
    keys: "Tensor", gaps: "Tensor", moment: "Tensor", *, below: float, ridge: float
) -> "Tensor":
    """Return the change inside the directions that kept keys hardly use (AlphaEdit, 2410.02355).

    Args:
        keys: Forget keys, `(n, d_in)`.
        gaps: What should be added to the output for each, `(n, d_out)`.
        moment: Mean of ``r rᵀ`` over retain keys, `(d_in, d_in)`.
        below: Directions count as unused if their energy is below this share of the mean.
        ridge: In units of the mean retain energy.

    Returns:
        The change `D`, `(d_out, d_in)`; ``D @ r`` is 0 for every `r` outside those directions.
    """
    energy, directions = torch.linalg.eigh(moment)
    free = directions[:, energy < below * energy.mean()]  # (d_in, f)
    inside = keys @ free
    size = ridge * moment.diagonal().mean()
    system = inside.T @ inside / len(keys) + size * _eye(free.shape[1], keys)
    return (free @ torch.linalg.solve(system, inside.T @ gaps / len(keys))).T


def _eye(size: int, like: "Tensor") -> "Tensor":
    return torch.eye(size, dtype=like.dtype, device=like.device)
