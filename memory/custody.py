"""Who keeps the key that wraps an encrypted store's data key: keyring, passphrase, or a file."""

import contextlib
import os
import secrets
import unicodedata
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from memory.errors import StoreError, StoreLockedError, UsageError
from memory.files import KEYS, sync_folder

CustodyKind = Literal["keyring", "passphrase", "file"]
KINDS: tuple[CustodyKind, ...] = get_args(CustodyKind)
KEY_FILE = "custody.key"
PASSPHRASE = "LETHEON_PASSPHRASE"  # noqa: S105 - the name of a variable
SERVICE = "letheon"  # in the keyring
USABLE = 1.0  # priority from which a keyring's back end is worth trusting
SHORTEST = 8  # characters of a passphrase
# Argon2id, the second recommendation of RFC 9106: 64 MiB, three passes, four lanes.
COST: Mapping[str, int] = {"passes": 3, "memory_kib": 65_536, "lanes": 4}

Ask = Callable[[], str]  # returns the passphrase; raises StoreLockedError where there is none


def given(key: str | Ask | None) -> Ask:
    """Return how a passphrase is got: as given, else from the environment, else not at all."""

    def ask() -> str:
        if isinstance(key, str):
            return key
        said = os.environ.get(PASSPHRASE, "")
        if said or key is None:
            if not said:
                raise StoreLockedError(
                    "the store is encrypted with a passphrase, and none is given",
                    hint=f"set ${PASSPHRASE} for the program that opens it",
                )
            return said
        return key()

    return ask


def chosen(kind: CustodyKind | Literal["auto"], *, asks: bool) -> CustodyKind:
    """Return the kind to use: the best that works here for "auto".

    Args:
        kind: What the person wants.
        asks: Whether somebody can be asked for a passphrase.

    Raises:
        StoreError: The keyring is wanted, and there is none to use.
    """
    if kind == "keyring":
        _keyring()
    if kind != "auto":
        return kind
    with contextlib.suppress(StoreError):
        _keyring()
        return "keyring"
    return "passphrase" if asks or os.environ.get(PASSPHRASE) else "file"


def make(home: Path, kind: CustodyKind, ident: str, ask: Ask) -> tuple[dict[str, Any], bytes]:
    """Return the parameters and the custody key that wrap the data key `ident`.

    Each data key has an entry of its own in a keyring, so that the older wrapping key can go with
    the older data key.

    Raises:
        UsageError: The passphrase is too short.
        StoreError: The keyring or the folder cannot be written.
    """
    if kind == "keyring":
        key = secrets.token_bytes(32)
        _set(_keyring(), ident, key.hex())
        return {"kind": kind, "entry": ident}, key
    if kind == "passphrase":
        passphrase = ask()
        if len(passphrase) < SHORTEST:
            raise UsageError(
                f"a passphrase has at least {SHORTEST} characters", hint="several words are best"
            )
        params = {"kind": kind, "salt": secrets.token_hex(16), **COST}
        return params, _stretched(passphrase, params)
    return {"kind": kind}, _load(home) or _make_file(home)


def find(home: Path, custody: Mapping[str, Any], ask: Ask) -> bytes:
    """Return the custody key that these parameters name.

    Raises:
        StoreLockedError: It is not to be had; says why.
    """
    kind = custody["kind"]
    if kind == "keyring":
        said = _keyring().get_password(SERVICE, custody["entry"])
        if said is None:
            raise StoreLockedError(
                f"the keyring has no entry {custody['entry']!r} of service {SERVICE!r}",
                hint="unlock the keyring of the account that made the store",
            )
        return bytes.fromhex(said)
    if kind == "passphrase":
        return _stretched(ask(), custody)
    if kind != "file":
        raise StoreLockedError(
            f"the store's key is kept in a way this Letheon does not know: {kind!r}",
            hint="upgrade the package 'letheon'",
        )
    found = _load(home)
    if found is None:
        raise StoreLockedError(
            f"the store is encrypted and its key file '{home / KEYS / KEY_FILE}' is gone",
            hint="put it back from a backup: nothing else opens the store",
        )
    return found


def drop(home: Path, custody: Mapping[str, Any], kept: set[str]) -> None:
    """Let go of a custody key that wraps nothing any more; `kept` are the kinds still in use."""
    if custody["kind"] == "keyring":
        with contextlib.suppress(Exception):  # the back ends share no root of errors
            _keyring().delete_password(SERVICE, custody["entry"])
    place = home / KEYS / KEY_FILE
    if custody["kind"] == "file" and "file" not in kept and place.exists():
        with place.open("r+b") as opened:
            opened.write(bytes(place.stat().st_size))
            opened.flush()
            os.fsync(opened.fileno())
        place.unlink()
        sync_folder(place.parent)


def _stretched(passphrase: str, custody: Mapping[str, Any]) -> bytes:
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id  # noqa: PLC0415 - 15 ms

    return Argon2id(
        salt=bytes.fromhex(custody["salt"]),
        length=32,
        iterations=custody["passes"],
        lanes=custody["lanes"],
        memory_cost=custody["memory_kib"],
    ).derive(unicodedata.normalize("NFC", passphrase).encode())


def _keyring() -> Any:
    try:
        import keyring  # noqa: PLC0415 - an optional package
    except ImportError as exc:
        raise StoreLockedError(
            "the package 'keyring' is not installed",
            hint="pip install keyring; or choose --key passphrase or --key file",
        ) from exc
    if keyring.get_keyring().priority < USABLE:
        raise StoreLockedError(
            "this system offers no keyring that can be used",
            hint="choose --key passphrase or --key file",
        )
    return keyring


def _set(ring: Any, entry: str, secret: str) -> None:
    try:
        ring.set_password(SERVICE, entry, secret)
        kept = ring.get_password(SERVICE, entry)
    except Exception as exc:  # the back ends share no root of errors
        raise StoreError(
            f"the keyring cannot be written: {type(exc).__name__}",
            hint="unlock it, or choose --key passphrase or --key file",
        ) from exc
    if kept != secret:
        raise StoreError("the keyring did not keep the key", hint="choose another with --key")


def _load(home: Path) -> bytes | None:
    place = home / KEYS / KEY_FILE
    try:
        key = bytes.fromhex(place.read_text("ascii"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        key = b""
    if len(key) != 32:
        raise StoreLockedError(
            f"'{place}' is no key, or cannot be read", hint="put it back from a backup"
        )
    return key


def _make_file(home: Path) -> bytes:
    place, key = home / KEYS / KEY_FILE, secrets.token_bytes(32)
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    place.parent.mkdir(mode=0o700, exist_ok=True)
    try:
        fd = os.open(place, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:  # another process was first
        return _load(home) or b""
    try:
        os.write(fd, f"{key.hex()}\n".encode("ascii"))
        os.fsync(fd)
    finally:
        os.close(fd)
    sync_folder(place.parent)
    return key
