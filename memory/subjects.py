"""Owner of `subject` and `subject_alias`: people, and the names a person said they go by."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from memory.db import Connection
from memory.errors import UsageError
from memory.naming import NameKind, spellings


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """One more name of a person."""

    kind: NameKind
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A person; one that nobody declared has no id, or is kept for an open request only."""

    name: str
    id: str = ""
    names: tuple[Name, ...] = ()  # aliases, e-mails, handles
    declared: bool = False

    @property
    def phrases(self) -> frozenset[str]:
        """Name and aliases as `naming.spellings` returns them."""
        plain = [self.name, *(one.value for one in self.names if one.kind == "alias")]
        return frozenset().union(*(spellings(one) for one in plain if "@" not in one))

    @property
    def exact(self) -> frozenset[str]:
        """E-mails and handles, casefolded."""
        marked = [self.name, *(one.value for one in self.names)]
        return frozenset(one.casefold() for one in marked if "@" in one)

    @property
    def every(self) -> tuple[str, ...]:
        """Every name as it was given."""
        return (self.name, *(one.value for one in self.names))


# Where names of people are kept besides memories: (table, column), for whoever looks for residue.
NAMES = (("subject", "name"), ("subject_alias", "value"))


def put(con: Connection, ident: str, name: str, *, declared: bool) -> None:
    """Insert a person."""
    con.execute(
        "INSERT INTO subject (id, name, declared) VALUES (?, ?, ?)", (ident, name, declared)
    )


def declare(con: Connection, ident: str) -> None:
    """Keep a person beyond the requests about them."""
    con.execute("UPDATE subject SET declared = 1 WHERE id = ?", (ident,))


def add_names(con: Connection, ident: str, names: Iterable[Name]) -> int:
    """Give a person more names; return how many were new."""
    return sum(
        con.execute(
            "INSERT INTO subject_alias (subject_id, kind, value) VALUES (?, ?, ?)"
            " ON CONFLICT DO NOTHING",
            (ident, one.kind, one.value),
        ).rowcount
        for one in names
    )


def remove_names(con: Connection, ident: str, values: Sequence[str]) -> int:
    """Take names from a person; return how many they had."""
    return con.execute(
        "DELETE FROM subject_alias"
        " WHERE subject_id = ? AND value IN (SELECT value FROM json_each(?))",
        (ident, json.dumps(list(values))),
    ).rowcount


def all_(con: Connection) -> list[Subject]:
    """Return every person with their names, by name."""
    names: dict[str, list[Name]] = {}
    for ident, kind, value in con.execute(
        "SELECT subject_id, kind, value FROM subject_alias ORDER BY subject_id, kind, value"
    ):
        names.setdefault(ident, []).append(Name(kind=kind, value=value))
    rows = con.execute("SELECT id, name, declared FROM subject ORDER BY name, id")
    return [
        Subject(id=ident, name=name, declared=bool(declared), names=tuple(names.get(ident, ())))
        for ident, name, declared in rows
    ]


def get(con: Connection, ident: str) -> Subject | None:
    """Return one person."""
    return next((one for one in all_(con) if one.id == ident), None)


def named(con: Connection, text: str) -> list[Subject]:
    """Return the people one of whose names is exactly this, whatever its spelling."""
    if "@" in text:
        return [one for one in all_(con) if text.casefold() in one.exact]
    key = spellings(text)
    return [one for one in all_(con) if key & one.phrases]


def require_new(con: Connection, name: str) -> None:
    """Return if nobody goes by this name yet.

    Raises:
        UsageError: Somebody does.
    """
    for one in named(con, name):
        raise UsageError(
            f"{one.name!r} goes by the name {name!r} already",
            hint="'mem subject alias' adds names, 'mem subject merge' joins two people",
        )


def merge(con: Connection, into: Subject, other: Subject) -> None:
    """Give a person all names of another, who goes. Requests are the caller's to move."""
    kind: NameKind = "email" if "@" in other.name else "alias"
    add_names(con, into.id, (Name(kind=kind, value=other.name), *other.names))
    remove_names(con, into.id, [into.name])
    erase(con, [other.id])


def erase(con: Connection, ids: Sequence[str]) -> dict[str, int]:
    """Delete people with all their names; no request may refer to them any more."""
    listed = (json.dumps(list(ids)),)
    return {
        "alias": con.execute(
            "DELETE FROM subject_alias WHERE subject_id IN (SELECT value FROM json_each(?))", listed
        ).rowcount,
        "subject": con.execute(
            "DELETE FROM subject WHERE id IN (SELECT value FROM json_each(?))", listed
        ).rowcount,
    }
