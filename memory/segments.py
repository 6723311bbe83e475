"""A second reading of the full-text index: its segments decoded from their bytes, without FTS5.

FTS5's own views hide what a newer delete marker masks; this shows what lies in the blocks. Format:
the head of fts5_index.c. Never raises on malformed blocks: what cannot be read is an error value.
"""

import json
from bisect import bisect_left
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from memory.db import Connection
from memory.schema_roots import varint

AVERAGES, STRUCTURE = 1, 10  # ids of the two blocks that belong to no segment
SEGMENT_BITS, INNER_BITS, PAGE_BITS = 37, 6, 31  # an id: segment, doclist index and height, page
MAIN = b"0"  # first byte of a term; other digits are prefix indexes


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment: its leaves are pages `first` to `last`."""

    id: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One memory in the list of one term."""

    term: bytes
    rowid: int
    deleted: bool  # a delete marker: it repeats the term of what it deletes
    positions: bytes

    def places(self) -> Iterator[tuple[int, int]]:
        """Yield column and word number of every occurrence."""
        at = column = offset = 0
        while at < len(self.positions):
            step, at = varint(self.positions, at)
            if step == 1:
                column, at = varint(self.positions, at)
                step, at = varint(self.positions, at)
                offset = 0
            offset += step - 2
            yield column, offset


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """What an examination of the whole index found."""

    segments: int
    terms: int
    entries: int
    deleted: int  # delete markers
    orphaned: int  # entries of rows that are not there
    stray: int  # blocks that belong to no segment
    separators: int  # of them those that no term begins with any more
    errors: tuple[str, ...]

    @property
    def clean(self) -> bool:
        """Every block is read and says nothing beyond the live rows."""
        return not (self.deleted or self.orphaned or self.stray or self.separators or self.errors)


def structure(block: bytes) -> list[Segment]:
    """Return the segments that the structure block lists; as many as can be read."""
    second = block[4:8] == b"\xff\x00\x00\x01"
    at = 8 if second else 4
    levels, at = varint(block, at)
    _, at = varint(block, at)
    _, at = varint(block, at)
    found = []
    while levels > 0 and at < len(block):
        levels -= 1
        _, at = varint(block, at)
        count, at = varint(block, at)
        while count > 0 and at < len(block):
            count -= 1
            numbers = []
            for _ in range(8 if second else 3):
                number, at = varint(block, at)
                numbers.append(number)
            found.append(Segment(*numbers[:3]))
    return found


def starts(leaf: bytes) -> list[int]:
    """Return where the terms of a leaf begin, then where its lists end; [] if that is impossible.

    The head of a leaf says where the lists end; behind them are the distances between terms.
    """
    end = int.from_bytes(leaf[2:4], "big")
    if not 4 <= end <= len(leaf):
        return []
    found, at = [0], end
    while at < len(leaf):
        step, at = varint(leaf, at)
        found.append(found[-1] + step)
        if not found[-2] < found[-1] < end:
            return []
    return [*found[1:], end]


@dataclass(slots=True)
class Lists:
    """Reads leaves of one segment in their order; lists go on from leaf to leaf."""

    errors: list[str] = field(default_factory=list)
    _term: bytes = b""
    _rowid: int = 0
    _fresh: bool = True  # the next row number is whole, not a difference
    _missing: int = 0  # bytes of positions that are on the next leaf
    _deleted: bool = False
    _positions: bytes = b""

    def read(self, leaf: bytes) -> Iterator[Entry]:
        """Yield the entries that end on this leaf."""
        first = int.from_bytes(leaf[:2], "big")
        begins = starts(leaf)
        if not begins:
            self.errors.append("a leaf of the index cannot be read")
            return
        yield from self._list(leaf, 4, begins[0], first)
        for nth, (at, stop) in enumerate(pairwise(begins)):
            keep, at = varint(leaf, at) if nth else (0, at)
            size, at = varint(leaf, at)
            self._term = self._term[:keep] + leaf[at : at + size]
            self._fresh, self._missing = True, 0
            yield from self._list(leaf, at + size, stop, 0)

    def _list(self, leaf: bytes, at: int, end: int, first: int) -> Iterator[Entry]:
        if self._missing:
            at = yield from self._take(leaf, at, end)
        while at < end:
            if first:  # the first row number of a leaf is whole
                at, first, self._fresh = max(at, first), 0, True
            step, at = varint(leaf, at)
            self._rowid = step if self._fresh else self._rowid + step
            size, at = varint(leaf, at)
            self._fresh, self._deleted = False, bool(size & 1)
            self._missing, self._positions = size >> 1, b""
            at = yield from self._take(leaf, at, end)

    def _take(self, leaf: bytes, at: int, end: int) -> Generator[Entry, None, int]:
        part = leaf[at : min(end, at + self._missing)]
        self._positions += part
        self._missing -= len(part)
        if not self._missing:
            yield Entry(self._term, self._rowid, self._deleted, self._positions)
        return at + len(part)


