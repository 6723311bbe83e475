"""Owner of `hold`, `restricted` and what belongs to them: memories that nothing may use.

A restricted memory is moved here as a whole (Article 18 GDPR). Nothing that recalls, lists,
searches, embeds, exports or samples reads these tables, so no query has to leave it out.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from memory.clock import moment
from memory.db import Connection
from memory.hold_types import Access, AccessReason, HeldDetail, HeldMemory, Hold, HoldTerms
from memory.sanitise import clean
from memory.skeleton import readings
from memory.tombstones import telling
from memory.types import Memory, Provenance

READING = 16  # bytes of a digest


def put_hold(
    con: Connection, ident: str, said: HoldTerms, selected_by: Sequence[str], day: str
) -> None:
    """Record a hold that restricts nothing yet."""
    con.execute(
        "INSERT INTO hold (id, ground, authority, reviewer, selected_by, day, expires)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (ident, said.ground, said.authority, said.reviewer, " ".join(selected_by), day,
         said.expires),
    )  # fmt: skip


def put(con: Connection, hold: str, seqs: Sequence[int]) -> list[str]:
    """Copy live memories into a hold and return their ids; the caller erases the originals."""
    listed = (json.dumps(list(seqs)),)
    con.execute(_COPY, listed)
    rows = con.execute(
        "SELECT memory_id, text FROM restricted WHERE seq IN (SELECT value FROM json_each(?))",
        listed,
    ).fetchall()
    con.executemany(
        "INSERT INTO restricted_reading (reading, memory_id) VALUES (?, ?) ON CONFLICT DO NOTHING",
        [(reading, memory_id) for memory_id, text in rows for reading in _digests((text,))],
    )
    ids = [memory_id for memory_id, _ in rows]
    attach(con, hold, ids)
    return ids


_COPY = """
    INSERT INTO restricted (memory_id, seq, text, kind, title, scope, actor, at, recorded_at,
        valid_from, valid_to, identity, digest, provenances)
    SELECT m.id, m.seq, m.text, m.kind, m.title, s.path, a.name, m.at, m.recorded_at,
        m.valid_from, m.valid_to, m.identity, m.digest,
        (SELECT json_group_array(json(one)) FROM (
            SELECT json_array(p.root, p.source, b.name, p.uri, p.at, p.recorded_at, p.key) AS one
            FROM provenance p JOIN actor b ON b.id = p.actor_id WHERE p.seq = m.seq ORDER BY p.id))
    FROM memory m JOIN scope s ON s.id = m.scope_id JOIN actor a ON a.id = m.actor_id
    WHERE m.seq IN (SELECT value FROM json_each(?))
