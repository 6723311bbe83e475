"""Forensic examination of a database file: which bytes are live, and is every other byte zero.

Works on the file alone, so its log must be empty and nobody may write meanwhile (`seal.still`).
Walks every page: b-trees from the roots in the schema, overflow chains, the freelist, pointer
maps, the lock-byte page. What is not live is never read by SQLite, so `scrub` may zero it.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from memory import btree, held, schema_roots
from memory.btree import SPARE, Bytes, Ints, u32

MAGIC = b"SQLite format 3\0"
LOCK_BYTE = 1 << 30  # the page that holds this byte is never used
BATCH = 1 << 22  # bytes of pages taken apart at once
SPACED = (72, 92)  # of the header: reserved, zero
MOST_ERRORS = 20
KINDS = ("gap", "freeblock", "fragment")  # by the numbers of btree.Unused


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


def audit(path: Path) -> Slack:
    """Examine a file; changes nothing. A malformed file gives errors, never an exception."""
    with held.opened(path) as descriptor:
        return _Walk(descriptor).slack()


def scrub(path: Path) -> Slack:
    """Zero every byte that is not live, sync, and return what was there before.

    Only bytes that SQLite never reads are written, so an interruption needs no repair and a second
    run is the same. A file with errors is left alone, and so are pages that nothing points to.
    Connections that hold older pages would write them back: the caller commits a change (`seal`).
    """
    with held.opened(path, write=True) as descriptor:
        walk = _Walk(descriptor)
        found = walk.slack()
        if found.nonzero and not found.errors:
            runs = [(at, length) for kind, at, length in walk.dirty if kind != "unreached"]
            held.zero(descriptor, runs)
        return found


class _Walk:
    """One examination."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.bytes = os.fstat(descriptor).st_size
        self.errors: dict[str, None] = {}
        self.dirty: list[tuple[str, int, int]] = []  # kind, place in the file, length
        self.nonzero: Counter[str] = Counter()
        self.slack_bytes = self.unreached = self.count = 0
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
        self._weigh_file("header", *SPACED)
        self._pointer_maps(automatic=any(header[52:56]))
        self._freelist(int.from_bytes(header[32:36], "big"), int.from_bytes(header[36:40], "big"))
        roots = schema_roots.Roots(self._page)
        chains = self._trees(np.ones(1, np.int64), roots)
        chains += self._trees(np.array(roots.found, np.int64))
        for problem in roots.errors:
            self._error(problem)
        self._overflow(chains)
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
        distinct = np.unique(inside)
        fresh = distinct[~self.seen[distinct]]
        if len(fresh) < len(inside):
            self._error(f"{what} names a page that is used elsewhere")
        self.seen[fresh] = True
        return fresh

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

    def _batches(self, numbers: Ints) -> Iterable[tuple[Ints, bytearray]]:
        step = max(1, BATCH // self.size)
        for at in range(0, len(numbers), step):
            yield numbers[at : at + step], self._read(numbers[at : at + step])

    # Slack is weighed in runs: how many of its bytes are not zero.

    def _weigh(self, kind: str, data: bytearray, run: tuple[int, int], offset: int) -> None:
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

    def _reserved(self, numbers: Ints, data: bytearray) -> None:
        if self.usable < self.size:
            for row, number in enumerate(numbers.tolist()):
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
            leaves = u32(view, 8 + 4 * np.arange(count))
            for numbers, body in self._batches(self._claim(leaves, "the freelist")):
                self._whole("freelist", numbers, body)
            found += 1 + count
            trunk = int(u32(view, np.array([0]))[0])
        if found != said:
            self._error(f"the freelist has {found} pages, the header says {said}")

    def _trees(
        self, pages: Ints, look: Callable[[bytearray, btree.Cells], None] | None = None
    ) -> list[tuple[Ints, Ints]]:
        chains = []
        while len(pages):
            children = []
            for numbers, data in self._batches(self._claim(pages, "a b-tree")):
                view: Bytes = np.frombuffer(data, np.uint8)
                parsed = btree.parse(view, numbers, self.size, self.usable)
                for number in numbers[parsed.bad].tolist():
                    self._error(f"page {number} is not a sound b-tree page")
                self._unused(parsed.unused, numbers, data)
                self._reserved(numbers, data)
                chains.append(parsed.cells.chains(view))
                children.append(parsed.children)
                if look:
                    look(data, parsed.cells)
            pages = np.concatenate(children) if children else pages[:0]
        return chains

    def _unused(self, unused: btree.Unused, numbers: Ints, data: bytearray) -> None:
        offset = (numbers[unused.row] - 1 - unused.row) * self.size
        for begin, end, kind, at in zip(
            unused.begin.tolist(),
            unused.end.tolist(),
            unused.kind.tolist(),
            offset.tolist(),
            strict=True,
        ):
            self._weigh(KINDS[kind], data, (begin, end), at)

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
