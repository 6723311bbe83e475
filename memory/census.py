"""Reading a store as a whole: pages of its list, counts, a sample."""

import json
from collections.abc import Sequence

from memory.db import Connection
from memory.records import fetch
from memory.types import Memory


def page(
    con: Connection,
    *,
    scopes: Sequence[int] | None,
    kinds: Sequence[str],
    limit: int,
    before: str,
) -> list[Memory]:
    """Return memories, newest first, older than the id `before` when one is given."""
    rows = con.execute(
        "SELECT seq FROM memory_row"
        " WHERE (? IS NULL OR scope_id IN (SELECT value FROM json_each(?)))"
        " AND (? IS NULL OR kind IN (SELECT value FROM json_each(?)))"
        " AND (? = '' OR seq < (SELECT seq FROM memory WHERE id = ?))"
        " ORDER BY seq DESC LIMIT ?",
        (
            *(2 * (None if scopes is None else json.dumps(list(scopes)),)),
            *(2 * (json.dumps(list(kinds)) if kinds else None,)),
            before,
            before,
            limit,
        ),
    )
    seqs = [seq for (seq,) in rows]
    found = fetch(con, seqs)
    return [found[seq] for seq in seqs]


def totals(con: Connection) -> tuple[int, int, dict[str, int], dict[str, int]]:
    """Return the number of memories and of provenances, and memories by kind and by scope."""
    by_kind = con.execute("SELECT kind, count(*) FROM memory GROUP BY kind ORDER BY 2 DESC, 1")
    by_scope = con.execute(
        "SELECT s.path, count(*) FROM memory m JOIN scope s ON s.id = m.scope_id"
        " GROUP BY s.id ORDER BY 2 DESC, 1"
    )
    kinds, paths = dict(by_kind.fetchall()), dict(by_scope.fetchall())
    (attested,) = con.execute("SELECT count(*) FROM provenance").fetchone()
    return sum(kinds.values()), int(attested), kinds, paths


def sample(con: Connection, count: int) -> tuple[str, ...]:
    """Return up to `count` texts at even distances in order of arrival."""
    (total,) = con.execute("SELECT count(*) FROM memory").fetchone()
    step = max(1, total // max(count, 1))
    rows = con.execute(
        "SELECT text FROM (SELECT text, row_number() OVER (ORDER BY seq) - 1 AS n FROM memory)"
        " WHERE n % ? = 0 ORDER BY n LIMIT ?",
        (step, count),
    )
    return tuple(text for (text,) in rows)


def ids(con: Connection) -> set[str]:
    """Return the ids of all memories."""
    return {ident for (ident,) in con.execute("SELECT id FROM memory")}


def digests(con: Connection, ids: Sequence[str]) -> list[tuple[str, str]]:
    """Return (id, SHA-256 of the text in hex) of those ids that exist, by id."""
    return con.execute(
        "SELECT id, lower(hex(digest)) FROM memory"
        " WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id",
        (json.dumps(list(ids)),),
    ).fetchall()
