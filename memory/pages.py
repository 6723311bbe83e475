"""Forensic examination of a database file: which bytes are live, and is every other byte zero.

Works on the file alone, so its log must be empty and nobody may write meanwhile (`seal.still`).
Walks every page: b-trees from the roots in the schema, overflow chains, the freelist, pointer
maps, the lock-byte page. What is not live is never read by SQLite, so `scrub` may zero it.
"""

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memory import btree, held, schema_roots
from memory.btree import SPARE, Bytes, Flags, Ints, u32
from memory.side_by_side import side_by_side
from memory.survey import Slack, Survey

MAGIC = b"SQLite format 3\0"
LOCK_BYTE = 1 << 30  # the page that holds this byte is never used
BATCH = 1 << 22  # bytes of pages taken apart at once
CLOSE = 1.25  # pages that lie between those of a batch are read with them up to this
SPACED = (72, 92)  # of the header: reserved, zero
MOST_ERRORS = 20
KINDS = ("gap", "freeblock", "fragment")  # by the numbers of btree.Unused
Tell = Callable[[float], None]  # told which share of the pages is done


def audit(path: Path, tell: Tell = lambda _: None) -> Slack:
    """Examine a file; changes nothing. A malformed file gives errors, never an exception."""
    return survey(path, tell).slack


def survey(path: Path, tell: Tell = lambda _: None) -> Survey:
    """Examine a file and tell what belongs to whom; changes nothing."""
    with held.opened(path) as descriptor:
        return _Walk(descriptor, tell).survey()


def scrub(path: Path, tell: Tell = lambda _: None) -> Slack:
    """Zero every byte that is not live, sync, and return what was there before.

    Only bytes that SQLite never reads are written, so an interruption needs no repair and a second
    run is the same. A file with errors is left alone, and so are pages that nothing points to.
    Connections that hold older pages would write them back: the caller commits a change (`seal`).
    """
    with held.opened(path, write=True) as descriptor:
        walk = _Walk(descriptor, tell)
        walk.zero()
        return walk.slack()


def scrub_changed(path: Path, changed: Collection[int], tables: Collection[str]) -> Slack | None:
    """Do as `scrub` where only these pages have changed since all of the file was accounted for.

    Returns None, and has written nothing, if one of them is not found in the trees of `tables` and
    the freelist. If all are, no other page has changed, and none of them can have come to be
    anything else: every pointer to it lies in a page that has not changed either.
    """
    with held.opened(path, write=True) as descriptor:
        walk = _Walk(descriptor, only=_Part(frozenset(changed), frozenset(tables)))
        numbers = np.array(sorted(changed), np.int64)
        if walk.errors or numbers[-1] > walk.count or not walk.seen[numbers].all():
            return None
        walk.zero()
        return walk.slack()


@dataclass(frozen=True, slots=True)
class _Part:
    """What a walk confines itself to."""

    pages: frozenset[int]  # of the freelist
    tables: frozenset[str]


@dataclass(slots=True)
class _Batch:
    """Pages of b-trees after they were taken apart."""

    numbers: Ints
    data: bytes | bytearray
    mine: Flags | None  # which of the pages are of the batch, and do not only lie between
    parsed: btree.Parsed
    heads: Ints  # first pages of overflow chains,
    left: Ints  # how many bytes lie in each,
    of: Ints  # and which page of the batch names it
    slack_bytes: int = 0
    dirty: list[tuple[str, int, int, int]] = field(default_factory=list)


