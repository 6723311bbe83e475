"""A forensic examiner for the folder of any memory store: what of given contents do its files say?

It is given the contents and the files, nothing else: no key, no connection, no knowledge of the
system. A content is *readable* if ten characters of its token in a row are in any file in any of
seven encodings, or if a full-text index has its token as a term or in trigrams. Its vector is
readable if a run of its numbers is there as float32 (also rounded or renormalised), float64,
float16, decimal text, int8 codes or sign bits.
"""

import base64
import json
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import forensic_sqlite
import numpy as np
from forensic_texts import Text, vector
from numpy.typing import NDArray

WIDTH = 8  # bytes compared at once
# Characters in a row that count as reading a token: so many that no two of 20,000 texts share them.
RUN, ACCENTED = 10, 12
CHUNK = 1 << 23
_HASH = np.uint64(0x9E3779B97F4A7C15)
Keys = NDArray[np.uint64]
Ints = NDArray[np.int64]

# How many windows of one vector must be there, by form. One window of float64 or decimal text is
# one number, and unrelated vectors share numbers; eight int8 codes or 64 signs are not shared.
ENOUGH = {"float32": 8, "float64": 48, "float16": 3, "decimal": 200, "int8": 3, "bits": 2}


@dataclass(slots=True)
class Found:
    """What one examination found; contents are named by their keys."""

    files: int = 0
    size: int = 0
    raw: set[int] = field(default_factory=set)  # token read in the bytes of a file
    index: set[int] = field(default_factory=set)  # token decoded from a full-text index
    vectors: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    where: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    slack: int = 0  # bytes of databases that are not live and not zero
    log: int = 0  # bytes of logs and journals
    separators: int = 0  # beginnings of terms in text indexes that no term has any more
    errors: list[str] = field(default_factory=list)

    @property
    def readable(self) -> set[int]:
        """The contents of which the token can be read."""
        return self.raw | self.index

    @property
    def any_vector(self) -> set[int]:
        """The contents of which the vector can be read in some form."""
        return set().union(*self.vectors.values())

    @property
    def in_slack(self) -> set[int]:
        """The contents read in bytes of a database that are not live."""
        return set().union(*(keys for place, keys in self.where.items() if "slack:" in place))


class Examiner:
    """Looks for the wordings of some memories; the same key may have several."""

    def __init__(self, wordings: Sequence[Text]) -> None:
        """Prepare the search, which may then be made in many folders."""
        self._tokens = {text.token: text.key for text in wordings}
        self._texts = _Patterns(_patterns(wordings))
        self._vectors = _Vectors(wordings)

    def __call__(self, home: Path) -> Found:
        """Read every file below a folder and return what they say of the contents."""
        found = Found()
        for place in sorted(entry for entry in home.rglob("*") if entry.is_file()):
            self._read(place, place.relative_to(home).as_posix(), found)
        return found

    def _read(self, place: Path, name: str, found: Found) -> None:
        data = place.read_bytes()
        found.files, found.size = found.files + 1, found.size + len(data)
        layout = None
        if data[:16] == forensic_sqlite.MAGIC:
            layout = forensic_sqlite.layout(place)
            found.slack += layout.nonzero
            found.errors += [f"{name}: {error}" for error in layout.errors]
            _decode(forensic_sqlite.text_indexes(place), self._tokens, found, name)
        elif name.endswith(("-wal", "-journal")):
            found.log += len(data)
        for key, at in self._texts.find(data):
            found.raw.add(key)
            found.where[f"{name} {layout.place(at)}" if layout else name].add(key)
        for form, keys in self._vectors.find(data).items():
            found.vectors[form] |= keys
            found.where[f"{name} (vector)"] |= keys


