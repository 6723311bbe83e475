"""Reading what others wrote: whole files, lines and JSON, with errors that name the place."""

import contextlib
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from memory.errors import UsageError

MAX_LINE = 16_000_000  # bytes of one line


def json_object(value: object, where: str) -> dict[str, Any]:
    """Return `value`, which must be a JSON object."""
    if not isinstance(value, dict):
        raise UsageError(f"{where} is no JSON object")
    return value


def json_value(text: str, where: str) -> object:
    """Return the value of a JSON text."""
    try:
        value: object = json.loads(text)
    except json.JSONDecodeError as exc:
        raise UsageError(f"{where} is not JSON: {exc.msg} at character {exc.pos}") from exc
    except (ValueError, RecursionError) as exc:
        raise UsageError(f"{where} is not JSON: {exc}") from exc
    return value


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield number and text of the lines that are not blank."""
    offset = 0
    with opened(path) as file:
        for number, raw in enumerate(iter(lambda: file.readline(MAX_LINE + 1), b""), start=1):
            if len(raw) > MAX_LINE:
                raise UsageError(f"line {number} of {path.name!r} has more than {MAX_LINE:,} bytes")
            text = decoded(raw, path, offset).strip()
            offset += len(raw)
            if text:
                yield number, text


def whole(path: Path, limit: int) -> bytes:
    """Return the bytes of a file of at most `limit` bytes."""
    with opened(path) as file:
        raw = file.read(limit + 1)
    if len(raw) > limit:
        raise UsageError(f"{path.name!r} has more than {limit:,} bytes", hint="split the file")
    return raw


def decoded(raw: bytes, path: Path, offset: int = 0) -> str:
    """Return UTF-8 text with LF line ends; the error names the byte `offset` counts up to."""
    try:
        text = raw.decode()
    except UnicodeDecodeError as exc:
        raise UsageError(
            f"{path.name!r} is not UTF-8: byte {raw[exc.start]:#04x} at {offset + exc.start}",
            hint="convert it, for example with iconv -t UTF-8",
        ) from exc
    return text.removeprefix("\ufeff").replace("\r\n", "\n")


@contextlib.contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a regular file for reading, never through a symbolic link."""
    flags = os.O_RDONLY | sum(
        getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY")
    )
    if path.is_symlink():
        raise UsageError(f"{path.name!r} is a symbolic link", hint="give the real path")
    try:
        descriptor = os.open(path, flags)
    except OSError as exc:
        raise UsageError(f"{path.name!r} cannot be read: {exc.strerror}") from exc
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UsageError(f"{path.name!r} is no regular file")
    with os.fdopen(descriptor, "rb") as file:
        yield file
