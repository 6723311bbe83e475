"""Sealing: after the rows are gone, no page, gap or log of the file keeps their bytes.

`secure_delete` zeroes freed cells and pages but leaves copies in page gaps after rebalancing
(measured: 1 to 2 % of deleted rows), so every erasure ends with a checkpoint that empties the WAL
and a VACUUM that writes the file anew (research/security §1.2, §1.5).
"""

import os
import sys
import time
from pathlib import Path

from memory.db import BUSY_MS, Connection, DriverError, is_busy


def seal(con: Connection, wait: float) -> bool:
    """Empty the WAL, rebuild the file, empty the WAL again; False while a reader blocks it.

    VACUUM runs only after the first checkpoint succeeded: under an open reader it would only
    grow the log. Safe to repeat and to interrupt.
    """
    deadline = time.monotonic() + wait
    if not _truncate(con, deadline):
        return False
    try:
        con.execute("VACUUM")
    except DriverError as exc:
        if is_busy(exc):
            return False
        raise
    return _truncate(con, deadline)


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


def holders(path: Path) -> str:
    """Name the processes that have the file open, as far as the system tells (Linux)."""
    if not sys.platform.startswith("linux"):
        return "another connection"
    found = set()
    for fd in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if fd.readlink() == path.resolve():
                found.add(int(fd.parts[2]))
        except OSError:  # processes end, and other users' are not readable
            continue
    others = sorted(found - {os.getpid()})
    return f"process {', '.join(map(str, others))}" if others else "a connection of this process"