def segments(con: Connection) -> list[Segment]:
    """Return the segments of the index."""
    row = con.execute("SELECT block FROM memory_fts_data WHERE id = ?", (STRUCTURE,)).fetchone()
    return structure(row[0]) if row else []


def _leaves(con: Connection, segment: Segment, first: int) -> Iterator[bytes]:
    rows = con.execute(
        "SELECT block FROM memory_fts_data WHERE id BETWEEN ? AND ? ORDER BY id",
        ((segment.id << SEGMENT_BITS) + first, (segment.id << SEGMENT_BITS) + segment.last),
    )
    for (block,) in rows:
        yield block


def decode(con: Connection, errors: list[str]) -> Iterator[Entry]:
    """Yield every entry of the index, segment by segment, delete markers too."""
    for segment in segments(con):
        lists = Lists(errors)
        for leaf in _leaves(con, segment, segment.first):
            yield from lists.read(leaf)


def lookup(con: Connection, term: str) -> list[Entry]:
    """Return the entries of one term."""
    wanted = MAIN + term.encode()
    found = []
    for segment in segments(con):
        lists = Lists()
        for leaf in _leaves(con, segment, _leaf_of(con, segment, wanted)):
            entries = list(lists.read(leaf))
            found += [entry for entry in entries if entry.term == wanted]
            if entries and entries[-1].term > wanted:
                break
    return found


def present(con: Connection, term: str) -> bool:
    """Tell whether any segment has the term; reads a leaf of each."""
    return bool(_present(con, [term]))


def _present(con: Connection, sought: Sequence[str]) -> set[bytes]:
    """Return those terms that a segment has, as the segment spells them."""
    found: set[bytes] = set()
    for segment in segments(con):
        by_leaf: dict[int, set[bytes]] = {}
        for wanted in (MAIN + term.encode() for term in sought):
            by_leaf.setdefault(_leaf_of(con, segment, wanted), set()).add(wanted)
        for leaf, wanted_here in by_leaf.items():
            found |= wanted_here.intersection(terms(next(_leaves(con, segment, leaf), b"")))
    return found


def _leaf_of(con: Connection, segment: Segment, wanted: bytes) -> int:
    row = con.execute(
        "SELECT pgno >> 1 FROM memory_fts_idx WHERE segid = ? AND term <= ?"
        " ORDER BY term DESC LIMIT 1",
        (segment.id, wanted),
    ).fetchone()
    return max(segment.first, row[0] if row else 0)


def terms(leaf: bytes) -> list[bytes]:
    """Return the terms that begin on a leaf, in order."""
    found: list[bytes] = []
    term = b""
    for nth, at in enumerate(starts(leaf)[:-1]):
        keep, at = varint(leaf, at) if nth else (0, at)
        size, at = varint(leaf, at)
        term = term[:keep] + leaf[at : at + size]
        found.append(term)
    return found


def first_term(leaf: bytes) -> bytes:
    """Return the first term that begins on a leaf; empty if none does."""
    end = int.from_bytes(leaf[2:4], "big")
    if not 4 <= end < len(leaf):
        return b""
    at, _ = varint(leaf, end)
    size, at = varint(leaf, at)
    return leaf[at : min(end, at + size)]


