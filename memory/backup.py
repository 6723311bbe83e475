"""Backup: one encrypted file that holds a whole store, under a key that can be destroyed alone."""

import os
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from memory import (
    census,
    container,
    copies,
    datakey,
    enciphered,
    files,
    held,
    ledger,
    setting,
    signing,
    tombstones,
)
from memory import shred as shredding
from memory.db import Connection, identity, migrations
from memory.errors import CorruptStoreError, NotFoundError, SchemaTooNewError, UsageError

EXPIRES = 30  # days, if nothing is said
STAGING = "staging"  # folder of a store in which members of a backup are unpacked
SUPPRESS, PUBLIC, PRIVATE, LEDGER = "suppress.key", "certificate.pub", "certificate.key", "ledger"
Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How a backup is to be made."""

    days: int | None = EXPIRES  # until it is to be shredded; None for never
    recovery: bool = False  # a recovery code opens it, too
    passphrase: str = ""  # this opens it, too
    with_keys: bool = False  # holds the key that signs receipts


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A backup that was made."""

    id: str
    path: str
    bytes: int
    day: str
    expires: str  # "" for never
    opens: str  # "store", "recovery" or "passphrase"
    memories: int
    recovery_code: str = field(default="", repr=False)  # shown once, kept nowhere


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A registered backup on its way."""

    id: str
    home: Path
    target: Path
    trailer: container.Trailer  # still without members
    expires: str
    opens: copies.Opens
    memories: int
    wish: Wish
    key: bytes = field(repr=False)
    recovery_code: str = field(default="", repr=False)


def checked(home: Path, target: Path, wish: Wish) -> Path:
    """Return the place of a new backup.

    Raises:
        UsageError: It is not acceptable.
        MissingExtraError: The engine cannot encrypt.
    """
    enciphered.require_cipher()
    place = target.expanduser().resolve()
    if place.is_relative_to(home.resolve()):
        raise UsageError(
            "a backup inside the store would be lost with it", hint="choose another folder"
        )
    if place.exists():
        raise UsageError(f"'{place}' exists", hint="give the name of a new file")
    if not place.parent.is_dir():
        raise UsageError(f"folder '{place.parent}' does not exist")
    if wish.recovery and wish.passphrase:
        raise UsageError("a backup has a recovery code or a passphrase", hint="choose one")
    if wish.days is not None and not 0 < wish.days <= 36_500:
        raise UsageError("a backup expires after 1 to 36500 days", hint="or never")
    return place


def begin(con: Connection, home: Path, target: Path, wish: Wish, now: datetime) -> Job:
    """Register a backup and make its key, inside the caller's transaction.

    Raises:
        StoreError: The key cannot be written.
    """
    opens: copies.Opens = "passphrase" if wish.passphrase else "store"
    opens = "recovery" if wish.recovery else opens
    expires = "" if wish.days is None else (now + timedelta(days=wish.days)).date().isoformat()
    ident = copies.begin(con, "backup", target, now, expires=expires, opens=opens)
    apart = held.encrypted(home / files.DATABASE)
    if apart and not (wish.recovery or wish.passphrase):
        raise UsageError(
            "the folder of an encrypted store holds no key in plain, so nothing would open it",
            hint="add --recovery or --passphrase",
        )
    key = secrets.token_bytes(32) if apart else datakey.make(home, ident)
    code = datakey.recovery_code() if wish.recovery else ""
    secret = code or wish.passphrase
    return Job(
        id=ident,
        home=home,
        target=target,
        trailer=container.Trailer(
            format=container.FORMAT,
            id=ident,
            store=setting.get(con, "store_id"),
            day=now.date().isoformat(),
            schema=identity(con)[1],
            members=(),
            wrapped=datakey.wrap(key, secret, opens, ident) if secret else {},
        ),
        expires=expires,
        opens=opens,
        memories=census.totals(con)[0],
        wish=wish,
        key=key,
        recovery_code=code,
    )


def _parts(home: Path, wish: Wish) -> dict[str, bytes]:
    """Return the small files of a store that a backup holds beside its databases.

    The keys of other backups are never among them: none could be shredded alone any more.
    """
    complete, _ = ledger.lines(home)
    parts = {LEDGER: b"".join(line + b"\n" for line in complete)}
    if (suppress := tombstones.load(home)) is not None:
        parts[SUPPRESS] = suppress
    if public := "\n".join(signing.known(home)):
        parts[PUBLIC] = public.encode()
    if wish.with_keys and (private := signing.load(home)) is not None:
        parts[PRIVATE] = private.secret
    return parts


def write(job: Job, advance: Advance = lambda _: None, keys: Sequence[bytes] = ()) -> Made:
    """Write a registered backup into its place; what it raises leaves leavings for `undo`.

    `keys` open the store's own databases, if those are encrypted.
    """
    made, more = shredding.leavings(job.target, job.id)
    for place in (made, more):
        os.close(os.open(place, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    for name, target in ((files.DATABASE, made), (files.BEHAVIOR, more)):
        own = datakey.purpose(job.key, name)
        enciphered.copy(job.home / name, target, own, advance, keys=keys)
    # Read after the database: a receipt too many is noticed, one too few would be missing.
    parts = container.sealed_parts(_parts(job.home, job.wish), job.key)
    with made.open("r+b") as out:
        first = out.seek(0, os.SEEK_END)
        second = container.append(out, more)
        out.write(parts)
        members = (
            (files.DATABASE, first),
            (files.BEHAVIOR, second),
            (container.PARTS, len(parts)),
        )
        container.write_trailer(out, replace(job.trailer, members=members), job.key)
    more.unlink()
    made.replace(job.target)
    files.sync_folder(job.target.parent)
    return Made(
        id=job.id,
        path=str(job.target),
        bytes=job.target.stat().st_size,
        day=job.trailer.day,
        expires=job.expires,
        opens=job.opens,
        memories=job.memories,
        recovery_code=job.recovery_code,
    )


def undo(con: Connection, job: Job) -> None:
    """Take back a backup that could not be completed, inside the caller's transaction."""
    for place in shredding.leavings(job.target, job.id):
        place.unlink(missing_ok=True)
    shredding.remove(copies.get(con, job.id))
    copies.drop(con, job.id)
    datakey.destroy(job.home, job.id)


