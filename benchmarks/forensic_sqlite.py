"""A database file as an examiner reads it: whose each byte is, and every term of its text indexes.

Written after https://sqlite.org/fileformat2.html and the head of fts5_index.c, apart from Letheon's
own reader in `memory/pages.py`, so that one mistake cannot hide in both. Changes nothing: the file
is opened as immutable or as a copy.
"""

import shutil
import sqlite3
import tempfile
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

MAGIC = b"SQLite format 3\0"
INDEX_INNER, TABLE_INNER, INDEX_LEAF, TABLE_LEAF = 2, 5, 10, 13
LOCK_BYTE = 1 << 30
MOST_SEGMENTS = 0xFFFF
Run = tuple[int, int]


def is_database(place: Path) -> bool:
    """Tell whether a file begins as an unencrypted database does."""
    with place.open("rb") as opened:
        return opened.read(16) == MAGIC


@dataclass(slots=True)
class Layout:
    """Which bytes are live, and in what table; the rest is slack."""

    size: int = 0  # of a page
    owner: dict[int, str] = field(default_factory=dict)  # page -> table or index
    slack: list[tuple[int, int, str]] = field(default_factory=list)  # begin, end, kind; sorted
    nonzero: int = 0  # slack bytes that are not zero
    errors: list[str] = field(default_factory=list)

    def place(self, at: int) -> str:
        """Return where a byte is: "slack: KIND" or "in TABLE"."""
        index = bisect_right(self.slack, (at, 1 << 62, "")) - 1
        if index >= 0 and self.slack[index][0] <= at < self.slack[index][1]:
            return f"slack: {self.slack[index][2]}"
        return f"in {self.owner.get(at // self.size + 1, 'no table')}" if self.size else "in it"


def layout(place: Path) -> Layout:
    """Account for every byte of a database file as of its last checkpoint."""
    walk = _Walk(place.read_bytes())
    try:
        uri = f"file:{place}?mode=ro&immutable=1"
        with closing(sqlite3.connect(uri, uri=True)) as con:
            con.execute("PRAGMA writable_schema=ON")  # reads schemas of newer engines, too
            roots = con.execute(
                "SELECT name, rootpage FROM sqlite_schema WHERE rootpage > 0"
            ).fetchall()
    except sqlite3.Error as exc:
        roots = []
        walk.found.errors.append(f"schema: {exc}")
    return walk.run([("the schema", 1), *roots])


class _Walk:
    """One reading of a file."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.found = Layout(size=int.from_bytes(data[16:18], "big") or 4096)
        if self.found.size == 1:
            self.found.size = 65536
        self.usable = self.found.size - (data[20] if len(data) > 20 else 0)
        self.count = len(data) // self.found.size

    def run(self, roots: list[tuple[str, int]]) -> Layout:
        if self.data[:16] != MAGIC:
            self.found.errors.append("not an unencrypted database")
            return self.found
        self._freelist()
        if any(self.data[52:56]):
            for page in range(2, self.count + 1, self.usable // 5 + 1):
                self.found.owner[page] = "the pointer map"
        for name, root in roots:
            pages = [root]
            while pages:
                page = pages.pop()
                if 1 <= page <= self.count and page not in self.found.owner:
                    self.found.owner[page] = name
                    pages += self._tree(page, name)
        for page in range(1, self.count + 1):
            if page not in self.found.owner and page != LOCK_BYTE // self.found.size + 1:
                self._slack(page, 0, self.found.size, "page of no table")
        end = self.count * self.found.size
        if end < len(self.data):
            self._note(end, len(self.data), "beyond the last page")
        self.found.slack.sort()
        return self.found

    def _page(self, number: int) -> bytes:
        return self.data[(number - 1) * self.found.size : number * self.found.size]

    def _slack(self, page: int, begin: int, end: int, kind: str) -> None:
        base = (page - 1) * self.found.size
        self._note(base + begin, base + end, kind)

    def _note(self, begin: int, end: int, kind: str) -> None:
        if begin < end:
            said = end - begin - self.data.count(0, begin, end)
            self.found.nonzero += said
            if said:
                self.found.slack.append((begin, end, kind))

    def _freelist(self) -> None:
        trunk = int.from_bytes(self.data[32:36], "big")
        while 1 <= trunk <= self.count and trunk not in self.found.owner:
            self.found.owner[trunk] = "the freelist"
            page = self._page(trunk)
            held = int.from_bytes(page[4:8], "big")
            self._slack(trunk, 8 + 4 * held, self.found.size, "free page")
            for at in range(8, 8 + 4 * held, 4):
                leaf = int.from_bytes(page[at : at + 4], "big")
                self.found.owner[leaf] = "the freelist"
                self._slack(leaf, 0, self.found.size, "free page")
            trunk = int.from_bytes(page[:4], "big")

    def _tree(self, number: int, name: str) -> list[int]:
        page = self._page(number)
        head = 100 if number == 1 else 0
        kind = page[head]
        if kind not in (INDEX_INNER, TABLE_INNER, INDEX_LEAF, TABLE_LEAF):
            self.found.errors.append(f"page {number} of {name} is no b-tree page")
            return []
        inner = kind in (INDEX_INNER, TABLE_INNER)
        first, cells, start = (
            int.from_bytes(page[head + at : head + at + 2], "big") for at in (1, 3, 5)
        )
        begin = head + (12 if inner else 8)
        live: list[Run] = [(0, begin + 2 * cells)]
        children = [int.from_bytes(page[head + 8 : head + 12], "big")] if inner else []
        for at in range(begin, begin + 2 * cells, 2):
            cell = int.from_bytes(page[at : at + 2], "big")
            if inner:
                children.append(int.from_bytes(page[cell : cell + 4], "big"))
            live.append((cell, max(cell + 4, self._cell(page, cell, kind, name))))
        while first:
            size = int.from_bytes(page[first + 2 : first + 4], "big")
            self._slack(number, first + 4, first + size, "freed cell")
            live.append((first, first + size))
            following = int.from_bytes(page[first : first + 2], "big")
            first = following if following > first else 0
        live.sort()
        done = 0
        for low, high in [*live, (self.found.size, self.found.size)]:
            self._slack(number, done, low, "gap" if done <= (start or 65536) else "fragment")
            done = max(done, high)
        return children

    def _cell(self, page: bytes, cell: int, kind: int, name: str) -> int:
        """Return where a cell ends; takes its overflow pages."""
        at = cell + 4 * (kind in (INDEX_INNER, TABLE_INNER))
        if kind == TABLE_INNER:
            return varint(page, at)[1]
        payload, at = varint(page, at)
        if kind == TABLE_LEAF:
            _, at = varint(page, at)
        most = self.usable - 35 if kind == TABLE_LEAF else (self.usable - 12) * 64 // 255 - 23
        if payload <= most:
            return at + payload
        least = (self.usable - 12) * 32 // 255 - 23
        local = least + (payload - least) % (self.usable - 4)
        local = local if local <= most else least
        link, left = int.from_bytes(page[at + local : at + local + 4], "big"), payload - local
        while 1 <= link <= self.count and left > 0 and link not in self.found.owner:
            self.found.owner[link] = name
            self._slack(link, 4 + min(left, self.usable - 4), self.usable, "end of an overflow")
            left -= self.usable - 4
            link = int.from_bytes(self._page(link)[:4], "big")
        return at + local + 4


def varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the number at `at` and the place behind it."""
    value = 0
    for turn in range(9):
        byte = data[at + turn] if at + turn < len(data) else 0
        if turn == 8:
            return value << 8 | byte, at + 9
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + turn + 1
    return value, at + 9


