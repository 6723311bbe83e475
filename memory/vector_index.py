"""The searchable copy of a vector space: sign bits and int8 rows, twice per memory.

Every memory has its own vector and one averaged with its neighbours in the session,
``own + .5 previous + .3 next`` (research: +3 points of R@10 over its own vector alone, at no
encoding cost). A search scans the sign bits by Hamming distance and rescores the nearest rows
from int8, after the two-stage scan measured at recall 0.988 for 100,000 rows.

The index is derived: it can be rebuilt from the stored vectors at any time, is stamped with the
erasure epoch and the generation it holds, and is written anew after an erasure.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memory import vectors
from memory.db import Connection

PREVIOUS, NEXT = 0.5, 0.3  # weights of the neighbours in the averaged vector
EXACT = 4_096  # up to so many rows are scored exactly
RESCORED = 512  # rows rescored after a bit scan
SAVED = 1_000  # rows read anew before the sidecar is written again

Rows = NDArray[np.intp]
Seqs = NDArray[np.int64]
Floats = NDArray[np.float32]


@dataclass(slots=True)
class Segment:
    """Aligned arrays of n memories, sorted by `seq`."""

    seq: NDArray[np.int64]  # (n,)
    scope: NDArray[np.int32]  # (n,)
    own: NDArray[np.int8]  # (n, dim)
    own_scale: Floats  # (n,)
    context: NDArray[np.int8]  # (n, dim)
    context_scale: Floats  # (n,)
    own_bits: NDArray[np.uint64]  # (dim / 64, n), one column per memory
    context_bits: NDArray[np.uint64]  # (dim / 64, n)

    def __len__(self) -> int:
        return len(self.seq)


def quantise(rows: Floats) -> tuple[NDArray[np.int8], Floats]:
    """Return int8 rows and their scales so that ``int8 * scale`` is the row, `(n, d)`, `(n,)`."""
    scale = np.maximum(np.abs(rows).max(axis=1), 1e-12) / 127.0
    return np.rint(rows / scale[:, None]).astype(np.int8), scale.astype(np.float32)


def sign_bits(rows: Floats) -> NDArray[np.uint64]:
    """Return the sign pattern of each row, column-major: `(n, d)` to `(ceil(d / 64), n)`."""
    packed = np.packbits(rows > 0, axis=1)
    short = -packed.shape[1] % 8
    if short:
        packed = np.pad(packed, ((0, 0), (0, short)))
    return np.ascontiguousarray(packed.view(np.uint64).T)


def averaged(own: Floats, previous: Floats, following: Floats) -> Floats:
    """Return ``own + .5 previous + .3 next`` as unit rows; absent neighbours are zero rows."""
    rows = own + PREVIOUS * previous + NEXT * following
    norm = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(norm, 1e-12), np.float32)


class VectorIndex:
    """One vector space in memory: a large base segment and a small tail of newer rows."""

    def __init__(self, space: str, dim: int, folder: Path | None) -> None:
        """Name the space; `folder` holds the sidecar, None keeps the index in memory only."""
        self.space = space
        self.dim = dim
        self.folder = folder
        self.base = _empty(dim)
        self.tail = _empty(dim)
        self.gen = 0  # generation up to which rows are held
        self.epoch = -1  # erasure epoch of the store when it was read
        self.fresh = 0  # rows read since the sidecar was written

    def refresh(self, con: Connection, epoch: int) -> None:
        """Catch up with the store: nothing, the newer rows, or everything after an erasure."""
        if self.epoch != epoch:
            self.base, self.tail = _empty(self.dim), _empty(self.dim)
            self.gen = self.fresh = 0
            self.epoch = epoch
            self._load()
        space = vectors.check_space(con, self.space, self.dim)
        if space is None:
            return
        rows = vectors.newer(con, space, self.gen)
        if rows:
            self._absorb(con, space, rows)

    def _absorb(
        self,
        con: Connection,
        space: int,
        rows: list[tuple[int, int, int, int | None, int | None, bytes]],
    ) -> None:
        fresh = self._segment(con, space, rows)
        self.gen = max(self.gen, max(row[1] for row in rows))
        self.fresh += len(rows)
        known = np.isin(fresh.seq, self.base.seq)
        _overwrite(self.base, _take(fresh, np.flatnonzero(known)))
        keep = np.flatnonzero(~np.isin(self.tail.seq, fresh.seq))
        self.tail = _join(_take(self.tail, keep), _take(fresh, np.flatnonzero(~known)))
        if len(self.tail) > max(EXACT, len(self.base) // 8):
            self.base, self.tail = _join(self.base, self.tail), _empty(self.dim)

    def _segment(
        self,
        con: Connection,
        space: int,
        rows: list[tuple[int, int, int, int | None, int | None, bytes]],
    ) -> Segment:
        seq = np.array([row[0] for row in rows], np.int64)
        own = self._decode([row[5] for row in rows])
        around = sorted({s for row in rows for s in row[3:5] if s is not None} - set(seq.tolist()))
        blobs = vectors.blobs(con, space, around) if around else {}
        known = np.concatenate([seq, np.array(sorted(blobs), np.int64)])
        order = np.argsort(known, kind="stable")
        table = np.concatenate([own, self._decode([blobs[s] for s in sorted(blobs)])])
        known, table = known[order], table[order]
        context = averaged(
            own,
            _gather(known, table, [row[3] for row in rows]),
            _gather(known, table, [row[4] for row in rows]),
        )
        own_rows, own_scale = quantise(own)
        context_rows, context_scale = quantise(context)
        return Segment(
            seq=seq,
            scope=np.array([row[2] for row in rows], np.int32),
            own=own_rows,
            own_scale=own_scale,
            context=context_rows,
            context_scale=context_scale,
            own_bits=sign_bits(own),
            context_bits=sign_bits(context),
        )

    def _decode(self, blobs: list[bytes]) -> Floats:
        flat = np.frombuffer(b"".join(blobs), vectors.STORED)
        return flat.reshape(len(blobs), self.dim).astype(np.float32)

    def search(
        self, query: Floats, k: int, *, scopes: frozenset[int] | None, only: Seqs | None
    ) -> Seqs:
        """Return the memories nearest to `query` `(dim,)`: the best `k` by each of the vectors.

        Args:
            query: Unit vector.
            k: How many are wanted by each of the two vectors.
            scopes: Ids of the scopes that may answer; None for all.
            only: Sorted seqs that may answer; None for all.
        """
        best: list[Seqs] = []
        rows = [_allowed(part, scopes, only) for part in (self.base, self.tail)]
        for side in ("own", "context"):
            found = [
                _nearest(part, side, query, within, k)
                for part, within in zip((self.base, self.tail), rows, strict=True)
            ]
            seqs = np.concatenate([seq for seq, _ in found])
            cosines = np.concatenate([cosine for _, cosine in found])
            if len(seqs) > k:
                seqs = seqs[np.argpartition(-cosines, k)[:k]]
            best.append(seqs)
        return np.union1d(*best)

    def scores(self, query: Floats, seqs: Seqs) -> tuple[Floats, Floats]:
        """Return both cosines of the given memories; 0 for those without a vector."""
        own = np.zeros(len(seqs), np.float32)
        context = np.zeros(len(seqs), np.float32)
        for part in (self.base, self.tail):
            if not len(part):
                continue
            at = np.minimum(np.searchsorted(part.seq, seqs), len(part) - 1)
            here = part.seq[at] == seqs
            own[here] = _cosines(part.own, part.own_scale, query, at[here])
            context[here] = _cosines(part.context, part.context_scale, query, at[here])
        return own, context

    def worth_saving(self) -> bool:
        """Tell whether so much changed since the sidecar was written that reading it anew pays."""
        return self.folder is not None and self.fresh > max(SAVED, len(self.base) // 8)

    def save(self) -> None:
        """Write the sidecar, replacing the older one; a crash leaves the old or none."""
        if self.folder is None:
            return
        whole = _join(self.base, self.tail)
        self.folder.mkdir(mode=0o700, exist_ok=True)
        stamp = {"space": self.space, "dim": self.dim, "epoch": self.epoch, "gen": self.gen}
        place = sidecar(self.folder, self.space)
        fresh = place.with_suffix(f".{os.getpid()}.tmp")
        fresh.touch(mode=0o600)
        with fresh.open("wb") as out:
            head = json.dumps({**stamp, "rows": len(whole)}).encode()
            out.write(len(head).to_bytes(8, "little") + head)
            for array in _arrays(whole):
                out.write(b"\0" * (-out.tell() % 64))
                out.write(array.tobytes())
            out.flush()
            os.fsync(out.fileno())
        fresh.replace(place)
        self.fresh = 0

    def _load(self) -> None:
        if self.folder is None:
            return
        try:
            flat = np.memmap(sidecar(self.folder, self.space), np.uint8, mode="c")
        except (OSError, ValueError):
            return  # none yet, or empty: it is built from the stored vectors
        loaded = _parse(flat, self.space, self.dim, self.epoch)
        if loaded is not None:
            self.base, self.gen = loaded


def sidecar(folder: Path, space: str) -> Path:
    """Return the sidecar's path; the space's name is reduced to safe characters."""
    safe = "".join(c if c.isalnum() or c in "-._@" else "_" for c in space)
    return folder / f"{safe}.vec"


def _empty(dim: int) -> Segment:
    words = -(-dim // 64)
    return Segment(
        seq=np.zeros(0, np.int64),
        scope=np.zeros(0, np.int32),
        own=np.zeros((0, dim), np.int8),
        own_scale=np.zeros(0, np.float32),
        context=np.zeros((0, dim), np.int8),
        context_scale=np.zeros(0, np.float32),
        own_bits=np.zeros((words, 0), np.uint64),
        context_bits=np.zeros((words, 0), np.uint64),
    )


def _arrays(part: Segment) -> list[NDArray[np.generic]]:
    return [
        part.seq,
        part.scope,
        part.own,
        part.own_scale,
        part.context,
        part.context_scale,
        part.own_bits,
        part.context_bits,
    ]


def _parse(flat: NDArray[np.uint8], space: str, dim: int, epoch: int) -> tuple[Segment, int] | None:
    # Any doubt about the file means "rebuild": it holds nothing the store does not.
    head = int.from_bytes(flat[:8].tobytes(), "little")
    try:
        stamp = json.loads(flat[8 : 8 + head].tobytes())
    except ValueError:
        return None
    rows = stamp.get("rows")
    if {**stamp, "rows": 0, "gen": 0} != {
        "space": space,
        "dim": dim,
        "epoch": epoch,
        "gen": 0,
        "rows": 0,
    }:
        return None
    words, at, arrays = -(-dim // 64), 8 + head, []
    for shape, kind in (
        ((rows,), np.int64),
        ((rows,), np.int32),
        ((rows, dim), np.int8),
        ((rows,), np.float32),
        ((rows, dim), np.int8),
        ((rows,), np.float32),
        ((words, rows), np.uint64),
        ((words, rows), np.uint64),
    ):
        at += -at % 64
        size = int(np.prod(shape)) * np.dtype(kind).itemsize
        if at + size > len(flat):
            return None
        arrays.append(flat[at : at + size].view(kind).reshape(shape))
        at += size
    return Segment(*arrays), int(stamp["gen"])


def _take(part: Segment, rows: Rows) -> Segment:
    return Segment(
        seq=part.seq[rows],
        scope=part.scope[rows],
        own=part.own[rows],
        own_scale=part.own_scale[rows],
        context=part.context[rows],
        context_scale=part.context_scale[rows],
        own_bits=part.own_bits[:, rows],
        context_bits=part.context_bits[:, rows],
    )


def _join(left: Segment, right: Segment) -> Segment:
    if not len(right):
        return left
    pairs = list(zip(_arrays(left), _arrays(right), strict=True))
    joined = Segment(
        *(np.concatenate(pair, axis=-1 if i >= 6 else 0) for i, pair in enumerate(pairs))
    )
    if len(left) and left.seq[-1] > right.seq[0]:
        return _take(joined, np.argsort(joined.seq, kind="stable"))
    return joined


def _overwrite(part: Segment, fresh: Segment) -> None:
    at = np.searchsorted(part.seq, fresh.seq)
    part.scope[at], part.own[at], part.own_scale[at] = fresh.scope, fresh.own, fresh.own_scale
    part.context[at], part.context_scale[at] = fresh.context, fresh.context_scale
    part.own_bits[:, at], part.context_bits[:, at] = fresh.own_bits, fresh.context_bits


def _gather(known: NDArray[np.int64], table: Floats, wanted: list[int | None]) -> Floats:
    out = np.zeros((len(wanted), table.shape[1]), np.float32)
    if len(known):
        seqs = np.array([-1 if seq is None else seq for seq in wanted], np.int64)
        at = np.minimum(np.searchsorted(known, seqs), len(known) - 1)
        here = known[at] == seqs
        out[here] = table[at[here]]
    return out


def _closest(
    bits: NDArray[np.uint64], query: NDArray[np.uint64], rows: Rows | None, wanted: int
) -> Rows:
    # Hamming distance word by word keeps the temporaries small; a histogram finds the cut.
    columns = bits if rows is None else bits[:, rows]
    distance = np.zeros(columns.shape[1], np.uint16)
    for word, asked in zip(columns, query, strict=True):
        distance += np.bitwise_count(word ^ asked)
    cut = int(np.searchsorted(np.cumsum(np.bincount(distance)), wanted))
    near = np.flatnonzero(distance <= cut)[: 2 * wanted]
    return near if rows is None else rows[near]


def _allowed(part: Segment, scopes: frozenset[int] | None, only: Seqs | None) -> Rows | None:
    if scopes is None and only is None:
        return None
    keep = np.ones(len(part), np.bool_)
    if scopes is not None:
        table = np.zeros(max([int(part.scope.max(initial=0)), *scopes]) + 1, np.bool_)
        table[list(scopes)] = True
        keep = table[part.scope]
    if only is not None:
        keep &= np.isin(part.seq, only)
    return np.flatnonzero(keep)


def _nearest(
    part: Segment, side: str, query: Floats, rows: Rows | None, k: int
) -> tuple[Seqs, Floats]:
    codes, scale, bits = (
        (part.own, part.own_scale, part.own_bits)
        if side == "own"
        else (part.context, part.context_scale, part.context_bits)
    )
    if (len(part) if rows is None else len(rows)) > EXACT:
        rows = _closest(bits, sign_bits(query[None, :])[:, 0], rows, max(RESCORED, 4 * k))
    if rows is None:
        rows = np.arange(len(part))
    return part.seq[rows], _cosines(codes, scale, query, rows)


def _cosines(codes: NDArray[np.int8], scale: Floats, query: Floats, rows: Rows) -> Floats:
    return np.asarray((codes[rows].astype(np.float32) @ query) * scale[rows], np.float32)
