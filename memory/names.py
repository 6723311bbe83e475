"""Registry of tables that hold names of people and places, which live on only in live memories."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from memory.db import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """One table of names, or of pairs of them."""

    table: str
    names: str  # SQL: what it says of these memories, whose seqs come as one JSON list
    total: str  # SQL: how many rows it has
    unattested: str  # SQL: how many of them no live memory attests any more


NAMED = (
    Named(
        table="scope",
        names="SELECT path FROM scope WHERE id IN (SELECT scope_id FROM memory"
        " WHERE seq IN (SELECT value FROM json_each(?)))",
        total="SELECT count(*) FROM scope",
        unattested="SELECT count(*) FROM scope WHERE NOT EXISTS"
        " (SELECT 1 FROM memory WHERE memory.scope_id = scope.id)",
    ),
    Named(
        table="actor",
        names="SELECT a.name FROM json_each(?) AS j JOIN memory AS m ON m.seq = j.value"
        " LEFT JOIN provenance AS p ON p.seq = m.seq"
        " JOIN actor AS a ON a.id IN (m.actor_id, p.actor_id)",
        total="SELECT count(*) FROM actor",
        unattested="SELECT count(*) FROM actor WHERE NOT EXISTS"
        " (SELECT 1 FROM memory WHERE memory.actor_id = actor.id) AND NOT EXISTS"
        " (SELECT 1 FROM provenance WHERE provenance.actor_id = actor.id)",
    ),
    # A person declared is named until somebody forgets them; one kept for a request, until it ends.
    Named(
        table="subject",
        names="SELECT '' FROM json_each(?) WHERE 0",
        total="SELECT count(*) FROM subject",
        unattested="SELECT count(*) FROM subject WHERE NOT declared AND NOT EXISTS"
        " (SELECT 1 FROM request WHERE request.subject_id = subject.id)",
    ),
    Named(
        table="subject_alias",
        names="SELECT '' FROM json_each(?) WHERE 0",
        total="SELECT count(*) FROM subject_alias",
        unattested="SELECT count(*) FROM subject_alias WHERE NOT EXISTS"
        " (SELECT 1 FROM subject WHERE subject.id = subject_alias.subject_id)",
    ),
)


def of(con: Connection, seqs: Sequence[int]) -> tuple[str, ...]:
    """Return the distinct names that the memories attest."""
    listed = (json.dumps(list(seqs)),)
    found = (name for one in NAMED for (name,) in con.execute(one.names, listed))
    return tuple(dict.fromkeys(name for name in found if name))


def count(con: Connection) -> tuple[int, int]:
    """Return how many names there are, and how many of them no live memory attests."""
    total, left = (
        sum(int(con.execute(sql).fetchone()[0]) for sql in queries)
        for queries in ([one.total for one in NAMED], [one.unattested for one in NAMED])
    )
    return total, left
