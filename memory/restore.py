"""Restore: what a backup has and the store lacks comes back, and never what was erased.

    verify -> unpack, encrypted -> leave out what was erased -> one transaction -> files

The members of the backup lie in the store's folder only as they are in the backup: encrypted. Which
of their memories were erased since is settled there, before a byte of them is written in the clear.
The transaction is what counts: before it nothing has changed, after it the next start ends the
rest.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from memory import (
    adopt,
    backup,
    behavior,
    census,
    container,
    copies,
    datakey,
    enciphered,
    erasures,
    files,
    ledger,
    records,
    refill,
    restriction,
    returning,
    setting,
    tombstones,
    vectors,
)
from memory.db import Connection, migrate, transaction
from memory.errors import CorruptStoreError, StoreError, UsageError
from memory.forget import Place, erase
from memory.tombstones import Guard

Say = Callable[[str], None]
BATCH = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What a restore did."""

    backup: str  # id
    day: str  # when the backup was made
    whole: bool  # the store was empty and took over everything
    memories: int  # that came back
    known: int  # that the store held already, in whatever wording
    erased: int  # that were erased since and stay so
    unknown_erasures: int  # of which it is not known here what they erased
    revived: tuple[str, ...]  # ids that are here although the backup knows they were erased


@dataclass(slots=True)
class _Staged:
    """The opened backup."""

    trailer: container.Trailer
    members: dict[str, Path]
    key: bytes
    parts: dict[str, bytes]

    @contextmanager
    def opened(self, name: str) -> Iterator[Connection]:
        with enciphered.opened(self.members[name], datakey.purpose(self.key, name)) as con:
            yield con

    def attached(self, con: Connection, name: str) -> contextlib.AbstractContextManager[None]:
        return enciphered.attached(con, self.members[name], datakey.purpose(self.key, name))


def restore(place: Place, file: Path, secret: str, *, accept_unknown: bool, say: Say) -> Restored:
    """Bring a backup back; see `Store.restore`."""
    say("verify")
    key = backup.key_of(place.home, container.read_trailer(file), secret)
    trailer = container.verify(file, key)
    backup.check_schema(trailer)
    whole = is_empty(place.con)
    if not whole and setting.get(place.con, "store_id") != trailer.store:
        raise UsageError(
            "this is the backup of another store",
            hint="restore it into an empty folder; 'mem export' and 'mem import' join two stores",
        )
    say("unpack")
    with container.unpacked(file, trailer, place.home / backup.STAGING) as members:
        parts = container.opened_parts(members[container.PARTS].read_bytes(), key)
        staged = _Staged(trailer, members, key, parts)
        _ready(staged, place.write_wait)
        unknown = _unknown(place, staged)
        if unknown and not accept_unknown:
            raise StoreError(
                f"{unknown} erasures are later than this backup; what they erased is unknown",
                hint="take a later backup; --accept-unknown-erasures lets it come back",
            )
        if whole:
            return _whole(place, staged, file, unknown, say)
        return _merged(place, staged, unknown, say)


def is_empty(con: Connection) -> bool:
    """Tell whether a store has never held anything: it may become another one."""
    lived = census.totals(con)[0] or restriction.count(con) or erasures.count(con)[0]
    return not (lived or ledger.known(con).entries)


def _ready(staged: _Staged, wait: float) -> None:
    """Examine the databases of a backup and give them the newest schema."""
    for name, schema in ((files.DATABASE, "store"), (files.BEHAVIOR, "behavior")):
        with staged.opened(name) as con:
            if said := enciphered.damage(con):
                raise CorruptStoreError(f"'{name}' in the backup is damaged: {said[0]}")
            migrate(con, wait, schema)


def _unknown(place: Place, staged: _Staged) -> int:
    """Count the erasures in the ledgers of which the ids they erased are not known here."""
    told = set(returning.erasures_in(ledger.lines(place.home)[0]))
    told |= set(returning.erasures_in(staged.parts[backup.LEDGER].splitlines()))
    with staged.opened(files.DATABASE) as con:
        told -= erasures.ids(con)
    return len(told - erasures.traced(place.con))


