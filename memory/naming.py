"""Names of people in texts: whole words, in every case, spelling and disguise of them."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, get_args

from memory.errors import UsageError
from memory.sanitise import clean, validate
from memory.skeleton import readings, skeleton

NameKind = Literal["alias", "email", "handle"]
NAME_KINDS: tuple[NameKind, ...] = get_args(NameKind)

LONGEST = 200  # bytes of a name
SHORTEST_FIRST = 2  # letters of a first name that is looked for by itself
_EMAIL = re.compile(r"[^\s@<>]+@[^\s@<>]+\.[^\s@<>]+")
_HANDLE = re.compile(r"@[^\s@<>]+")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1b\x7f]")
_OVERRIDE = re.compile("[\u202d\u202e]")  # a run that is read backwards


class _Letters(dict[int, str]):
    """Character -> the letters of its skeleton, without blanks and punctuation."""

    def __missing__(self, code: int) -> str:
        return self.setdefault(code, skeleton(chr(code)).replace("_", "").replace(" ", ""))


_LETTERS = _Letters()


def letters(text: str) -> str:
    """Return the letters of a text in one row, each by its skeleton.

    A hundred times faster than `readings`. A text that holds a name holds its letters, too; the
    other way round that is only likely.
    """
    return unicodedata.normalize("NFKC", text).translate(_LETTERS)


def kind_of(value: str) -> NameKind:
    """Return what a name is by its form: an e-mail, a handle with its "@", or another name."""
    if _EMAIL.fullmatch(value):
        return "email"
    return "handle" if _HANDLE.fullmatch(value) else "alias"


def accepted(value: str, field_name: str = "name") -> str:
    """Return a name as it is kept: on one line, nothing invisible in it.

    Raises:
        UsageError: It is empty, too long, or has no letter or digit.
    """
    plain = " ".join(clean(validate(value, field=field_name, limit=LONGEST)).split())
    if not words(plain):
        raise UsageError(f"{field_name} {plain!r} has no letter or digit")
    return plain


def words(text: str) -> str:
    """Return the plain skeleton of a text with single blanks between its words."""
    return " ".join(skeleton(text).replace("_", " ").split())


def spellings(name: str) -> frozenset[str]:
    """Return a name as `words` does, once for every way a reader may take its capitals."""
    plain = (" ".join(one.replace("_", " ").split()) for one in readings(name))
    return frozenset(plain) - {""}


def first(name: str) -> str:
    """Return the first word of a name of several words, else ""."""
    parts = words(name).split()
    return parts[0] if len(parts) > 1 and len(parts[0]) >= SHORTEST_FIRST else ""


def heads(values: Iterable[str]) -> set[str]:
    """Return what other names may begin with: whole names, and first names of longer ones."""
    plain = {words(value) for value in values if "@" not in value}
    return (plain | {first(value) for value in values if "@" not in value}) - {""}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Names looked for in texts; `phrases` as `words` returns them, `exact` to the letter."""

    phrases: frozenset[str]
    exact: frozenset[str] = frozenset()  # e-mails, and handles with their "@"
    others: frozenset[str] = frozenset()  # longer names of other people, in which none is found
    _anchors: tuple[str, ...] = field(init=False, repr=False)
    _exactly: re.Pattern[str] | None = field(init=False, repr=False)
    _spelled: frozenset[str] = field(init=False, repr=False)  # the exact ones as phrases
    _rows: frozenset[str] = field(init=False, repr=False)  # all of them as `letters`

    def __post_init__(self) -> None:
        """Compile what is looked for."""
        anchors = {max(one.split(), key=len) for one in self.phrases if one} | {
            exact.casefold() for exact in self.exact
        }
        object.__setattr__(self, "_anchors", tuple(sorted(anchors)))
        object.__setattr__(self, "_exactly", _exactly(self.exact) if self.exact else None)
        spelled = frozenset(map(words, self.exact))
        object.__setattr__(self, "_spelled", spelled)
        object.__setattr__(self, "_rows", frozenset(map(letters, self.phrases | spelled)))

    def within(self, text: str) -> bool:
        """Tell whether a text holds one of the names as whole words."""
        # Most texts name nobody, and a cheap look says so.
        if text.isascii():
            low = _CONTROL.sub("", text).lower()
            if not any(anchor in low for anchor in self._anchors):
                return False
            spoken = self.phrases
        else:
            if not _OVERRIDE.search(text) and not self._likely(text):
                return False
            # In letters that only look like Latin ones, punctuation is no help either.
            low = clean(unicodedata.normalize("NFKC", text)).casefold()
            spoken = self.phrases | self._spelled
        if self._exactly is not None and self._exactly.search(low):
            return True
        return any(self._spoken(reading, spoken) for reading in readings(text))

    def _likely(self, text: str) -> bool:
        rows = (letters(text), letters(text.casefold()))
        return any(one in row for row in rows for one in self._rows)

    def _spoken(self, reading: str, phrases: frozenset[str]) -> bool:
        line = f" {' '.join(reading.replace('_', ' ').split())} "
        if not any(f" {phrase} " in line for phrase in phrases):
            return False
        for other in self.others:
            line = line.replace(f" {other} ", " / ")
        return any(f" {phrase} " in line for phrase in phrases)


def _exactly(values: Iterable[str]) -> re.Pattern[str]:
    # An address ends where no further part of one follows: "ada@x.org", not "ada@x.org.uk".
    forms = "|".join(re.escape(value.casefold()) for value in sorted(values))
    return re.compile(rf"(?<![\w.+@-])(?:{forms})(?![\w-]|\.\w|@)")
