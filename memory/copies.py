"""Owner of `file`: every copy of the store's content that was written outside its folder."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from memory import datakey
from memory.db import Connection, Row
from memory.errors import NotFoundError
from memory.ids import new_id
from memory.types import CopyKind, Probe

Role = Literal["export", "backup"]
Opens = Literal["", "store", "recovery", "passphrase"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """One export or backup as the store knows it."""

    id: str
    role: Role
    path: str
    day: str  # when it was made
    expires: str  # day on which a backup is to be shredded; "" for never, and for exports
    opens: Opens  # what opens it: nothing needed, the store's key file, or that or a person's
    state: Literal["making", "live", "shredded"]
    erased: bool  # whether something was erased since, which it may therefore hold

    @property
    def readable(self) -> bool:
        """Whether somebody may still read it: it was not shredded, or a person can open it."""
        return self.state != "shredded" or self.opens in ("recovery", "passphrase")

    def overdue(self, today: str) -> bool:
        """Tell whether it should have been shredded by now."""
        return self.state == "live" and self.expires != "" and self.expires <= today


def begin(
    con: Connection,
    role: Role,
    place: Path,
    now: datetime,
    *,
    expires: str = "",
    opens: Opens = "",
) -> str:
    """Register a copy that is about to be made and return its id. In a transaction.

    Known before its first byte is written: an erasure that runs meanwhile counts it.
    """
    ident = new_id(now)
    con.execute(
        "INSERT INTO file (id, role, path, day, expires, opens, state, pid, erased, erasure)"
        " VALUES (?, ?, ?, ?, ?, ?, 'making', ?, 0, '')",
        (ident, role, str(place), now.date().isoformat(), expires, opens, os.getpid()),
    )
    return ident


def adopt(con: Connection, copy: Copy, place: Path | None) -> None:
    """Register a backup that another store made, from which this one was restored."""
    con.execute(
        "INSERT INTO file (id, role, path, day, expires, opens, state, pid, erased, erasure)"
        " VALUES (?, ?, ?, ?, ?, ?, 'live', 0, ?, '') ON CONFLICT DO NOTHING",
        (
            copy.id,
            copy.role,
            copy.path if place is None else str(place),
            copy.day,
            copy.expires,
            copy.opens,
            copy.erased,
        ),
    )


def finish(con: Connection, ident: str) -> None:
    """Say that a copy is in its place; an export that it replaced is gone."""
    con.execute(
        "DELETE FROM file WHERE role = 'export' AND id <> ?"
        " AND path = (SELECT path FROM file WHERE id = ?)",
        (ident, ident),
    )
    con.execute("UPDATE file SET state = 'live' WHERE id = ?", (ident,))


def drop(con: Connection, ident: str) -> None:
    """Take a copy that was never completed, or that nobody can read any more, off the list."""
    con.execute("DELETE FROM file WHERE id = ?", (ident,))


def shredded(con: Connection, ident: str, erasure: str = "") -> None:
    """Say that the key of a backup is destroyed, by which erasure if one did."""
    con.execute(
        "UPDATE file SET state = 'shredded', erasure = ? WHERE id = ? AND state <> 'shredded'",
        (erasure, ident),
    )


def mark(con: Connection) -> None:
    """Say that every copy there is may hold what is erased in this transaction."""
    con.execute("UPDATE file SET erased = 1 WHERE state <> 'shredded' AND erased = 0")


def get(con: Connection, ident: str) -> Copy:
    """Return one copy.

    Raises:
        NotFoundError: None has this id.
    """
    for one in listed(con):
        if one.id == ident:
            return one
    raise NotFoundError(f"no backup has id {ident!r}", hint="'mem backup list' shows ids")


def listed(con: Connection) -> list[Copy]:
    """Return every registered copy, oldest first."""
    rows = con.execute(
        "SELECT id, role, path, day, expires, opens, state, erased FROM file ORDER BY id"
    )
    return [_copy(row) for row in rows]


def backups(con: Connection) -> list[Copy]:
    """Return the backups, oldest first."""
    return [one for one in listed(con) if one.role == "backup"]


def unfinished(con: Connection) -> list[Copy]:
    """Return the copies whose making was interrupted: nobody is at it any more."""
    rows = con.execute("SELECT id, pid FROM file WHERE state = 'making'").fetchall()
    dead = {ident for ident, pid in rows if pid != os.getpid() and not alive(pid)}
    return [one for one in listed(con) if one.id in dead] if dead else []


def _copy(row: Row) -> Copy:
    ident, role, path, day, expires, opens, state, erased = row
    return Copy(
        id=ident,
        role=role,
        path=path,
        day=day,
        expires=expires,
        opens=opens,
        state=state,
        erased=bool(erased),
    )


def alive(pid: int) -> bool:
    """Tell whether a process runs; where that cannot be asked, True."""
    if sys.platform == "win32":  # signal 0 would end the process there
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def tally(con: Connection) -> tuple[Mapping[CopyKind, int], str]:
    """Return how many copies may hold erased content, by kind, and when the last one expires.

    A shredded backup that a person can open with a code or a passphrase counts as a backup.
    """
    counts: dict[CopyKind, int] = {}
    until = ""
    for one in listed(con):
        if one.erased:
            kind: CopyKind = one.role if one.readable else "shredded"
            counts[kind] = counts.get(kind, 0) + 1
            if kind == "backup":
                until = max(until, one.expires)
    return counts, until


def destroyed(con: Connection, erasure: str) -> tuple[str, ...]:
    """Return the ids of the keys that an erasure destroyed: those of its backups."""
    rows = con.execute(
        "SELECT id FROM file WHERE state = 'shredded' AND erasure = ? ORDER BY id", (erasure,)
    )
    return tuple(ident for (ident,) in rows)


def probe(con: Connection, home: Path) -> Probe:
    """Look for copies outside the store that may hold erased content, and for keys to them.

    Passes where there is none, or each was shredded and its key is gone; fails where a key is there
    that should be destroyed.
    """
    held = [one for one in listed(con) if one.erased]
    kept = sum(1 for one in held if one.state == "shredded" and datakey.exists(home, one.id))
    if kept:
        return Probe(name="copies", result="fail", counts={"copies": len(held), "found": kept})
    left = sum(1 for one in held if one.readable)
    if left:
        return Probe(name="copies", result="not_claimed", counts={"copies": left}, why="outside")
    return Probe(name="copies", result="pass", counts={"copies": 0})
