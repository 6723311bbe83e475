"""Finding what a store holds about one person, and why each memory is believed to be about them."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from memory import records, subjects
from memory.db import Connection
from memory.errors import AmbiguousNameError
from memory.naming import Wanted, first, heads, kind_of, spellings, words
from memory.subjects import Name, Subject
from memory.types import EVIDENCE, Evidence

# Speakers of chat logs who are nobody's name.
_ROLES = frozenset("agent ai assistant bot human model system tool user".split())
# What may be an e-mail or a handle in brackets, and the name that ends right before it.
_MARK = re.compile(r"[<(\[]([^\s<>()\[\]]{3,120})[>)\]]")
_WORD = r"[^\W\d_][\w.'’-]{0,40}"
_BEFORE = re.compile(rf"(?<!\w){_WORD}(?: {_WORD}){{0,3}}(?=\s{{0,3}}$)")
_REACH = 4 * 42 + 3  # characters of the longest such name and its blanks


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Memories about one person, by internal key, each under its strongest evidence."""

    subject: Subject
    why: dict[int, Evidence] = field(default_factory=dict)
    said: dict[int, list[int]] = field(default_factory=dict)  # provenances of others' memories

    def seqs(self, *kinds: Evidence) -> set[int]:
        """Return the memories found by one of these kinds of evidence."""
        return {seq for seq, why in self.why.items() if why in kinds}

    def counts(self) -> dict[Evidence, int]:
        """Return how many memories each kind of evidence found."""
        return {kind: len(self.seqs(kind)) for kind in EVIDENCE}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Others:
    """What other people are called, so that they are not taken for this one."""

    heads: frozenset[str]  # whole names, and first names of longer ones
    phrases: frozenset[str]  # whole names
    people: frozenset[str]  # the heads without agents and roles


@dataclass(frozen=True, slots=True, kw_only=True)
class _Marks:
    """The names of one person, split by how sure they are."""

    own: frozenset[str]  # nobody else is called exactly so
    sure: Wanted
    shared: Wanted  # names that others bear, too
    others: Wanted


def resolve(con: Connection, text: str) -> Subject:
    """Return the person a name means; one nobody declared, if it is not ambiguous.

    Raises:
        AmbiguousNameError: Several people go by it.
    """
    exact = subjects.named(con, text)
    if len(exact) == 1:
        return exact[0]
    people = {words(one.name): one for one in exact}
    if not exact and "@" not in text:
        key = words(text)
        for one in subjects.all_(con):
            if key in {first(name) for name in one.every}:
                people[words(one.name)] = one
        for name in _seen(con):
            if key in (words(name), first(name)) and not subjects.named(con, name):
                people.setdefault(words(name), Subject(name=name))
    if len(people) > 1:
        raise AmbiguousNameError(text, sorted(one.name for one in people.values()))
    return next(iter(people.values()), Subject(name=text))


@dataclass(frozen=True, slots=True, kw_only=True)
class Apart:
    """What is known of a memory that is kept apart from the live ones."""

    actor: str
    user: str  # of its scope
    texts: tuple[str, ...]  # text, title, uris
    turn: bool


def judge(con: Connection, subject: Subject) -> Callable[[Apart], Evidence | None]:
    """Return what tells, as `find` does, why a memory kept apart is about a person, if it is."""
    marks = _marks(con, subject)

    def evidence(one: Apart) -> Evidence | None:
        if _identity(marks, one.actor) == "own":
            return "said_by"
        if _identity(marks, one.user) == "own":
            return "about"
        if any(marks.sure.within(text) for text in one.texts):
            others = (one.turn and one.actor) or marks.others.within("\n".join(one.texts))
            return "mentions" if others else "about"
        shared = "shared" in (_identity(marks, one.actor), _identity(marks, one.user))
        return "shared_name" if shared or any(map(marks.shared.within, one.texts)) else None

    return evidence


def sufficient(*, mentions: bool, ids: bool) -> tuple[Evidence, ...]:
    """Return the evidence by which a memory is chosen.

    A name alone takes what is surely the person's; whoever gives ids has looked at each.
    """
    wanted: tuple[Evidence, ...] = ("said_by", "about")
    if mentions or ids:
        wanted += ("mentions",)
    return (*wanted, "shared_name") if ids else wanted