def _patterns(wordings: Sequence[Text]) -> Iterator[tuple[bytes, int]]:
    """Yield (bytes, key): every run of characters of a token, in every encoding."""
    for text in wordings:
        spelled = unicodedata.normalize("NFKD", text.accented)
        folded = "".join(c for c in spelled if not unicodedata.combining(c))
        for word, run in (
            (text.token, RUN),
            (text.token.upper(), RUN),
            (text.accented, ACCENTED),
            (folded, ACCENTED),
        ):
            for at in range(len(word) - run + 1):
                part = word[at : at + run]
                yield part.encode(), text.key
                yield part.encode("utf-16-le"), text.key
                yield part.encode("utf-16-be"), text.key
                if not part.isascii():
                    yield unicodedata.normalize("NFD", part).encode(), text.key
                    yield json.dumps(part)[1:-1].encode(), text.key
        for at in range(3):  # base64 takes three bytes at a time, from anywhere
            yield base64.b64encode(text.token[at : at + 12].encode()), text.key


def _decode(
    terms: forensic_sqlite.Terms, tokens: Mapping[str, int], found: Found, name: str
) -> None:
    said = {key for token, key in tokens.items() if token in terms.words}
    grams = {
        token: {a + b + c for a, b, c in zip(token, token[1:], token[2:], strict=False)}
        for token in tokens
    }
    by_gram = defaultdict(set)
    for token, parts in grams.items():
        for part in parts:
            by_gram[part].add(token)
    for held in terms.grams.values():
        counted = Counter(token for part in held for token in by_gram.get(part, ()))
        said |= {tokens[token] for token, count in counted.items() if count == len(grams[token])}
    found.index |= said
    if said:
        found.where[f"{name} (full-text index)"] |= said
    begins = sorted(terms.words)
    for head in terms.separators:
        at = int(np.searchsorted(begins, head)) if begins else 0
        found.separators += (
            not (at < len(begins) and begins[at].startswith(head)) and not terms.grams
        )


class _Patterns:
    """Looks for many byte strings at once."""

    def __init__(self, patterns: Iterable[tuple[bytes, int]]) -> None:
        self.by_key: dict[int, list[tuple[bytes, int]]] = defaultdict(list)
        for pattern, owner in set(patterns):
            self.by_key[int.from_bytes(pattern[:WIDTH], "little")].append((pattern, owner))
        self.index = _Index(np.array(sorted(self.by_key), np.uint64))

    def find(self, data: bytes) -> Iterator[tuple[int, int]]:
        """Yield (owner, position)."""
        for key, at in self.index.windows(data):
            for pattern, owner in self.by_key[key]:
                if data.startswith(pattern, at):
                    yield owner, at


class _Index:
    """A sorted set of 64-bit keys that arrays are looked up in."""

    def __init__(self, keys: Keys) -> None:
        self.keys = keys
        self.table = np.zeros(1 << 22, np.bool_)
        self.table[self._slot(keys)] = True

    @staticmethod
    def _slot(keys: Keys) -> NDArray[np.intp]:
        return ((keys * _HASH) >> np.uint64(42)).astype(np.intp)

    def hits(self, values: Keys) -> Ints:
        """Return the positions in `values` that hold one of the keys."""
        likely = np.flatnonzero(self.table[self._slot(values)])
        if not len(likely):
            return likely
        at = np.minimum(np.searchsorted(self.keys, values[likely]), len(self.keys) - 1)
        return likely[self.keys[at] == values[likely]]

    def windows(self, data: bytes) -> Iterator[tuple[int, int]]:
        """Yield (key, position) of every eight bytes of `data` that are a key."""
        for begin in range(0, len(data), CHUNK):
            part = data[begin : begin + CHUNK + WIDTH - 1]
            for shift in range(min(WIDTH, len(part))):
                count = (len(part) - shift) // WIDTH
                view = np.frombuffer(part, "<u8", count, shift) if count > 0 else self.keys[:0]
                for at in self.hits(view).tolist():
                    yield int(view[at]), begin + shift + at * WIDTH


