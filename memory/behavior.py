"""Owner of `behavior.db`: signals about recalled memories, ids and counters only."""

import json
from collections.abc import Sequence
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