def _whole(place: Place, staged: _Staged, file: Path, unknown: int, say: Say) -> Restored:
    with staged.opened(files.DATABASE) as con:
        say("leave out")
        left = erasures.owed(con)
        with transaction(con, place.write_wait):
            # In the staged copy, as a forget does it: sessions close their gaps.
            erase(con, list(records.by_ids(con, left).values()))
        memories = census.totals(con)[0]
        itself = copies.get(con, staged.trailer.id)
    say("restore")
    entries = returning.files_of(place.home, staged.parts)
    with (
        staged.attached(place.con, files.DATABASE),
        staged.attached(place.signals, files.BEHAVIOR),
        transaction(place.con, place.write_wait),
    ):
        if not is_empty(place.con):
            raise StoreError("another process wrote into the store", hint="try again")
        with transaction(place.signals, place.write_wait):
            refill.refill_signals(place.signals)
        refill.refill(place.con)
        copies.adopt(place.con, itself, file.resolve())
        if not returning.guarded(place.home, staged.parts):
            tombstones.drop(place.con)
        _changed(place.con)
        returning.lay(place.home, entries)
        setting.put(place.con, returning.OWED, str(os.getpid()))
    say("files")
    returning.settle(place.con, place.home, place.write_wait)
    return Restored(
        backup=staged.trailer.id,
        day=staged.trailer.day,
        whole=True,
        memories=memories,
        known=0,
        erased=len(left),
        unknown_erasures=unknown,
        revived=(),
    )


def _changed(con: Connection) -> None:
    setting.next_epoch(con)
    setting.put(con, setting.UNSEALED, "restored rows")


def _merged(place: Place, staged: _Staged, unknown: int, say: Say) -> Restored:
    say("restore")
    tally = {"created": 0, "known": 0, "erased": 0}
    with (
        staged.opened(files.DATABASE) as con,
        staged.opened(files.BEHAVIOR) as told,
        transaction(place.con, place.write_wait),
    ):
        itself = copies.get(con, staged.trailer.id)
        fresh = _brought(place, con, tally)
        with transaction(place.signals, place.write_wait):
            _heard(place.signals, told, fresh)
        revived = _revived(place.con, con)
        copies.adopt(place.con, itself, None)
        if fresh:
            _changed(place.con)
    return Restored(
        backup=staged.trailer.id,
        day=staged.trailer.day,
        whole=False,
        memories=tally["created"],
        known=tally["known"],
        erased=tally["erased"],
        unknown_erasures=unknown,
        revived=revived,
    )


def _brought(place: Place, staged: Connection, tally: dict[str, int]) -> set[str]:
    """Adopt what the store lacks, batch by batch in one transaction; return the ids.

    Each batch is judged before a row of it is written: a text that was refused after it had been
    written would still lie in the log.
    """
    guard = Guard.of(place.con, place.home)
    barred = erasures.owed(staged)
    chain = adopt.Chain()
    fresh: set[str] = set()
    for batch in _batches(staged):
        kept = [one for _, one in batch]
        fates = adopt.fates(place.con, guard, kept, chain, barred)
        new = [one for one, fate in zip(kept, fates, strict=True) if fate == "created"]
        written = adopt.adopt(place.con, new, chain)
        _vectors(
            place.con, staged, {seq: written[one.id] for seq, one in batch if one.id in written}
        )
        fresh |= written.keys()
        for fate in fates:
            tally[fate] += 1
        tally["known"] += len(new) - len(written)
        tally["created"] -= len(new) - len(written)
    return fresh


def _batches(staged: Connection) -> Iterator[list[tuple[int, adopt.Kept]]]:
    last = 0
    while batch := adopt.kept(staged, last, BATCH):
        yield batch
        last = batch[-1][0]


def _vectors(con: Connection, staged: Connection, seqs: dict[int, int]) -> None:
    """Bring the stored vectors over: seq in the backup -> seq here."""
    for space, name, dim in vectors.spaces(staged):
        blobs = vectors.blobs(staged, space, list(seqs))
        if blobs:
            target = vectors.intern_space(con, name, dim)
            rows = np.array([np.frombuffer(blob, vectors.STORED) for blob in blobs.values()])
            vectors.put(con, target, [seqs[seq] for seq in blobs], rows)


def _heard(signals: Connection, staged: Connection, fresh: set[str]) -> None:
    for memory_id, outcome, root, at, count in behavior.stream(staged):
        if memory_id in fresh:
            behavior.ensure(signals, memory_id, outcome, root, at, count)


def _revived(con: Connection, staged: Connection) -> tuple[str, ...]:
    """Return the live memories that the backup knows as erased: an older backup let them in."""
    if setting.get(con, tombstones.ID_KEY) != setting.get(staged, tombstones.ID_KEY):
        return ()
    return tuple(sorted(tombstones.erased_ids(staged, census.ids(con))))
