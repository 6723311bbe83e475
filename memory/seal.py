"""Sealing: after the rows are gone, no page, gap or log of the file keeps their bytes.

`secure_delete` zeroes freed cells and pages but leaves copies in page gaps after rebalancing
(measured: 1 to 2 % of deleted rows). So every erasure ends with a checkpoint that empties the WAL
and a scrub after which every byte that is not live is zero (research/security §1.2, §1.5). A file
of which much is free, or that has pages nothing points to, is rebuilt first.
"""

import os
import shutil
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from memory import held, pages
from memory.db import BUSY_MS, Connection, DriverError, is_busy, transaction
from memory.survey import Slack

BRIEF = 0.5  # seconds to wait for others to leave: who stays longer, stays
ROOM = 2.5  # free disk that VACUUM needs, in sizes of the file: a copy in the log and then some
SPARSE = 4  # a file is rebuilt when one page in so many is free
Tell = pages.Tell


def seal(
    con: Connection, wait: float, *, rebuild: bool = False, tell: Tell = lambda _: None
) -> bool:
    """Empty the WAL and zero what is not live; False while a reader blocks it.

    Safe to repeat and to interrupt.

    Args:
        con: The database.
        wait: Seconds to wait for others.
        rebuild: Write the file anew even if little of it is free.
        tell: Told which share of the pages is done.
    """
    deadline = time.monotonic() + wait
    if not _truncate(con, deadline):
        return False
    if (rebuild or _sparse(con)) and not _rebuilt(con):
        return False
    left = max(0.0, deadline - time.monotonic())
    found = _scrub(con, left, tell)
    if found is not None and (found.unreached or found.errors) and not rebuild:
        # Nothing but a rebuild reaches such pages; what it leaves is zeroed again.
        if not _rebuilt(con):
            return False
        found = _scrub(con, max(0.0, deadline - time.monotonic()), tell)
    return found is not None


def _sparse(con: Connection) -> bool:
    (free,) = con.execute("PRAGMA freelist_count").fetchone()
    (count,) = con.execute("PRAGMA page_count").fetchone()
    return bool(SPARSE * free > count)


def _rebuilt(con: Connection) -> bool:
    # Only after a checkpoint succeeded: under an open reader it would only grow the log. Without
    # room the file is scrubbed as it is.
    place = _place(con)
    if shutil.disk_usage(place.parent).free >= ROOM * place.stat().st_size:
        try:
            con.execute("VACUUM")
        except DriverError as exc:
            if is_busy(exc):
                return False
            if "full" not in str(exc):  # not so roomy after all
                raise
    return True


def scrub(con: Connection, wait: float, tell: Tell = lambda _: None) -> bool:
    """Zero every byte of the file that is not live; False while others block it.

    Two steps, each under the write lock with an empty log. First the file is patched. Then a
    change is committed that says nothing, so that every other connection drops the pages it holds:
    they would bring the old bytes back. The change is made from pages read after the patch, and
    only if nobody wrote in between; else both steps are taken again.
    """
    return _scrub(con, wait, tell) is not None


def _scrub(con: Connection, wait: float, tell: Tell) -> Slack | None:
    deadline = time.monotonic() + wait
    place = _place(con)
    if encrypted(con):
        return _scrub_encrypted(con, wait, tell)
    while True:
        with still(con, deadline) as before:
            found = None if before is None else pages.scrub(place, tell)
        if before is not None and found is not None:
            done = not found.nonzero or _bump(con, deadline, before)
            if done:
                return found if _truncate(con, deadline) else None
        if time.monotonic() >= deadline:
            return None


def scrub_after(con: Connection, wait: float, since: int | None, tables: Collection[str]) -> bool:
    """Do as `scrub` after this connection changed these tables in one transaction.

    Args:
        con: The database.
        wait: Seconds to wait for others.
        since: `version` when every byte was last accounted for and the log was empty; None if
            that is not known.
        tables: All that the transaction wrote to, indexes too.

    The log then lists the pages that changed, and only those are looked at. Whenever that cannot
    be relied on, the whole file is scrubbed.
    """
    if encrypted(con):
        return scrub(con, wait)
    deadline = time.monotonic() + wait
    place = _place(con)
    changed = _logged(place) if since is not None and version(con) == since else set()
    if changed:
        with still(con, deadline) as before:
            found = None
            if before is not None and before == since:
                found = pages.scrub_changed(place, changed, tables)
        if found is not None and (not found.nonzero or _bump(con, deadline, before or 0)):
            return _truncate(con, deadline)
    return scrub(con, max(0.0, deadline - time.monotonic()))


def _logged(place: Path) -> set[int]:
    """Return the numbers of all pages in the log; frames of an earlier use only add to them."""
    try:
        raw = place.with_name(f"{place.name}-wal").read_bytes()
    except FileNotFoundError:
        return set()
    size = int.from_bytes(raw[8:12], "big")
    frames = range(32, len(raw) - 23, 24 + size) if size else ()
    return {int.from_bytes(raw[at : at + 4], "big") for at in frames}


def encrypted(con: Connection) -> bool:
    """Tell whether a connection's file is encrypted."""
    return held.encrypted(_place(con))


def _scrub_encrypted(con: Connection, wait: float, tell: Tell) -> Slack:
    # A page that is encrypted anew changes as a whole: others could read half of it, and a power
    # cut could leave half of it. So it needs to be alone; if it is not, the epoch will do it.
    from memory.alone import alone  # noqa: PLC0415 - encrypted stores only

    with alone(con, min(wait, BRIEF)) as free:
        return pages.scrub(_place(con), tell) if free else Slack(nonzero={})


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


@contextmanager
def stilled(con: Connection, wait: float) -> Iterator[int | None]:
    """Do as `still`, trying again for `wait` seconds when somebody wrote in between."""
    deadline = time.monotonic() + wait
    while True:
        with ExitStack() as stack:
            current = stack.enter_context(still(con, deadline))
            if current is not None or time.monotonic() >= deadline:
                yield current
                return


def version(con: Connection) -> int:
    """Return a number that changes with every commit of another connection."""
    (number,) = con.execute("PRAGMA data_version").fetchone()
    return int(number)


def examine(con: Connection, wait: float) -> Slack | None:
    """Return what the file holds beside live content; None while others keep its log in use."""
    with stilled(con, wait) as current:
        return None if current is None else pages.audit(_place(con))


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
