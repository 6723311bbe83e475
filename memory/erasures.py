"""Owner of `erasure` and `erasure_target`: intents that outlive a crash; ids, never text."""

import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from memory.db import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """One erasure on its way."""

    id: str
    state: str  # intent, erased, sealed, done
    day: str
    memories: int
    erased: Mapping[str, int]
    tombstone: bool  # whether what it erases is to be recognised afterwards
    shred: bool = False  # whether it makes backups unreadable that may hold it


def put(
    con: Connection,
    ident: str,
    day: str,
    ids: Sequence[str],
    *,
    tombstone: bool = True,
    shred: bool = False,
) -> None:
    """Make the intent durable."""
    con.execute(
        "INSERT INTO erasure (id, state, day, memories, erased, pid, tombstone, traced, shred)"
        " VALUES (?, 'intent', ?, ?, '{}', ?, ?, 1, ?)",
        (ident, day, len(ids), _worker(os.getpid()), tombstone, shred),
    )
    con.executemany(
        "INSERT INTO erasure_target (erasure_id, memory_id) VALUES (?, ?)",
        [(ident, memory_id) for memory_id in ids],
    )


def advance(
    con: Connection, ident: str, state: str, erased: Mapping[str, int] | None = None
) -> None:
    """Move an erasure to its next state, adding to the counts of what went."""
    if erased is not None:
        before = get(con, ident)
        total = dict(before.erased) if before else {}
        for name, count in erased.items():
            total[name] = total.get(name, 0) + count
        con.execute("UPDATE erasure SET erased = ? WHERE id = ?", (json.dumps(total), ident))
    con.execute("UPDATE erasure SET state = ? WHERE id = ?", (state, ident))


def finish(con: Connection, ident: str) -> None:
    """Mark an erasure as done and drop the ids it named."""
    con.execute("DELETE FROM erasure_target WHERE erasure_id = ?", (ident,))
    advance(con, ident, "done")


def reopen(con: Connection, ident: str, ids: Sequence[str], erased: Mapping[str, int]) -> None:
    """Take up a finished erasure again: memories that it had asked for were erased only now."""
    con.execute(
        "UPDATE erasure SET memories = memories + ?, pid = ? WHERE id = ?",
        (len(ids), os.getpid(), ident),
    )
    con.executemany(
        "INSERT INTO erasure_target (erasure_id, memory_id) VALUES (?, ?)",
        [(ident, memory_id) for memory_id in ids],
    )
    advance(con, ident, "erased", erased)


def wanted(con: Connection, ids: Sequence[str]) -> int:
    """Return how many of the memories an unfinished erasure names."""
    (count,) = con.execute(
        "SELECT count(*) FROM erasure_target WHERE memory_id IN (SELECT value FROM json_each(?))",
        (json.dumps(list(ids)),),
    ).fetchone()
    return int(count)


def get(con: Connection, ident: str) -> Erasure | None:
    """Return one erasure."""
    row = con.execute(
        "SELECT id, state, day, memories, erased, tombstone, shred FROM erasure WHERE id = ?",
        (ident,),
    ).fetchone()
    if row is None:
        return None
    return Erasure(
        id=row[0],
        state=row[1],
        day=row[2],
        memories=row[3],
        erased=json.loads(row[4]),
        tombstone=bool(row[5]),
        shred=bool(row[6]),
    )


def targets(con: Connection, ident: str) -> list[str]:
    """Return the memory ids of an erasure that is not done."""
    rows = con.execute("SELECT memory_id FROM erasure_target WHERE erasure_id = ?", (ident,))
    return [memory_id for (memory_id,) in rows]


def unfinished(con: Connection) -> list[str]:
    """Return the ids of erasures, oldest first, that nobody is working on any more."""
    rows = con.execute("SELECT id, pid FROM erasure WHERE state <> 'done' ORDER BY id")
    own = _worker(os.getpid())
    return [ident for ident, worker in rows if worker == own or not _alive(worker)]


def owed(con: Connection) -> list[str]:
    """Return the ids of all memories that unfinished erasures are to erase."""
    return [memory_id for (memory_id,) in con.execute("SELECT memory_id FROM erasure_target")]


def ids(con: Connection) -> set[str]:
    """Return the ids of all erasures."""
    return {ident for (ident,) in con.execute("SELECT id FROM erasure")}


def traced(con: Connection) -> set[str]:
    """Return the erasures of which the ids of what they erased are recognised."""
    return {ident for (ident,) in con.execute("SELECT id FROM erasure WHERE traced = 1")}


_PID_BITS = 22  # of the largest process id of Linux


def _worker(pid: int) -> int:
    """Return a number for a process that no later process with the same id has.

    After a restart of the machine, and in another container, the id of a worker that died is
    soon another program's; its erasures would wait for that program to end.
    """
    told = b""
    with contextlib.suppress(OSError):  # only Linux says when a process began
        boot = Path("/proc/sys/kernel/random/boot_id").read_bytes()
        if fields := _status(pid):
            told = hashlib.sha256(boot + fields[19]).digest()[:5]
    return int.from_bytes(told, "big") << _PID_BITS | pid % (1 << _PID_BITS)


def _status(pid: int) -> list[bytes]:
    """Return what Linux says of a process: its state first, its start as the twentieth field."""
    try:
        # The name stands before, in brackets, and may hold anything.
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return []


def _alive(worker: int) -> bool:
    if sys.platform == "win32":  # signal 0 would end the process there
        return False  # the steps are idempotent: two workers repeat, they do not harm
    pid = worker % (1 << _PID_BITS)
    if fields := _status(pid):  # a process that ended stays a zombie until its parent asks
        return fields[0] not in (b"Z", b"X") and _worker(pid) == worker
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def count(con: Connection) -> tuple[int, int]:
    """Return how many erasures there were and how many of them are unfinished."""
    row = con.execute("SELECT count(*), coalesce(sum(state <> 'done'), 0) FROM erasure").fetchone()
    return int(row[0]), int(row[1])
