"""Keyed references to people: whether two requests are about one person, and nothing else.

The key has no other purpose. Without it a reference is noise; who holds it can try out names, so
destroying `keys/request.key` is what makes the answered requests anonymous.
"""

import hmac
import os
import re
import secrets
from pathlib import Path

from memory.errors import StoreError
from memory.files import KEYS, sync_folder
from memory.naming import words

KEY = "request.key"
SIZE = 16  # bytes of a reference


def reference(home: Path, name: str) -> bytes:
    """Return the keyed MAC of a name, equal in all its spellings; makes the key if there is none.

    Raises:
        StoreError: The file is no key, or none can be written.
    """
    key = _load(home) or _make(home / KEYS)
    return hmac.digest(key, b"subject\0" + words(name).encode(), "sha256")[:SIZE]


def known(home: Path, name: str) -> bytes | None:
    """Return the keyed MAC of a name; None where no request was ever recorded."""
    return reference(home, name) if _load(home) else None


def _load(home: Path) -> bytes | None:
    place = home / KEYS / KEY
    try:
        text = place.read_text("ascii")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError):
        text = ""
    if not re.fullmatch(r"[0-9a-f]{64}\n", text):
        raise StoreError(
            f"'{place}' is not a key of the requests, or cannot be read",
            hint="move it away; a new one is made, which recognises no earlier request",
        )
    return bytes.fromhex(text)


def _make(folder: Path) -> bytes:
    key = secrets.token_bytes(32)
    temporary = folder / f"{KEY}.tmp"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        temporary.unlink(missing_ok=True)
        fd = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            os.write(fd, f"{key.hex()}\n".encode("ascii"))
            os.fsync(fd)
        finally:
            os.close(fd)
        temporary.replace(folder / KEY)
        sync_folder(folder)
        sync_folder(folder.parent)
    except OSError as exc:
        raise StoreError(
            f"cannot write the key of the requests into '{folder}': {exc.strerror}",
            hint="check the folder's owner and mode",
        ) from exc
    return key
