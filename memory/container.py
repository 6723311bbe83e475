"""The file of a backup: encrypted databases one after another, sealed by a trailer.

    members | trailer: canonical JSON | HMAC-SHA-256 over all before | length of trailer | magic

A member that ends in ".db" is an encrypted database, the one named "parts" an encrypted JSON object
of small files. All is under keys derived from one data key; docs/backup.md has the format.
"""

import contextlib
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from memory import datakey
from memory.errors import CorruptStoreError, SchemaTooNewError, UsageError
from memory.ids import is_id
from memory.receipts import DAY, canonical
from memory.wire import plain

FORMAT = 1
MAGIC = b"LETHEON\x01"
PARTS = "parts"
CHUNK = 1 << 20
_MAC, _LENGTH = 32, 8
_TAIL = _MAC + _LENGTH + len(MAGIC)
_LONGEST = 1 << 16  # bytes of a trailer
Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trailer:
    """What a backup says about itself to everybody: no content."""

    format: int
    id: str  # of the backup
    store: str  # id of the store
    day: str
    schema: int  # of memory.db
    members: tuple[tuple[str, int], ...]  # name, bytes; in their order in the file
    wrapped: Mapping[str, Any] = field(default_factory=dict)  # the data key, for a person's secret


def write_trailer(out: BinaryIO, trailer: Trailer, key: bytes) -> None:
    """Append trailer and seal to a file that holds the members."""
    body = canonical(plain(trailer))
    out.seek(0, os.SEEK_END)
    out.write(body)
    out.flush()
    mac = _mac(out, key, out.tell())
    out.seek(0, os.SEEK_END)
    out.write(mac + len(body).to_bytes(_LENGTH, "big") + MAGIC)
    out.flush()
    os.fsync(out.fileno())


def append(out: BinaryIO, source: Path) -> int:
    """Append a file as a member and return its size."""
    with source.open("rb") as given:
        return sum(out.write(part) for part in iter(lambda: given.read(CHUNK), b""))


def sealed_parts(parts: Mapping[str, bytes], key: bytes) -> bytes:
    """Return small files as one encrypted member."""
    from cryptography.hazmat.primitives.ciphers.aead import (  # noqa: PLC0415 - only backups
        ChaCha20Poly1305,
    )

    nonce = secrets.token_bytes(12)
    body = json.dumps({name: data.hex() for name, data in parts.items()}).encode()
    cipher = ChaCha20Poly1305(datakey.purpose(key, PARTS))
    return nonce + cipher.encrypt(nonce, body, None)


def opened_parts(body: bytes, key: bytes) -> dict[str, bytes]:
    """Return the small files of a member whose file was verified."""
    from cryptography.hazmat.primitives.ciphers.aead import (  # noqa: PLC0415 - as above
        ChaCha20Poly1305,
    )

    cipher = ChaCha20Poly1305(datakey.purpose(key, PARTS))
    held = json.loads(cipher.decrypt(body[:12], body[12:], None))
    return {name: bytes.fromhex(data) for name, data in held.items()}


def read_trailer(place: Path) -> Trailer:
    """Return what a backup says about itself; nothing of it is verified yet.

    Raises:
        UsageError: The file is no backup.
        SchemaTooNewError: It is of another format.
    """
    try:
        with place.open("rb") as given:
            trailer, _ = _trailer(given)
    except OSError as exc:
        raise UsageError(f"cannot read '{place}': {exc.strerror}") from exc
    if trailer is None:
        raise UsageError(
            f"'{place}' is not a whole backup", hint="give a file that 'mem backup' wrote"
        )
    return trailer


