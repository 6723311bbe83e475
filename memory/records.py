"""Owner of `memory`, `scope`, `actor`, `provenance` and the full-text index over them."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace as evolve
from datetime import datetime

from memory.clock import millis, moment
from memory.db import Connection, Row
from memory.scope import Scope
from memory.types import Draft, Memory, Provenance


def identity(draft: Draft, scope: Scope) -> bytes:
    """Return what makes two drafts one memory.

    Text, kind and scope; a turn is also told apart by speaker and time, because two people may
    say the same word and a conversation needs both.
    """
    parts: list[object] = [str(scope), draft.kind, draft.text]
    if draft.kind == "turn":
        parts += [draft.actor, millis(draft.at) if draft.at else None, draft.uri]
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).digest()


def digest(text: str) -> bytes:
    """Return the SHA-256 of a text, kept beside it so that bit rot is noticed."""
    return hashlib.sha256(text.encode()).digest()


def find(con: Connection, same: bytes) -> tuple[int, str] | None:
    """Return (seq, id) of the memory with this identity."""
    row = con.execute("SELECT seq, id FROM memory WHERE identity = ?", (same,)).fetchone()
    return None if row is None else (row[0], row[1])


def find_key(con: Connection, root: str, key: str) -> tuple[int, str] | None:
    """Return (seq, id) of the memory that `root` wrote under this idempotency key."""
    row = con.execute(
        "SELECT m.seq, m.id FROM provenance p JOIN memory m ON m.seq = p.seq"
        " WHERE p.root = ? AND p.key = ?",
        (root, key),
    ).fetchone()
    return None if row is None else (row[0], row[1])


def put(
    con: Connection,
    draft: Draft,
    *,
    scope: Scope,
    ident: str,
    now: datetime,
    same: bytes = b"",
) -> int:
    """Insert one memory at the end of its session and return its seq; not yet indexed.

    `same` is its identity where it had one before.
    """
    scope_id = _intern_scope(con, str(scope))
    last = _last(con, scope_id) if scope.session else None
    seq = con.execute(
        "INSERT INTO memory (id, text, kind, title, scope_id, actor_id, at, recorded_at,"
        " valid_from, valid_to, identity, digest, prev_seq)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            ident,
            draft.text,
            draft.kind,
            draft.title,
            scope_id,
            _intern_actor(con, draft.actor),
            millis(draft.at or now),
            millis(now),
            None if draft.valid_from is None else millis(draft.valid_from),
            None if draft.valid_to is None else millis(draft.valid_to),
            same or identity(draft, scope),
            digest(draft.text),
            last,
        ),
    ).lastrowid
    assert seq is not None  # noqa: S101 - an INSERT always has a rowid; narrows the type
    if last is not None:
        con.execute("UPDATE memory SET next_seq = ? WHERE seq = ?", (seq, last))
    return seq


def splice(con: Connection, seq: int, after: int | None, before: int | None) -> None:
    """Move a memory that is out of the index to its place in a session: between two neighbours."""
    unlink(con, [seq])
    con.execute("UPDATE memory SET prev_seq = ?, next_seq = ? WHERE seq = ?", (after, before, seq))
    con.execute("UPDATE memory SET next_seq = ? WHERE seq = ?", (seq, after))
    con.execute("UPDATE memory SET prev_seq = ? WHERE seq = ?", (seq, before))


def tail(con: Connection, scope: Scope) -> list[int]:
    """Return the last two memories of a session: the ones whose context a new turn changes."""
    if not scope.session:
        return []
    row = con.execute("SELECT id FROM scope WHERE path = ?", (str(scope),)).fetchone()
    last = None if row is None else _last(con, row[0])
    if last is None:
        return []
    (before,) = con.execute("SELECT prev_seq FROM memory WHERE seq = ?", (last,)).fetchone()
    return [last] if before is None else [before, last]


def _last(con: Connection, scope_id: int) -> int | None:
    # max() walks the index; ORDER BY seq LIMIT 1 would walk the table backwards.
    row = con.execute(
        "SELECT max(seq) FROM memory WHERE scope_id = ? AND next_seq IS NULL", (scope_id,)
    ).fetchone()
    return None if row[0] is None else int(row[0])


def attest(con: Connection, seq: int, draft: Draft, now: datetime) -> None:
    """Add one provenance to a memory; the same one is not written twice."""
    actor = _intern_actor(con, draft.actor)
    at = millis(draft.at or now)
    known = con.execute(
        "SELECT 1 FROM provenance WHERE seq = ? AND root = ? AND source = ? AND +actor_id = ?"
        " AND +uri = ? AND (at = ? OR ? IS NULL) AND key IS ?",
        (seq, draft.root, draft.source, actor, draft.uri, at, draft.at and at, draft.key),
    ).fetchone()
    if known is None:
        con.execute(
            "INSERT INTO provenance (seq, root, source, actor_id, uri, at, recorded_at, key)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (seq, draft.root, draft.source, actor, draft.uri, at, millis(now), draft.key),
        )


def unindex(con: Connection, seqs: Iterable[int]) -> None:
    """Take memories out of the full-text index; must run before their text or place changes."""
    con.execute(
        "INSERT INTO memory_fts (memory_fts, rowid, own, header, prev, next, around)"
        " SELECT 'delete', seq, own, header, prev, next, around FROM memory_text"
        " WHERE seq IN (SELECT value FROM json_each(?))",
        (json.dumps(list(seqs)),),
    )


def index(con: Connection, seqs: Iterable[int]) -> None:
    """Put memories into the full-text index as they stand now."""
    con.execute(
        "INSERT INTO memory_fts (rowid, own, header, prev, next, around)"
        " SELECT seq, own, header, prev, next, around FROM memory_text"
        " WHERE seq IN (SELECT value FROM json_each(?)) ORDER BY seq",
        (json.dumps(list(seqs)),),
    )


def reindex(con: Connection) -> None:
    """Make the full-text index anew from all memories as they stand now."""
    con.execute("INSERT INTO memory_fts (memory_fts) VALUES ('rebuild')")


def near(con: Connection, seqs: Sequence[int], reach: int = 2) -> dict[int, set[int]]:
    """Return for each memory those within `reach` places of it in its session, itself left out."""
    around: dict[int, set[int]] = {seq: set() for seq in seqs}
    for column in ("prev_seq", "next_seq"):
        front = {seq: seq for seq in seqs}
        for _ in range(reach):
            links = dict(
                con.execute(_LINKS[column], (json.dumps(sorted(set(front.values()))),)).fetchall()
            )
            front = {seq: links[at] for seq, at in front.items() if at in links}
            for seq, other in front.items():
                around[seq].add(other)
    return around


_LINKS = {
    "prev_seq": "SELECT seq, prev_seq FROM memory"
    " WHERE seq IN (SELECT value FROM json_each(?)) AND prev_seq IS NOT NULL",
    "next_seq": "SELECT seq, next_seq FROM memory"
    " WHERE seq IN (SELECT value FROM json_each(?)) AND next_seq IS NOT NULL",
}


def unlink(con: Connection, seqs: Sequence[int]) -> None:
    """Close the gap that memories leave in their session; their neighbours become neighbours."""
    for seq in seqs:
        before, after = con.execute(
            "SELECT prev_seq, next_seq FROM memory WHERE seq = ?", (seq,)
        ).fetchone()
        con.execute("UPDATE memory SET next_seq = ? WHERE seq = ?", (after, before))
        con.execute("UPDATE memory SET prev_seq = ? WHERE seq = ?", (before, after))
        con.execute("UPDATE memory SET prev_seq = NULL, next_seq = NULL WHERE seq = ?", (seq,))


def erase(con: Connection, seqs: Sequence[int]) -> dict[str, int]:
    """Delete memories that are out of the index, with their provenances, and unused names."""
    listed = (json.dumps(list(seqs)),)
    unlink(con, seqs)
    return {
        "provenance": con.execute(
            "DELETE FROM provenance WHERE seq IN (SELECT value FROM json_each(?))", listed
        ).rowcount,
        "memory": con.execute(
            "DELETE FROM memory WHERE seq IN (SELECT value FROM json_each(?))", listed
        ).rowcount,
        **erase_unused_names(con),
    }


def erase_unused_names(con: Connection) -> dict[str, int]:
    """Delete scopes and actors that no memory and no provenance names any more."""
    return {
        "scope": con.execute(
            "DELETE FROM scope WHERE NOT EXISTS"
            " (SELECT 1 FROM memory WHERE memory.scope_id = scope.id)"
        ).rowcount,
        "actor": con.execute(
            "DELETE FROM actor WHERE NOT EXISTS"
            " (SELECT 1 FROM memory WHERE memory.actor_id = actor.id) AND NOT EXISTS"
            " (SELECT 1 FROM provenance WHERE provenance.actor_id = actor.id)"
        ).rowcount,
    }


def fetch(con: Connection, seqs: Sequence[int]) -> dict[int, Memory]:
    """Return the memories by seq, without provenances."""
    rows = con.execute(
        "SELECT * FROM memory_row WHERE seq IN (SELECT value FROM json_each(?))",
        (json.dumps(list(seqs)),),
    )
    return {row[0]: _memory(row) for row in rows}


def by_ids(con: Connection, ids: Sequence[str]) -> dict[str, int]:
    """Return id -> seq for those ids that exist."""
    return dict(
        con.execute(
            "SELECT id, seq FROM memory WHERE id IN (SELECT value FROM json_each(?))",
            (json.dumps(list(ids)),),
        ).fetchall()
    )


def attested(con: Connection, seqs: Sequence[int]) -> dict[int, Memory]:
    """Return the memories by seq, each with all its provenances, oldest first."""
    found: dict[int, list[Provenance]] = {}
    for seq, root, source, actor, uri, at, recorded in con.execute(
        "SELECT p.seq, p.root, p.source, a.name, p.uri, p.at, p.recorded_at FROM provenance p"
        " JOIN actor a ON a.id = p.actor_id"
        " WHERE p.seq IN (SELECT value FROM json_each(?)) ORDER BY p.id",
        (json.dumps(list(seqs)),),
    ):
        found.setdefault(seq, []).append(
            Provenance(
                root=root,
                source=source,
                actor=actor,
                uri=uri,
                at=moment(at),
                recorded_at=moment(recorded),
            )
        )
    return {
        seq: evolve(memory, provenances=tuple(found.get(seq, ())))
        for seq, memory in fetch(con, seqs).items()
    }


def scopes(con: Connection) -> list[tuple[int, Scope]]:
    """Return every scope that some memory has."""
    return [(ident, Scope.parse(path)) for ident, path in con.execute("SELECT id, path FROM scope")]


def actors(con: Connection) -> list[tuple[int, str]]:
    """Return every actor some memory or provenance names."""
    return con.execute("SELECT id, name FROM actor").fetchall()


def _intern_scope(con: Connection, path: str) -> int:
    con.execute("INSERT INTO scope (path) VALUES (?) ON CONFLICT DO NOTHING", (path,))
    return int(con.execute("SELECT id FROM scope WHERE path = ?", (path,)).fetchone()[0])


def _intern_actor(con: Connection, name: str) -> int:
    con.execute("INSERT INTO actor (name) VALUES (?) ON CONFLICT DO NOTHING", (name,))
    return int(con.execute("SELECT id FROM actor WHERE name = ?", (name,)).fetchone()[0])


def _memory(row: Row) -> Memory:
    _, ident, text, kind, scope, title, actor, at, recorded, start, end, _ = row
    return Memory(
        id=ident,
        text=text,
        kind=kind,
        scope=scope,
        title=title,
        actor=actor,
        at=moment(at),
        recorded_at=moment(recorded),
        valid_from=None if start is None else moment(start),
        valid_to=None if end is None else moment(end),
    )


def detach(con: Connection, provenances: Sequence[int]) -> int:
    """Delete single provenances of memories that stay, and actors nothing names any more."""
    gone = con.execute(
        "DELETE FROM provenance WHERE id IN (SELECT value FROM json_each(?))",
        (json.dumps(list(provenances)),),
    ).rowcount
    erase_unused_names(con)
    return gone


def replace(con: Connection, seq: int, draft: Draft, scope: Scope) -> None:
    """Rewrite a memory that is out of the index; its id and provenances stay."""
    con.execute(
        "UPDATE memory SET text = ?, kind = ?, title = ?, scope_id = ?, actor_id = ?,"
        " at = coalesce(?, at), valid_from = ?, valid_to = ?, identity = ?, digest = ?"
        " WHERE seq = ?",
        (
            draft.text,
            draft.kind,
            draft.title,
            _intern_scope(con, str(scope)),
            _intern_actor(con, draft.actor),
            None if draft.at is None else millis(draft.at),
            None if draft.valid_from is None else millis(draft.valid_from),
            None if draft.valid_to is None else millis(draft.valid_to),
            identity(draft, scope),
            digest(draft.text),
            seq,
        ),
    )
    erase_unused_names(con)


def put_back(con: Connection, memory_id: str) -> int:
    """Write a restricted memory back as it was, into its place; return its seq, not yet indexed.

    A provenance whose idempotency key was used again meanwhile loses the key.
    """
    for sql in _PUT_BACK:
        con.execute(sql, (memory_id,))
    seq, path = con.execute(
        "SELECT m.seq, s.path FROM memory m JOIN scope s ON s.id = m.scope_id WHERE m.id = ?",
        (memory_id,),
    ).fetchone()
    if Scope.parse(path).session:
        before, after = beside(con, path, seq)
        # A neighbour that was moved into the session stands beside the chain: it keeps its links.
        for here, sql, link in ((before, *_AFTER), (after, *_BEFORE)):
            if con.execute(sql, (seq, here, after if here == before else before)).rowcount:
                con.execute(link, (here, seq))
    return int(seq)


def beside(con: Connection, path: str, seq: int) -> tuple[int | None, int | None]:
    """Return the memories of a scope that arrived just before and just after a place."""
    before, after = con.execute(
        "SELECT max(CASE WHEN m.seq < ? THEN m.seq END), min(CASE WHEN m.seq > ? THEN m.seq END)"
        " FROM memory m JOIN scope s ON s.id = m.scope_id WHERE s.path = ?",
        (seq, seq, path),
    ).fetchone()
    return before, after


_AFTER = (
    "UPDATE memory SET next_seq = ? WHERE seq = ? AND next_seq IS ?",
    "UPDATE memory SET prev_seq = ? WHERE seq = ?",
)
_BEFORE = (
    "UPDATE memory SET prev_seq = ? WHERE seq = ? AND prev_seq IS ?",
    "UPDATE memory SET next_seq = ? WHERE seq = ?",
)
_PUT_BACK = (
    "INSERT INTO scope (path) SELECT scope FROM restricted"
    " WHERE memory_id = ? ON CONFLICT DO NOTHING",
    "INSERT INTO actor (name) SELECT actor FROM restricted"
    " WHERE memory_id = ? ON CONFLICT DO NOTHING",
    "INSERT INTO actor (name) SELECT p.value ->> 2 FROM restricted r, json_each(r.provenances) p"
    " WHERE r.memory_id = ? ON CONFLICT DO NOTHING",
    "INSERT INTO memory (seq, id, text, kind, title, scope_id, actor_id, at, recorded_at,"
    " valid_from, valid_to, identity, digest)"
    " SELECT r.seq, r.memory_id, r.text, r.kind, r.title, s.id, a.id, r.at, r.recorded_at,"
    " r.valid_from, r.valid_to, r.identity, r.digest"
    " FROM restricted r JOIN scope s ON s.path = r.scope JOIN actor a ON a.name = r.actor"
    " WHERE r.memory_id = ?",
    "INSERT INTO provenance (seq, root, source, actor_id, uri, at, recorded_at, key)"
    " SELECT r.seq, p.value ->> 0, p.value ->> 1, a.id, p.value ->> 3, p.value ->> 4,"
    " p.value ->> 5, CASE WHEN NOT EXISTS (SELECT 1 FROM provenance q WHERE"
    "  q.root = p.value ->> 0 AND q.key = p.value ->> 6) THEN p.value ->> 6 END"
    " FROM restricted r, json_each(r.provenances) p JOIN actor a ON a.name = p.value ->> 2"
    " WHERE r.memory_id = ? ORDER BY p.key",
)
