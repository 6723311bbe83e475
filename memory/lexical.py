"""The full-text channel: bm25 over five columns, split over threads when a store is large.

FTS5 spends half a microsecond per matching row, whatever the limit, and a question of five words
matches a third of a large store. The rows are therefore scored in ranges of `seq`, each by a
thread with a read connection of its own, while the caller's thread encodes the query.
"""

import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from memory.db import Connection, connect_reader
from memory.text import match_expression
from memory.types import Kind

POOL = 150  # best full-text rows that become candidates
SPLIT = 20_000  # rows from which the work is split
THREADS = min(4, os.cpu_count() or 1)
# In a store of that size a word in more than a fifth of the rows is looked for in a memory's own
# text and header only: what it says about a neighbour is little (LoCoMo in one store: R@10 .781
# against .782), and its rows are most of the work.
COMMON = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which memories may answer."""

    scopes: frozenset[int] | None  # scope ids; None for all
    kinds: tuple[Kind, ...] = ()  # empty for all
    now: int = 0  # milliseconds; what is valid then
    as_of: bool = False  # True: only what was already known at `now`


_PLAIN = """
    SELECT memory_fts.rowid, -bm25(memory_fts, 1, 1, .5, .3, .15) AS score
    FROM memory_fts WHERE memory_fts MATCH ? AND rowid BETWEEN ? AND ?
    ORDER BY score DESC LIMIT ?
"""
# The unary plus keeps the planner from driving by scope.
_FILTERED = """
    SELECT memory_fts.rowid, -bm25(memory_fts, 1, 1, .5, .3, .15) AS score
    FROM memory_fts JOIN memory m ON m.seq = memory_fts.rowid
    WHERE memory_fts MATCH ? AND memory_fts.rowid BETWEEN ? AND ?
      AND (? IS NULL OR +m.scope_id IN (SELECT value FROM json_each(?)))
      AND (? IS NULL OR m.kind IN (SELECT value FROM json_each(?)))
      AND (NOT ? OR coalesce(m.valid_from, m.at) <= ?)
    ORDER BY score DESC LIMIT ?
"""

Scored = list[tuple[int, float]]


def expression(con: Connection, searched: Sequence[str]) -> str:
    """Return the FTS5 expression that matches any term; "" when there is none."""
    return " OR ".join(_term(con, term) for term in searched)


def _term(con: Connection, term: str) -> str:
    quoted = match_expression([term])
    size = last(con)
    if size <= SPLIT:
        return quoted
    (rows,) = con.execute(
        "SELECT count(*) FROM (SELECT 1 FROM memory_fts WHERE memory_fts MATCH ? LIMIT ?)",
        (quoted, size // COMMON),
    ).fetchone()
    return f"{{own header}} : {quoted}" if rows == size // COMMON else quoted


def last(con: Connection) -> int:
    """Return the greatest seq ever given, an upper bound of the number of memories."""
    row = con.execute("SELECT seq FROM sqlite_sequence WHERE name = 'memory'").fetchone()
    return 0 if row is None else int(row[0])


def scored(con: Connection, matching: str, allowed: Filter, rows: range) -> Scored:
    """Return (seq, bm25) of the best matches among a range of seqs, higher is better."""
    span = (rows.start, rows.stop - 1)
    if allowed.scopes is None and not allowed.kinds and not allowed.as_of:
        return con.execute(_PLAIN, (matching, *span, POOL)).fetchall()
    scopes = None if allowed.scopes is None else json.dumps(sorted(allowed.scopes))
    kinds = json.dumps(allowed.kinds) if allowed.kinds else None
    when = (allowed.as_of, allowed.now)
    return con.execute(
        _FILTERED, (matching, *span, scopes, scopes, kinds, kinds, *when, POOL)
    ).fetchall()


class Lexical:
    """Full-text search of one store; threads and their connections are made when first needed."""

    def __init__(
        self,
        path: Path,
        threads: int = THREADS,
        keys: Callable[[], Sequence[bytes]] = tuple,
    ) -> None:
        """Name the database file and its keys; one thread: everything runs in the caller's."""
        self._path = path
        self._keys = keys
        self._threads = threads
        self._pool: ThreadPoolExecutor | None = None
        self._readers: list[Connection] = []

    def begin(
        self, con: Connection, searched: Sequence[str], allowed: Filter, *, aside: bool = False
    ) -> "Search":
        """Start a search; its result is asked for when the caller has done its own part.

        Args:
            con: The caller's connection.
            searched: Terms, any of which may match.
            allowed: Which memories may answer.
            aside: The caller has work of its own meanwhile, so that a thread pays for a small
                store, too.
        """
        matching = expression(con, searched)
        rows = range(last(con) + 1)
        if not matching:
            return Search([], [])
        parts = 1 if len(rows) <= SPLIT else self._threads
        if self._threads == 1 or (parts == 1 and not aside):
            return Search([], scored(con, matching, allowed, rows))
        if self._pool is None:
            keys = self._keys()
            self._readers = [connect_reader(self._path, keys) for _ in range(self._threads)]
            self._pool = ThreadPoolExecutor(self._threads, "letheon-fts")
        step = -(-len(rows) // parts)
        ranges = [rows[start : start + step] for start in range(0, len(rows), step)]
        return Search(
            [
                self._pool.submit(scored, reader, matching, allowed, part)
                for reader, part in zip(self._readers, ranges, strict=False)
            ],
            [],
        )

    def close(self) -> None:
        """End the threads and close their connections."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None
        for reader in self._readers:
            reader.close()
        self._readers = []


@dataclass(frozen=True, slots=True)
class Search:
    """A full-text search that may still be running."""

    running: list[Future[Scored]]
    done: Scored

    def result(self) -> dict[int, float]:
        """Return seq -> bm25 of the best matches."""
        found = [*self.done, *(row for part in self.running for row in part.result())]
        return dict(sorted(found, key=lambda row: -row[1])[:POOL])