def _trailer(given: BinaryIO) -> tuple[Trailer | None, int]:
    """Return the trailer and where it ends; None for what is no backup."""
    size = given.seek(0, os.SEEK_END)
    if size < _TAIL:
        return None, 0
    given.seek(size - _TAIL)
    tail = given.read(_TAIL)
    length = int.from_bytes(tail[_MAC : _MAC + _LENGTH], "big")
    if tail[-len(MAGIC) :] != MAGIC or not 0 < length <= min(_LONGEST, size - _TAIL):
        return None, 0
    begin = size - _TAIL - length
    given.seek(begin)
    try:
        told = json.loads(given.read(length))
        if told["format"] != FORMAT:
            return _other(told["format"])
        trailer = Trailer(
            **{**told, "members": tuple((str(name), int(n)) for name, n in told["members"])}
        )
    except (ValueError, TypeError, KeyError, RecursionError):
        return None, 0
    return (trailer, begin + length) if _sound(trailer, begin) else (None, 0)


def _other(number: object) -> NoReturn:
    raise SchemaTooNewError(
        f"the backup has format {number!r:.20}, this Letheon reads {FORMAT}",
        hint="upgrade the package 'letheon'",
    )


def _sound(trailer: Trailer, room: int) -> bool:
    names = [name for name, _ in trailer.members]
    return (
        is_id(str(trailer.id))
        and is_id(str(trailer.store))
        and DAY.fullmatch(str(trailer.day)) is not None
        and type(trailer.schema) is int
        and sorted(names) == ["behavior.db", "memory.db", PARTS]
        and all(size >= 0 for _, size in trailer.members)
        and sum(size for _, size in trailer.members) == room
        and datakey.is_wrapped(trailer.wrapped)
    )


def verify(place: Path, key: bytes, advance: Advance = lambda _: None) -> Trailer:
    """Return the trailer of a backup of which every byte is as it was written under this key.

    Raises:
        UsageError: The file is no backup.
        CorruptStoreError: It was changed, or is of another key.
    """
    read_trailer(place)
    with place.open("rb") as given:
        trailer, end = _trailer(given)
        given.seek(end)
        stated = given.read(_MAC)
        if trailer is None or not hmac.compare_digest(_mac(given, key, end, advance), stated):
            raise CorruptStoreError(
                f"'{place}' is damaged, or was changed since it was written",
                hint="use another backup",
            )
    return trailer


def _mac(given: BinaryIO, key: bytes, end: int, advance: Advance = lambda _: None) -> bytes:
    found = hmac.new(datakey.purpose(key, "file"), digestmod=hashlib.sha256)
    given.seek(0)
    left = end
    while left and (part := given.read(min(CHUNK, left))):
        found.update(part)
        left -= len(part)
        advance(len(part))
    return found.digest()


@contextmanager
def unpacked(place: Path, trailer: Trailer, folder: Path) -> Iterator[dict[str, Path]]:
    """Lay the members of a verified backup into a folder, encrypted as they are, for a block."""
    folder.mkdir(mode=0o700, exist_ok=True)
    made: dict[str, Path] = {}
    try:
        with place.open("rb") as given:
            for name, size in trailer.members:
                made[name] = folder / f"{os.getpid()}-{secrets.token_hex(8)}-{name}"
                _extract(given, made[name], size)
        yield made
    finally:
        for one in made.values():
            for end in ("", "-journal", "-wal", "-shm"):
                one.with_name(one.name + end).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # another process uses it at this moment
            folder.rmdir()


def _extract(given: BinaryIO, place: Path, size: int) -> None:
    fd = os.open(place, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(fd, "wb") as out:
        while size and (part := given.read(min(CHUNK, size))):
            out.write(part)
            size -= len(part)


def clear(folder: Path, alive: Callable[[int], bool]) -> int:
    """Remove what processes that ended left in the folder of unpacked members."""
    gone = 0
    for place in sorted(folder.glob("*-*")) if folder.exists() else ():
        pid = place.name.partition("-")[0]
        if pid.isdigit() and int(pid) != os.getpid() and not alive(int(pid)):
            place.unlink(missing_ok=True)
            gone += 1
    if gone:
        with contextlib.suppress(OSError):
            folder.rmdir()
    return gone
