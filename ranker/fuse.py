"""Bringing scores of different channels to one scale."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def min_max(scores: Floats, floor: float | None = None) -> Floats:
    """Return scores scaled to 0 at `floor` (their minimum if None) and 1 at their maximum.

    Args:
        scores: Any scores, `(n,)`, higher is better.
        floor: The value of "no evidence"; scores below it become 0.
    """
    if not len(scores):
        return scores
    low = float(scores.min()) if floor is None else floor
    span = float(scores.max()) - low
    if span <= 1e-9:
        return np.zeros_like(scores)
    return np.asarray(np.maximum(scores - low, 0.0) / span, np.float32)


def reciprocal_rank(*scores: Floats, k: int = 60) -> Floats:
    """Return the reciprocal rank fusion ``sum 1 / (k + rank)`` (Cormack et al. 2009), `(n,)`."""
    total = np.zeros(len(scores[0]), np.float32)
    for channel in scores:
        order = np.argsort(-channel, kind="stable")
        rank = np.empty(len(channel), np.int64)
        rank[order] = np.arange(1, len(channel) + 1)
        total += 1.0 / (k + rank)
    return total
