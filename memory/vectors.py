"""Owner of `space` and `vector`: one float16 vector per memory and vector space.

The stored blobs are the truth; `vector_index` is what is searched.
"""

import json
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from memory.db import Connection
from memory.errors import UsageError

STORED = np.dtype("<f2")  # 768 bytes for 384 dimensions; cosine error below 1e-3
ROUNDING = 4e-3  # what float16 and unit length in floats can change a cosine by, and then some
HEAD = 64  # coordinates that rule out most rows
READ = 4_096  # rows read at once


def intern_space(con: Connection, name: str, dim: int) -> int:
    """Return the id of a vector space, creating it when it is new.

    Raises:
        UsageError: The space has vectors of another length.
    """
    con.execute("INSERT INTO space (name, dim) VALUES (?, ?) ON CONFLICT DO NOTHING", (name, dim))
    return check_space(con, name, dim) or 0


def check_space(con: Connection, name: str, dim: int) -> int | None:
    """Return the id of a vector space, None when no memory has a vector in it.

    Raises:
        UsageError: The space has vectors of another length.
    """
    row = con.execute("SELECT id, dim FROM space WHERE name = ?", (name,)).fetchone()
    if row is None:
        return None
    if row[1] != dim:
        raise UsageError(
            f"model {name!r} gives vectors of length {dim}, the store has them of length {row[1]}",
            hint="use the model the store was made with, or name the changed one differently",
        )
    return int(row[0])


def find_space(con: Connection, name: str) -> int | None:
    """Return the id of a vector space, or None when no memory has a vector in it."""
    row = con.execute("SELECT id FROM space WHERE name = ?", (name,)).fetchone()
    return None if row is None else int(row[0])


def spaces(con: Connection) -> list[tuple[int, str, int]]:
    """Return (id, name, dimensions) of every vector space."""
    return con.execute("SELECT id, name, dim FROM space ORDER BY id").fetchall()


def put(con: Connection, space: int, seqs: Sequence[int], rows: NDArray[np.floating]) -> None:
    """Store one vector per memory, replacing an older one of the same space, `(n, dim)`."""
    gen = _next_gen(con, space)
    con.executemany(
        "INSERT INTO vector (seq, space_id, gen, own) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (seq, space_id) DO UPDATE SET gen = excluded.gen, own = excluded.own",
        [
            (seq, space, gen + i, blob.tobytes())
            for i, (seq, blob) in enumerate(zip(seqs, rows.astype(STORED), strict=True))
        ],
    )


def touch(con: Connection, seqs: Sequence[int]) -> None:
    """Give the memories' vectors a new generation: their neighbours or scope changed."""
    for (space,) in con.execute("SELECT id FROM space").fetchall():
        con.execute(
            "UPDATE vector SET gen = ?"
            " WHERE space_id = ? AND seq IN (SELECT value FROM json_each(?))",
            (_next_gen(con, space), space, json.dumps(list(seqs))),
        )


def newer(
    con: Connection, space: int, gen: int
) -> list[tuple[int, int, int, int | None, int | None, bytes]]:
    """Return (seq, gen, scope id, prev, next, blob) of vectors younger than `gen`, by seq."""
    return con.execute(
        "SELECT v.seq, v.gen, m.scope_id, m.prev_seq, m.next_seq, v.own FROM vector v"
        " JOIN memory m ON m.seq = v.seq WHERE v.space_id = ? AND v.gen > ? ORDER BY v.seq",
        (space, gen),
    ).fetchall()


def blobs(con: Connection, space: int, seqs: Sequence[int]) -> dict[int, bytes]:
    """Return the stored vectors of some memories."""
    return dict(
        con.execute(
            "SELECT seq, own FROM vector WHERE space_id = ?"
            " AND seq IN (SELECT value FROM json_each(?))",
            (space, json.dumps(list(seqs))),
        ).fetchall()
    )


def all_blobs(con: Connection, seqs: Sequence[int]) -> list[bytes]:
    """Return the stored vectors of some memories in every space."""
    rows = con.execute(
        "SELECT own FROM vector WHERE seq IN (SELECT value FROM json_each(?))",
        (json.dumps(list(seqs)),),
    )
    return [blob for (blob,) in rows]


