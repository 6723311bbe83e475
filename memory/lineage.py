"""Owner of `lineage`: from which memories each derived row was made."""

import json
from collections.abc import Iterable, Sequence

from memory.db import Connection

TEXT_INDEX = "text_index"  # child: seq of the full-text row
VECTOR = "vector"  # child: seq of the vector row, in every space
CONTEXT = "context"  # child: seq of the neighbour-averaged vector in the sidecar


def put(con: Connection, rows: Iterable[tuple[str, int, int]]) -> None:
    """Record (child kind, child, parent); a child of its own memory is deleted with it.

    A child made from several memories is rewritten when one that is not its own goes.
    """
    con.executemany(
        "INSERT INTO lineage (child_kind, child, parent, op) VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        [
            (kind, child, parent, "delete" if child == parent else "rewrite")
            for kind, child, parent in rows
        ],
    )


def derived(con: Connection, seqs: Sequence[int]) -> list[tuple[str, int, str]]:
    """Return (child kind, child, op) of everything made from the memories."""
    return con.execute(
        "SELECT DISTINCT child_kind, child, op FROM lineage"
        " WHERE parent IN (SELECT value FROM json_each(?)) ORDER BY 1, 2",
        (json.dumps(list(seqs)),),
    ).fetchall()


def erase(con: Connection, seqs: Sequence[int]) -> int:
    """Delete the rows that name the memories as parent or as child."""
    parents = con.execute(
        "DELETE FROM lineage WHERE parent IN (SELECT value FROM json_each(?))",
        (json.dumps(list(seqs)),),
    ).rowcount
    return parents + erase_children(con, seqs)


def erase_children(con: Connection, children: Sequence[int]) -> int:
    """Delete the rows that say what the derived rows of these memories were made from."""
    return con.execute(
        "DELETE FROM lineage WHERE child IN (SELECT value FROM json_each(?))",
        (json.dumps(list(children)),),
    ).rowcount
