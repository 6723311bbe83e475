"""Owner of `recipient`, `disclosure`, `disclosed_range` and `notification` in `behavior.db`.

Who was given which memories (Articles 15(1)(c) and 19 GDPR): ids, days and counts. A copy of a
whole scope is one row, a range of keys: an export of a million memories writes no million rows.
Ranges are turned into rows of single memories (`pin`) before a memory leaves its scope or the
store, because afterwards nothing tells that it was in the range.
"""

import json
from collections.abc import Iterator, Sequence

from memory.db import Connection
from memory.errors import NotFoundError, UsageError
from memory.hold_types import Notice, Notification, Outcome19, Recipient
from memory.types import RECIPIENT_KINDS, RecipientKind

Where = tuple[str, int, int]  # id, seq and scope id of a live memory
WHOLE = 0  # scope id of a range over the whole store


def put(con: Connection, ids: Sequence[str], kind: RecipientKind, name: str, day: str) -> None:
    """Record that a recipient was given memories, in one statement for all of them."""
    _intern(con, kind, name)
    con.execute(
        "INSERT INTO disclosure (memory_id, recipient_id, first, last, times)"
        " SELECT DISTINCT e.value, r.id, ?, ?, 1 FROM json_each(?) e, recipient r"
        " WHERE r.kind = ? AND r.name = ? ON CONFLICT (memory_id, recipient_id) DO UPDATE"
        " SET last = max(last, excluded.last), times = times + 1",
        (day, day, json.dumps(list(ids)), kind, name),
    )


def put_range(
    con: Connection,
    kind: RecipientKind,
    name: str,
    scopes: Sequence[int],
    *,
    until: int,
    day: str,
) -> None:
    """Record that a recipient was given all that some scopes held.

    Args:
        con: `behavior.db`, in a write transaction.
        kind: Of the recipient.
        name: Of the recipient.
        scopes: Ids of the scopes in memory.db, or only `WHOLE`.
        until: Greatest key of a memory that existed then.
        day: When.
    """
    _intern(con, kind, name)
    con.execute(
        "INSERT INTO disclosed_range (recipient_id, scope_id, until, first, last, times)"
        " SELECT r.id, e.value, ?, ?, ?, 1 FROM json_each(?) e, recipient r"
        " WHERE r.kind = ? AND r.name = ? ON CONFLICT (recipient_id, scope_id) DO UPDATE"
        " SET until = max(until, excluded.until), last = max(last, excluded.last),"
        " times = times + 1",
        (until, day, day, json.dumps(list(scopes)), kind, name),
    )


def _intern(con: Connection, kind: RecipientKind, name: str) -> None:
    if kind not in RECIPIENT_KINDS:
        raise UsageError(
            f"kind of recipient {kind!r} does not exist",
            hint=f"one of {', '.join(RECIPIENT_KINDS)}",
        )
    con.execute(
        "INSERT INTO recipient (kind, name) VALUES (?, ?) ON CONFLICT DO NOTHING", (kind, name)
    )


def where(con: Connection, ids: Sequence[str]) -> list[Where]:
    """Return (id, seq, scope id) of those memories of `memory.db` that are live."""
    return con.execute(
        "SELECT id, seq, scope_id FROM memory WHERE id IN (SELECT value FROM json_each(?))",
        (json.dumps(list(ids)),),
    ).fetchall()


def pin(con: Connection, live: Sequence[Where]) -> None:
    """Write rows of single memories for every range they lie in; repeating it changes nothing."""
    con.execute(
        "INSERT INTO disclosure (memory_id, recipient_id, first, last, times)"
        " SELECT m.value ->> 0, g.recipient_id, min(g.first), max(g.last), sum(g.times)"
        " FROM json_each(?) m JOIN disclosed_range g ON g.scope_id IN (?, m.value ->> 2)"
        "  AND g.until >= m.value ->> 1 GROUP BY 1, 2"
        " ON CONFLICT (memory_id, recipient_id) DO UPDATE"
        " SET first = min(first, excluded.first), last = max(last, excluded.last)",
        (json.dumps(list(live)), WHOLE),
    )


