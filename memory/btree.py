"""Reading SQLite's b-tree pages, many at once: where cells, freeblocks and unused bytes lie.

Pure functions over arrays of bytes, after https://sqlite.org/fileformat2.html. A page that is not
as SQLite would write it is marked bad and yields nothing; no input makes them raise or loop.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

SPARE = 64  # zero bytes behind the last page, so that a cell that ends too late can be read
INDEX_INNER, TABLE_INNER, INDEX_LEAF, TABLE_LEAF = 2, 5, 10, 13
GAP, FREEBLOCK, FRAGMENT = 0, 1, 2
_LENGTH = 17  # bits for the length of a run, at most a page of 65,536 bytes


@dataclass(frozen=True, slots=True)
class Unused:
    """Bytes of b-tree pages that SQLite never reads; one element per run."""

    row: Ints  # which page of the batch
    begin: Ints  # position in the batch
    end: Ints
    kind: Ints  # GAP, FREEBLOCK or FRAGMENT


@dataclass(frozen=True, slots=True)
class Cells:
    """The cells of the good pages of a batch, in the order of their pointers."""

    row: Ints
    begin: Ints  # position in the batch
    end: Ints
    body: Ints  # where the payload begins
    payload: Ints  # bytes of payload, all parts
    local: Ints  # bytes of payload on the page itself
    inner: Flags
    leaf: Flags  # of a table

    def chains(self, data: Bytes) -> tuple[Ints, Ints, Ints]:
        """Return first page, bytes and row of the overflow chain of each cell that has one."""
        spills = np.flatnonzero(self.payload > self.local)
        heads = u32(data, self.end[spills] - 4)
        return heads, (self.payload - self.local)[spills], self.row[spills]


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a batch of b-tree pages consists of."""

    bad: Flags  # per page
    cells: Cells
    unused: Unused
    children: Ints  # page numbers
    parents: Ints  # which page of the batch names each of them


def nonzero(data: Bytes, unused: Unused) -> Ints:
    """Return which of the runs hold a byte that is not zero."""
    runs = np.flatnonzero(unused.end > unused.begin)
    runs = runs[np.argsort(unused.begin[runs])]
    if not len(runs):
        return runs
    ends = np.stack([unused.begin[runs], unused.end[runs]], axis=1).ravel()
    return np.asarray(runs[np.maximum.reduceat(data, ends)[::2] > 0], np.int64)


def u16(data: Bytes, at: Ints) -> Ints:
    """Return the big-endian 16-bit numbers at these positions."""
    return data[at].astype(np.int64) << 8 | data[at + 1]


def u32(data: Bytes, at: Ints) -> Ints:
    """Return the big-endian 32-bit numbers at these positions."""
    return u16(data, at) << 16 | u16(data, at + 2)


def varints(data: Bytes, at: Ints) -> tuple[Ints, Ints]:
    """Return the variable-length numbers at these positions, and the positions behind them."""
    first = data[at]
    value, end = (first & 0x7F).astype(np.int64), at + 1
    more = np.flatnonzero(first & 0x80)
    for turn in range(1, 9):
        if not len(more):
            break
        byte = data[end[more]].astype(np.int64)
        end[more] += 1
        if turn == 8:  # the ninth byte counts in full
            value[more] = value[more] << 8 | byte
            break
        value[more] = value[more] << 7 | byte & 0x7F
        more = more[byte >= 0x80]
    return value, end


class _Batch:
    """The headers of a batch of pages."""

    def __init__(
        self, data: Bytes, numbers: Ints, size: int, usable: int, mine: Flags | None
    ) -> None:
        self.data, self.size, self.usable = data, size, usable
        self.row = np.arange(len(numbers), dtype=np.int64)
        self.base = self.row * size
        self.head = self.base + np.where(numbers == 1, 100, 0)
        self.kind = data[self.head]
        self.inner = (self.kind == INDEX_INNER) | (self.kind == TABLE_INNER)
        self.top = self.head + np.where(self.inner, 12, 8)
        self.start = u16(data, self.head + 5)  # of the cell content
        self.start[self.start == 0] = 65536
        count = u16(data, self.head + 3)
        known = np.isin(self.kind, (INDEX_INNER, TABLE_INNER, INDEX_LEAF, TABLE_LEAF))
        too_many = self.top + 2 * count > self.base + self.start
        self.bad: Flags = ~known | too_many | (self.start > usable)
        if mine is not None:
            self.bad |= ~mine  # left out of all that follows
        self.count = np.where(self.bad, 0, count)
        self.ready = self.top + 2 * self.count  # end of the cell pointers


def parse(data: Bytes, numbers: Ints, size: int, usable: int, mine: Flags | None = None) -> Parsed:
    """Take pages apart.

    Args:
        data: The pages one after another, then `SPARE` bytes.
        numbers: Their page numbers; page 1 begins with the file's header.
        size: Bytes of a page.
        usable: Of them without the reserved ones at the end.
        mine: Which of the pages are meant; the others only lie between them.
    """
    batch = _Batch(data, numbers, size, usable, mine)
    cells = _cells(batch)
    blocks = _freeblocks(batch)
    unused = _unused(batch, cells, blocks)
    right = np.flatnonzero(batch.inner & ~batch.bad)
    left = np.flatnonzero(cells.inner & ~batch.bad[cells.row])
    children = np.concatenate([u32(data, batch.head[right] + 8), u32(data, cells.begin[left])])
    parents = np.concatenate([right, cells.row[left]])
    bad = batch.bad if mine is None else batch.bad & mine
    return Parsed(bad, _good(cells, batch.bad), unused, children, parents)