def find(con: Connection, subject: Subject) -> Found:
    """Return every memory that is by, about or with the name of a person; reads only."""
    marks = _marks(con, subject)
    actors = {ident: _identity(marks, name) for ident, name in records.actors(con)}
    places = {
        ident: _identity(marks, dict(scope.values).get("user", ""))
        for ident, scope in records.scopes(con)
    }
    named = {ident: _named(marks, str(scope)) for ident, scope in records.scopes(con)}
    uris = _uris(con, marks)
    found = Found(subject=subject)
    said = _said(con, marks, [ident for ident, who in actors.items() if who == "own"])
    sole = _only_said(con, said)
    for seq, text, title, kind, scope_id, actor_id, known in con.execute(
        "SELECT m.seq, m.text, m.title, m.kind, m.scope_id, m.actor_id, a.name <> ''"
        " FROM memory m JOIN actor a ON a.id = m.actor_id"
    ):
        if actors[actor_id] == "own" or seq in sole:
            found.why[seq] = "said_by"
            continue
        if seq in said:
            found.said[seq] = said[seq]
        if places[scope_id] == "own":
            found.why[seq] = "about"
        elif (
            marks.sure.within(text)
            or marks.sure.within(title)
            or "own" in (uris.get(seq), named[scope_id])
        ):
            others = (kind == "turn" and known) or marks.others.within(f"{title}\n{text}")
            found.why[seq] = "mentions" if others else "about"
        elif (
            "shared" in (actors[actor_id], places[scope_id], uris.get(seq), named[scope_id])
            or marks.shared.within(text)
            or marks.shared.within(title)
        ):
            found.why[seq] = "shared_name"
    return found


def proposals(con: Connection, subject: Subject) -> list[tuple[Name, int]]:
    """Return names that the store attests for a person and nobody confirmed, with how often.

    Only pairs that stand together count: "Ada Lovelace <ada@example.org>", "Ada Lovelace (@ada)",
    and speakers called by the first name alone.
    """
    own, exact = subject.phrases, subject.exact
    seen: dict[Name, int] = {}
    for text in _texts(con):
        for name, mark in _pairs(text):
            kind = kind_of(mark)
            tails = [" ".join(name.split()[at:]) for at in range(len(name.split()))]
            if any(words(tail) in own for tail in tails) and mark.casefold() not in exact:
                one = Name(kind=kind, value=mark)
                seen[one] = seen.get(one, 0) + 1
            elif mark.casefold() in exact and words(name) not in own:
                one = Name(kind="alias", value=name)
                seen[one] = seen.get(one, 0) + 1
    for name, count in _speakers(con).items():
        if words(name) not in own and words(name) in {first(one) for one in subject.every}:
            seen[Name(kind="alias", value=name)] = count
    return sorted(seen.items(), key=lambda entry: (-entry[1], entry[0].value))


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    """Yield (name, e-mail or handle) where the second stands in brackets behind the first."""
    for found in _MARK.finditer(text):
        if kind_of(found[1]) == "alias":
            continue
        if name := _BEFORE.search(text[max(0, found.start() - _REACH) : found.start()]):
            yield name[0], found[1]


def _marks(con: Connection, subject: Subject) -> _Marks:
    others = _others(con, subject)
    firsts = {first(name) for name in subject.every if "@" not in name} - {""}
    shared = {one for one in subject.phrases | firsts if one in others.heads}
    longer = frozenset(
        other
        for other in others.phrases
        if any(f" {one} " in f" {other} " and one != other for one in subject.phrases | firsts)
    )
    sure = (subject.phrases | firsts) - shared
    return _Marks(
        own=frozenset(subject.phrases - others.phrases),
        sure=Wanted(phrases=frozenset(sure), exact=subject.exact, others=longer),
        shared=Wanted(phrases=frozenset(shared), others=longer),
        others=Wanted(phrases=others.people - subject.phrases - firsts),
    )


