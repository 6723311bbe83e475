"""Owner of `behavior.db`: signals about recalled memories, ids and counters only."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime

from memory.clock import millis
from memory.db import Connection
from memory.types import Outcome

NAME = "behavior.db"


def put(con: Connection, memory_id: str, outcome: Outcome, root: str, now: datetime) -> None:
    """Record what became of one recalled memory."""
    con.execute(
        "INSERT INTO signal (memory_id, outcome, root, at) VALUES (?, ?, ?, ?)",
        (memory_id, outcome, root, millis(now)),
    )


def counts(con: Connection, memory_id: str) -> dict[str, int]:
    """Return the number of signals per outcome for one memory."""
    return dict(
        con.execute(
            "SELECT outcome, count(*) FROM signal WHERE memory_id = ? GROUP BY outcome",
            (memory_id,),
        ).fetchall()
    )


def total(con: Connection) -> int:
    """Return the number of signals."""
    return int(con.execute("SELECT count(*) FROM signal").fetchone()[0])


def erase(con: Connection, ids: Sequence[str]) -> int:
    """Delete every signal about the memories and return how many there were."""
    return con.execute(
        "DELETE FROM signal WHERE memory_id IN (SELECT value FROM json_each(?))",
        (json.dumps(list(ids)),),
    ).rowcount


def stream(con: Connection) -> Iterator[tuple[str, str, str, int, int]]:
    """Yield (memory id, outcome, root, time, how many), equal signals together."""
    last = ""
    while True:
        ids = con.execute(
            "SELECT DISTINCT memory_id FROM signal WHERE memory_id > ?"
            " ORDER BY memory_id LIMIT 500",
            (last,),
        ).fetchall()
        if not ids:
            return
        yield from con.execute(
            "SELECT memory_id, outcome, root, at, count(*) FROM signal"
            " WHERE memory_id > ? AND memory_id <= ? GROUP BY memory_id, outcome, root, at"
            " ORDER BY memory_id, min(id)",
            (last, ids[-1][0]),
        ).fetchall()
        last = ids[-1][0]


def ensure(con: Connection, memory_id: str, outcome: str, root: str, at: int, count: int) -> int:
    """See to it that at least so many equal signals are there; return how many were added."""
    (known,) = con.execute(
        "SELECT count(*) FROM signal WHERE memory_id = ? AND outcome = ? AND root = ? AND at = ?",
        (memory_id, outcome, root, at),
    ).fetchone()
    missing = max(0, count - int(known))
    con.executemany(
        "INSERT INTO signal (memory_id, outcome, root, at) VALUES (?, ?, ?, ?)",
        missing * [(memory_id, outcome, root, at)],
    )
    return missing


def sweep(con: Connection, live: set[str]) -> int:
    """Delete the signals about memories that do not exist and return how many there were."""
    named = {ident for (ident,) in con.execute("SELECT DISTINCT memory_id FROM signal")}
    return erase(con, sorted(named - live))
