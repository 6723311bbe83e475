"""Import: a file or folder becomes memories in batches, and an interrupted one goes on."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from memory.db import Connection
from memory.errors import UsageError
from memory.ids import new_id
from memory.remember import Prepared, prepare
from memory.scope import Scope
from memory.types import Draft, Remembered

if TYPE_CHECKING:
    from memory.adopt import Kept
    from memory.exported import Line, Signal
    from memory.readers import Item

T = TypeVar("T")

BATCH = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import did."""

    reader: str
    read: int  # items read in this run
    created: int  # new memories
    known: int  # texts that were there already
    redacted: int  # drafts in which a secret was found
    refused: int  # items left out because their content was erased on request
    resumed_at: int  # position this run began at; 0 for a fresh import


Progress = Callable[[int], None]


def source_key(path: Path, reader: str) -> str:
    """Return the digest that names a source; the path itself is not kept."""
    return hashlib.sha256(f"{reader}\0{path.resolve()}".encode()).hexdigest()


def point(con: Connection, source: str) -> int:
    """Return the position at which an interrupted import of this source goes on."""
    row = con.execute("SELECT position FROM import_point WHERE source = ?", (source,)).fetchone()
    return 0 if row is None else int(row[0])


def mark(con: Connection, source: str, position: int) -> None:
    """Record how far an import came, in the transaction of its batch."""
    con.execute(
        "INSERT INTO import_point (source, position) VALUES (?, ?)"
        " ON CONFLICT (source) DO UPDATE SET position = excluded.position",
        (source, position),
    )


def done(con: Connection, source: str) -> None:
    """Forget the position of an import that ended."""
    con.execute("DELETE FROM import_point WHERE source = ?", (source,))


def reader_of(path: Path, reader: str) -> str:
    """Return the name of the reader for a source, found by content when none is given.

    Raises:
        UsageError: The path does not exist or no reader knows its form.
    """
    from memory.readers import EXPORT, READERS, sniff  # noqa: PLC0415 - only an import reads files

    if not path.exists():
        raise UsageError(f"'{path}' does not exist")
    chosen = reader or sniff(path)
    if chosen not in (*READERS, EXPORT):
        known = sorted((*READERS, EXPORT))
        raise UsageError(f"format {chosen!r} does not exist", hint=f"one of {', '.join(known)}")
    return chosen


def items(path: Path, reader: str, start: int) -> "Iterator[Item]":
    """Return the items of a source from a position on."""
    from memory.readers import READERS  # noqa: PLC0415 - only an import reads files

    return READERS[reader](path, start=start)


def exported(path: Path, start: int, *, keep_secrets: bool) -> "Iterator[Line]":
    """Return what an export of a store holds from a line on."""
    from memory.exported import read  # noqa: PLC0415 - as above

    return read(path, start, keep_secrets=keep_secrets)


def split(batch: "Sequence[Line]") -> "tuple[list[Kept], list[Signal]]":
    """Return the memories and the signals of a batch."""
    from memory.adopt import Kept  # noqa: PLC0415 - as above

    kept: list[Kept] = []
    signals: list[Signal] = []
    for line in batch:
        if isinstance(line.body, Kept):
            kept.append(line.body)
        else:
            signals.append(line.body)
    return kept, signals


def moved(kept: "Sequence[Kept]", scope: str, now: datetime) -> "list[Kept]":
    """Return exported memories with the levels of `scope` added: others, under ids of their own."""
    outer = Scope.parse(scope)
    if not outer.values:
        return list(kept)
    return [
        replace(
            one,
            id=new_id(now),
            same=b"",
            placed=False,
            prepared=replace(
                one.prepared,
                scope=one.prepared.scope.within(outer),
                draft=_placed(one.prepared.draft, scope),
            ),
        )
        for one in kept
    ]


def batches(found: "Iterator[T]", size: int = BATCH) -> "Iterator[list[T]]":
    """Group items so that one transaction writes each group."""
    batch: list[T] = []
    for item in found:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def prepared(batch: "Sequence[Item]", scope: str, *, keep_secrets: bool) -> list[Prepared]:
    """Return the drafts of a batch, checked, with the levels of `scope` added to their own."""
    return [prepare(_placed(item.draft, scope), keep_secrets=keep_secrets) for item in batch]


def _placed(draft: Draft, scope: str) -> Draft:
    return replace(draft, scope=str(Scope.parse(draft.scope).within(Scope.parse(scope))))


def marker(source: str, batch: "Sequence[Item | Line]") -> Callable[[Connection], None]:
    """Return what records, in a batch's own transaction, that the batch is in."""
    following = batch[-1].position + 1
    return lambda con: mark(con, source, following)


@dataclass(slots=True, kw_only=True)
class Tally:
    """Counts of a running import."""

    reader: str
    resumed_at: int
    results: list[Remembered] = field(default_factory=list)
    refused: int = 0

    def add(self, done: Sequence[Remembered], given: int) -> None:
        """Count one batch of so many items; those without a result were refused."""
        self.results += done
        self.refused += given - len(done)

    def imported(self) -> Imported:
        """Return the counts."""
        created = sum(one.created for one in self.results)
        return Imported(
            reader=self.reader,
            read=len(self.results) + self.refused,
            created=created,
            known=len(self.results) - created,
            redacted=sum(bool(one.redacted) for one in self.results),
            refused=self.refused,
            resumed_at=self.resumed_at,
        )