def _others(con: Connection, subject: Subject) -> _Others:
    declared = [one for one in subjects.all_(con) if one.id != subject.id or not subject.id]
    given = [name for one in declared for name in one.every if one.name != subject.name]
    seen = [name for name in _seen(con) if words(name) not in subject.phrases]
    # A speaker called by the first name alone may well be the person: "Ada" beside "Ada Lovelace".
    names = [*given, *seen]
    agents = {
        words(dict(scope.values).get("agent", "")) for _, scope in records.scopes(con)
    } | _ROLES
    return _Others(
        heads=frozenset(heads(names)),
        phrases=frozenset(words(name) for name in names if "@" not in name) - {""},
        people=frozenset(heads(names)) - agents,
    )


def _seen(con: Connection) -> list[str]:
    """Return the names the store itself gives to people: speakers, and users of scopes."""
    users = [dict(scope.values).get("user", "") for _, scope in records.scopes(con)]
    return [name for name in dict.fromkeys([*(n for _, n in records.actors(con)), *users]) if name]


def _identity(marks: _Marks, name: str) -> str:
    """Tell whose name this is: "own", "shared" with others, or "" for somebody else's."""
    if not name:
        return ""
    for pair in _pairs(name):  # "Ada Lovelace <ada@example.org>"
        sides = {_identity(marks, side) for side in pair}
        return "own" if "own" in sides else max(sides)
    key = spellings(name)
    if key & marks.own or {name.casefold(), f"@{name.casefold()}"} & marks.sure.exact:
        return "own"
    return "shared" if key & marks.shared.phrases else ""


def _named(marks: _Marks, place: str) -> str:
    """Tell whether a uri or a path names the person: "own", "shared" with others, or ""."""
    if marks.sure.within(place):
        return "own"
    return "shared" if marks.shared.within(place) else ""


def _uris(con: Connection, marks: _Marks) -> dict[int, str]:
    whose: dict[int, str] = {}
    kinds = {}
    for (uri,) in con.execute("SELECT DISTINCT uri FROM provenance WHERE uri <> ''"):
        if whose_name := _named(marks, uri):
            kinds[uri] = whose_name
    for seq, uri in con.execute(
        "SELECT seq, uri FROM provenance WHERE uri IN (SELECT value FROM json_each(?))",
        (json.dumps(list(kinds)),),
    ):
        whose[seq] = "own" if "own" in (kinds[uri], whose.get(seq)) else "shared"
    return whose


def _said(con: Connection, marks: _Marks, actors: Sequence[int]) -> dict[int, list[int]]:
    """Return the provenances that the person wrote, by memory."""
    roots = [
        root
        for (root,) in con.execute("SELECT DISTINCT root FROM provenance")
        if root.startswith("user:") and _identity(marks, root.removeprefix("user:")) == "own"
    ]
    rows: dict[int, list[int]] = {}
    for row, seq in con.execute(
        "SELECT id, seq FROM provenance WHERE actor_id IN (SELECT value FROM json_each(?))"
        " OR root IN (SELECT value FROM json_each(?)) ORDER BY id",
        (json.dumps(list(actors)), json.dumps(roots)),
    ):
        rows.setdefault(seq, []).append(row)
    return rows


def _only_said(con: Connection, said: dict[int, list[int]]) -> set[int]:
    totals = con.execute(
        "SELECT seq, count(*) FROM provenance WHERE seq IN (SELECT value FROM json_each(?))"
        " GROUP BY seq",
        (json.dumps(list(said)),),
    )
    return {seq for seq, total in totals if total == len(said[seq])}


def _texts(con: Connection) -> Iterator[str]:
    for sql in (
        "SELECT text FROM memory",
        "SELECT title FROM memory WHERE title <> ''",
        "SELECT name FROM actor",
        "SELECT DISTINCT uri FROM provenance",
    ):
        for (text,) in con.execute(sql):
            yield text


def _speakers(con: Connection) -> dict[str, int]:
    return dict(
        con.execute(
            "SELECT a.name, count(*) FROM memory m JOIN actor a ON a.id = m.actor_id"
            " WHERE a.name <> '' GROUP BY a.id"
        ).fetchall()
    )
