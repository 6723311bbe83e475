"""The words of texts as the full-text index spells them."""

from collections.abc import Iterable

from memory.db import scratch_database


def stemmed(texts: Iterable[str]) -> list[str]:
    """Return each text as its terms in their order, by the same tokenizer as the store's index."""
    scratch = scratch_database()
    try:
        scratch.execute("CREATE VIRTUAL TABLE t USING fts5 (x, tokenize = 'porter unicode61')")
        scratch.execute("CREATE VIRTUAL TABLE v USING fts5vocab (t, instance)")
        scratch.executemany("INSERT INTO t VALUES (?)", [(text,) for text in texts])
        rows = scratch.execute("SELECT doc, term FROM v ORDER BY doc, offset")
        found: dict[int, list[str]] = {}
        for doc, term in rows:
            found.setdefault(doc, []).append(term)
        (count,) = scratch.execute("SELECT count(*) FROM t").fetchone()
        return [" ".join(found.get(doc, ())) for doc in range(1, count + 1)]
    finally:
        scratch.close()
