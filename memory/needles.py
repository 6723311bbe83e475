"""Searching files for bytes of erased content: short windows of it, looked for in every file.

Windows begin at every offset of the content, and a file is looked at where its own offset is a
multiple of four. Any fragment of eleven bytes therefore holds a window that is looked at, wherever
it lies, and a file of 243 MB takes 0.16 s on one core.
"""

import contextlib
import json
import os
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memory import held
from memory.sanitise import canonical
from memory.side_by_side import side_by_side
from memory.vector_index import quantise, sign_bits
from memory.vectors import STORED

WIDTH = 8  # bytes; one chance hit in 10^14 byte positions for a thousand windows
GRID = 4  # a file is looked at every so many bytes
APART = 32  # bytes of a vector between the groups of windows that are taken from it
CHUNK = 1 << 22
BLOCK = 1 << 15  # positions looked at together: their temporaries stay in the cache
_LOW, _HIGH = np.uint32(0x9E3779B1), np.uint32(0x85EBCA77)
_FULLEST = 1 << 7  # slots of the table per window
_BITS = (16, 27)  # fewest and most of its address

Windows = NDArray[np.uint64]
Positions = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Needles:
    """Content that is about to be erased; lives in memory only, never in a file."""

    texts: tuple[str, ...]  # texts, titles and addresses
    vectors: tuple[bytes, ...]
    seqs: tuple[int, ...] = ()  # internal keys of the memories
    names: tuple[str, ...] = ()  # of scopes, actors and whatever else is named by them
    stemmed: tuple[str, ...] = ()  # the texts as the full-text index spells their words

    def windows(self) -> Windows:
        """Return the windows of all of it but the vectors."""
        return text_windows((*self.texts, *self.names), self.stemmed)


def text_windows(texts: Iterable[str], stemmed: Iterable[str] = ()) -> Windows:
    """Return the distinct windows of the texts in every form a store could keep them in."""
    bodies = {body for text in texts for body in forms(text)}
    return _windows(bodies.union(text.encode() for text in stemmed))


def forms(text: str) -> set[bytes]:
    """Return a text as it may be spelled in a file, its stems apart."""
    return {
        text.encode(),
        text.casefold().encode(),
        unicodedata.normalize("NFKC", text).encode(),
        canonical(text).encode(),
        json.dumps(text).encode(),
        text.encode("utf-16-le"),
    }


def vector_windows(blobs: Iterable[bytes]) -> Windows:
    """Return windows of the vectors as float16, float32, int8 codes and sign bits."""
    bodies: set[bytes] = set()
    bits: set[bytes] = set()
    for blob in blobs:
        row = np.frombuffer(blob, STORED).astype(np.float32)
        bodies |= {blob, row.tobytes(), quantise(row[None, :])[0].tobytes()}
        bits.add(sign_bits(row[None, :]).T.tobytes())
    return joined(_windows(bodies, APART), _windows(bits))


def _windows(bodies: Iterable[bytes], apart: int = GRID) -> Windows:
    """Return the windows that begin within the first `GRID` of every `apart` bytes."""
    found = [np.zeros((0, WIDTH), np.uint8)]
    for body in bodies:
        if len(body) >= WIDTH:
            each = np.lib.stride_tricks.sliding_window_view(np.frombuffer(body, np.uint8), WIDTH)
            found.append(each[np.arange(len(each)) % apart < GRID])
    flat = np.ascontiguousarray(np.concatenate(found))
    windows = distinct(flat.view("<u8")[:, 0])
    # A window of few different bytes says nothing: zero pages and runs of blanks are everywhere.
    ordered = np.sort(windows[:, None].view(np.uint8), axis=1)
    telling = np.count_nonzero(np.diff(ordered, axis=1), axis=1) > 2
    return np.asarray(windows[telling], np.uint64)


def distinct(windows: Windows) -> Windows:
    """Return the windows sorted, each once; `numpy.unique` hashes and is many times slower."""
    ordered = np.sort(windows)
    if len(ordered):
        ordered = ordered[np.concatenate([[True], ordered[1:] != ordered[:-1]])]
    return ordered


def joined(*parts: Windows) -> Windows:
    """Return the windows of all parts, sorted, each once."""
    return distinct(np.concatenate(parts))


def common(windows: Windows, other: Windows) -> Windows:
    """Return those of the windows that are among `other`, which is sorted."""
    return windows[_among(windows, other)]


def without(windows: Windows, other: Windows) -> Windows:
    """Return those of the windows that are not among `other`, which is sorted."""
    return windows[~_among(windows, other)]


def _among(windows: Windows, other: Windows) -> NDArray[np.bool_]:
    if not len(other):
        return np.zeros(len(windows), np.bool_)
    near = np.minimum(np.searchsorted(other, windows), len(other) - 1)
    return np.asarray(other[near] == windows, np.bool_)


