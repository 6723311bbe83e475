"""What may lie in a store's folder, who erases it, and how a folder is made durable."""

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path

from memory.types import FileRole

DATABASE = "memory.db"
BEHAVIOR = "behavior.db"
LEDGER = "ledger.jsonl"
INDEX = "index"
KEYS = "keys"
RESERVE = "reserve.bin"
DATA_KEY = "data.key"  # in the folder of keys, of encrypted stores only

# Path pattern inside the folder -> who erases from it. A file that matches none is unknown, and an
# unknown file fails the verification of an erasure.
REGISTRY: tuple[tuple[str, str], ...] = (
    (DATABASE, "forget: cascade, then seal"),
    (f"{DATABASE}-wal", "seal: checkpoint"),
    (f"{DATABASE}-shm", "seal: holds page numbers only"),
    (f"{DATABASE}-journal", "epoch: holds encrypted pages, and SQLite removes it"),
    (BEHAVIOR, "behavior.erase, then seal"),
    (f"{BEHAVIOR}-wal", "seal: checkpoint"),
    (f"{BEHAVIOR}-shm", "seal: holds page numbers only"),
    (f"{BEHAVIOR}-journal", "epoch: holds encrypted pages, and SQLite removes it"),
    (LEDGER, "never holds content"),
    (f"{INDEX}/*.vec", "files.erase_indexes"),
    (f"{INDEX}/*.tmp", "files.erase_indexes"),
    (f"{INDEX}/verified.json", "digests of model files, no content"),
    (f"{KEYS}/*", "keys and access tokens, no content"),
    ("models/*/attachment.json", "unlearn: names, sizes and digests of models, no content"),
    (f"{KEYS}/backup/*.key", "datakey.destroy"),
    ("staging/*", "encrypted members of a backup; container.clear"),
    (RESERVE, "zeros: room for an erasure on a full disk"),
)


def walk(home: Path) -> Iterator[Path]:
    """Yield every file below the store's folder, symbolic links as themselves."""
    for folder, _, names in os.walk(home, followlinks=False):
        for name in sorted(names):
            yield Path(folder) / name


def unknown(home: Path) -> list[str]:
    """Return the files in the folder that no eraser answers for."""
    return [
        place.relative_to(home).as_posix()
        for place in walk(home)
        if place.is_symlink()
        or not any(fnmatch(place.relative_to(home).as_posix(), pattern) for pattern, _ in REGISTRY)
    ]


def role(home: Path, place: Path) -> FileRole:
    """Return what a file of the folder is for, so that a receipt need not name it."""
    inside = place.relative_to(home)
    folders: dict[str, FileRole] = {INDEX: "index", KEYS: "key"}
    names: dict[str, FileRole] = {
        DATABASE: "database",
        BEHAVIOR: "behavior",
        LEDGER: "ledger",
        RESERVE: "reserve",
    }
    if len(inside.parts) > 1:
        return folders.get(inside.parts[0], "unknown")
    if inside.name.endswith(("-wal", "-shm", "-journal")):
        return "log"
    return names.get(inside.name, "unknown")


def open_modes(home: Path) -> list[str]:
    """Return files and folders of the store that other users of the machine can read."""
    if os.name != "posix":
        return []
    return [
        place.relative_to(home).as_posix() or "."
        for place, entry in _entries((home, *walk(home)))
        if not stat.S_ISLNK(entry.st_mode) and entry.st_mode & 0o077
    ]


def _entries(places: Iterable[Path]) -> Iterator[tuple[Path, os.stat_result]]:
    for place in places:
        with contextlib.suppress(FileNotFoundError):  # sidecars come and go
            yield place, place.lstat()


def erase_indexes(home: Path) -> int:
    """Overwrite and remove every derived index; they are built anew from the live rows."""
    gone = 0
    for pattern in ("*.vec", "*.tmp"):
        for place in (home / INDEX).glob(pattern):
            # Another process that erases or saves at this moment may be first.
            with contextlib.suppress(FileNotFoundError):
                # A process that still maps the old file must see zeros, not erased vectors.
                with place.open("r+b") as opened:
                    opened.write(bytes(os.fstat(opened.fileno()).st_size))
                    opened.flush()
                    os.fsync(opened.fileno())
                # Windows does not remove a file that is mapped; zeros are no index either.
                with contextlib.suppress(PermissionError):
                    place.unlink()
                gone += 1
    return gone


def size(home: Path) -> int:
    """Return the bytes of all files of the store."""
    return sum(entry.st_size for _, entry in _entries(walk(home)))


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable, where the system can."""
    if os.name == "posix":
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
