"""Sealing: after the rows are gone, no page, gap or log of the file keeps their bytes.

`secure_delete` zeroes freed cells and pages but leaves copies in page gaps after rebalancing
(measured: 1 to 2 % of deleted rows), and VACUUM leaves a few hundred bytes of such copies, too. So
every erasure ends with a checkpoint that empties the WAL, a VACUUM that writes the file anew, and
a scrub after which every byte that is not live is zero (research/security §1.2, §1.5).
"""

import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from memory import held, pages
from memory.db import BUSY_MS, Connection, DriverError, is_busy, transaction

BRIEF = 0.5  # seconds to wait for others to leave: who stays longer, stays
ROOM = 2.5  # free disk that VACUUM needs, in sizes of the file: a copy in the log and then some


def seal(con: Connection, wait: float) -> bool:
    """Empty the WAL, rebuild the file, zero what is not live; False while a reader blocks it.

    VACUUM runs only after the first checkpoint succeeded: under an open reader it would only
    grow the log. Where the disk has no room for it, the file is scrubbed as it is. Safe to repeat
    and to interrupt.
    """
    deadline = time.monotonic() + wait
    if not _truncate(con, deadline):
        return False
    place = _place(con)
    if shutil.disk_usage(place.parent).free >= ROOM * place.stat().st_size:
        try:
            con.execute("VACUUM")
        except DriverError as exc:
            if is_busy(exc):
                return False
            if "full" not in str(exc):  # not so roomy after all
                raise
    return scrub(con, max(0.0, deadline - time.monotonic()))


def scrub(con: Connection, wait: float) -> bool:
    """Zero every byte of the file that is not live; False while others block it.

    Two steps, each under the write lock with an empty log. First the file is patched. Then a
    change is committed that says nothing, so that every other connection drops the pages it holds:
    they would bring the old bytes back. The change is made from pages read after the patch, and
    only if nobody wrote in between; else both steps are taken again.
    """
    deadline = time.monotonic() + wait
    place = _place(con)
    if encrypted(con):
        return _scrub_encrypted(con, wait)
    while True:
        with still(con, deadline) as before:
            dirty = before is not None and bool(pages.scrub(place).nonzero)
        if before is not None and (not dirty or _bump(con, deadline, before)):
            return _truncate(con, deadline)
        if time.monotonic() >= deadline:
            return False


def encrypted(con: Connection) -> bool:
    """Tell whether a connection's file is encrypted."""
    return held.encrypted(_place(con))


def _scrub_encrypted(con: Connection, wait: float) -> bool:
    # A page that is encrypted anew changes as a whole: others could read half of it, and a power
    # cut could leave half of it. So it needs to be alone; if it is not, the epoch will do it.
    from memory.alone import alone  # noqa: PLC0415 - encrypted stores only

    with alone(con, min(wait, BRIEF)) as free:
        if free:
            pages.scrub(_place(con))
    return True


def _bump(con: Connection, deadline: float, before: int) -> bool:
    with still(con, deadline) as now:
        if now != before:
            return False
        (number,) = con.execute("PRAGMA user_version").fetchone()
        con.execute(f"PRAGMA user_version={number}")  # writes the first page, whatever the number
    return True


@contextmanager
def still(con: Connection, deadline: float) -> Iterator[int | None]:
    """Keep the file as it is for a block: the log is empty and no other connection can write.

    Yields the `version`; None when readers or writers keep the log from being emptied.
    """
    if not _truncate(con, deadline):
        yield None
        return
    con.execute("PRAGMA shrink_memory")  # this connection's own pages may be older than the file
    with ExitStack() as stack:
        current = None
        try:
            stack.enter_context(transaction(con, max(0.0, deadline - time.monotonic())))
        except DriverError as exc:
            if not is_busy(exc):
                raise
        else:
            if not _log_size(_place(con)):
                current = version(con)
        yield current


def version(con: Connection) -> int:
    """Return a number that changes with every commit of another connection."""
    (number,) = con.execute("PRAGMA data_version").fetchone()
    return int(number)


def examine(con: Connection, wait: float) -> pages.Slack | None:
    """Return what the file holds beside live content; None while others keep its log in use."""
    deadline = time.monotonic() + wait
    while True:
        with still(con, deadline) as current:
            if current is not None:
                return pages.audit(_place(con))
        if time.monotonic() >= deadline:
            return None


def _place(con: Connection) -> Path:
    return Path(con.execute("PRAGMA database_list").fetchone()[2])


def _log_size(place: Path) -> int:
    log = place.with_name(f"{place.name}-wal")
    return log.stat().st_size if log.exists() else 0


def empty_log(con: Connection, wait: float) -> bool:
    """Move the WAL into the file and cut it to nothing; False while a reader blocks it."""
    return _truncate(con, time.monotonic() + wait)


def _truncate(con: Connection, deadline: float) -> bool:
    con.execute("PRAGMA busy_timeout=50")
    try:
        while True:
            try:
                busy, _, _ = con.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            except DriverError as exc:
                if not is_busy(exc):
                    raise
                busy = 1
            if not busy:
                return True
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.02)
    finally:
        con.execute(f"PRAGMA busy_timeout={BUSY_MS}")


def holders(path: Path) -> tuple[int, ...]:
    """Return the ids of the processes that have the file open; () where the system hides them."""
    if not sys.platform.startswith("linux"):
        return ()
    found = set()
    for fd in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if fd.readlink() == path.resolve():
                found.add(int(fd.parts[2]))
        except OSError:  # processes end, and other users' are not readable
            continue
    others = sorted(found - {os.getpid()})
    return tuple(others) or (os.getpid(),)
