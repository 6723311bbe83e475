"""Correct: change a memory in place; the old wording is erased like anything else."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from memory import lineage, records, setting, vectors
from memory.db import Connection
from memory.embedder import Embedder
from memory.errors import UsageError
from memory.remember import Prepared, trace
from memory.types import Draft, Memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a correction may alter; None leaves a field as it is."""

    text: str | None = None
    kind: str | None = None
    scope: str | None = None
    title: str | None = None
    actor: str | None = None
    at: datetime | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None


FIELDS = ("text", "kind", "scope", "title", "actor", "at", "valid_from", "valid_to")


def changed(before: Memory, change: Change) -> Draft:
    """Return the memory as a draft with the given fields replaced."""
    kept = {name: getattr(before, name) for name in FIELDS}
    given = {name: value for name in FIELDS if (value := getattr(change, name)) is not None}
    return Draft(**{**kept, **given}, uri=before.provenances[0].uri if before.provenances else "")


def correct(
    con: Connection,
    seq: int,
    after: Prepared,
    *,
    embedder: Embedder | None,
    encoded: NDArray[np.float32] | None,
) -> Memory:
    """Replace a memory's fields inside the caller's transaction and return it as it is now.

    Id, provenances and place in the session stay; a new scope moves it out of its session. The
    caller seals the file afterwards, so that the old wording is gone from it.

    Raises:
        UsageError: Another memory already says exactly this.
    """
    same = records.find(con, records.identity(after.draft, after.scope))
    if same is not None and same[0] != seq:
        raise UsageError(
            f"memory {same[1]!r} already says this", hint="forget one of the two", ids=(same[1],)
        )
    moved = records.fetch(con, [seq])[seq].scope != str(after.scope)
    around = sorted(records.near(con, [seq])[seq])
    records.unindex(con, [seq, *around])
    if moved:
        records.unlink(con, [seq])
    records.replace(con, seq, after.draft, after.scope)
    records.index(con, [seq, *around])
    setting.next_epoch(con)  # sidecars hold the old wording's vector
    vectors.erase(con, [seq])
    if embedder is not None and encoded is not None:
        space = vectors.intern_space(con, embedder.space, embedder.dim)
        vectors.put(con, space, [seq], encoded)
    vectors.touch(con, around)
    _retrace(con, [seq, *around])
    return records.fetch(con, [seq])[seq]


def _retrace(con: Connection, seqs: Sequence[int]) -> None:
    lineage.erase_children(con, seqs)
    trace(con, seqs)
