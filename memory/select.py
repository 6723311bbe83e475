"""Selecting what to forget: ids, words or a phrase, a scope, a source, a person."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields

from memory import dossier, records, restriction, withheld
from memory.db import Connection
from memory.errors import NotFoundError, UsageError
from memory.sanitise import canonical, validate
from memory.scope import Scope
from memory.subjects import Subject
from memory.text import match_expression, terms
from memory.types import SOURCE_CLASSES, Evidence, Selector

SHORTEST_PHRASE = 4  # the canonical form of "C++" is "c", which is no phrase


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Rows a selector matches, by internal key."""

    erase: list[int]
    keep: list[int]  # lose a provenance but are attested by another source
    provenances: tuple[int, ...]  # rows of the kept memories that go
    person: Subject | None = None  # whom the selector names
    people: tuple[str, ...] = ()  # ids of people whose names go
    why: Mapping[int, Evidence] = field(default_factory=dict)  # of memories found by a person
    aside: tuple[int, ...] = ()  # found by the person's names, and not chosen
    held: tuple[str, ...] = ()  # ids that match and are restricted


def used(selector: Selector) -> tuple[str, ...]:
    """Return the names of the fields a selector uses, never what they hold."""
    return tuple(f.name for f in fields(selector) if getattr(selector, f.name))


def select(con: Connection, selector: Selector, also: Sequence[str] = ()) -> Chosen:
    """Return the memories that match every given field, and those of the ids `also`.

    Raises:
        UsageError: No field is given, or one is malformed.
        NotFoundError: An id does not exist.
    """
    if not used(selector):
        raise UsageError(
            "nothing says what to forget",
            hint="give ids, a query, a scope, a source or a subject",
        )
    if selector.with_mentions and not selector.subject:
        raise UsageError("mentions are those of a subject", hint="name the subject as well")
    pick: dict[str, Callable[[], set[int]]] = {
        "ids": lambda: _by_ids(con, selector.ids),
        "query": lambda: _by_query(con, selector.query),
        "scope": lambda: _by_scope(con, selector.scope),
    }
    sets = [pick[name]() for name in used(selector) if name in pick]
    matched = set.intersection(*sets) if sets else None
    held = withheld.matching(con, selector)
    more = _by_ids(con, tuple(also))
    if selector.subject:
        return _by_subject(con, selector, matched, more, held)
    if not selector.source:
        return Chosen(erase=sorted(more.union(matched or ())), keep=[], provenances=(), held=held)
    attested = _by_source(con, selector.source)
    if matched is not None:
        attested = {seq: rows for seq, rows in attested.items() if seq in matched}
    totals = dict(
        con.execute(
            "SELECT seq, count(*) FROM provenance"
            " WHERE seq IN (SELECT value FROM json_each(?)) GROUP BY seq",
            (json.dumps(sorted(attested)),),
        ).fetchall()
    )
    keep = sorted(
        seq for seq, rows in attested.items() if len(rows) < totals[seq] and seq not in more
    )
    return Chosen(
        erase=sorted(more.union(set(attested) - set(keep))),
        keep=keep,
        provenances=tuple(sorted(row for seq in keep for row in attested[seq])),
        held=held,
    )


def _by_ids(con: Connection, ids: tuple[str, ...]) -> set[int]:
    found = records.by_ids(con, ids)
    known = {*found, *restriction.present(con, ids)}
    absent = tuple(ident for ident in ids if ident not in known)
    if absent:
        raise NotFoundError(
            f"no memory has id {absent[0]!r}", hint="'mem list' shows ids", ids=absent
        )
    return set(found.values())


