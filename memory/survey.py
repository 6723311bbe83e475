"""What an examination of a database file found, byte by byte and page by page."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memory.btree import Flags, Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class Slack:
    """What an examination found."""

    pages: int = 0
    live_bytes: int = 0
    slack_bytes: int = 0
    nonzero: Mapping[str, int]  # kind of slack -> bytes that are not zero; {} when clean
    unreached: int = 0  # pages that nothing points to
    errors: tuple[str, ...] = ()  # the file is not as SQLite would write it

    @property
    def clean(self) -> bool:
        """Every byte is accounted for and none that is not live says anything."""
        return not self.nonzero and not self.errors


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What an examination found, and which table or index each page belongs to."""

    slack: Slack
    page_size: int
    owner: NDArray[np.int32]  # by page number; an index of `names`
    names: tuple[str, ...]
    seen: Flags  # by page number: the pages that were accounted for

    def lies_in(self, names: Collection[str]) -> Callable[[Ints], Flags]:
        """Return what tells of places in the file whether their page belongs to these tables."""
        wanted = np.array([name in names for name in self.names], np.bool_)
        pages = wanted[self.owner]

        def tells(places: Ints) -> Flags:
            numbers = places // self.page_size + 1
            return np.asarray(pages[np.minimum(numbers, len(pages) - 1)], np.bool_)

        return tells