def recipients(con: Connection, ids: Sequence[str], live: Sequence[Where]) -> list[Recipient]:
    """Return who was given some of the memories, by kind and name; reads only.

    Args:
        con: `behavior.db`.
        ids: The memories.
        live: From `where`, for those that are live.
    """
    rows = con.execute(_RECIPIENTS, (json.dumps(list(ids)), json.dumps(list(live)), WHOLE))
    return [
        Recipient(kind=kind, name=name, memories=count, first=first, last=last, times=times)
        for kind, name, count, first, last, times in rows
    ]


_RECIPIENTS = """
    WITH given (memory_id, recipient_id, first, last, times) AS (
        SELECT memory_id, recipient_id, first, last, times FROM disclosure
        WHERE memory_id IN (SELECT value FROM json_each(?))
        UNION ALL
        SELECT m.value ->> 0, g.recipient_id, g.first, g.last, g.times
        FROM json_each(?) m JOIN disclosed_range g ON g.scope_id IN (?, m.value ->> 2)
            AND g.until >= m.value ->> 1
        WHERE NOT EXISTS (SELECT 1 FROM disclosure d
            WHERE d.memory_id = m.value ->> 0 AND d.recipient_id = g.recipient_id))
    SELECT r.kind, r.name, count(DISTINCT g.memory_id), min(g.first), max(g.last), sum(g.times)
    FROM given g JOIN recipient r ON r.id = g.recipient_id GROUP BY r.id ORDER BY 1, 2
"""


def known(con: Connection) -> list[Recipient]:
    """Return every recipient with the number of single memories it was given.

    Copies of whole scopes count as one memory here: which they held is worked out per memory.
    """
    rows = con.execute(
        "SELECT r.kind, r.name, sum(g.memories), min(g.first), max(g.last), sum(g.times)"
        " FROM recipient r JOIN ("
        "  SELECT recipient_id, count(*) AS memories, min(first) AS first, max(last) AS last,"
        "   sum(times) AS times FROM disclosure GROUP BY recipient_id"
        "  UNION ALL SELECT recipient_id, 0, min(first), max(last), max(times)"
        "   FROM disclosed_range GROUP BY recipient_id) g ON g.recipient_id = r.id"
        " GROUP BY r.id ORDER BY 1, 2"
    )
    return [
        Recipient(kind=kind, name=name, memories=count, first=first, last=last, times=times)
        for kind, name, count, first, last, times in rows
    ]


def erase(
    con: Connection, erasure: str, ids: Sequence[str], *, day: str, scopes: Sequence[int]
) -> int:
    """Delete what was recorded about erased memories, after noting whom the erasure is owed to.

    Repeating it after a crash adds nothing: the rows are gone by then.

    Args:
        con: `behavior.db`, in a write transaction.
        erasure: Id of the erasure.
        ids: The erased memories.
        day: Of the erasure.
        scopes: Ids of the scopes that still exist; ranges of others say nothing any more.
    """
    listed = json.dumps(list(ids))
    con.execute(
        "INSERT INTO notification (erasure_id, kind, name, memories, outcome, day, settled)"
        " SELECT ?, r.kind, r.name, count(*), 'to-do', ?, '' FROM disclosure d"
        " JOIN recipient r ON r.id = d.recipient_id"
        " WHERE d.memory_id IN (SELECT value FROM json_each(?)) GROUP BY r.id"
        " ON CONFLICT (erasure_id, kind, name) DO UPDATE SET outcome = 'to-do', settled = '',"
        " memories = memories + excluded.memories, day = excluded.day",
        (erasure, day, listed),
    )
    gone = con.execute(
        "DELETE FROM disclosure WHERE memory_id IN (SELECT value FROM json_each(?))", (listed,)
    ).rowcount
    con.execute(
        "DELETE FROM disclosed_range WHERE scope_id <> ?"
        " AND scope_id NOT IN (SELECT value FROM json_each(?))",
        (WHOLE, json.dumps(list(scopes))),
    )
    con.execute(
        "DELETE FROM recipient WHERE NOT EXISTS"
        " (SELECT 1 FROM disclosure d WHERE d.recipient_id = recipient.id) AND NOT EXISTS"
        " (SELECT 1 FROM disclosed_range g WHERE g.recipient_id = recipient.id)"
    )
    return gone