def key_of(home: Path, trailer: container.Trailer, secret: str = "") -> bytes:
    """Return the data key of a backup: the store's, else the one in the file.

    Raises:
        UsageError: Neither is at hand, or the secret is wrong.
    """
    key = datakey.load(home, trailer.id)
    if key is not None:
        return key
    if trailer.wrapped and secret:
        return datakey.unwrap(trailer.wrapped, secret, trailer.id)
    if trailer.wrapped:
        what = "recovery code" if trailer.wrapped["by"] == "recovery" else "passphrase"
        raise UsageError(f"the backup opens with its {what}", hint=f"give the {what}")
    raise UsageError(
        "the key of this backup is not in the store",
        hint="it was shredded, or made by a store in another place; nothing else opens it",
    )


def needs_secret(home: Path, trailer: container.Trailer) -> str:
    """Return "recovery" or "passphrase" if a person has to give one to open a backup, else ""."""
    return "" if datakey.exists(home, trailer.id) else str(trailer.wrapped.get("by", ""))


def verify(
    home: Path, place: Path, secret: str = "", advance: Advance = lambda _: None
) -> container.Trailer:
    """Examine a backup: every byte, every page, and whether this Letheon can restore it.

    Raises:
        UsageError: The file is no backup, or cannot be opened.
        CorruptStoreError: It is damaged.
        SchemaTooNewError: A newer Letheon wrote it.
    """
    key = key_of(home, container.read_trailer(place), secret)
    trailer = container.verify(place, key, advance)
    check_schema(trailer)
    with container.unpacked(place, trailer, home / STAGING) as members:
        for name in (files.DATABASE, files.BEHAVIOR):
            with enciphered.opened(members[name], datakey.purpose(key, name)) as con:
                if said := enciphered.damage(con):
                    raise CorruptStoreError(f"'{name}' in the backup is damaged: {said[0]}")
        container.opened_parts(members[container.PARTS].read_bytes(), key)
    return trailer


def check_schema(trailer: container.Trailer) -> None:
    """Return if this Letheon knows the schema of a backup.

    Raises:
        SchemaTooNewError: It does not.
    """
    if trailer.schema > len(migrations()):
        raise SchemaTooNewError(
            f"the backup has schema {trailer.schema}, this Letheon knows up to {len(migrations())}",
            hint="upgrade the package 'letheon'",
        )


def registered(con: Connection, ident: str) -> copies.Copy:
    """Return a backup by its id.

    Raises:
        NotFoundError: There is none.
    """
    found = copies.get(con, ident)
    if found.role != "backup":
        raise NotFoundError(f"{ident!r} is an export", hint="'mem backup list' shows backups")
    return found
