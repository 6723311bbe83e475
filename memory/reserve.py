"""Owner of `reserve.bin`: zeros that give way when an erasure meets a full disk.

Erasing needs room. What the log holds must go into the file, which grows by what is new in it; and
every page that the erasure changes goes into the log: for one memory .3 MB in a store of 15 MB, for
ten 1.7 MB, for a hundred 7 MB, at most as much as the store has (measured). A store that could not
forget because the disk is full would break its promise.
"""

import contextlib
import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from memory.db import DriverError, starved
from memory.errors import StoreError, StoreFullError
from memory.files import BEHAVIOR, DATABASE, RESERVE

SMALLEST, LARGEST = 1 << 19, 1 << 23  # bytes
FULL = (errno.ENOSPC, errno.EDQUOT) if hasattr(errno, "EDQUOT") else (errno.ENOSPC,)

Result = TypeVar("Result")


def wanted(home: Path) -> int:
    """Return how many bytes the reserve should have: as many as the databases, within limits.

    Rounded up to a power of two, so that a growing store makes it anew a few times only.
    """
    used = sum(
        _size(home / f"{name}{log}") for name in (DATABASE, BEHAVIOR) for log in ("", "-wal")
    )
    return 1 << (min(max(used, SMALLEST), LARGEST) - 1).bit_length()


def size(home: Path) -> int:
    """Return how many bytes are reserved."""
    return _size(home / RESERVE)


def _size(place: Path) -> int:
    try:
        return place.stat().st_size
    except OSError:
        return 0


def keep(home: Path) -> bool:
    """Make the reserve, or make it larger where the store outgrew it; False if it stays too small.

    Costs five looks at the folder where nothing is to be done.
    """
    want, have = wanted(home), size(home)
    if have >= want:
        return True
    step = want
    while step > max(have, SMALLEST - 1):  # what there is room for, if not all
        if fits(home, step - have) and _grow(home / RESERVE, have, step):
            return step == want
        step //= 2
    return False


def fits(home: Path, more: int) -> bool:
    """Tell whether the disk has room for so many bytes, and as much again for others."""
    try:
        return shutil.disk_usage(home).free >= 2 * more
    except OSError:
        return False


def _grow(place: Path, have: int, want: int) -> bool:
    try:
        _make(place, want)
    except OSError:  # full, or nothing may be written here
        with contextlib.suppress(OSError):
            os.truncate(place, have)
        return False
    return True


def _make(place: Path, want: int) -> None:
    descriptor = os.open(place, os.O_CREAT | os.O_RDWR | getattr(os, "O_BINARY", 0), 0o600)
    try:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(descriptor, 0, want)
        else:
            os.lseek(descriptor, 0, os.SEEK_SET)
            left = want
            while left:
                left -= os.write(descriptor, bytes(min(left, SMALLEST)))
    finally:
        os.close(descriptor)


def release(home: Path, part: int = LARGEST) -> bool:
    """Give up to so many bytes back to the disk; False if there were none."""
    place, have = home / RESERVE, size(home)
    try:
        if have > part:
            os.truncate(place, have - part)
        else:
            place.unlink()
    except OSError:
        return False
    return have > 0


def is_full(exc: BaseException | None, home: Path) -> bool:
    """Tell whether an error means that the disk is full."""
    while exc is not None:
        if isinstance(exc, OSError) and exc.errno in FULL:
            return True
        if isinstance(exc, StoreFullError):
            return True
        if isinstance(exc, DriverError):
            return "full" in str(exc) or ("disk I/O" in str(exc) and starved(home))
        exc = exc.__cause__
    return False


def roomy(
    home: Path,
    action: Callable[[], Result],
    *,
    part: int = LARGEST,
    first: Callable[[], object] = lambda: None,
) -> Result:
    """Return what `action` returns; on a full disk it is tried again without the reserve.

    Args:
        home: The store's folder.
        action: Does nothing twice when it is called again after an error.
        part: How much of the reserve to give.
        first: Makes more room before the second trial.
    """
    try:
        return action()
    except (DriverError, StoreError, OSError) as exc:
        if not is_full(exc, home) or not release(home, part):
            raise
    with contextlib.suppress(DriverError):  # still full: the second trial will say so
        first()
    return action()
