"""A rollback journal written by us in SQLite's format, so that SQLite itself undoes a torn patch.

Whoever opens the database next finds the journal hot and puts the pages back before it reads one.
That is right only while nobody else has the file open: see `alone`.
"""

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from memory.files import sync_folder

MAGIC = bytes.fromhex("d9d505f920a163d7")
SECTOR = 512  # bytes that the header fills
STEP = 200  # the checksum of a page takes in every so many bytes, from the end


@contextmanager
def journal(database: Path, pages: Mapping[int, bytes], count: int) -> Iterator[None]:
    """Keep pages (by their place, from 0) as they are while a block overwrites them.

    After an interruption they are restored by whoever opens the database next.

    Args:
        database: The file, of which the caller holds SQLite's exclusive lock.
        pages: What lies in it now.
        count: Pages of the whole file.
    """
    place = database.with_name(f"{database.name}-journal")
    size = len(next(iter(pages.values())))
    nonce = secrets.randbits(32)
    numbers = (len(pages), nonce, count, SECTOR, size)
    head = MAGIC + b"".join(number.to_bytes(4, "big") for number in numbers)
    body = b"".join(
        (page + 1).to_bytes(4, "big") + raw + _checksum(nonce, raw) for page, raw in pages.items()
    )
    fd = os.open(place, os.O_CREAT | os.O_RDWR | getattr(os, "O_BINARY", 0), 0o600)
    try:
        # The pages before the header: the journal counts only when it is whole.
        _write(fd, bytes(SECTOR) + body)
        os.fsync(fd)
        _write(fd, head)
        os.fsync(fd)
        sync_folder(place.parent)
        yield
        # Made worthless before it is removed: a name that a power cut brings back is no harm then.
        _write(fd, bytes(len(head)))
        os.fsync(fd)
    finally:
        os.close(fd)
    place.unlink()


def _write(fd: int, data: bytes) -> None:
    os.lseek(fd, 0, os.SEEK_SET)
    while data:
        data = data[os.write(fd, data) :]


def _checksum(nonce: int, raw: bytes) -> bytes:
    total = nonce + sum(raw[at] for at in range(len(raw) - STEP, 0, -STEP))
    return (total & 0xFFFFFFFF).to_bytes(4, "big")
