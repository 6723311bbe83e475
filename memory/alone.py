"""Having a database to oneself, and knowing it: what changes a file under the engine needs that."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from memory.db import BUSY_MS, Connection, DriverError, is_busy, retry
from memory.errors import KeyChangeError, StoreError

PAUSE = 0.02  # seconds between two tries


@contextmanager
def alone(con: Connection, wait: float) -> Iterator[bool]:
    """Keep every other connection, of any process, away from a file for a block.

    Leaving the log mode takes SQLite's exclusive lock on the file, and that is not to be had while
    any other connection has the file open, idle or not. Who comes meanwhile waits. Yields False,
    and changes nothing, when others have it open for longer than `wait` seconds.

    An error in the block closes the connection: after a failed change of key it believes in
    another key than the file has, and the next thing it wrote would destroy the file (measured).
    Closed at once, it leaves a journal from which whoever comes next has the file as it was.

    Raises:
        KeyChangeError: The file or the disk failed; the connection is closed.
    """
    free = _take(con, time.monotonic() + wait)
    try:
        yield free
    except (OSError, DriverError, StoreError) as exc:
        con.close()
        raise KeyChangeError(
            f"the files of the store could not be rewritten: {type(exc).__name__}",
            hint="nothing was lost; check the disk: it is tried again at the next start",
        ) from exc
    except BaseException:
        con.close()
        raise
    _leave(con)


def _take(con: Connection, deadline: float) -> bool:
    con.execute("PRAGMA busy_timeout=0")
    con.execute("PRAGMA locking_mode=EXCLUSIVE").fetchall()
    try:
        while True:
            try:
                (mode,) = con.execute("PRAGMA journal_mode=DELETE").fetchone()
            except DriverError as exc:
                if not is_busy(exc):
                    raise
                mode = ""
            if mode == "delete":
                con.execute("PRAGMA shrink_memory")  # pages of before must not be written back
                return True
            if time.monotonic() >= deadline:
                return False
            time.sleep(PAUSE)
    finally:
        con.execute(f"PRAGMA busy_timeout={BUSY_MS}")


def _leave(con: Connection) -> None:
    con.execute("PRAGMA locking_mode=NORMAL").fetchall()
    # The lock goes with the next read, and only then can others come back to the log mode.
    con.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    retry(lambda: con.execute("PRAGMA journal_mode=WAL").fetchall(), BUSY_MS / 1000)


def path_of(con: Connection) -> Path:
    """Return the file of a connection."""
    return Path(con.execute("PRAGMA database_list").fetchone()[2])