def tidy(con: Connection) -> int:
    """Remove what erased terms have left in the separators between leaves.

    FTS5 keeps a beginning of the first term of each leaf in a table of its own and does not look
    at it when `secure-delete` takes that term away, nor when a merge drops the leaf. Any text
    above the last term of the leaf before and up to the first term of this one is as good.
    In a transaction, after the one that deleted; returns how many were replaced or dropped.
    """
    dropped = sum(
        con.execute(
            "DELETE FROM memory_fts_idx WHERE segid = ? AND pgno >> 1 < ?",
            (segment.id, segment.first),
        ).rowcount
        for segment in segments(con)
        if segment.first > 1
    )
    stale = [
        (first, segment, term)
        for segment, term, block in con.execute(
            "SELECT i.segid, i.term, d.block FROM memory_fts_idx AS i"
            " JOIN memory_fts_data AS d ON d.id = (i.segid << 37) + (i.pgno >> 1)"
        )
        if (first := first_term(block)) and not first.startswith(term)
    ]
    con.executemany("UPDATE memory_fts_idx SET term = ? WHERE segid = ? AND term = ?", stale)
    return dropped + len(stale)


def residue(con: Connection, absent: Sequence[str]) -> int:
    """Return how many of these terms, which no live row has, and beginnings of them are left.

    A separator between two leaves is the beginning of a term; one that no term begins with any
    more was left by an erased one.
    """
    heads = json.dumps(
        sorted(
            {
                (MAIN + term.encode())[:size].hex()
                for term in absent
                for size in range(2, len(term.encode()) + 2)
            }
        )
    )
    known = json.dumps([segment.id for segment in segments(con)])
    separators = con.execute(
        "SELECT DISTINCT term FROM memory_fts_idx WHERE segid IN (SELECT value FROM json_each(?))"
        " AND term IN (SELECT unhex(value) FROM json_each(?))",
        (known, heads),
    ).fetchall()
    con.execute(
        "CREATE VIRTUAL TABLE IF NOT EXISTS temp.memory_words"
        " USING fts5vocab (main, memory_fts, row)"
    )
    lone = sum(1 for (head,) in separators if not _begins(con, head))
    return lone + len(_present(con, absent))


def _begins(con: Connection, head: bytes) -> bool:
    text = head[1:].decode(errors="ignore")
    return bool(
        con.execute(
            "SELECT 1 FROM temp.memory_words WHERE term >= ? AND term <= ? LIMIT 1",
            (text, text + "\U0010ffff"),
        ).fetchone()
    )


def examine(con: Connection) -> Index:
    """Decode the whole index; seconds for a large store."""
    errors: list[str] = []
    terms: set[bytes] = set()
    rows: set[int] = set()
    entries = deleted = 0
    for entry in decode(con, errors):
        entries += 1
        deleted += entry.deleted
        terms.add(entry.term)
        rows.add(entry.rowid)
    live = {seq for (seq,) in con.execute("SELECT seq FROM memory")}
    known = sorted(terms)
    lone = [
        head
        for (head,) in con.execute("SELECT term FROM memory_fts_idx WHERE term <> x''")
        if not known[(at := bisect_left(known, head)) : at + 1] or not known[at].startswith(head)
    ]
    return Index(
        segments=len(segments(con)),
        terms=len(terms),
        entries=entries,
        deleted=deleted,
        orphaned=len(rows - live),
        stray=_stray(con),
        separators=len(lone),
        errors=tuple(dict.fromkeys(errors)),
    )


def _stray(con: Connection) -> int:
    known = {segment.id: segment for segment in segments(con)}
    page = (1 << PAGE_BITS) - 1
    stray = 0
    for (ident,) in con.execute("SELECT id FROM memory_fts_data"):
        segment = known.get(ident >> SEGMENT_BITS)
        listed = segment is not None and segment.first <= ident & page <= segment.last
        stray += not listed and ident not in (AVERAGES, STRUCTURE)
    return stray