def in_spaces(con: Connection, seqs: Sequence[int]) -> list[tuple[int, int, bytes]]:
    """Return (space id, seq, blob) of the stored vectors of some memories in every space."""
    return con.execute(
        "SELECT space_id, seq, own FROM vector WHERE seq IN (SELECT value FROM json_each(?))",
        (json.dumps(list(seqs)),),
    ).fetchall()


def near(con: Connection, wanted: Sequence[bytes], least: float) -> dict[int, bytes]:
    """Return the vectors whose cosine with one of these, unit rows too, is at least `least`.

    Unit rows that are so near are near in their first coordinates alone, and a few of those rule
    out nearly all rows: where the whole rows differ by a square of ``2 - 2 * least``, a part of
    them cannot differ by more.
    """
    found: dict[int, bytes] = {}
    apart = 2 - 2 * (least - ROUNDING)
    for space, dim in con.execute("SELECT id, dim FROM space").fetchall():
        chosen = [blob for blob in wanted if len(blob) == dim * STORED.itemsize]
        if not chosen:
            continue
        rows = _floats(chosen, dim)
        heads = rows[:, :HEAD]
        squares = (heads**2).sum(axis=1)
        cursor = con.execute("SELECT seq, own FROM vector WHERE space_id = ?", (space,))
        while batch := cursor.fetchmany(READ):
            flat = np.frombuffer(b"".join([blob for _, blob in batch]), STORED)
            other = flat.reshape(len(batch), dim)[:, :HEAD].astype(np.float32)
            far = (other**2).sum(axis=1)[:, None] + squares - 2 * (other @ heads.T)
            for at in np.flatnonzero((far <= apart).any(axis=1)).tolist():
                seq, blob = batch[at]
                if (rows @ _floats([blob], dim)[0]).max() >= least:
                    found[seq] = blob
    return found


def _floats(blobs: Sequence[bytes], dim: int) -> NDArray[np.float32]:
    """Return stored vectors as unit rows."""
    rows = np.frombuffer(b"".join(blobs), STORED).reshape(len(blobs), dim).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def missing(con: Connection, space: int | None, batch: int) -> Iterator[list[tuple[int, str, str]]]:
    """Yield batches of (seq, actor, text) of memories without a vector in `space`."""
    last = 0
    while True:
        rows = con.execute(
            "SELECT m.seq, a.name, m.text FROM memory m JOIN actor a ON a.id = m.actor_id"
            " WHERE m.seq > ? AND NOT EXISTS"
            " (SELECT 1 FROM vector v WHERE v.seq = m.seq AND v.space_id IS ?)"
            " ORDER BY m.seq LIMIT ?",
            (last, space, batch),
        ).fetchall()
        if not rows:
            return
        last = rows[-1][0]
        yield rows


def count_missing(con: Connection, space: int | None) -> int:
    """Return how many memories have no vector in `space`."""
    (count,) = con.execute(
        "SELECT count(*) FROM memory m WHERE NOT EXISTS"
        " (SELECT 1 FROM vector v WHERE v.seq = m.seq AND v.space_id IS ?)",
        (space,),
    ).fetchone()
    return int(count)


def counts(con: Connection) -> dict[str, int]:
    """Return the number of vectors per space name."""
    return dict(
        con.execute(
            "SELECT s.name, count(v.seq) FROM space s LEFT JOIN vector v ON v.space_id = s.id"
            " GROUP BY s.id ORDER BY s.name"
        ).fetchall()
    )


def erase(con: Connection, seqs: Sequence[int]) -> int:
    """Delete the memories' vectors in every space and return how many there were."""
    return con.execute(
        "DELETE FROM vector WHERE seq IN (SELECT value FROM json_each(?))",
        (json.dumps(list(seqs)),),
    ).rowcount


def erase_space(con: Connection, name: str) -> int:
    """Delete a whole vector space and return how many vectors it held."""
    space = find_space(con, name)
    if space is None:
        return 0
    gone = con.execute("DELETE FROM vector WHERE space_id = ?", (space,)).rowcount
    con.execute("DELETE FROM space WHERE id = ?", (space,))
    return gone


def _next_gen(con: Connection, space: int) -> int:
    (gen,) = con.execute("SELECT max(gen) FROM vector WHERE space_id = ?", (space,)).fetchone()
    return (gen or 0) + 1