class _Walk:
    """One examination, of all of a file or of a part."""

    def __init__(
        self, descriptor: int, tell: Tell = lambda _: None, only: _Part | None = None
    ) -> None:
        self.descriptor, self.tell, self.only = descriptor, tell, only
        self.bytes = os.fstat(descriptor).st_size
        self.errors: dict[str, None] = {}
        self.dirty: list[tuple[str, int, int]] = []  # kind, place in the file, length
        self.nonzero: Counter[str] = Counter()
        self.slack_bytes = self.unreached = self.count = self.done = 0
        self.names = [""]
        self.seen = np.zeros(1, np.bool_)
        self.owner = np.zeros(1, np.int32)
        header = held.read_at(descriptor, 100, 0)
        self.size = int.from_bytes(header[16:18], "big")
        self.size = 65536 if self.size == 1 else self.size
        if not header.startswith(MAGIC) or len(header) < 100:
            self.errors["not an unencrypted SQLite database"] = None
        elif self.size < 512 or self.size & (self.size - 1) or self.size - header[20] < 480:
            self.errors["the header has an impossible page size"] = None
        else:
            self.usable = self.size - header[20]
            self._walk(header)

    def survey(self) -> Survey:
        return Survey(
            slack=self.slack(),
            page_size=max(1, self.size),
            owner=self.owner,
            names=tuple(self.names),
            seen=self.seen,
        )

    def zero(self) -> None:
        if self.nonzero and not self.errors:
            runs = [(at, length) for kind, at, length in self.dirty if kind != "unreached"]
            held.zero(self.descriptor, runs)

    def slack(self) -> Slack:
        return Slack(
            pages=self.count,
            live_bytes=self.bytes - self.slack_bytes,
            slack_bytes=self.slack_bytes,
            nonzero=dict(self.nonzero),
            unreached=self.unreached,
            errors=tuple(self.errors),
        )

    def _walk(self, header: bytes) -> None:
        self.count = self.bytes // self.size
        said = int.from_bytes(header[28:32], "big")
        if said and header[24:28] == header[92:96]:
            if said > self.count:
                self._error("the file is shorter than its header says")
            self.count = min(said, self.count)
        self.seen = np.zeros(self.count + 1, np.bool_)
        self.owner = np.zeros(self.count + 1, np.int32)
        self._weigh_file("header", *SPACED)
        self._pointer_maps(automatic=any(header[52:56]))
        self._freelist(int.from_bytes(header[32:36], "big"), int.from_bytes(header[36:40], "big"))
        roots = schema_roots.Roots(self._page)
        chains = self._trees({"sqlite_schema": 1}, roots)
        wanted = roots.found
        if self.only is not None:
            wanted = {name: page for name, page in wanted.items() if name in self.only.tables}
        chains += self._trees(wanted)
        for problem in roots.errors:
            self._error(problem)
        self._overflow(chains)
        if self.only is None:
            self._rest()

    def _rest(self) -> None:
        lost = np.flatnonzero(~self.seen[1:]) + 1
        self.unreached = len(lost)
        for numbers, data in self._batches(lost):
            self._whole("unreached", numbers, data)
        self._weigh_file("beyond the end", self.count * self.size, self.bytes)

    def _error(self, said: str) -> None:
        if len(self.errors) < MOST_ERRORS:
            self.errors[said] = None

    # Pages are read when they are claimed, each once: a second claim is an error, not a loop.

    def _claim(self, numbers: Ints, what: str) -> Ints:
        """Return the pages that are in the file and not taken yet, sorted, and take them."""
        inside = numbers[(numbers >= 1) & (numbers <= self.count)]
        if len(inside) < len(numbers):
            self._error(f"{what} names a page outside of the file")
        ordered = np.sort(inside)  # `numpy.unique` is many times slower
        fresh = ordered[np.diff(ordered, prepend=0) > 0]
        fresh = fresh[~self.seen[fresh]]
        if len(fresh) < len(inside):
            self._error(f"{what} names a page that is used elsewhere")
        self.seen[fresh] = True
        self.done += len(fresh)
        self.tell(self.done / max(1, self.count))
        return fresh

    def _belong(self, numbers: Ints, owner: NDArray[np.int32]) -> None:
        inside = (numbers >= 1) & (numbers <= self.count)
        self.owner[numbers[inside]] = owner[inside]

    def _page(self, number: int) -> bytes:
        return held.read_at(self.descriptor, self.size, (number - 1) * self.size)

    def _read(self, numbers: Ints) -> bytearray:
        data = bytearray(len(numbers) * self.size + SPARE)
        cuts = [0, *(np.flatnonzero(np.diff(numbers) != 1) + 1).tolist(), len(numbers)]
        for first, last in pairwise(cuts):
            at = (int(numbers[first]) - 1) * self.size if last > first else 0
            part = held.read_at(self.descriptor, (last - first) * self.size, at)
            data[first * self.size : first * self.size + len(part)] = part
            if len(part) < (last - first) * self.size:
                self._error("the file became shorter while it was read")
        return data

    def _span(self, numbers: Ints) -> tuple[Ints, bytes | bytearray]:
        """Return the pages and those between them, read at once, if there are few of those."""
        every = np.arange(numbers[0], numbers[-1] + 1)
        if len(every) <= CLOSE * len(numbers):
            wanted = len(every) * self.size + SPARE
            data = held.read_at(self.descriptor, wanted, (int(numbers[0]) - 1) * self.size)
            if len(data) == wanted:  # there is more of the file behind them
                return every, data
        return numbers, self._read(numbers)

    def _split(self, numbers: Ints) -> Iterator[Ints]:
        step = max(1, BATCH // self.size)
        for at in range(0, len(numbers), step):
            yield numbers[at : at + step]

    def _batches(self, numbers: Ints) -> Iterable[tuple[Ints, bytearray]]:
        return ((part, self._read(part)) for part in self._split(numbers))

    # Slack is weighed in runs: how many of its bytes are not zero.

    def _weigh(self, kind: str, data: bytes | bytearray, run: tuple[int, int], offset: int) -> None:
        begin, end = run
        self.slack_bytes += end - begin
        zeros = data.count(0, begin, end)
        if zeros < end - begin:
            self.nonzero[kind] += end - begin - zeros
            self.dirty.append((kind, begin + offset, end - begin))

    def _weigh_file(self, kind: str, begin: int, end: int) -> None:
        for at in range(begin, end, BATCH):
            part = bytearray(held.read_at(self.descriptor, min(BATCH, end - at), at))
            self._weigh(kind, part, (0, len(part)), at)

    def _whole(self, kind: str, numbers: Ints, data: bytearray) -> None:
        for row, number in enumerate(numbers.tolist()):
            at = row * self.size
            self._weigh(kind, data, (at, at + self.size), (number - 1) * self.size - at)

    def _reserved(self, numbers: Ints, data: bytes | bytearray, mine: Flags | None = None) -> None:
        if self.usable < self.size:
            rows = np.arange(len(numbers)) if mine is None else np.flatnonzero(mine)
            for row, number in zip(rows.tolist(), numbers[rows].tolist(), strict=True):
                run = (row * self.size + self.usable, (row + 1) * self.size)
                self._weigh("reserved", data, run, (number - 1 - row) * self.size)

    def _pointer_maps(self, *, automatic: bool) -> None:
        lock = LOCK_BYTE // self.size + 1
        if lock <= self.count:
            (page,) = self._claim(np.array([lock]), "the lock-byte page")
            self._whole("lock byte", np.array([page]), self._read(np.array([page])))
        entries = self.usable // 5
        for nominal in range(2, self.count + 1, entries + 1) if automatic else ():
            number = nominal + (nominal == lock)
            pages = self._claim(np.array([number]), "a pointer map")
            if not len(pages):
                continue
            data, mapped = self._read(pages), min(self.count, nominal + entries) - number
            run = (5 * max(0, mapped), self.usable)
            self._weigh("pointer map", data, run, (number - 1) * self.size)
            self._reserved(pages, data)

    def _freelist(self, trunk: int, said: int) -> None:
        found = 0
        while trunk:
            pages = self._claim(np.array([trunk]), "the freelist")
            if not len(pages):
                break
            data = self._read(pages)
            view = np.frombuffer(data, np.uint8)
            count = int(u32(view, np.array([4]))[0])
            if count > self.usable // 4 - 2:
                self._error("a trunk of the freelist has too many leaves")
                break
            self._weigh("freelist", data, (8 + 4 * count, self.size), (trunk - 1) * self.size)
            leaves = self._claim(u32(view, 8 + 4 * np.arange(count)), "the freelist")
            if self.only is not None:
                leaves = leaves[np.isin(leaves, list(self.only.pages))]
            for numbers, body in self._batches(leaves):
                self._whole("freelist", numbers, body)
            found += 1 + count
            trunk = int(u32(view, np.array([0]))[0])
        if found != said:
            self._error(f"the freelist has {found} pages, the header says {said}")

    def _trees(
        self, roots: Mapping[str, int], look: schema_roots.Roots | None = None
    ) -> list[tuple[Ints, Ints]]:
        pages = np.array(list(roots.values()), np.int64)
        self._belong(
            pages, np.arange(len(self.names), len(self.names) + len(pages), dtype=np.int32)
        )
        self.names += roots
        chains = []
        while len(pages):
            children = []
            for batch in side_by_side(self._parse, self._split(self._claim(pages, "a b-tree"))):
                self._take(batch)
                owner = self.owner[batch.numbers]
                self._belong(batch.parsed.children, owner[batch.parsed.parents])
                self._belong(batch.heads, owner[batch.of])
                chains.append((batch.heads, batch.left))
                children.append(batch.parsed.children)
                if look:
                    look(batch.data, batch.parsed.cells)
            pages = np.concatenate(children) if children else pages[:0]
        return chains

    def _parse(self, numbers: Ints) -> _Batch:
        """Take a batch of pages apart; many may be under way at the same time."""
        wanted = numbers
        numbers, data = self._span(wanted)
        view: Bytes = np.frombuffer(data, np.uint8)
        mine = np.isin(numbers, wanted, kind="table") if len(numbers) > len(wanted) else None
        parsed = btree.parse(view, numbers, self.size, self.usable, mine)
        batch = _Batch(numbers, data, mine, parsed, *parsed.cells.chains(view))
        unused = parsed.unused
        batch.slack_bytes = int((unused.end - unused.begin).sum())
        said = btree.nonzero(view, unused)
        offset = (numbers[unused.row[said]] - 1 - unused.row[said]) * self.size
        batch.dirty = [
            (KINDS[kind], begin + place, end - begin, end - begin - data.count(0, begin, end))
            for kind, begin, end, place in zip(
                unused.kind[said].tolist(),
                unused.begin[said].tolist(),
                unused.end[said].tolist(),
                offset.tolist(),
                strict=True,
            )
        ]
        return batch

    def _take(self, batch: _Batch) -> None:
        for number in batch.numbers[batch.parsed.bad].tolist():
            self._error(f"page {number} is not a sound b-tree page")
        self.slack_bytes += batch.slack_bytes
        for kind, place, length, nonzero in batch.dirty:
            self.nonzero[kind] += nonzero
            self.dirty.append((kind, place, length))
        self._reserved(batch.numbers, batch.data, batch.mine)

    def _overflow(self, chains: list[tuple[Ints, Ints]]) -> None:
        if not chains:
            return
        heads, left = (np.concatenate(part) for part in zip(*chains, strict=True))
        room = self.usable - 4
        while len(heads):
            fresh = self._claim(heads, "an overflow chain")
            order = np.argsort(heads, kind="stable")
            rest = left[order][np.searchsorted(heads[order], fresh)]
            after = []
            at = 0
            for numbers, data in self._batches(fresh):
                used = np.minimum(rest[at : at + len(numbers)], room)
                self._tails(numbers, data, used)
                view: Bytes = np.frombuffer(data, np.uint8)
                after.append(u32(view, np.arange(len(numbers)) * self.size))
                self._belong(after[-1], self.owner[numbers])
                at += len(numbers)
            go = rest > room
            heads = np.concatenate(after)[go] if after else fresh
            left = rest[go] - room

    def _tails(self, numbers: Ints, data: bytearray, used: Ints) -> None:
        for row in np.flatnonzero(used < self.usable - 4).tolist():
            run = (row * self.size + 4 + int(used[row]), row * self.size + self.usable)
            offset = (int(numbers[row]) - 1 - row) * self.size
            self._weigh("overflow", data, run, offset)
        self._reserved(numbers, data)
