"""The store's actors and scopes, kept in memory, and which of them a query means."""

from dataclasses import dataclass, field

from memory import records
from memory.db import Connection
from memory.scope import Scope
from memory.text import mentions, words

# Names that stand for a role rather than a person: no evidence about who is meant.
ROLES = frozenset({"", "user", "assistant", "agent", "human", "system", "tool", "bot", "ai", "me"})


@dataclass(frozen=True, slots=True)
class Names:
    """The actors and scopes as they matter to one query."""

    mentioned: frozenset[int]  # ids of the persons the query names
    sessions: frozenset[int]  # scope ids that are sessions
    persons: frozenset[int]  # ids of all persons
    headers: tuple[str, ...]  # names to strip from the embedded query

    def subject(self, actor: int) -> float:
        """Return 1 for what the one person named said, -1 for another person's words."""
        if len(self.mentioned) != 1 or actor not in self.persons:
            return 0.0
        return 1.0 if actor in self.mentioned else -1.0


@dataclass(slots=True)
class Directory:
    """A copy of `scope` and `actor`, read again only when one of them changed."""

    stamp: tuple[int, ...] = ()
    scopes: list[tuple[int, Scope]] = field(default_factory=list)
    sessions: frozenset[int] = frozenset()
    persons: frozenset[int] = frozenset()
    by_word: dict[str, list[tuple[int, str]]] = field(default_factory=dict)  # actors by first word
    values: dict[str, set[str]] = field(default_factory=dict)  # scope values by first word

    def refresh(self, con: Connection) -> None:
        """Read the tables again if a row came or went; rows never change."""
        stamp = con.execute(
            "SELECT count(*), max(id), (SELECT count(*) FROM actor), (SELECT max(id) FROM actor)"
            " FROM scope"
        ).fetchone()
        if stamp == self.stamp:
            return
        self.scopes = records.scopes(con)
        self.sessions = frozenset(ident for ident, scope in self.scopes if scope.session)
        persons = [(i, name) for i, name in records.actors(con) if name.casefold() not in ROLES]
        self.persons = frozenset(ident for ident, _ in persons)
        self.by_word, self.values = {}, {}
        for ident, name in persons:
            self.by_word.setdefault(_first(name), []).append((ident, name))
        for _, scope in self.scopes:
            for level, value in scope.values:
                if level != "session":
                    self.values.setdefault(_first(value), set()).add(value)
        self.stamp = stamp

    def names(self, query: str) -> Names:
        """See which actors and scope values the query mentions."""
        said = set(words(query))
        named = [
            (ident, name)
            for word in said & self.by_word.keys()
            for ident, name in self.by_word[word]
            if mentions(query, name)
        ]
        values = {
            value
            for word in said & self.values.keys()
            for value in self.values[word]
            if mentions(query, value)
        }
        forms = {form for _, name in named for form in (name, name.split()[0])}
        return Names(
            mentioned=frozenset(ident for ident, _ in named),
            sessions=self.sessions,
            persons=self.persons,
            headers=tuple(sorted(forms | values)),
        )


def _first(name: str) -> str:
    return next(iter(words(name)), "")
