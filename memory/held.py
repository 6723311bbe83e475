"""Reading and patching the files of an open database without taking SQLite's locks away.

POSIX keeps one set of locks per process and file, and drops all of them when *any* descriptor of
the file is closed. A process that read its database and closed it would stand there unlocked: the
next process to leave would think itself the last one and remove the log that this one goes on
writing to. Descriptors of locked files therefore stay open until the process's last session of the
store has closed its connections.
"""

import contextlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHUNK = 1 << 22
LOCKED = (".db", "-shm")  # ends of the names that SQLite locks

_lock = threading.Lock()
_sessions: dict[Path, int] = {}
# Home -> (device, inode, whether it can be written) -> descriptor.
_kept: dict[Path, dict[tuple[int, int, bool], int]] = {}


def begin(home: Path) -> None:
    """Count one more session of a store; call before its first connection."""
    with _lock:
        home = home.resolve()
        _sessions[home] = _sessions.get(home, 0) + 1


def end(home: Path) -> None:
    """Count one session less, after its connections are closed; the last one lets go."""
    with _lock:
        home = home.resolve()
        _sessions[home] -= 1
        if not _sessions[home]:
            del _sessions[home]
            for descriptor in _kept.pop(home, {}).values():
                os.close(descriptor)


def chunks(place: Path) -> Iterator[bytes]:
    """Yield the bytes of a file; none if it has gone, as sidecars do while others use the store.

    Read, not mapped: another process may cut the file meanwhile, and a map of it would then end
    this one with SIGBUS.
    """
    with contextlib.suppress(FileNotFoundError), opened(place) as descriptor:
        at = 0
        while part := read_at(descriptor, CHUNK, at):
            yield part
            at += len(part)


@contextmanager
def opened(place: Path, *, write: bool = False) -> Iterator[int]:
    """Open a file for `read_at`, and for `write_at` too if asked; closed when that is safe."""
    home = place.parent.resolve()
    if os.name == "posix" and place.name.endswith(LOCKED) and home in _sessions:
        yield _descriptor(home, place, write=write)
    else:
        descriptor = _open(place, write=write)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


def _open(place: Path, *, write: bool) -> int:
    return os.open(place, (os.O_RDWR if write else os.O_RDONLY) | getattr(os, "O_BINARY", 0))


def _descriptor(home: Path, place: Path, *, write: bool) -> int:
    with _lock:
        kept = _kept.setdefault(home, {})
        entry = place.stat()
        found = kept.get((entry.st_dev, entry.st_ino, write))
        if found is None:
            found = _open(place, write=write)
            made = os.fstat(found)
            kept[made.st_dev, made.st_ino, write] = found
        return found


def read_at(descriptor: int, size: int, at: int) -> bytes:
    """Return up to `size` bytes of an open file from position `at`."""
    if os.name == "posix":
        return os.pread(descriptor, size, at)
    os.lseek(descriptor, at, os.SEEK_SET)
    return os.read(descriptor, size)


def write_at(descriptor: int, data: bytes, at: int) -> None:
    """Write bytes into an open file from position `at`."""
    if os.name == "posix":
        while data:
            done = os.pwrite(descriptor, data, at)
            data, at = data[done:], at + done
        return
    os.lseek(descriptor, at, os.SEEK_SET)
    while data:
        data = data[os.write(descriptor, data) :]