@dataclass(slots=True)
class Terms:
    """What the full-text indexes of one file say, delete markers and masked postings too."""

    words: set[str] = field(default_factory=set)
    grams: dict[int, set[str]] = field(default_factory=dict)  # row -> terms of trigram indexes
    separators: set[str] = field(default_factory=set)  # beginnings of terms between leaves


def text_indexes(place: Path) -> Terms:
    """Decode the segments of every FTS5 table of a database, as it stands with its log."""
    found = Terms()
    with tempfile.TemporaryDirectory() as folder, suppress(sqlite3.Error):
        copy = Path(shutil.copy(place, folder))
        log = place.with_name(f"{place.name}-wal")
        if log.exists():
            shutil.copy(log, folder)
        with closing(sqlite3.connect(copy)) as con:
            con.execute("PRAGMA writable_schema=ON")
            tables = con.execute(
                "SELECT name, sql FROM sqlite_schema WHERE sql LIKE 'CREATE VIRTUAL TABLE%fts5%'"
            ).fetchall()
            for name, sql in tables:
                with suppress(sqlite3.Error):
                    _index(con, name, found, grams="trigram" in sql.lower())
    return found


def _index(con: sqlite3.Connection, name: str, found: Terms, *, grams: bool) -> None:
    # Names of tables cannot be bound; this one is from the file's own schema.
    quoted = name.replace('"', '""')
    blocks = dict(con.execute(f'SELECT id, block FROM "{quoted}_data"'))  # noqa: S608
    # Every leaf is read, those that no segment claims any more as well.
    by_segment: dict[int, list[int]] = {}
    for ident in sorted(blocks):
        if 0 < ident >> 37 <= MOST_SEGMENTS and not ident >> 36 & 1:  # a leaf
            by_segment.setdefault(ident >> 37, []).append(ident)
    for idents in by_segment.values():
        for term, row in _entries([bytes(blocks[ident]) for ident in idents]):
            word = term[1:].decode(errors="replace")
            if grams:
                found.grams.setdefault(row, set()).add(word)
            else:
                found.words.add(word)
    for (head,) in con.execute(f'SELECT term FROM "{quoted}_idx"'):  # noqa: S608
        raw = head.encode() if isinstance(head, str) else bytes(head)
        if len(raw) > 1:
            found.separators.add(raw[1:].decode(errors="replace"))


def _entries(leaves: list[bytes]) -> Iterator[tuple[bytes, int]]:
    """Yield (term, row) of the leaves of one segment, in their order; lists go on across leaves."""
    term, row, missing, fresh = b"", 0, 0, True
    for leaf in leaves:
        head, end = int.from_bytes(leaf[:2], "big"), int.from_bytes(leaf[2:4], "big")
        begins, at = [], end
        while at < len(leaf):
            step, at = varint(leaf, at)
            begins.append(step + (begins[-1] if begins else 0))
        bounds = [min(bound, len(leaf)) for bound in (*begins, end)]
        runs = [(4, bounds[0], False)] + [(low, high, True) for low, high in pairwise(bounds)]
        for nth, (low, high, named) in enumerate(runs):
            at = low
            if named:
                keep, at = varint(leaf, at) if nth > 1 else (0, at)
                size, at = varint(leaf, at)
                term, at = term[:keep] + leaf[at : at + size], at + size
                missing, fresh = 0, True
                yield term, row  # a term that has lost its rows is still a term
            elif missing:
                taken = min(missing, high - at)
                missing, at = missing - taken, at + taken
            while at < high:
                if head and not named:
                    at, head, fresh = max(at, head), 0, True
                step, at = varint(leaf, at)
                row = step if fresh else row + step
                size, at = varint(leaf, at)
                fresh = False
                yield term, row
                taken = min(size >> 1, high - at)
                missing, at = (size >> 1) - taken, at + taken
