"""Searching files for bytes of erased content: many short windows at every offset."""

import json
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memory import held
from memory.sanitise import canonical
from memory.vector_index import quantise
from memory.vectors import STORED

WIDTH = 8  # bytes; one chance hit in 10^14 byte positions for a thousand windows
STRIDE = 4  # any fragment of 11 bytes holds a whole window
CHUNK = 1 << 22
_HASH = np.uint64(0x9E3779B97F4A7C15)

Windows = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Needles:
    """Content that is about to be erased; lives in memory only, never in a file."""

    texts: tuple[str, ...]
    vectors: tuple[bytes, ...]


def text_windows(texts: Iterable[str]) -> Windows:
    """Return the distinct windows of the texts in every form a store could keep them in."""
    return _distinct(
        body[at : at + WIDTH]
        for text in texts
        for body in _forms(text)
        for at in range(0, len(body) - WIDTH + 1, STRIDE)
    )


def _forms(text: str) -> set[bytes]:
    return {
        text.encode(),
        text.casefold().encode(),
        unicodedata.normalize("NFKC", text).encode(),
        canonical(text).encode(),
        json.dumps(text).encode(),
        text.encode("utf-16-le"),
    }


def vector_windows(blobs: Iterable[bytes]) -> Windows:
    """Return windows of the vectors as float16, float32 and int8 codes."""
    bodies: list[bytes] = []
    for blob in blobs:
        row = np.frombuffer(blob, STORED).astype(np.float32)
        bodies += [blob, row.tobytes(), quantise(row[None, :])[0].tobytes()]
    return _distinct(
        body[at : at + WIDTH]
        for body in bodies
        for at in range(0, len(body) - WIDTH + 1, 4 * WIDTH)
    )


def _distinct(windows: Iterable[bytes]) -> Windows:
    # A window of few different bytes says nothing: zero pages and runs of blanks are everywhere.
    kept = {window for window in windows if len(set(window)) > 3}
    return np.unique(np.frombuffer(b"".join(sorted(kept)), "<u8"))


def found_in(data: bytes, windows: Windows) -> Windows:
    """Return those windows that occur in `data` at any byte offset."""
    return _found([data], windows)


def _found(parts: Iterable[bytes], windows: Windows) -> Windows:
    if not len(windows):
        return windows[:0]
    table = np.zeros(1 << 20, np.bool_)
    table[_slot(windows)] = True
    hits: list[Windows] = []
    part = b""
    for fresh in parts:
        part = part[1 - WIDTH :] + fresh
        for shift in range(WIDTH):
            usable = (len(part) - shift) // WIDTH * WIDTH
            view = np.frombuffer(part, "<u8", usable // WIDTH, shift) if usable > 0 else None
            if view is not None:
                likely = view[table[_slot(view)]]
                hits.append(likely[np.isin(likely, windows)])
    return np.unique(np.concatenate(hits)) if hits else windows[:0]


def _slot(windows: Windows) -> NDArray[np.intp]:
    return ((windows * _HASH) >> np.uint64(44)).astype(np.intp)


def scan(place: Path, windows: Windows) -> Windows:
    """Return those windows that occur in a file."""
    return _found(held.chunks(place), windows)


def attested(windows: Windows, live: Iterator[str]) -> Windows:
    """Return those windows that live texts hold, too: they are no residue."""
    found: list[Windows] = [windows[:0]]
    buffer: list[bytes] = []
    size = 0
    for text in live:
        forms = _forms(text)
        buffer += forms
        size += sum(map(len, forms))
        if size > CHUNK:
            found.append(found_in(b"\0".join(buffer), windows))
            buffer, size = [], 0
    found.append(found_in(b"\0".join(buffer), windows))
    return np.unique(np.concatenate(found))
