"""What Letheon is compared with inside one process: one full-text column, the best of a list."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from memory.db import scratch_database
from memory.text import match_expression, terms

Floats = NDArray[np.float32]


def full_text(texts: Sequence[str]) -> Callable[[str], Floats]:
    """Return a function that gives the bm25 of every text for a query, `(len(texts),)`.

    One FTS5 column with the porter stemmer, in the engine and with the query words of the product.
    """
    con = scratch_database()
    con.execute("CREATE VIRTUAL TABLE f USING fts5 (x, tokenize = 'porter unicode61')")
    con.executemany("INSERT INTO f (rowid, x) VALUES (?, ?)", list(enumerate(texts, 1)))

    def scores(query: str) -> Floats:
        out = np.zeros(len(texts), np.float32)
        sql = "SELECT rowid, -bm25(f) FROM f WHERE f MATCH ?"
        for row, score in con.execute(sql, (match_expression(terms(query)),)):
            out[row - 1] = score
        return out

    return scores


def top(scores: Floats, depth: int) -> list[int]:
    """Return the rows with the best scores, best first."""
    return [int(row) for row in np.argsort(-scores, kind="stable")[:depth]]
