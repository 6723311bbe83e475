"""Data keys: each backup has one of its own, so that one can be made unreadable without the file.

The key stands in `keys/backup/ID.key`. Destroying that file is what shreds a backup, unless a
person holds a recovery code or a passphrase, by which the key is wrapped inside the backup itself.
"""

import hmac
import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from memory.errors import MemError, StoreError, UsageError
from memory.files import KEYS, sync_folder

FOLDER = "backup"
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's: none of I, L, O, U
_CODE = 32  # characters of a recovery code, 160 bits
_LOOKS = str.maketrans("ILO", "110")
# Argon2id as RFC 9106 recommends where memory is short.
_ARGON2 = {"iterations": 3, "lanes": 4, "memory_kib": 65536}
_HEX = ("salt", "nonce", "wrapped")
Wrapped = Mapping[str, Any]


def make(home: Path, ident: str) -> bytes:
    """Make the data key of a backup and keep it in the store; durable when this returns.

    Raises:
        StoreError: It cannot be written.
    """
    key = secrets.token_bytes(32)
    folder = home / KEYS / FOLDER
    try:
        for one in (folder.parent, folder):
            one.mkdir(mode=0o700, exist_ok=True)
        fd = os.open(folder / f"{ident}.key", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            os.write(fd, seal(home, key))
            os.fsync(fd)
        finally:
            os.close(fd)
        for one in (folder, folder.parent, home):
            sync_folder(one)
    except OSError as exc:
        raise StoreError(
            f"cannot write a key into '{folder}': {exc.strerror}",
            hint="check the folder's owner and mode, and free some space",
        ) from exc
    return key


def load(home: Path, ident: str) -> bytes | None:
    """Return the data key of a backup; None if the store does not have it.

    Raises:
        StoreError: The file is no key.
    """
    place = _place(home, ident)
    try:
        return unseal(home, place.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as exc:
        raise StoreError(
            f"'{place}' is not a key of a backup, or cannot be read",
            hint="a recovery code or passphrase opens the backup, if it was made with one",
        ) from exc


def seal(home: Path, key: bytes) -> bytes:  # noqa: ARG001 - for a store that has a key itself
    """Return a data key in the form in which it lies on disk, always of the same length."""
    return key.hex().encode() + b"\n"


def unseal(home: Path, held: bytes) -> bytes:  # noqa: ARG001 - as above
    """Return the data key from what lies on disk.

    Raises:
        ValueError: That is no key.
    """
    if not re.fullmatch(rb"[0-9a-f]{64}\n", held):
        raise ValueError("no key")
    return bytes.fromhex(held.decode("ascii"))


def exists(home: Path, ident: str) -> bool:
    """Tell whether the store has the data key of a backup."""
    return _place(home, ident).exists()


def destroy(home: Path, ident: str) -> None:
    """Overwrite the data key of a backup in place and remove it; repeatable.

    Raises:
        StoreError: It cannot be written or removed.
    """
    place = _place(home, ident)
    try:
        with place.open("r+b") as held:
            held.write(bytes(place.stat().st_size))
            held.flush()
            os.fsync(held.fileno())
        place.unlink()
        sync_folder(place.parent)
    except FileNotFoundError:
        return
    except OSError as exc:
        raise StoreError(
            f"cannot destroy '{place}': {exc.strerror}", hint="check the folder's owner and mode"
        ) from exc


def held(home: Path) -> list[str]:
    """Return the ids whose keys lie in the folder."""
    return sorted(place.stem for place in (home / KEYS / FOLDER).glob("*.key"))


def _place(home: Path, ident: str) -> Path:
    return home / KEYS / FOLDER / f"{ident}.key"


def purpose(key: bytes, what: str) -> bytes:
    """Return the key for one use of a data key; knowing one says nothing about another."""
    return hmac.digest(key, f"letheon backup 1 {what}".encode(), "sha256")


def recovery_code() -> str:
    """Return a new recovery code: 160 random bits in groups of four characters."""
    letters = "".join(secrets.choice(_ALPHABET) for _ in range(_CODE))
    return "-".join(letters[at : at + 4] for at in range(0, _CODE, 4))


def wrap(key: bytes, secret: str, by: str, ident: str) -> Wrapped:
    """Return a data key as only who knows the secret can read it.

    Args:
        key: The data key.
        secret: A recovery code, or a passphrase.
        by: "recovery" or "passphrase".
        ident: Of the backup; what is wrapped for one does not open another.
    """
    salt, nonce = secrets.token_bytes(16), secrets.token_bytes(12)
    told: dict[str, Any] = {"by": by, "salt": salt.hex(), "nonce": nonce.hex()}
    if by == "passphrase":
        told["argon2id"] = dict(_ARGON2)
    told["wrapped"] = _cipher(told, secret).encrypt(nonce, key, ident.encode()).hex()
    return told


def is_wrapped(told: Any) -> bool:
    """Tell whether a value is what `wrap` returns, with costs a computer can pay; or empty."""
    if told == {}:
        return True
    try:
        costs = told.get("argon2id", _ARGON2)
        return (
            told["by"] in ("recovery", "passphrase")
            and all(re.fullmatch(r"(?:[0-9a-f]{2}){12,64}", told[n]) for n in _HEX)
            and 1 <= costs["iterations"] <= 16
            and 1 <= costs["lanes"] <= 16
            and 8 * costs["lanes"] <= costs["memory_kib"] <= 1 << 20
            and len(told["nonce"]) == 24
        )
    except (KeyError, TypeError, AttributeError):
        return False


def unwrap(told: Wrapped, secret: str, ident: str) -> bytes:
    """Return the data key.

    Raises:
        UsageError: The secret is not the one.
    """
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - only who opens one needs it

    nonce, body = bytes.fromhex(told["nonce"]), bytes.fromhex(told["wrapped"])
    try:
        key: bytes = _cipher(told, secret).decrypt(nonce, body, ident.encode())
    except InvalidTag as exc:
        what = "recovery code" if told["by"] == "recovery" else "passphrase"
        raise UsageError(f"this is not the {what} of the backup") from exc
    return key


def _cipher(told: Wrapped, secret: str) -> Any:
    from cryptography.hazmat.primitives.ciphers.aead import (  # noqa: PLC0415 - as above
        ChaCha20Poly1305,
    )

    salt = bytes.fromhex(told["salt"])
    if told["by"] == "recovery":
        return ChaCha20Poly1305(hmac.digest(salt, _plain_code(secret), "sha256"))
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id  # noqa: PLC0415

    costs = told["argon2id"]
    try:
        kdf = Argon2id(
            salt=salt,
            length=32,
            iterations=costs["iterations"],
            lanes=costs["lanes"],
            memory_cost=costs["memory_kib"],
        )
    except UnsupportedAlgorithm as exc:
        raise MemError(
            "this build of 'cryptography' has no Argon2id", hint="use --recovery instead"
        ) from exc
    return ChaCha20Poly1305(kdf.derive(secret.encode()))


def _plain_code(secret: str) -> bytes:
    letters = re.sub(r"[\s-]", "", secret).upper().translate(_LOOKS)
    if len(letters) != _CODE or set(letters) - set(_ALPHABET):
        raise UsageError(
            f"a recovery code has {_CODE} letters and digits", hint="'XXXX-XXXX-…' in eight groups"
        )
    return letters.encode()
