"""Reading and patching the files of an open database, without taking SQLite's locks away.

POSIX keeps one set of locks per process and file, and drops all of them when *any* descriptor of
the file is closed. A process that read its database and closed it would stand there unlocked: the
next process to leave would think itself the last one and remove the log that this one goes on
writing to. Descriptors of locked files therefore stay open until the process's last session of the
store has closed its connections.

The pages of an encrypted store come as the engine sees them, in plain: `unlock` says how.
"""

import contextlib
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from memory.cipher import Codec

CHUNK = 1 << 22
LOCKED = (".db", "-shm")  # ends of the names that SQLite locks
DATABASE, LOG = ".db", ".db-wal"

_lock = threading.Lock()
_sessions: dict[Path, int] = {}
# Home -> (device, inode, whether it can be written) -> descriptor.
_kept: dict[Path, dict[tuple[int, int, bool], int]] = {}
_codecs: "dict[Path, Codec]" = {}  # of the homes that are encrypted
_coded: dict[int, Path] = {}  # descriptor of an encrypted database -> its path


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
            _codecs.pop(home, None)
            for descriptor in _kept.pop(home, {}).values():
                _coded.pop(descriptor, None)
                os.close(descriptor)


def unlock(home: Path, keys: Sequence[bytes]) -> None:
    """Read the pages of a store under these data keys from now on.

    Until the store's last session in this process ends. The caller is one.
    """
    from memory.cipher import Codec  # noqa: PLC0415 - encrypted stores only

    _codecs[home.resolve()] = Codec(keys)


def encrypted(place: Path) -> bool:
    """Tell whether a file's pages are encrypted, and unlocked."""
    return bool(_codecs) and place.parent.resolve() in _codecs


def chunks(place: Path) -> Iterator[bytes]:
    """Yield the bytes of a file; none if it has gone, as sidecars do while others use the store.

    Read, not mapped: another process may cut the file meanwhile, and a map of it would then end
    this one with SIGBUS.
    """
    with contextlib.suppress(FileNotFoundError), opened(place) as descriptor:
        if place.name.endswith(LOG) and encrypted(place):
            yield from _frames(descriptor, place)
            return
        at = 0
        while part := read_at(descriptor, CHUNK, at):
            yield part
            at += len(part)


@contextmanager
def opened(place: Path, *, write: bool = False) -> Iterator[int]:
    """Open a file for `read_at`, and for `write_at` too if asked; closed when that is safe."""
    home = place.parent.resolve()
    if os.name == "posix" and place.name.endswith(LOCKED) and home in _sessions:
        yield _code(_descriptor(home, place, write=write), place)
    else:
        descriptor = _code(_open(place, write=write), place)
        try:
            yield descriptor
        finally:
            _coded.pop(descriptor, None)
            os.close(descriptor)


def _code(descriptor: int, place: Path) -> int:
    if place.name.endswith(DATABASE) and encrypted(place):
        _coded[descriptor] = place
    return descriptor


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
    if descriptor in _coded:
        return _decrypted(descriptor, size, at)
    return raw_at(descriptor, size, at)


def write_at(descriptor: int, data: bytes, at: int) -> None:
    """Write bytes into an open file from position `at`; encrypted pages are written as a whole."""
    if descriptor not in _coded:
        _write(descriptor, data, at)
        return
    from memory.cipher import PAGE  # noqa: PLC0415 - encrypted stores only

    codec = _codecs[_coded[descriptor].parent.resolve()]
    first, like = at // PAGE, raw_at(descriptor, PAGE, 0)
    last = -(-(at + len(data)) // PAGE)
    body = bytearray(_decrypted(descriptor, (last - first) * PAGE, first * PAGE))
    body[at - first * PAGE : at - first * PAGE + len(data)] = data
    for page in range(first, last):
        plain = bytes(body[(page - first) * PAGE : (page - first + 1) * PAGE])
        _write(descriptor, codec.encrypt(plain, page + 1, like), page * PAGE)


def zero(descriptor: int, runs: Iterable[tuple[int, int]]) -> None:
    """Overwrite runs (position, length) of an open file with zeros, and sync.

    Before encrypted pages are written anew, their old form goes into a rollback journal, from
    which SQLite restores them after a power cut. So the caller of an encrypted file is alone with
    it (`alone.alone`).
    """
    if descriptor not in _coded:
        for at, length in runs:
            write_at(descriptor, bytes(length), at)
        os.fsync(descriptor)
        return
    batch: list[tuple[int, int]] = []
    weight = 0
    for run in runs:
        batch.append(run)
        weight += 4096 + run[1]
        if weight > CHUNK:
            _zero_encrypted(descriptor, batch)
            batch, weight = [], 0
    if batch:
        _zero_encrypted(descriptor, batch)


def _zero_encrypted(descriptor: int, runs: Sequence[tuple[int, int]]) -> None:
    from memory import undo  # noqa: PLC0415 - encrypted stores only
    from memory.cipher import PAGE  # noqa: PLC0415 - as above

    pages = {page for at, size in runs for page in range(at // PAGE, -(-(at + size) // PAGE))}
    before = {page: raw_at(descriptor, PAGE, page * PAGE) for page in sorted(pages)}
    with undo.journal(_coded[descriptor], before, os.fstat(descriptor).st_size // PAGE):
        for at, length in runs:
            write_at(descriptor, bytes(length), at)
        os.fsync(descriptor)


def _decrypted(descriptor: int, size: int, at: int) -> bytes:
    """Return plain bytes; a page that is not whole as it lies there, which is no sound page."""
    from memory.cipher import PAGE, SALT  # noqa: PLC0415 - encrypted stores only

    codec = _codecs[_coded[descriptor].parent.resolve()]
    first, last = at // PAGE, -(-(at + size) // PAGE)
    raw, salt = raw_at(descriptor, (last - first) * PAGE, first * PAGE), raw_at(descriptor, SALT, 0)
    parts = []
    for row in range(-(-len(raw) // PAGE)):
        part = raw[row * PAGE : (row + 1) * PAGE]
        plain = codec.decrypt(part, first + row + 1, salt) if len(part) == PAGE else None
        parts.append(part if plain is None else plain)
    return b"".join(parts)[at - first * PAGE :][:size]


def _frames(descriptor: int, place: Path) -> Iterator[bytes]:
    from memory.cipher import SALT  # noqa: PLC0415 - encrypted stores only

    with opened(place.with_name(place.name.removesuffix("-wal"))) as database:
        salt = raw_at(database, SALT, 0)
    size = os.fstat(descriptor).st_size
    yield from _codecs[place.parent.resolve()].frames(raw_at(descriptor, size, 0), salt)


def raw_at(descriptor: int, size: int, at: int) -> bytes:
    """Return up to `size` bytes of an open file as they lie there, encrypted or not."""
    if os.name == "posix":
        return os.pread(descriptor, size, at)
    os.lseek(descriptor, at, os.SEEK_SET)
    return os.read(descriptor, size)


def _write(descriptor: int, data: bytes, at: int) -> None:
    if os.name == "posix":
        while data:
            done = os.pwrite(descriptor, data, at)
            data, at = data[done:], at + done
        return
    os.lseek(descriptor, at, os.SEEK_SET)
    while data:
        data = data[os.write(descriptor, data) :]
