"""Which restricted memories a selector names, as `select` finds live ones; answers ids only."""

import json
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any

from memory import restriction
from memory.db import Connection, scratch_database
from memory.sanitise import canonical, validate
from memory.scope import Scope
from memory.text import match_expression, terms
from memory.types import Selector

SHORTEST_PHRASE = 4


def matching(con: Connection, selector: Selector) -> tuple[str, ...]:
    """Return the ids of the restricted memories that match every given field.

    A memory that another source attests, too, does not match by source: an erasure would keep it.
    A field that is not known here matches nothing: an intent that nobody meant must not be kept.
    """
    if not restriction.any_held(con):
        return ()
    pick: dict[str, Callable[[], set[str]]] = {
        "ids": lambda: _by_ids(con, selector.ids),
        "query": lambda: _by_query(con, selector.query),
        "scope": lambda: within(con, Scope.parse(selector.scope)),
        "source": lambda: _by_source(con, selector.source),
    }
    given = [one.name for one in fields(selector) if getattr(selector, one.name)]
    if not given or any(name not in pick for name in given):
        return ()
    return tuple(sorted(set.intersection(*(pick[name]() for name in given))))


def _by_ids(con: Connection, ids: Sequence[str]) -> set[str]:
    rows = con.execute(
        "SELECT memory_id FROM restricted WHERE memory_id IN (SELECT value FROM json_each(?))",
        (json.dumps(list(ids)),),
    )
    return {memory_id for (memory_id,) in rows}


def _by_query(con: Connection, query: str) -> set[str]:
    text = validate(query, field="query", limit=4_000)
    rows = con.execute("SELECT seq, memory_id, text, title FROM restricted").fetchall()
    phrase = f" {canonical(text)} "
    long_enough = len(phrase) >= SHORTEST_PHRASE + 2
    found = {
        memory_id
        for _, memory_id, body, title in rows
        if long_enough and (phrase in f" {canonical(body)} " or phrase in f" {canonical(title)} ")
    }
    return found | _by_words([(seq, body) for seq, _, body, _ in rows], text, rows)


def _by_words(
    bodies: Sequence[tuple[int, str]], text: str, rows: Sequence[tuple[Any, ...]]
) -> set[str]:
    # In memory and with the store's own tokenizer: a word means the same here as for live texts.
    expression = " AND ".join(match_expression([term]) for term in terms(text))
    if not expression:
        return set()
    scratch = scratch_database()
    try:
        scratch.execute("CREATE VIRTUAL TABLE t USING fts5 (own, tokenize = 'porter unicode61')")
        scratch.executemany("INSERT INTO t (rowid, own) VALUES (?, ?)", bodies)
        hits = {seq for (seq,) in scratch.execute("SELECT rowid FROM t WHERE t MATCH ?",
                                                  (expression,))}  # fmt: skip
    finally:
        scratch.close()
    return {memory_id for seq, memory_id, _, _ in rows if seq in hits}


def within(con: Connection, wanted: Scope) -> set[str]:
    """Return the ids of the restricted memories inside a scope."""
    rows = con.execute("SELECT memory_id, scope FROM restricted")
    return {memory_id for memory_id, scope in rows if wanted.contains(Scope.parse(scope))}


def _by_source(con: Connection, source: str) -> set[str]:
    kind, colon, name = source.partition(":")

    def named(root: str, category: str, uri: str) -> bool:
        if colon and kind == "class":
            return category == name
        if colon and kind == "root":
            return root == name
        if source.endswith("*"):
            return uri.startswith(source[:-1]) and uri != ""
        return uri == source

    found = set()
    for memory_id, listed in con.execute("SELECT memory_id, provenances FROM restricted"):
        wrote = json.loads(listed)
        if wrote and all(named(root, category, uri) for root, category, _, uri, *_ in wrote):
            found.add(memory_id)
    return found


def about(
    con: Connection,
    named: Callable[[str], bool],
    others: Callable[[str], bool],
    *,
    mentions: bool,
) -> set[str]:
    """Return the ids of the restricted memories that are by or about a person.

    Args:
        con: In a snapshot.
        named: Tells whether a text holds a name of the person.
        others: Tells whether a text holds names of other people.
        mentions: Count those, too, that somebody else said or that name others besides.
    """
    found = set()
    for memory_id, text, title, kind, scope, actor, listed in con.execute(
        "SELECT memory_id, text, title, kind, scope, actor, provenances FROM restricted"
    ):
        wrote = json.loads(listed)
        own = named(actor) or (wrote and all(named(who) for _, _, who, *_ in wrote))
        place = named(dict(Scope.parse(scope).values).get("user", ""))
        said = f"{title}\n{text}"
        if own or place:
            found.add(memory_id)
        elif named(said) or any(named(uri) for _, _, _, uri, *_ in wrote):
            foreign = (kind == "turn" and actor) or others(said)
            if mentions or not foreign:
                found.add(memory_id)
    return found
