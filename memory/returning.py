"""The small files of a restored store: laid beside, moved in once the rows are committed."""

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from memory import behavior, census, container, copies, ledger, setting
from memory.backup import LEDGER, PRIVATE, PUBLIC, STAGING, SUPPRESS
from memory.db import Connection, transaction
from memory.errors import InvalidReceiptError, StoreError
from memory.files import KEYS, sync_folder
from memory.files import LEDGER as LEDGER_FILE
from memory.signing import known as known_keys
from memory.tombstones import load

OWED = (
    "restored"  # setting: number under which files of a committed restore lie in the staging folder
)


def erasures_in(lines: Iterable[bytes]) -> Iterator[str]:
    """Yield the ids of the erasures in the lines of a ledger."""
    for line in lines:
        with contextlib.suppress(InvalidReceiptError):
            yield str(ledger.parsed(line)["receipt"]["erasure"])


def files_of(home: Path, parts: dict[str, bytes]) -> dict[str, bytes]:
    """Return what has to be written into an empty store's folder: path in the folder -> bytes.

    What lies there stays: of the ledgers the longer one, of the keys those of the folder.

    Raises:
        StoreError: The folder has a ledger that is not the backup's.
    """
    found: dict[str, bytes] = {}
    here = b"".join(line + b"\n" for line in ledger.lines(home)[0])
    there = parts[LEDGER]
    if not here.startswith(there):
        if not there.startswith(here):
            raise StoreError(
                f"'{home / LEDGER_FILE}' and the ledger in the backup are not of one store",
                hint="restore into another folder, or move that file away",
            )
        found[LEDGER_FILE] = there
    if SUPPRESS in parts and load(home) is None:
        found[f"{KEYS}/{SUPPRESS}"] = f"{parts[SUPPRESS].hex()}\n".encode()
    if PUBLIC in parts:
        keys = dict.fromkeys((*parts[PUBLIC].decode("ascii").split(), *known_keys(home)))
        found[f"{KEYS}/{PUBLIC}"] = "".join(f"{key}\n" for key in keys).encode()
    if PRIVATE in parts and not (home / KEYS / PRIVATE).exists():
        found[f"{KEYS}/{PRIVATE}"] = f"{parts[PRIVATE].hex()}\n".encode()
    return found


def guarded(home: Path, parts: dict[str, bytes]) -> bool:
    """Tell whether the tombstones of a backup are made with the key that the store will have."""
    return SUPPRESS in parts and load(home) in (None, parts[SUPPRESS])


def lay(home: Path, entries: dict[str, bytes]) -> None:
    """Write the files beside; the caller has not committed yet."""
    folder = home / STAGING
    for name, body in entries.items():
        place = _beside(folder, os.getpid(), name)
        place.unlink(missing_ok=True)
        fd = os.open(place, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(fd, "wb") as out:
            out.write(body)
            out.flush()
            os.fsync(out.fileno())
    sync_folder(folder)


def _beside(folder: Path, pid: int, name: str) -> Path:
    return folder / f"{pid}-new-{name.replace('/', '-')}"


def settle(con: Connection, home: Path, wait: float) -> None:
    """Move the files of a committed restore into their places; repeatable."""
    with transaction(con, wait):
        owed = setting.get(con, OWED)
        if not owed:
            return
        (home / KEYS).mkdir(mode=0o700, exist_ok=True)
        names = (LEDGER_FILE, *(f"{KEYS}/{name}" for name in (SUPPRESS, PUBLIC, PRIVATE)))
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                _beside(home / STAGING, int(owed), name).replace(home / name)
        for folder in (home / KEYS, home):
            sync_folder(folder)
        setting.drop(con, OWED)


def clear(con: Connection, signals: Connection, home: Path, wait: float) -> None:
    """Remove what a restore left that was interrupted before it was committed."""
    if not (home / STAGING).exists() or not container.clear(home / STAGING, copies.alive):
        return
    # Signals are written just before the rows they are about.
    with transaction(con, wait), transaction(signals, wait):
        behavior.sweep(signals, census.ids(con))
