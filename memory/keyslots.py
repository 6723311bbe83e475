"""Owner of `keys/data.key`: two slots of fixed places, written over and never moved.

A file that is replaced leaves the old one's block on the device, and with it the old key. So a
slot is overwritten where it lies: the new key goes into the free one, and when all is encrypted
under it the other becomes zeros. A slot says in JSON how its key is wrapped and ends with a
checksum, so that one that a power cut tore is told from one that is whole.
"""

import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memory.errors import StoreError
from memory.files import DATA_KEY, KEYS, sync_folder

SLOTS, SIZE = 2, 4096  # a slot fills a block, so that writing one never touches the other
PURPOSE = "letheon data key"
_SUM = hashlib.sha256().digest_size
_FIELDS = {"format", "purpose", "id", "order", "custody", "nonce", "wrapped"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A data key as it lies in the file: wrapped, with what is needed to find its custody key."""

    id: str  # of the data key
    order: int  # the greater, the newer
    custody: Mapping[str, Any]  # kind and parameters, no secrets
    nonce: bytes
    wrapped: bytes

    def bound(self) -> bytes:
        """Return what is authenticated together with the wrapped key."""
        return json.dumps([PURPOSE, 1, self.id, self.order, self.custody], sort_keys=True).encode()


@dataclass(frozen=True, slots=True)
class Slots:
    """What the file holds: whole slots by their place, newest first, and how many are torn."""

    whole: Mapping[int, Slot]
    torn: int

    @property
    def free(self) -> int:
        """The place for a new key: one that is empty or torn."""
        return next(at for at in range(SLOTS) if at not in self.whole)


def place_of(home: Path) -> Path:
    """Return where the slots of a store lie; the file exists in encrypted stores only."""
    return home / KEYS / DATA_KEY


def read(home: Path) -> Slots:
    """Return the slots of a store.

    Raises:
        StoreError: The file cannot be read.
    """
    place = place_of(home)
    try:
        data = place.read_bytes()
    except OSError as exc:
        raise StoreError(
            f"'{place}' cannot be read: {exc.strerror}", hint="check its owner and mode"
        ) from exc
    parts = [data[at * SIZE : (at + 1) * SIZE] for at in range(SLOTS)]
    found = {at: _parsed(part) for at, part in enumerate(parts)}
    whole = sorted(
        ((at, slot) for at, slot in found.items() if slot), key=lambda one: -one[1].order
    )
    torn = sum(1 for at, part in enumerate(parts) if any(part) and found[at] is None)
    return Slots(dict(whole), torn)


def create(home: Path, slot: Slot) -> bool:
    """Make the file with its first slot; False if another process was first."""
    place = place_of(home)
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    place.parent.mkdir(mode=0o700, exist_ok=True)
    temporary = place.with_name(f"{DATA_KEY}.{secrets.token_hex(4)}.tmp")
    fd = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | _BINARY, 0o600)
    try:
        os.write(fd, _spelled(slot) + bytes((SLOTS - 1) * SIZE))
        os.fsync(fd)
    finally:
        os.close(fd)
    try:
        # Neither replaces a file; the name appears with the whole content or not at all.
        if os.name == "posix":
            place.hardlink_to(temporary)
        else:
            temporary.rename(place)
    except FileExistsError:
        return False
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(place.parent)
    sync_folder(home)
    return True


def put(home: Path, at: int, slot: Slot | None) -> None:
    """Overwrite one slot where it lies, with zeros if None, and sync."""
    fd = os.open(place_of(home), os.O_WRONLY | _BINARY)
    try:
        os.lseek(fd, at * SIZE, os.SEEK_SET)
        os.write(fd, _spelled(slot) if slot else bytes(SIZE))
        os.fsync(fd)
    finally:
        os.close(fd)


_BINARY = getattr(os, "O_BINARY", 0)


def _spelled(slot: Slot) -> bytes:
    body = json.dumps(
        {
            "format": 1,
            "purpose": PURPOSE,
            "id": slot.id,
            "order": slot.order,
            "custody": dict(slot.custody),
            "nonce": slot.nonce.hex(),
            "wrapped": slot.wrapped.hex(),
        }
    ).encode()
    padded = body.ljust(SIZE - _SUM, b"\0")
    return padded + hashlib.sha256(padded).digest()


def _parsed(part: bytes) -> Slot | None:
    padded, digest = part[:-_SUM], part[-_SUM:]
    if len(part) != SIZE or hashlib.sha256(padded).digest() != digest:
        return None
    try:
        said = json.loads(padded.rstrip(b"\0"))
    except ValueError:
        return None
    if said.keys() != _FIELDS or said["format"] != 1 or said["purpose"] != PURPOSE:
        return None
    return Slot(
        id=said["id"],
        order=said["order"],
        custody=said["custody"],
        nonce=bytes.fromhex(said["nonce"]),
        wrapped=bytes.fromhex(said["wrapped"]),
    )
