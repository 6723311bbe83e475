"""Scopes: who and what a memory belongs to, as a path of named levels."""

import re
from dataclasses import dataclass

from memory.errors import UsageError

LEVELS = ("user", "agent", "project", "session")
_VALUE = re.compile(r"[^/\x00-\x1f\x7f]{1,200}")
_HINT = (
    "write levels as 'user:ada/agent:coder/project:x/session:1'; any of the four may be left out"
)


@dataclass(frozen=True, slots=True)
class Scope:
    """A canonical scope: at most one value per level, levels in fixed order."""

    values: tuple[tuple[str, str], ...] = ()  # (level, value) in the order of LEVELS

    @classmethod
    def parse(cls, text: str) -> "Scope":
        """Read `text`; the empty text is the scope of everything.

        Raises:
            UsageError: A level is unknown, repeated or has no value.
        """
        found: dict[str, str] = {}
        for part in text.strip().strip("/").split("/") if text.strip().strip("/") else ():
            level, colon, value = part.partition(":")
            level, value = level.strip().lower(), value.strip()
            if not colon or level not in LEVELS:
                raise UsageError(f"scope {text!r} has no level {level!r}", hint=_HINT)
            if level in found or not _VALUE.fullmatch(value):
                raise UsageError(f"scope {text!r} gives level {level!r} badly", hint=_HINT)
            found[level] = value
        return cls(tuple((level, found[level]) for level in LEVELS if level in found))

    def __str__(self) -> str:
        return "/".join(f"{level}:{value}" for level, value in self.values)

    @property
    def session(self) -> bool:
        """Tell whether memories of this scope follow one another in a session."""
        return any(level == "session" for level, _ in self.values)

    def within(self, outer: "Scope") -> "Scope":
        """Return this scope with the levels of `outer` that it does not name itself."""
        levels = dict(outer.values) | dict(self.values)
        return Scope(tuple((level, levels[level]) for level in LEVELS if level in levels))

    def contains(self, other: "Scope") -> bool:
        """Tell whether `other` lies inside: every level named here has the same value there."""
        return set(self.values) <= set(other.values)

    def sees(self, other: "Scope") -> bool:
        """Tell whether a recall in this scope may show memories of `other`.

        A memory is visible when no level named by both differs: what holds for a user holds in
        each of their projects, but one project never sees another.
        """
        mine = dict(self.values)
        return all(mine.get(level, value) == value for level, value in other.values)


EVERYWHERE = Scope()