def _by_query(con: Connection, query: str) -> set[int]:
    # All words anywhere in the text, or the phrase in canonical form: the full-text index alone
    # finds one of eight disguises (full width, zero width, combining marks, ...).
    text = validate(query, field="query", limit=4_000)
    expression = " AND ".join(f"own : {match_expression([term])}" for term in terms(text))
    found = (
        {
            seq
            for (seq,) in con.execute(
                "SELECT rowid FROM memory_fts WHERE memory_fts MATCH ?", (expression,)
            )
        }
        if expression
        else set()
    )
    phrase = f" {canonical(text)} "
    if len(phrase) >= SHORTEST_PHRASE + 2:
        for seq, body, title in con.execute("SELECT seq, text, title FROM memory"):
            if phrase in f" {canonical(body)} " or phrase in f" {canonical(title)} ":
                found.add(seq)
    return found


def _by_scope(con: Connection, path: str) -> set[int]:
    wanted = Scope.parse(path)
    if not wanted.values:
        raise UsageError("the empty scope is the whole store", hint="name a level to forget")
    inside = [ident for ident, scope in records.scopes(con) if wanted.contains(scope)]
    if not inside and not withheld.within(con, wanted):
        raise NotFoundError(f"no memory has scope '{wanted}'", hint="'mem stats' lists scopes")
    rows = con.execute(
        "SELECT seq FROM memory WHERE scope_id IN (SELECT value FROM json_each(?))",
        (json.dumps(inside),),
    )
    return {seq for (seq,) in rows}


def _by_source(con: Connection, source: str) -> dict[int, list[int]]:
    kind, colon, name = source.partition(":")
    if colon and kind == "class":
        if name not in SOURCE_CLASSES:
            raise UsageError(
                f"source class {name!r} does not exist", hint=f"one of {', '.join(SOURCE_CLASSES)}"
            )
        rows = con.execute("SELECT seq, id FROM provenance WHERE source = ?", (name,))
    elif colon and kind == "root":
        rows = con.execute("SELECT seq, id FROM provenance WHERE root = ?", (name,))
    elif source.endswith("*"):
        prefix = source[:-1]
        rows = con.execute(
            "SELECT seq, id FROM provenance WHERE substr(uri, 1, ?) = ? AND uri <> ''",
            (len(prefix), prefix),
        )
    else:
        rows = con.execute("SELECT seq, id FROM provenance WHERE uri = ?", (source,))
    found: dict[int, list[int]] = {}
    for seq, row in rows:
        found.setdefault(seq, []).append(row)
    return found


def _by_subject(
    con: Connection,
    selector: Selector,
    matched: set[int] | None,
    more: set[int],
    held: tuple[str, ...],
) -> Chosen:
    found = dossier.find(con, dossier.resolve(con, selector.subject))
    inside = set(found.why) | set(found.said)
    if matched is not None:
        inside &= matched
    if selector.source:
        inside &= set(_by_source(con, selector.source))
    wanted = dossier.sufficient(mentions=selector.with_mentions, ids=bool(selector.ids))
    erase = (found.seqs(*wanted) & inside) | more
    keep = sorted((set(found.said) & inside) - erase)
    whole = not (selector.ids or selector.query or selector.scope or selector.source)
    person = found.subject
    return Chosen(
        erase=sorted(erase),
        keep=keep,
        provenances=tuple(sorted(row for seq in keep for row in found.said[seq])),
        person=person,
        people=(person.id,) if whole and person.id else (),
        why=found.why,
        aside=tuple(sorted((set(found.why) & inside) - erase)),
        held=held,
    )


_COUNTS = {
    "memory": "SELECT count(*) FROM memory WHERE seq IN (SELECT value FROM json_each(?))",
    "provenance": "SELECT count(*) FROM provenance WHERE seq IN (SELECT value FROM json_each(?))",
    "vector": "SELECT count(*) FROM vector WHERE seq IN (SELECT value FROM json_each(?))",
    "lineage": "SELECT count(*) FROM lineage WHERE parent IN (SELECT value FROM json_each(?))",
}


def counts(con: Connection, chosen: Chosen) -> dict[str, int]:
    """Return how many rows per table would go."""
    listed = (json.dumps(chosen.erase),)
    total = {name: int(con.execute(sql, listed).fetchone()[0]) for name, sql in _COUNTS.items()}
    total["provenance"] += len(chosen.provenances)
    total["text_index"] = total["memory"]
    return total