def _good(cells: Cells, bad: Flags) -> Cells:
    if not bad.any():
        return cells
    keep = ~bad[cells.row]
    return Cells(*(getattr(cells, name)[keep] for name in Cells.__slots__))


def _cells(batch: _Batch) -> Cells:
    data, usable, count = batch.data, batch.usable, batch.count
    row = np.repeat(batch.row, count)
    # Pointers follow one another: two bytes further for each cell of the page.
    first = np.cumsum(count) - count
    offset = u16(data, 2 * np.arange(len(row)) + np.repeat(batch.top - 2 * first, count))
    wrong = (offset < np.repeat(batch.start, count)) | (offset > usable - 4)
    base = np.repeat(batch.base, count)
    begin = base + np.minimum(offset, usable - 4)
    inner = np.repeat(batch.inner, count)
    leaf: Flags = np.repeat(batch.kind == TABLE_LEAF, count)
    payload, body = varints(data, begin + 4 * inner)
    payload[np.repeat(batch.kind == TABLE_INNER, count)] = 0  # a row number and nothing else
    if leaf.any():
        _, body[leaf] = varints(data, body[leaf])
    wrong |= (payload < 0) | (payload > 0x7FFFFFFF)
    local = _local(payload, leaf, usable)
    end = np.maximum(body + local + 4 * (payload > local), begin + 4)
    wrong |= end > base + usable
    batch.bad[row[wrong]] = True
    return Cells(row, begin, end, body, payload, local, inner, leaf)


def _local(payload: Ints, leaf: Flags, usable: int) -> Ints:
    least = (usable - 12) * 32 // 255 - 23
    local = payload.copy()
    over = np.flatnonzero(payload > (usable - 12) * 64 // 255 - 23)  # for an index: too much
    over = over[~leaf[over] | (payload[over] > usable - 35)]
    filled = least + (payload[over] - least) % (usable - 4)  # leaves full overflow pages
    most = np.where(leaf[over], usable - 35, (usable - 12) * 64 // 255 - 23)
    local[over] = np.where(filled <= most, filled, least)
    return local


def _freeblocks(batch: _Batch) -> tuple[Ints, Ints, Ints]:
    data, usable = batch.data, batch.usable
    offset = u16(data, batch.head + 1)
    row = np.flatnonzero((offset != 0) & ~batch.bad)
    offset = offset[row]
    found: list[tuple[Ints, Ints, Ints]] = []
    while len(row):
        at = batch.base[row] + np.minimum(offset, usable - 4)
        after, length = u16(data, at), u16(data, at + 2)
        # Blocks lie in rising order, which ends this loop, too.
        wrong = (offset < batch.start[row]) | (offset + length > usable) | (length < 4)
        wrong |= (after != 0) & (after < offset + length)
        batch.bad[row[wrong]] = True
        found.append((row[~wrong], at[~wrong], (at + length)[~wrong]))
        go = ~wrong & (after != 0)
        row, offset = row[go], after[go]
    return _joined(found)


def _joined(parts: list[tuple[Ints, Ints, Ints]]) -> tuple[Ints, Ints, Ints]:
    none = [np.zeros(0, np.int64)]
    row, begin, end = (np.concatenate(none + [part[at] for part in parts]) for at in range(3))
    return row, begin, end


def _unused(batch: _Batch, cells: Cells, blocks: tuple[Ints, Ints, Ints]) -> Unused:
    base, size = batch.base, batch.size
    top = np.where(batch.bad, base, batch.ready)
    good, free = ~batch.bad[cells.row], ~batch.bad[blocks[0]]
    # Begin and length in one number: sorting it is several times faster than sorting by an order.
    # The end of a page and the head of the next one begin at the same place: ends come first.
    used = [
        (base + batch.usable) << _LENGTH | size - batch.usable,
        base << _LENGTH | top - base,
        cells.begin[good] << _LENGTH | (cells.end - cells.begin)[good],
        blocks[1][free] << _LENGTH | (blocks[2] - blocks[1])[free],
    ]
    packed = np.sort(np.concatenate(used))
    begin = packed >> _LENGTH
    end = begin + (packed & (1 << _LENGTH) - 1)
    between = begin[1:] - end[:-1]
    batch.bad[begin[:-1][between < 0] // size] = True  # parts that overlap
    holes = np.flatnonzero(between > 0)
    first, last = end[:-1][holes], begin[1:][holes]
    row = first // size
    kind = np.where(first == top[row], GAP, FRAGMENT)
    owner = np.concatenate([row, blocks[0]])
    keep = ~batch.bad[owner]
    return Unused(
        owner[keep],
        np.concatenate([first, blocks[1] + 4])[keep],  # the links of freeblocks are read
        np.concatenate([last, blocks[2]])[keep],
        np.concatenate([kind, np.full(len(blocks[0]), FREEBLOCK)])[keep],
    )
