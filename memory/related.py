"""Near duplicates and derived memories of what a forget would erase, offered for confirmation.

An agent that paraphrased or summed up a memory has made a copy that no selector names. Candidates
come from the full-text index by the rarest words of each memory, so that it stays fast at a
hundred thousand; then the stored vectors and runs of five words decide (research/security §1.7).
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memory import records, vectors
from memory.db import Connection
from memory.hold_types import RelatedMemory, RelatedWhy
from memory.sanitise import canonical
from memory.text import match_expression, terms

COSINE = 0.92
SHARED = 0.6  # Jaccard of five-word runs
SHINGLE = 5  # words
COMPARED = 200  # memories of a plan for which related ones are looked for
RARE = 8  # words of a memory that are searched
COMMON = 2_000  # rows from which on a word says nothing
POOL = 50  # candidates per memory
EXCERPT = 80

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Link:
    seq: int
    of: int
    why: RelatedWhy
    score: float


def related(con: Connection, seqs: Sequence[int], out: Iterable[int]) -> list[RelatedMemory]:
    """Return live memories that may say the same as some of these, likeliest first.

    Args:
        con: In a snapshot.
        seqs: What would be erased; only the first `COMPARED` are looked at.
        out: Memories that are not offered, besides those.
    """
    looked = list(seqs)[:COMPARED]
    hidden = {*seqs, *out}
    links = [*_derived(con, looked), *_alike(con, looked, hidden)]
    best: dict[int, _Link] = {}
    for link in links:
        if link.seq not in hidden:
            kept = best.get(link.seq)
            if kept is None or (link.score, link.why) > (kept.score, kept.why):
                best[link.seq] = link
    found = records.fetch(con, [*best, *looked])
    order = sorted(best.values(), key=lambda link: (-link.score, link.seq))
    return [
        RelatedMemory(
            id=found[link.seq].id,
            kind=found[link.seq].kind,
            scope=found[link.seq].scope,
            excerpt=_excerpt(found[link.seq].text),
            why=link.why,
            score=round(link.score, 3),
            of=found[link.of].id,
        )
        for link in order
    ]


def _excerpt(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= EXCERPT else line[: EXCERPT - 1] + "…"


def _derived(con: Connection, seqs: Sequence[int]) -> list[_Link]:
    listed = (json.dumps(list(seqs)),)
    return [
        *(_Link(seq, of, "derived", 1.0) for seq, of in con.execute(_REFERRING, listed)),
        *(_Link(seq, of, "key", 1.0) for seq, of in con.execute(_SAME_KEY, listed)),
    ]


# "memory:ID", or that with a fragment or a path behind it.
_REFERRING = """
    SELECT p.seq, m.seq FROM memory m JOIN provenance p
        ON p.uri >= 'memory:' || m.id AND p.uri < 'memory:' || m.id || '~'
    WHERE m.seq IN (SELECT value FROM json_each(?)) AND p.seq <> m.seq
"""
_SAME_KEY = """
    WITH own (seq, key) AS (
        SELECT seq, key FROM provenance
        WHERE seq IN (SELECT value FROM json_each(?)) AND key IS NOT NULL)
    SELECT p.seq, own.seq FROM provenance p JOIN own ON own.key = p.key
    WHERE p.key IS NOT NULL AND p.seq <> own.seq
"""


def _alike(con: Connection, seqs: Sequence[int], hidden: set[int]) -> list[_Link]:
    texts = {seq: memory.text for seq, memory in records.fetch(con, seqs).items()}
    pools = {seq: _candidates(con, text, hidden) for seq, text in texts.items()}
    others = sorted({other for pool in pools.values() for other in pool})
    if not others:
        return []
    bodies = {seq: memory.text for seq, memory in records.fetch(con, others).items()}
    runs = {seq: _shingles(text) for seq, text in (texts | bodies).items()}
    rows = _unit_rows(con, [*texts, *others])
    links = []
    for seq, pool in pools.items():
        for other in pool:
            scores: dict[RelatedWhy, tuple[float, float]] = {
                "words": (_jaccard(runs[seq], runs[other]), SHARED),
                "vector": (_cosine(rows, seq, other), COSINE),
            }
            for why, (score, least) in scores.items():
                if score >= least:
                    links.append(_Link(other, seq, why, score))
    return links


def _candidates(con: Connection, text: str, hidden: set[int]) -> list[int]:
    """Return the memories that share the rarest words of a text, best match first."""
    rarity = []
    # The longest words are mostly the rarest; counting a word costs what it occurs, up to a limit.
    for term in sorted(set(terms(text)), key=lambda term: (-len(term), term))[: 3 * RARE]:
        quoted = f"own : {match_expression([term])}"
        (rows,) = con.execute(
            "SELECT count(*) FROM (SELECT 1 FROM memory_fts WHERE memory_fts MATCH ? LIMIT ?)",
            (quoted, COMMON),
        ).fetchone()
        rarity.append((rows, quoted))
    rarity.sort()
    chosen = [quoted for rows, quoted in rarity if 1 < rows < COMMON][:RARE]
    expression = " OR ".join(f"({quoted})" for quoted in chosen) or " AND ".join(
        f"({quoted})"
        for rows, quoted in rarity
        if rows > 1  # nothing but common words
    )
    if not expression:
        return []
    found = con.execute(
        "SELECT rowid FROM memory_fts WHERE memory_fts MATCH ? ORDER BY bm25(memory_fts) LIMIT ?",
        (expression, POOL + min(len(hidden), COMPARED)),
    )
    return [seq for (seq,) in found if seq not in hidden][:POOL]


def _shingles(text: str) -> frozenset[str]:
    words = canonical(text).split()
    if len(words) < SHINGLE:
        return frozenset({" ".join(words)})
    return frozenset(" ".join(words[at : at + SHINGLE]) for at in range(len(words) - SHINGLE + 1))


def _jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    either = len(one | other)
    return len(one & other) / either if either else 0.0


def _unit_rows(con: Connection, seqs: Sequence[int]) -> dict[int, list[tuple[int, Floats]]]:
    rows: dict[int, list[tuple[int, Floats]]] = {}
    for space, seq, blob in vectors.in_spaces(con, seqs):
        row = np.frombuffer(blob, vectors.STORED).astype(np.float32)
        length = float(np.linalg.norm(row))
        if length:
            rows.setdefault(seq, []).append((space, row / length))
    return rows


def _cosine(rows: dict[int, list[tuple[int, Floats]]], one: int, other: int) -> float:
    """Return the largest cosine in a vector space that has both; 0 if none has."""
    return max(
        (
            float(mine @ theirs)
            for space, mine in rows.get(one, ())
            for where, theirs in rows.get(other, ())
            if space == where
        ),
        default=0.0,
    )
