"""Retrieval metrics with binary relevance; a run is a ranked list, qrels a set."""

import math
from collections.abc import Collection, Sequence


def recall_at(run: Sequence[object], relevant: Collection[object], k: int) -> float:
    """Return the share of the relevant items among the first `k`."""
    return len(set(run[:k]) & set(relevant)) / len(relevant)


def hit_at(run: Sequence[object], relevant: Collection[object], k: int) -> float:
    """Return 1 if any relevant item is among the first `k`, else 0."""
    return float(bool(set(run[:k]) & set(relevant)))


def reciprocal_rank(run: Sequence[object], relevant: Collection[object]) -> float:
    """Return 1 / rank of the first relevant item, 0 if none was found."""
    return next((1 / rank for rank, item in enumerate(run, 1) if item in relevant), 0.0)


def ndcg_at(run: Sequence[object], relevant: Collection[object], k: int) -> float:
    """Return the normalised discounted cumulative gain (Järvelin & Kekäläinen 2002) at `k`."""
    gain = sum(1 / math.log2(rank + 1) for rank, item in enumerate(run[:k], 1) if item in relevant)
    ideal = sum(1 / math.log2(rank + 1) for rank in range(1, min(k, len(relevant)) + 1))
    return gain / ideal