def notifications(con: Connection, erasure: str = "") -> list[Notification]:
    """Return whom erasures have to be told to, of one erasure or of all, oldest first."""
    rows = con.execute(
        "SELECT erasure_id, kind, name, memories, outcome, day, settled FROM notification"
        " WHERE ? IN ('', erasure_id) ORDER BY erasure_id, kind, name",
        (erasure,),
    )
    return [
        Notification(
            erasure=ident,
            kind=kind,
            name=name,
            memories=count,
            outcome=outcome,
            day=day,
            settled=settled,
        )
        for ident, kind, name, count, outcome, day, settled in rows
    ]


def kinds(con: Connection, erasure: str) -> dict[RecipientKind, int]:
    """Return how many recipients of each kind were given some of what an erasure erased."""
    rows = con.execute(
        "SELECT kind, count(*) FROM notification WHERE erasure_id = ? GROUP BY kind ORDER BY kind",
        (erasure,),
    )
    return dict(rows.fetchall())


def settle(
    con: Connection, erasure: str, recipient: str, outcome: Outcome19, day: str
) -> Notification:
    """Record what became of telling a recipient, and return it.

    Args:
        con: `behavior.db`, in a write transaction.
        erasure: Id of the erasure.
        recipient: Its name, or "kind:name" where two kinds have the same.
        outcome: What became of it.
        day: When.

    Raises:
        NotFoundError: The erasure has no such recipient.
        UsageError: It has two, of different kinds.
    """
    found = [
        one
        for one in notifications(con, erasure)
        if erasure and recipient in (one.name, f"{one.kind}:{one.name}")
    ]
    exact = [one for one in found if recipient == f"{one.kind}:{one.name}"] or found
    if not exact:
        raise NotFoundError(
            f"erasure {erasure!r} has no recipient {recipient!r}",
            hint="'mem recipients list' shows them",
        )
    if len(exact) > 1:
        kinds_of = ", ".join(f"{one.kind}:{one.name}" for one in exact)
        raise UsageError(f"{recipient!r} is more than one recipient", hint=f"one of {kinds_of}")
    con.execute(
        "UPDATE notification SET outcome = ?, settled = ?"
        " WHERE erasure_id = ? AND kind = ? AND name = ?",
        (outcome, "" if outcome == "to-do" else day, erasure, exact[0].kind, exact[0].name),
    )
    (after,) = [one for one in notifications(con, erasure)
                if (one.kind, one.name) == (exact[0].kind, exact[0].name)]  # fmt: skip
    return after


def owed(con: Connection, name: str) -> list[Notice]:
    """Return what an agent has to be told, oldest first; it counts as told after `told`."""
    rows = con.execute(
        "SELECT day, sum(memories) FROM notification"
        " WHERE name = ? AND kind = 'agent' AND outcome = 'to-do' GROUP BY day ORDER BY day",
        (name,),
    )
    return [Notice(day=day, memories=count) for day, count in rows]


def told(con: Connection, name: str, day: str) -> None:
    """Mark all that an agent had to be told as told."""
    con.execute(
        "UPDATE notification SET outcome = 'notified', settled = ?"
        " WHERE name = ? AND kind = 'agent' AND outcome = 'to-do'",
        (day, name),
    )


def words(con: Connection) -> Iterator[str]:
    """Yield every text behavior.db has of its own: recipients, kinds, outcomes, its schema."""
    for sql in (
        "SELECT type || name || tbl_name || ' ' || coalesce(sql, '') FROM sqlite_schema",
        "SELECT kind || ' ' || name FROM recipient",
        "SELECT kind || ' ' || name || ' ' || outcome FROM notification",
    ):
        for (text,) in con.execute(sql):
            yield text