class Finder:
    """Looks for windows in bytes; many threads may share one."""

    def __init__(self, windows: Windows) -> None:
        """Prepare for sorted distinct windows."""
        self.windows = windows
        wanted = (len(windows) * _FULLEST).bit_length()
        bits = min(max(wanted, _BITS[0]), _BITS[1])
        self._shift = np.uint32(32 - bits)
        self._table = np.zeros(1 << bits, np.bool_)
        halves = np.ascontiguousarray(windows).view("<u4").reshape(-1, 2)
        self._table[self._slots(halves[:, 0], halves[:, 1])] = True

    def _slots(self, low: NDArray[np.uint32], high: NDArray[np.uint32]) -> NDArray[np.uint32]:
        slots = low * _LOW
        slots += high * _HIGH
        slots >>= self._shift
        return slots

    def on_grid(self, data: bytes | memoryview) -> tuple[Windows, Positions]:
        """Return the windows at the multiples of four in `data`, and where they begin."""
        halves = np.frombuffer(data, "<u4", len(data) // GRID)
        windows, places = [self.windows[:0]], [np.zeros(0, np.int64)]
        for at in range(0, len(halves) - 1, BLOCK):
            part = halves[at : at + BLOCK + 1]
            likely = self._table.take(self._slots(part[:-1], part[1:]), mode="clip")
            if len(rows := np.flatnonzero(likely)):
                high = part[rows + 1].astype(np.uint64) << np.uint64(32)
                seen = part[rows].astype(np.uint64) | high
                real = _among(seen, self.windows)
                windows.append(seen[real])
                places.append(GRID * (at + rows[real]))
        return np.concatenate(windows), np.concatenate(places)

    def anywhere(self, data: bytes) -> Windows:
        """Return the distinct windows that begin anywhere in `data`."""
        view = memoryview(data)
        return joined(*(self.on_grid(view[at:])[0] for at in range(GRID)))


def found_in(data: bytes, windows: Windows) -> Windows:
    """Return those windows that occur in `data` at any byte offset."""
    return Finder(windows).anywhere(data) if len(windows) else windows


def scan(place: Path, windows: Windows) -> Windows:
    """Return those windows that occur in a file."""
    return search(place, Finder(windows))[1]


def search(
    place: Path,
    finder: Finder,
    apart: Callable[[Positions], NDArray[np.bool_]] | None = None,
    tell: Callable[[float], None] = lambda _: None,
) -> tuple[Windows, Windows]:
    """Return the windows that occur in a file: those found apart, and those found elsewhere.

    Args:
        place: The file; one that has gone holds nothing.
        finder: What to look for.
        apart: Tells of positions in the file whether what is there is to be kept apart.
        tell: Told which share of the file has been read.
    """
    found = (finder.windows[:0], finder.windows[:0])
    if not len(finder.windows):
        return found
    with contextlib.suppress(FileNotFoundError), held.opened(place) as descriptor:
        size = os.fstat(descriptor).st_size

        def look(at: int) -> tuple[Windows, Windows]:
            # Half a window more than the chunk, so that none is cut in two.
            windows, places = finder.on_grid(held.read_at(descriptor, CHUNK + WIDTH - GRID, at))
            if apart is None or not len(windows):
                return windows[:0], distinct(windows)
            mine = apart(places + at)
            return distinct(windows[mine]), distinct(windows[~mine])

        for done, pair in enumerate(side_by_side(look, range(0, size, CHUNK)), start=1):
            found = (joined(found[0], pair[0]), joined(found[1], pair[1]))
            tell(min(1.0, done * CHUNK / size))
    return found


def attested(windows: Windows, live: Iterable[str]) -> Windows:
    """Return those windows that live texts hold, too: they are no residue.

    Stops reading as soon as none is left to look for.
    """
    left, batch, size = windows, list[str](), 0
    for text in live:
        if not len(left):
            break
        batch.append(text)
        size += len(text)
        if size > CHUNK:
            left, batch, size = _unattested(left, batch), [], 0
    return without(windows, _unattested(left, batch))


def _unattested(windows: Windows, texts: list[str]) -> Windows:
    # The cheap forms of many texts at once first; most windows are in the plain one.
    together = "\0".join(texts)
    spelled: tuple[Callable[[], str | bytes], ...] = (
        lambda: together,
        together.casefold,
        lambda: unicodedata.normalize("NFKC", together),
        lambda: "\0".join(map(canonical, texts)),
        lambda: "\0".join(map(json.dumps, texts)),
        lambda: together.encode("utf-16-le"),
    )
    for form in spelled:
        if not len(windows):
            break
        body = form()
        body = body.encode() if isinstance(body, str) else body
        windows = without(windows, found_in(body, windows))
    return windows
