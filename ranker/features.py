"""Features of the candidates of one recall: one named column each, all in [-1, 1]."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranker.fuse import min_max

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

NAMES = (
    "lexical",  # bm25 over five columns: text, header, previous, next, two away
    "dense",  # cosine of the memory's own vector
    "context",  # cosine of the neighbour-averaged vector
    "subject",  # +1 said by the one person the query names, -1 by another
    "question",  # 1 if the memory asks rather than states
    "month",  # the query names the memory's month (1) or the month before it (.3)
    "day",  # and how near the day is
    "session_lexical",  # the two best bm25 scores of its session
    "session_dense",  # the two best cosines of its session
    "identifier",  # share of the query's exact identifiers that the memory contains
)
DENSE_FLOOR = 0.0  # unrelated MiniLM texts have a cosine about 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """Raw evidence about n candidates of one query; arrays aligned, `(n,)` each."""

    lexical: Floats  # bm25, higher is better, 0 when no term matched
    dense: Floats  # cosine, 0 without a vector
    context: Floats  # cosine, 0 without a vector
    subject: Floats  # -1, 0 or 1
    question: NDArray[np.bool_]
    month: Ints  # 1..12, event time
    day: Ints  # 1..31
    year: Ints
    session: Ints  # same number: same session; memories without one are told apart
    identifier: Floats  # 0..1


def matrix(
    found: Candidates,
    *,
    months: frozenset[int] = frozenset(),
    days: frozenset[int] = frozenset(),
    years: frozenset[int] = frozenset(),
) -> Floats:
    """Return the feature matrix, `(n, len(NAMES))`, columns in the order of `NAMES`."""
    month, day = calendar(found, months, days, years)
    columns = (
        min_max(found.lexical, 0.0),
        min_max(found.dense, DENSE_FLOOR),
        min_max(found.context, DENSE_FLOOR),
        found.subject,
        found.question.astype(np.float32),
        month,
        day,
        min_max(support(found.lexical, found.session), 0.0),
        min_max(support(found.dense, found.session), DENSE_FLOOR),
        found.identifier,
    )
    return np.stack(columns, axis=1).astype(np.float32)


def calendar(
    found: Candidates, months: frozenset[int], days: frozenset[int], years: frozenset[int]
) -> tuple[Floats, Floats]:
    """Return the month and day features, `(n,)` each; zero when the query names no month.

    People report an event in the month after it, too: that counts .3. The mean is taken off so
    that a date lifts some candidates above the others instead of lifting all.
    """
    zero = np.zeros(len(found.month), np.float32)
    if not months:
        return zero, zero
    within = np.isin(found.month, list(months))
    if years:
        within &= np.isin(found.year, list(years))
    after = np.isin(found.month, [number % 12 + 1 for number in months])
    month = np.maximum(within.astype(np.float32), 0.3 * after)
    day = zero
    if days:
        gap = np.abs(found.day[:, None] - np.array(sorted(days))[None, :]).min(axis=1)
        day = np.asarray(np.exp(-gap / 4.0) * within, np.float32)
    return np.asarray(month - month.mean(), np.float32), day


def support(scores: Floats, session: Ints) -> Floats:
    """Return for each candidate the mean of the two best scores in its session, `(n,)`."""
    order = np.lexsort((-scores, session))
    grouped, ranked = session[order], scores[order]
    first = np.r_[True, grouped[1:] != grouped[:-1]] if len(grouped) else np.zeros(0, np.bool_)
    start = np.flatnonzero(first)
    best = ranked[start]
    second = np.minimum(start + 1, max(len(grouped) - 1, 0))
    runner_up = np.where(
        (second > start) & (grouped[second] == grouped[start]), ranked[second], best
    )
    group = np.cumsum(first) - 1
    out = np.empty(len(scores), np.float32)
    out[order] = (0.5 * (best + runner_up))[group]
    return out
