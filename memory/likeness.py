"""Live vectors that are nearly those of erased memories, and why they may be."""

import json
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from memory import vectors
from memory.db import Connection
from memory.embedder import Embedder
from memory.needles import Needles
from memory.reembed import encode
from memory.sanitise import canonical

COSINE = 0.98  # from here on two vectors are taken for one text's
SHARED = 0.5  # of the words of two texts that say the same, by Dice


@dataclass(frozen=True, slots=True)
class Near:
    """Live vectors near to erased ones."""

    count: int = 0
    same: frozenset[bytes] = frozenset()  # those that are byte for byte the same
    alike: tuple[bytes, ...] = ()  # the others whose memories account for them
    strange: int = 0  # those that fit neither words nor text of their memory
    unsure: int = 0  # those whose words differ, where no model can tell whether they fit


def near(con: Connection, content: Needles, model: Callable[[], Embedder | None]) -> Near:
    """Look for live vectors near to the erased ones.

    One is accounted for if its memory says nearly the same words as an erased one, or else if it
    is what the model makes of its memory's text: texts of which the model reads the same part have
    the same vector.
    """
    found = vectors.near(con, content.vectors, COSINE)
    if not found:
        return Near()
    erased = [_words(text) for text in content.texts]
    rows = con.execute(
        "SELECT m.seq, a.name, m.text FROM memory AS m JOIN actor AS a ON a.id = m.actor_id"
        " WHERE m.seq IN (SELECT value FROM json_each(?))",
        (json.dumps(list(found)),),
    ).fetchall()
    other = [row for row in rows if not any(_alike(_words(row[2]), one) for one in erased)]
    strange, unsure = _strange(con, other, found, model)
    bad = strange | unsure
    bad |= set(found) - {seq for seq, _, _ in rows}
    return Near(
        count=len(found),
        same=frozenset(found[seq] for seq in set(found) - bad) & frozenset(content.vectors),
        alike=tuple(found[seq] for seq in set(found) - bad if found[seq] not in content.vectors),
        strange=len(bad - unsure),
        unsure=len(unsure),
    )


def _strange(
    con: Connection,
    rows: list[tuple[int, str, str]],
    found: dict[int, bytes],
    model: Callable[[], Embedder | None],
) -> tuple[set[int], set[int]]:
    """Return those rows whose vector is not their text's, and those of which nobody can tell."""
    embedder = model() if rows else None
    if embedder is None or vectors.find_space(con, embedder.space) is None:
        return set(), {seq for seq, _, _ in rows}
    own = encode(embedder, rows)
    kept = np.stack(
        [np.frombuffer(found[seq], vectors.STORED).astype(np.float32) for seq, _, _ in rows]
    )
    if kept.shape != own.shape:
        return set(), {seq for seq, _, _ in rows}
    fits = (own * kept).sum(axis=1) >= COSINE
    return {row[0] for row, fit in zip(rows, fits, strict=True) if not fit}, set()


def _words(text: str) -> frozenset[str]:
    return frozenset(canonical(text).split())


def _alike(one: frozenset[str], other: frozenset[str]) -> bool:
    return 2 * len(one & other) >= SHARED * (len(one) + len(other)) > 0