class _Vectors:
    """Looks for vectors in every form a store may keep them in."""

    def __init__(self, wordings: Sequence[Text]) -> None:
        self.owners: list[int] = [text.key for text in wordings]
        rows = [vector(text.token) for text in wordings]
        known: dict[int, list[tuple[str, int, int]]] = defaultdict(list)
        for at, row in enumerate(rows):
            for form, body, step in _bodies(row):
                for nth in range(0, len(body) - WIDTH + 1, step):
                    window = body[nth : nth + WIDTH]
                    if len(set(window)) > 2:
                        known[int.from_bytes(window, "little")].append((form, at, nth))
        self.known = known
        self.index = _Index(np.array(sorted(known), np.uint64))
        rough = [_rough(row.view("<u4")) for row in rows]
        self.rough = np.concatenate(rough) if rough else np.zeros(0, np.uint64)
        self.rough_owner = np.repeat(np.arange(len(rows)), [len(one) for one in rough])
        order = np.argsort(self.rough, kind="stable")
        self.rough, self.rough_owner = self.rough[order], self.rough_owner[order]
        self.rough_index = _Index(np.unique(self.rough))

    def find(self, data: bytes) -> dict[str, set[int]]:
        """Return the owners of the vectors that are in `data`, by form."""
        seen: dict[tuple[str, int], set[int]] = defaultdict(set)
        for key, _ in self.index.windows(data):
            for form, at, nth in self.known[key]:
                seen[form, at].add(nth)
        for form, at, nth in self._floats(data):
            seen[form, at].add(nth)
        found: dict[str, set[int]] = defaultdict(set)
        for (form, at), windows in seen.items():
            kind = form.partition(" ")[0]
            if len(windows) >= ENOUGH[kind]:
                found[kind].add(self.owners[at])
        return found

    def _floats(self, data: bytes) -> Iterator[tuple[str, int, int]]:
        """Yield the pairs of neighbouring numbers that are nearly those of a vector."""
        for begin in range(0, len(data), CHUNK):
            part = data[begin : begin + CHUNK + WIDTH - 1]
            for shift in range(min(4, len(part))):
                count = (len(part) - shift) // 4
                if count < 2:
                    continue
                pairs = _rough(np.frombuffer(part, "<u4", count, shift))
                for at in self.rough_index.hits(pairs).tolist():
                    low, high = np.searchsorted(self.rough, [pairs[at], pairs[at] + np.uint64(1)])
                    for nth in range(int(low), int(high)):
                        yield "float32", int(self.rough_owner[nth]), nth


def _rough(numbers: NDArray[np.uint32]) -> Keys:
    """Return neighbouring float32 numbers in pairs, without the last byte of their fractions."""
    kept = (numbers >> np.uint32(8)).astype(np.uint64)
    return kept[:-1] << np.uint64(24) | kept[1:]


def _bodies(row: NDArray[np.float32]) -> Iterator[tuple[str, bytes, int]]:
    """Yield (form, bytes, step between windows) of a vector."""
    yield "float16", row.astype("<f2").tobytes(), WIDTH
    for order in ("<f8", ">f8"):
        yield f"float64 {order}", row.astype(order).tobytes(), WIDTH
    scales = {"peak": 127 / np.abs(row).max(), "unit": 127.0, "peak128": 128 / np.abs(row).max()}
    for name, scale in scales.items():
        codes = np.clip(np.rint(row * scale), -128, 127).astype(np.int8)
        if len(set(codes.tolist())) > 16:
            yield f"int8 {name}", codes.tobytes(), WIDTH
    for order in ("big", "little"):
        for name, signs in (("", row > 0), ("from -1", row >= 0)):
            yield f"bits {order}{name}", np.packbits(signs, bitorder=order).tobytes(), WIDTH
    digits = [f"{float(number):.12f}".partition(".")[2] for number in row]
    yield "decimal", b"".join(f".{text[:7]}".encode() for text in digits), WIDTH
