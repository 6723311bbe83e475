"""Candidates of one recall: the union of the full-text and vector channels, with their evidence."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memory.db import Connection
from memory.directory import Names
from memory.lexical import Filter
from memory.text import is_question
from memory.vector_index import VectorIndex
from ranker.features import Candidates

DENSE_POOL = 100  # nearest rows by each of the two vectors
# An identifier ends where neither a word nor the punctuation of code goes on.
_BEFORE, _AFTER = r"(?<!\w)(?<!\w[-./:@#\\+])", r"(?!\w|[-./:@#\\+]+\w)"

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Candidates of one recall; `seq` is aligned with the arrays of `evidence`."""

    seq: NDArray[np.int64]
    evidence: Candidates


def dense(
    con: Connection, index: VectorIndex, query: NDArray[np.float32], allowed: Filter
) -> NDArray[np.int64]:
    """Return the memories nearest by either vector."""
    only = None
    if allowed.kinds or allowed.as_of:
        kinds = json.dumps(allowed.kinds) if allowed.kinds else None
        rows = con.execute(
            "SELECT seq FROM memory WHERE (? IS NULL OR kind IN (SELECT value FROM json_each(?)))"
            " AND (NOT ? OR coalesce(valid_from, at) <= ?) ORDER BY seq",
            (kinds, kinds, allowed.as_of, allowed.now),
        )
        only = np.array(rows.fetchall(), np.int64).ravel()
    return index.search(query, DENSE_POOL, scopes=allowed.scopes, only=only)


def gather(
    con: Connection,
    matched: dict[int, float],
    near: Sequence[int],
    allowed: Filter,
    *,
    names: Names,
    wanted: Sequence[str],
) -> Pool:
    """Return the union of both channels with the evidence that rows carry; cosines still zero.

    Memories not valid at `allowed.now` are dropped here.
    """
    seqs = sorted({*matched, *near})
    rows = con.execute(
        "SELECT seq, scope_id, actor_id, at, text FROM memory"
        " WHERE seq IN (SELECT value FROM json_each(?))"
        " AND (valid_from IS NULL OR valid_from <= ?) AND (valid_to IS NULL OR valid_to > ?)"
        " ORDER BY seq",
        (json.dumps(seqs), allowed.now, allowed.now),
    ).fetchall()
    month, day, year = _calendar([row[3] for row in rows])
    zero = np.zeros(len(rows), np.float32)
    evidence = Candidates(
        lexical=np.array([matched.get(row[0], 0.0) for row in rows], np.float32),
        dense=zero,
        context=zero,
        subject=np.array([names.subject(row[2]) for row in rows], np.float32),
        question=np.array([is_question(row[4]) for row in rows], np.bool_),
        month=month,
        day=day,
        year=year,
        # A memory outside any session is a session of its own.
        session=np.array(
            [row[1] if row[1] in names.sessions else -row[0] for row in rows], np.int64
        ),
        identifier=np.array([_share(row[4], wanted) for row in rows], np.float32),
    )
    return Pool(seq=np.array([row[0] for row in rows], np.int64), evidence=evidence)


def _calendar(times: list[int]) -> tuple[Ints, Ints, Ints]:
    at = np.array(times, "datetime64[ms]")
    months = at.astype("datetime64[M]")
    years = at.astype("datetime64[Y]")
    month = (months - years).astype(np.int64) + 1
    day = (at.astype("datetime64[D]") - months).astype(np.int64) + 1
    return month, day, years.astype(np.int64) + 1970


def _share(text: str, wanted: Sequence[str]) -> float:
    if not wanted:
        return 0.0
    low = text.casefold()
    return sum(_held(span, low) for span in wanted) / len(wanted)


def _held(span: str, low: str) -> float:
    # "core.pool" is asked for to the letter: a text about "core.pool.size" holds half of it.
    if span not in low:
        return 0.0
    return 1.0 if re.search(rf"{_BEFORE}{re.escape(span)}{_AFTER}", low) else 0.5