"""


def attach(con: Connection, hold: str, ids: Sequence[str]) -> None:
    """Let a hold keep memories that are restricted already."""
    con.execute(
        "INSERT INTO hold_memory (hold_id, memory_id) SELECT ?, value FROM json_each(?)"
        " WHERE value IN (SELECT memory_id FROM restricted) ON CONFLICT DO NOTHING",
        (hold, json.dumps(list(ids))),
    )


def free(con: Connection, hold: str) -> list[str]:
    """Return the ids of the memories that only this hold keeps, in order of arrival."""
    rows = con.execute(
        "SELECT r.memory_id FROM restricted r JOIN hold_memory m ON m.memory_id = r.memory_id"
        " WHERE m.hold_id = ? AND NOT EXISTS (SELECT 1 FROM hold_memory o"
        "  WHERE o.memory_id = r.memory_id AND o.hold_id <> m.hold_id) ORDER BY r.seq",
        (hold,),
    )
    return [memory_id for (memory_id,) in rows]


def drop_hold(con: Connection, hold: str) -> list[str]:
    """End a hold and return the ids of the memories that no other one keeps."""
    ids = free(con, hold)
    con.execute("DELETE FROM hold_memory WHERE hold_id = ?", (hold,))
    con.execute("DELETE FROM hold WHERE id = ?", (hold,))
    return ids


def erase(con: Connection, ids: Sequence[str]) -> dict[str, int]:
    """Delete restricted memories that no hold keeps, with all that is kept about them."""
    listed = (json.dumps(list(ids)),)
    (provenances,) = con.execute(
        "SELECT coalesce(sum(json_array_length(provenances)), 0) FROM restricted"
        " WHERE memory_id IN (SELECT value FROM json_each(?))",
        listed,
    ).fetchone()
    for sql in (
        "DELETE FROM restricted_reading WHERE memory_id IN (SELECT value FROM json_each(?))",
        "DELETE FROM deferred WHERE memory_id IN (SELECT value FROM json_each(?))",
        "DELETE FROM hold_access WHERE memory_id IN (SELECT value FROM json_each(?))",
    ):
        con.execute(sql, listed)
    gone = con.execute(
        "DELETE FROM restricted WHERE memory_id IN (SELECT value FROM json_each(?))", listed
    ).rowcount
    return {"memory": gone, "provenance": int(provenances)}


def defer(con: Connection, erasure: str, ids: Sequence[str], *, tombstone: bool) -> int:
    """Keep the intent to erase those of the ids that are restricted; return how many."""
    return con.execute(
        "INSERT INTO deferred (erasure_id, memory_id, tombstone)"
        " SELECT ?, memory_id, ? FROM restricted"
        " WHERE memory_id IN (SELECT value FROM json_each(?)) ON CONFLICT DO NOTHING",
        (erasure, tombstone, json.dumps(list(ids))),
    ).rowcount


def count_deferred(con: Connection, erasure: str) -> int:
    """Return how many memories an erasure asked for and does not get while holds keep them."""
    row = con.execute("SELECT count(*) FROM deferred WHERE erasure_id = ?", (erasure,)).fetchone()
    return int(row[0])


def deferrals(con: Connection, ids: Sequence[str]) -> dict[str, tuple[list[str], bool]]:
    """Return erasure -> the restricted ids it waits for, and whether they leave tombstones."""
    found: dict[str, tuple[list[str], bool]] = {}
    for erasure, memory_id, tombstone in con.execute(
        "SELECT erasure_id, memory_id, tombstone FROM deferred"
        " WHERE memory_id IN (SELECT value FROM json_each(?)) ORDER BY 1, 2",
        (json.dumps(list(ids)),),
    ):
        found.setdefault(erasure, ([], bool(tombstone)))[0].append(memory_id)
    return found


def texts(con: Connection, ids: Sequence[str]) -> dict[str, list[str]]:
    """Return all that was written in restricted memories, by id: the text first."""
    rows = con.execute(
        "SELECT memory_id, text, title, provenances FROM restricted"
        " WHERE memory_id IN (SELECT value FROM json_each(?)) ORDER BY seq",
        (json.dumps(list(ids)),),
    )
    return {
        memory_id: [text, title, *(uri for _, _, _, uri, *_ in json.loads(provenances))]
        for memory_id, text, title, provenances in rows
    }


def places(con: Connection, ids: Sequence[str]) -> list[tuple[str, int]]:
    """Return (scope, seq) of restricted memories: where they stood."""
    return con.execute(
        "SELECT scope, seq FROM restricted WHERE memory_id IN (SELECT value FROM json_each(?))",
        (json.dumps(list(ids)),),
    ).fetchall()


def twin(con: Connection, ids: Sequence[str]) -> str:
    """Return the id of a live memory that says the same as one of these in its scope, or ""."""
    row = con.execute(
        "SELECT m.id FROM restricted r JOIN memory m ON m.identity = r.identity"
        " WHERE r.memory_id IN (SELECT value FROM json_each(?)) LIMIT 1",
        (json.dumps(list(ids)),),
    ).fetchone()
    return "" if row is None else str(row[0])


def present(con: Connection, ids: Sequence[str]) -> list[str]:
    """Return those of the ids that are restricted."""
    rows = con.execute(
        "SELECT memory_id FROM restricted"
        " WHERE memory_id IN (SELECT value FROM json_each(?)) ORDER BY memory_id",
        (json.dumps(list(ids)),),
    )
    return [memory_id for (memory_id,) in rows]


def words(con: Connection) -> Iterator[str]:
    """Yield every text in these tables: live content as far as an erasure is concerned."""
    for sql in (
        "SELECT text FROM restricted",
        "SELECT title || ' ' || scope || ' ' || actor || ' ' || kind FROM restricted",
        "SELECT provenances FROM restricted",
        "SELECT authority || ' ' || reviewer || ' ' || selected_by || ' ' || ground FROM hold",
        "SELECT root || ' ' || reason FROM hold_access",
    ):
        for (text,) in con.execute(sql):
            yield text
    for (listed,) in con.execute("SELECT provenances FROM restricted"):
        for root, _, actor, uri, _, _, key in json.loads(listed):
            yield f"{root} {actor} {uri} {key or ''}"


def memories(con: Connection, ids: Sequence[str]) -> list[Memory]:
    """Return restricted memories with their provenances, in order of arrival."""
    rows = con.execute(
        "SELECT memory_id, text, kind, scope, title, actor, at, recorded_at, valid_from, valid_to,"
        " provenances FROM restricted WHERE memory_id IN (SELECT value FROM json_each(?))"
        " ORDER BY seq",
        (json.dumps(list(ids)),),
    )
    return [_memory(row) for row in rows]


def _memory(row: Sequence[Any]) -> Memory:
    ident, text, kind, scope, title, actor, at, recorded, start, end, listed = row
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
        provenances=tuple(
            Provenance(
                root=root,
                source=source,
                actor=name,
                uri=uri,
                at=moment(said),
                recorded_at=moment(written),
            )
            for root, source, name, uri, said, written, _ in json.loads(listed)
        ),
    )


def log_access(con: Connection, memory_id: str, root: str, day: str, reason: AccessReason) -> None:
    """Record that somebody reads a restricted memory."""
    con.execute(
        "INSERT INTO hold_access (memory_id, root, day, reason) VALUES (?, ?, ?, ?)",
        (memory_id, root, day, reason),
    )


def holds(con: Connection, now: datetime) -> list[Hold]:
    """Return every hold, those that expire first first."""
    today = now.date().isoformat()
    rows = con.execute(
        "SELECT h.id, h.ground, h.authority, h.reviewer, h.selected_by, h.day, h.expires,"
        " count(m.memory_id),"
        " count(CASE WHEN EXISTS (SELECT 1 FROM deferred d WHERE d.memory_id = m.memory_id)"
        "  THEN 1 END)"
        " FROM hold h LEFT JOIN hold_memory m ON m.hold_id = h.id"
        " GROUP BY h.id ORDER BY h.expires, h.id"
    )
    return [
        Hold(
            id=ident,
            ground=ground,
            authority=authority,
            reviewer=reviewer,
            selected_by=tuple(chosen.split()),
            day=day,
            expires=expires,
            memories=count,
            deferred=asked,
            due=expires <= today,
        )
        for ident, ground, authority, reviewer, chosen, day, expires, count, asked in rows
    ]


def details(con: Connection, hold: str) -> tuple[tuple[HeldDetail, ...], tuple[Access, ...]]:
    """Return the memories of a hold and who read them, oldest first."""
    kept = con.execute(
        "SELECT m.memory_id, EXISTS (SELECT 1 FROM deferred d WHERE d.memory_id = m.memory_id),"
        " (SELECT count(*) FROM hold_memory o WHERE o.memory_id = m.memory_id) - 1"
        " FROM hold_memory m JOIN restricted r ON r.memory_id = m.memory_id"
        " WHERE m.hold_id = ? ORDER BY r.seq",
        (hold,),
    )
    read = con.execute(
        "SELECT a.memory_id, a.root, a.day, a.reason FROM hold_access a"
        " JOIN hold_memory m ON m.memory_id = a.memory_id WHERE m.hold_id = ? ORDER BY a.id",
        (hold,),
    )
    return (
        tuple(HeldDetail(id=one, deferred=bool(asked), others=n) for one, asked, n in kept),
        tuple(Access(memory=one, root=root, day=day, reason=why) for one, root, day, why in read),
    )


def held(con: Connection, ids: Sequence[str]) -> tuple[HeldMemory, ...]:
    """Return those of the ids that are restricted, each with the hold that lasts longest."""
    rows = con.execute(
        "SELECT m.memory_id, h.id, h.ground, max(h.expires) FROM hold_memory m"
        " JOIN hold h ON h.id = m.hold_id"
        " WHERE m.memory_id IN (SELECT value FROM json_each(?))"
        " GROUP BY m.memory_id ORDER BY m.memory_id",
        (json.dumps(list(ids)),),
    )
    return tuple(
        HeldMemory(id=one, hold=hold, ground=ground, expires=expires)
        for one, hold, ground, expires in rows
    )


def any_held(con: Connection) -> bool:
    """Tell whether anything is restricted; costs one look at a table."""
    (some,) = con.execute("SELECT EXISTS (SELECT 1 FROM restricted)").fetchone()
    return bool(some)


def count(con: Connection) -> int:
    """Return how many memories are restricted."""
    return int(con.execute("SELECT count(*) FROM restricted").fetchone()[0])


def refuses(con: Connection, same: bytes, parts: Iterable[str]) -> bool:
    """Tell whether a draft says what is restricted.

    It has the identity of a restricted memory, or one of its texts looks the same as a restricted
    one that not just anybody may say.
    """
    row = con.execute(
        "SELECT EXISTS (SELECT 1 FROM restricted WHERE identity = ?) OR EXISTS"
        " (SELECT 1 FROM restricted_reading"
        "  WHERE reading IN (SELECT unhex(value) FROM json_each(?)))",
        (same, json.dumps([one.hex() for one in _digests(parts)])),
    ).fetchone()
    return bool(row[0])


def _digests(parts: Iterable[str]) -> set[bytes]:
    found = {reading or clean(part) for part in parts for reading in readings(part)}
    return {hashlib.sha256(one.encode()).digest()[:READING] for one in found if telling(one)}


def damaged(con: Connection) -> tuple[int, int, int]:
    """Return how many restricted texts changed, are live as well, or have no hold."""
    changed = sum(
        hashlib.sha256(text.encode()).digest() != kept
        for text, kept in con.execute("SELECT text, digest FROM restricted")
    )
    (twice,) = con.execute(
        "SELECT count(*) FROM restricted r JOIN memory m"
        " ON m.id = r.memory_id OR m.seq = r.seq OR m.identity = r.identity"
    ).fetchone()
    (loose,) = con.execute(
        "SELECT count(*) FROM restricted WHERE memory_id NOT IN (SELECT memory_id FROM hold_memory)"
    ).fetchone()
    return changed, int(twice), int(loose)
