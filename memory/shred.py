"""Shred: the key of a backup is destroyed, and with it whatever copy of the file there is."""

import contextlib
from datetime import datetime
from pathlib import Path

from memory import container, copies, datakey
from memory.db import Connection, transaction
from memory.errors import UsageError
from memory.files import sync_folder


def shred(con: Connection, home: Path, copy: copies.Copy, wait: float, erasure: str = "") -> bool:
    """Destroy the key of a backup, then its file where it still lies; tell whether it did.

    Repeatable: what a crash interrupted is done by the next call.

    Raises:
        StoreError: The key cannot be destroyed.
    """
    datakey.destroy(home, copy.id)
    with transaction(con, wait):
        copies.shredded(con, copy.id, erasure)
    return remove(copy)


def remove(copy: copies.Copy) -> bool:
    """Remove the file of a backup if it lies where it was written; another's file stays."""
    place = Path(copy.path)
    with contextlib.suppress(OSError, UsageError):
        if container.read_trailer(place).id == copy.id:
            place.unlink()
            sync_folder(place.parent)
            return True
    return False


def shred_all(con: Connection, home: Path, wait: float, erasure: str) -> int:
    """Shred every backup that may hold what an erasure erased; return how many there were."""
    held = [one for one in copies.backups(con) if one.erased and one.state == "live"]
    for one in held:
        shred(con, home, one, wait, erasure)
    return len(held)


def expire(con: Connection, home: Path, wait: float, now: datetime) -> list[copies.Copy]:
    """Shred the backups whose day has come and return them; old ones leave the list."""
    today = now.date().isoformat()
    due = [one for one in copies.backups(con) if one.overdue(today)]
    for one in due:
        shred(con, home, one, wait)
    with transaction(con, wait):
        for one in copies.backups(con):
            if not one.readable and one.expires and one.expires <= today:
                copies.drop(con, one.id)
    return due


def clear(con: Connection, home: Path, wait: float) -> None:
    """Take back what an interrupted backup or export left: key, file in the making, and row.

    One that was in its place already when the process ended is kept.
    """
    for one in copies.unfinished(con):
        for leaving in leavings(Path(one.path), one.id):
            leaving.unlink(missing_ok=True)
        with transaction(con, wait):
            if _complete(one):
                copies.finish(con, one.id)
                continue
            copies.drop(con, one.id)
        if one.role == "backup":
            datakey.destroy(home, one.id)


def _complete(one: copies.Copy) -> bool:
    place = Path(one.path)
    if one.role == "export":
        return place.exists()
    try:
        return container.read_trailer(place).id == one.id
    except UsageError:
        return False


def leavings(place: Path, ident: str) -> tuple[Path, Path]:
    """Return the two files in which a copy is made before it moves to its place."""
    return (
        place.with_name(f".{place.name}.{ident}.tmp"),
        place.with_name(f".{place.name}.{ident}.more.tmp"),
    )
