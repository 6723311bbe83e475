"""The data keys of an encrypted store: made, wrapped into their slots, unwrapped, destroyed."""

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from memory import custody, keyslots
from memory.custody import Ask, CustodyKind
from memory.errors import StoreError, StoreLockedError
from memory.files import DATABASE
from memory.ids import new_id

KEY = 32  # bytes
Wanted = CustodyKind | Literal["auto"]


@dataclass(frozen=True, slots=True)
class DataKey:
    """A key that pages are encrypted under; the secret stays out of every representation."""

    id: str
    secret: bytes = field(repr=False)
    at: int  # slot


class Vault:
    """What opens one encrypted store. Its methods write to the slots only."""

    def __init__(self, home: Path, ask: Ask, wrapping: Mapping[str, bytes] | None = None) -> None:
        """Unlock the store in `home`.

        Raises:
            StoreLockedError: No key of it is to be had; says why.
        """
        self.home = home
        self._ask = ask
        self._wrapping = dict(wrapping or {})  # custody keys by their parameters
        self.keys: tuple[DataKey, ...] = ()  # newest first
        self.kind: CustodyKind = "file"
        self._read = keyslots.Slots({}, -1)  # not read yet
        self.reload()

    @classmethod
    def of(cls, home: Path, key: str | Ask | None) -> "Vault | None":
        """Return what opens the store in `home`; None if it is not encrypted."""
        if not keyslots.place_of(home).exists():
            return None
        return cls(home, custody.given(key))

    @classmethod
    def create(cls, home: Path, wanted: Wanted, key: str | Ask | None, now: datetime) -> "Vault":
        """Make the first key of a store that does not exist yet.

        Raises:
            StoreError: There is a plain store, or the key cannot be kept.
        """
        refuse_plain(home)
        kind, ask = custody.chosen(wanted, asks=key is not None), custody.given(key)
        try:
            made, wrapping = _slot(home, kind, 1, ask, now)
            if not keyslots.create(home, made):  # another process was first
                custody.drop(home, made.custody, {kind})
        except OSError as exc:
            raise StoreError(
                f"cannot write a key into '{home}': {exc.strerror}",
                hint="choose a folder you may write to, with --store or $LETHEON_HOME",
            ) from exc
        return cls(home, ask, {_name(made.custody): wrapping})

    def reload(self) -> bool:
        """Read the slots again; False if they are as they were.

        Raises:
            StoreLockedError: No key is to be had.
        """
        found = keyslots.read(self.home)
        if found == self._read:
            return False
        keys, problem = [], None
        for at, slot in found.whole.items():
            try:
                keys.append(DataKey(slot.id, self._unwrapped(slot), at))
            except StoreLockedError as exc:
                problem = problem or exc
        if not keys:
            raise problem or StoreLockedError(
                f"'{keyslots.place_of(self.home)}' holds no whole key",
                hint="put it back from a backup: nothing else opens the store",
            )
        self._read, self.keys = found, tuple(keys)
        self.kind = found.whole[keys[0].at].custody["kind"]
        return True

    @property
    def secrets(self) -> tuple[bytes, ...]:
        """The keys as they open pages, newest first."""
        return tuple(key.secret for key in self.keys)

    @property
    def torn(self) -> bool:
        """Whether a change of the key was interrupted: the other slot is not empty."""
        return len(self._read.whole) + self._read.torn > 1

    def begin(self, now: datetime, kind: CustodyKind | None = None, ask: Ask | None = None) -> None:
        """Put a new key into the free slot, durably, or go on with one that is there already.

        The caller is alone with the databases. The new key is the first of `keys` afterwards.
        """
        if len(self.keys) > 1:
            return
        current = self._read.whole[self.keys[0].at]
        order = 1 + max(slot.order for slot in self._read.whole.values())
        if kind is None and current.custody["kind"] != "keyring":
            wrapping, params = self._wrapping[_name(current.custody)], dict(current.custody)
            made = _wrapped(new_id(_day(now)), order, params, wrapping)
        else:
            wanted = kind or "keyring"
            made, wrapping = _slot(self.home, wanted, order, ask or self._ask, now)
        self._wrapping[_name(made.custody)] = wrapping
        keyslots.put(self.home, keyslots.SLOTS - 1 - self.keys[0].at, made)
        self.reload()

    def finish(self) -> tuple[str, ...]:
        """Destroy every key but the first of `keys`; return the ids of those destroyed."""
        keep = self.keys[0]
        kept = {str(self._read.whole[keep.at].custody["kind"])}
        gone = [slot for at, slot in self._read.whole.items() if at != keep.at]
        for slot in gone:
            custody.drop(self.home, slot.custody, kept)
        for at in range(keyslots.SLOTS):
            if at != keep.at:
                keyslots.put(self.home, at, None)
        self.reload()
        return tuple(slot.id for slot in gone)

    def _unwrapped(self, slot: keyslots.Slot) -> bytes:
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - encrypted stores only
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - as above

        name = _name(slot.custody)
        wrapping = self._wrapping.get(name) or custody.find(self.home, slot.custody, self._ask)
        try:
            secret = AESGCM(wrapping).decrypt(slot.nonce, slot.wrapped, slot.bound())
        except InvalidTag as exc:
            kind = slot.custody["kind"]
            raise StoreLockedError(
                "the passphrase is wrong"
                if kind == "passphrase"
                else f"the {kind} has a key that does not open this store",
                hint="the store is untouched; try again"
                if kind == "passphrase"
                else "put back the key that belongs to it",
            ) from exc
        self._wrapping[name] = wrapping
        return secret


def refuse_plain(home: Path) -> None:
    """Return if no plain store lies in `home`.

    Raises:
        StoreError: One does, whose medium holds its content in plain for ever.
    """
    place = home / DATABASE
    if place.exists() and place.stat().st_size and not keyslots.place_of(home).exists():
        raise StoreError(
            f"there is an unencrypted store at '{home}', and what the drive keeps of it stays so",
            hint="'mem export' it, 'mem init --encrypt' another, import there, destroy this one",
        )


def _slot(
    home: Path, kind: CustodyKind, order: int, ask: Ask, now: datetime
) -> tuple[keyslots.Slot, bytes]:
    ident = new_id(_day(now))
    params, wrapping = custody.make(home, kind, ident, ask)
    return _wrapped(ident, order, params, wrapping), wrapping


def _wrapped(ident: str, order: int, params: Mapping[str, Any], wrapping: bytes) -> keyslots.Slot:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - as above

    nonce = os.urandom(12)
    bare = keyslots.Slot(id=ident, order=order, custody=params, nonce=nonce, wrapped=b"")
    sealed = AESGCM(wrapping).encrypt(nonce, secrets.token_bytes(KEY), bare.bound())
    return keyslots.Slot(id=ident, order=order, custody=params, nonce=nonce, wrapped=sealed)


def _day(now: datetime) -> datetime:
    # The id goes into a receipt, and a receipt knows no finer time than the day.
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


def _name(params: Mapping[str, Any]) -> str:
    return json.dumps(params, sort_keys=True)
