"""Recall: the memories that answer a query, ranked, explained and packed into a token budget."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from memory import candidates, records, setting
from memory.clock import millis
from memory.db import Connection, snapshot
from memory.directory import Directory
from memory.embedder import Embedder
from memory.errors import NotFoundError, UsageError
from memory.lexical import Filter, Lexical
from memory.sanitise import validate
from memory.scope import EVERYWHERE, Scope
from memory.text import dates, dense_form, identifiers, terms, tokens
from memory.types import KINDS, Hit, Kind, Memory, Reason, Recalled
from memory.vector_index import VectorIndex
from ranker import features
from ranker.model import DEFAULT, LinearRanker

MAX_LIMIT = 1_000
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One recall as asked; it is never written anywhere."""

    text: str
    scope: Scope = EVERYWHERE
    limit: int = 10
    kinds: tuple[Kind, ...] = ()
    as_of: datetime | None = None
    budget: int | None = None  # tokens
    strict: bool = True  # a scope that no memory has is an error


def checked(query: Query) -> Query:
    """Return the query with its text normalised and its kinds in fixed order.

    Raises:
        UsageError: A field is not acceptable.
    """
    if not 1 <= query.limit <= MAX_LIMIT:
        raise UsageError(f"limit {query.limit} is not between 1 and {MAX_LIMIT}")
    if query.budget is not None and query.budget < 1:
        raise UsageError(f"token budget {query.budget} is not positive")
    unknown = [kind for kind in query.kinds if kind not in KINDS]
    if unknown:
        raise UsageError(f"kind {unknown[0]!r} does not exist", hint=f"one of {', '.join(KINDS)}")
    return replace(
        query,
        text=validate(query.text, field="query", limit=100_000),
        kinds=tuple(kind for kind in KINDS if kind in query.kinds),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Channels:
    """What an open store keeps in memory for its recalls."""

    directory: Directory  # actors and scopes
    lexical: Lexical
    embedder: Embedder | None  # None: lexical only
    index: VectorIndex | None
    ranker: LinearRanker = DEFAULT


def visible(known: Directory, scope: Scope, *, strict: bool) -> frozenset[int] | None:
    """Return the ids of the scopes a recall in `scope` may see; None when it is all of them.

    Raises:
        NotFoundError: Strict, and a level names something that no memory has.
    """
    if not scope.values:
        return None
    present = {value for _, other in known.scopes for value in other.values}
    absent = [f"{level}:{name}" for level, name in scope.values if (level, name) not in present]
    if strict and absent:
        level = absent[0].partition(":")[0]
        near = sorted(f"{k}:{name}" for k, name in present if k == level)
        raise NotFoundError(
            f"no memory has scope {absent[0]!r}",
            hint=f"there are {', '.join(near[:5])}" if near else "'mem stats' lists scopes",
        )
    return frozenset(ident for ident, other in known.scopes if scope.sees(other))


def recall(con: Connection, query: Query, channels: Channels, now: datetime) -> Recalled:
    """Return the best memories for a checked query with the reasons of each.

    Lexical and dense channels propose candidates; the linear ranker orders them. With no embedder
    the answer is lexical and says so.

    Raises:
        NotFoundError: The scope does not exist.
    """
    searched = terms(query.text)
    with snapshot(con):
        channels.directory.refresh(con)
        pool = _pool(con, query, channels, searched, now)
        when = dates(query.text)
        X = features.matrix(pool.evidence, months=when.months, days=when.days, years=when.years)
        score = channels.ranker.score(X)
        best = np.lexsort((-pool.seq, -score))[: query.limit]
        found = records.attested(con, pool.seq[best].tolist())
    shares = channels.ranker.contributions(X[best])
    hits = [
        _hit(found[int(pool.seq[row])], rank, float(score[row]), share, searched)
        for rank, (row, share) in enumerate(zip(best, shares, strict=True), start=1)
    ]
    packed = pack(hits, query.budget)
    return Recalled(
        hits=packed,
        candidates=len(pool.seq),
        tokens=sum(hit.tokens for hit in packed),
        mode="lexical" if channels.embedder is None else "hybrid",
        left_out=len(hits) - len(packed),
    )


def _pool(
    con: Connection, query: Query, channels: Channels, searched: Sequence[str], now: datetime
) -> candidates.Pool:
    allowed = Filter(
        scopes=visible(channels.directory, query.scope, strict=query.strict),
        kinds=query.kinds,
        now=millis(query.as_of or now),
        as_of=query.as_of is not None,
    )
    names = channels.directory.names(query.text)
    index = channels.index
    # The words are searched while the query is encoded.
    search = channels.lexical.begin(con, searched, allowed, aside=index is not None)
    vector, near = None, np.zeros(0, np.int64)
    if channels.embedder is not None and index is not None:
        index.refresh(con, setting.epoch(con))
        vector = channels.embedder.encode([dense_form(query.text, names.headers)])[0]
        near = candidates.dense(con, index, vector, allowed)
    pool = candidates.gather(
        con,
        search.result(),
        near.tolist(),
        allowed,
        names=names,
        wanted=identifiers(query.text),
    )
    if vector is None or index is None:
        return pool
    own, context = index.scores(vector, pool.seq)
    return replace(pool, evidence=replace(pool.evidence, dense=own, context=context))


def _hit(memory: Memory, rank: int, score: float, share: Floats, searched: Sequence[str]) -> Hit:
    return Hit(
        memory=memory,
        rank=rank,
        score=round(score, 4),
        tokens=tokens(memory.text),
        reasons=explain(share, memory, searched),
    )


def pack(hits: Sequence[Hit], budget: int | None) -> tuple[Hit, ...]:
    """Return the hits that fit a token budget, best first; one too long is passed over.

    Ranks stay those of the full list, so a gap shows that something was left out.
    """
    if budget is None:
        return tuple(hits)
    chosen: list[Hit] = []
    left = budget
    for hit in hits:
        if hit.tokens <= left:
            chosen.append(hit)
            left -= hit.tokens
    return tuple(chosen)


def explain(shares: Floats, memory: Memory, searched: Sequence[str]) -> tuple[Reason, ...]:
    """Return the features that moved a hit, largest share first, in words."""
    low = f"{memory.text} {memory.title} {memory.actor}".casefold()
    words = [term for term in searched if term in low][:4]
    says = {
        "lexical": f"words: {', '.join(words)}" if words else "words of its neighbours or stems",
        "dense": "meaning",
        "context": "meaning with its neighbours",
        "subject": f"said by {memory.actor}" if shares[3] > 0 else "said by someone else",
        "question": "it asks rather than states",
        "month": f"month {memory.at:%B %Y}",
        "day": f"day {memory.at:%d %B}",
        "session_lexical": "words of its session",
        "session_dense": "meaning of its session",
        "identifier": "exact identifier",
    }
    order = np.argsort(-np.abs(shares))
    return tuple(
        Reason(
            feature=features.NAMES[i],
            share=round(float(shares[i]), 3),
            says=says[features.NAMES[i]],
        )
        for i in order
        if abs(float(shares[i])) >= 0.005
    )
