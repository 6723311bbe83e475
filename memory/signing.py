"""The certificate key: Ed25519, made for the first receipt, signs receipts and nothing else.

Other keys of a store have purposes of their own and are never this one, so that the public half
can be handed out with a receipt.
"""

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from memory.errors import InvalidReceiptError, StoreError
from memory.files import KEYS, sync_folder

PRIVATE = "certificate.key"  # 32 bytes in hexadecimal digits
PUBLIC = "certificate.pub"  # every public key this store has signed with, one a line, newest last
_FORM = re.compile(r"[0-9a-f]{64}\n?")


@dataclass(frozen=True, slots=True)
class Key:
    """A pair of keys; the secret half stays out of every representation."""

    secret: bytes = field(repr=False)
    public: bytes

    def sign(self, message: bytes) -> bytes:
        """Return the signature, 64 bytes, the same for the same message."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415 - 13 ms
            Ed25519PrivateKey,
        )

        return Ed25519PrivateKey.from_private_bytes(self.secret).sign(message)


def obtain(home: Path, older: Sequence[str] = ()) -> Key:
    """Return the key of a store, made now if there is none. The caller holds the write lock.

    Args:
        home: The store's folder.
        older: Public keys in hexadecimal that signed before, kept beside that of a new key.

    Raises:
        StoreError: The file is no key, or none can be written; it is never overwritten.
    """
    return load(home) or _make(home, older)


def load(home: Path) -> Key | None:
    """Return the key of a store; None if it never signed anything.

    Raises:
        StoreError: The file is no key.
    """
    place = home / KEYS / PRIVATE
    try:
        text = place.read_text("ascii")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError):
        text = ""
    if not _FORM.fullmatch(text):
        raise StoreError(
            f"'{place}' is not a certificate key, or cannot be read",
            hint="restore it from a backup; or move it away, and the next receipt makes a new one",
        )
    return _pair(bytes.fromhex(text))


def _pair(secret: bytes) -> Key:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415 - as above
        Ed25519PrivateKey,
    )

    return Key(secret, Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw())


def _make(home: Path, older: Sequence[str]) -> Key:
    made = _pair(secrets.token_bytes(32))
    folder = home / KEYS
    public = "".join(f"{one}\n" for one in (*older, made.public.hex()))
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        _place(folder / PUBLIC, public)
        # Last: a private key on disk always has its public half beside it.
        _place(folder / PRIVATE, f"{made.secret.hex()}\n")
        sync_folder(folder)
        sync_folder(home)
    except OSError as exc:
        raise StoreError(
            f"cannot write a certificate key into '{folder}': {exc.strerror}",
            hint="receipts are signed: check the folder's owner and mode, and free some space",
        ) from exc
    return made


def _place(place: Path, text: str) -> None:
    """Write a private file in one piece: after a crash it is whole or not there."""
    temporary = place.with_name(f"{place.name}.tmp")
    temporary.unlink(missing_ok=True)
    fd = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        os.write(fd, text.encode("ascii"))
        os.fsync(fd)
    finally:
        os.close(fd)
    temporary.replace(place)


def known(home: Path) -> tuple[str, ...]:
    """Return the public keys beside the private one, in hexadecimal; () if there are none."""
    try:
        lines = (home / KEYS / PUBLIC).read_text("ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return ()
    return tuple(line for line in lines if _FORM.fullmatch(line))


def fingerprint(public: bytes) -> str:
    """Return the SHA-256 of a public key in hexadecimal: what a person compares."""
    return hashlib.sha256(public).hexdigest()


def verify(public: bytes, signature: bytes, message: bytes) -> None:
    """Return if the signature is of this key and message.

    Raises:
        InvalidReceiptError: It is not; reason "signature".
    """
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
        Ed25519PublicKey,
    )

    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError) as exc:
        raise InvalidReceiptError("signature") from exc


def same(one: str, other: str) -> bool:
    """Compare two hashes or fingerprints; the time it takes says nothing about them."""
    return hmac.compare_digest(one, other)
