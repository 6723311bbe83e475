"""What live rows and the store itself say: words of it in a file are no residue of an erasure."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

from memory import ledger, restriction
from memory.db import Connection
from memory.needles import WIDTH, Windows, attested, text_windows, without
from memory.stems import stemmed

# Table -> what it says. A byte on a page of one of these tables is live, or it is not there: the
# slack of a sealed file is zero. Indexes and caches made from them prove nothing.
SAYS: Mapping[str, str] = {
    "scope": "SELECT path FROM scope",
    "actor": "SELECT name FROM actor",
    "setting": "SELECT name || ' ' || value FROM setting",
    "space": "SELECT name FROM space",
    "file": "SELECT id || role || path || ' ' || day || expires || opens || state || erasure"
    " FROM file",
    # The store's own words: a text about an erasure "verified" that day is no residue of it.
    "erasure": "SELECT day || ' ' || state || ' ' || erased FROM erasure",
    "lineage": "SELECT DISTINCT child_kind FROM lineage",
    "subject": "SELECT name FROM subject",
    "subject_alias": "SELECT value FROM subject_alias",
    "request": "SELECT kind || ' ' || state || ' ' || requester || ' ' || identity || ' '"
    " || received || ' ' || due || ' ' || extended_for || ' ' || reason FROM request",
    # What is restricted is live as far as an erasure of something else is concerned.
    "restricted": "SELECT text FROM restricted",
    "hold": "SELECT authority || ' ' || reviewer FROM hold",
    "hold_access": "SELECT root || ' ' || reason FROM hold_access",
    "sqlite_schema": "SELECT type || name || tbl_name || ' ' || coalesce(sql, '')"
    " FROM sqlite_schema UNION SELECT 'SQLite format 3'",
    "provenance": "SELECT DISTINCT uri FROM provenance UNION SELECT DISTINCT root FROM provenance"
    " UNION SELECT DISTINCT key FROM provenance WHERE key IS NOT NULL",
    "memory": "SELECT text FROM memory UNION ALL SELECT title FROM memory WHERE title <> ''"
    " UNION ALL SELECT DISTINCT kind FROM memory",
}
ALIKE = 200  # terms looked at that begin like an erased one
HEAD = 4  # letters that such terms share


def attest(
    con: Connection,
    home: Path,
    windows: Windows,
    stems: Sequence[str],
    own: Iterable[str] = (),
) -> Windows:
    """Return those windows that live rows say.

    Args:
        con: `memory.db`.
        home: The store's folder: the ledger says things, too.
        windows: Windows of erased texts that lie in some file.
        stems: The erased texts in the spelling of the full-text index, from which most come.
        own: What `behavior.db` says of its own.
    """
    if not len(windows):
        return windows
    left = without(windows, text_windows((), _terms(con, windows, stems)))
    return without(windows, without(left, attested(left, chain(own, _texts(con, home)))))


def _texts(con: Connection, home: Path) -> Iterator[str]:
    for table, sql in SAYS.items():
        if table == "memory":
            yield from ledger.words(home)  # the texts of a large store come last
            yield from restriction.words(con)
        for (text,) in con.execute(sql):
            yield text


def unsaid(con: Connection, terms: Iterable[str]) -> tuple[int, list[str]]:
    """Return how many of the terms the index has for a memory that does not say them.

    And those it does not have, as far as it shows.
    """
    # One posting per term is enough: either a live row says it, or it is residue.
    _vocabulary(con)
    postings: dict[str, int] = {}
    absent = []
    for term in sorted(terms):
        row = con.execute(
            "SELECT doc FROM temp.memory_terms WHERE term = ? LIMIT 1", (term,)
        ).fetchone()
        if row is None:
            absent.append(term)
        else:
            postings[term] = row[0]
    said = _said(con, set(postings.values()))
    return sum(1 for term, seq in postings.items() if term not in said[seq]), absent


def _vocabulary(con: Connection) -> None:
    con.execute(
        "CREATE VIRTUAL TABLE IF NOT EXISTS temp.memory_terms"
        " USING fts5vocab (main, memory_fts, instance)"
    )


def _terms(con: Connection, windows: Windows, stems: Sequence[str]) -> list[str]:
    """Return terms of live texts that hold some of the windows, as far as they begin alike."""
    _vocabulary(con)
    wanted = set(windows.astype("<u8").view("S8").tolist())
    heads = {
        term[:HEAD]
        for term in {term for text in stems for term in text.split(" ")}
        if _parts(term) & wanted
    }
    found: dict[str, int] = {}
    for head in sorted(heads):
        term, last = head, head + "\U0010ffff"
        for _ in range(ALIKE):
            row = con.execute(
                "SELECT term, doc FROM temp.memory_terms WHERE term >= ? AND term <= ? LIMIT 1",
                (term, last),
            ).fetchone()
            if row is None:
                break
            found[row[0]] = row[1]
            term = row[0] + "\x01"
    said = _said(con, set(found.values()))
    return [term for term, seq in found.items() if term in said[seq]]


def _parts(term: str) -> set[bytes]:
    body = term.encode()
    return {body[at : at + WIDTH] for at in range(len(body) - WIDTH + 1)}


def _said(con: Connection, seqs: Collection[int]) -> dict[int, set[str]]:
    """Return the terms that live memories say, with what the index keeps about their neighbours."""
    rows = {
        seq: " ".join(columns)
        for seq, *columns in con.execute(
            "SELECT seq, own, header, prev, next, around FROM memory_text"
            " WHERE seq IN (SELECT value FROM json_each(?))",
            (json.dumps(sorted(seqs)),),
        )
    }
    said = zip(rows, stemmed(rows.values()), strict=True)
    return {seq: set[str]() for seq in seqs} | {seq: set(text.split(" ")) for seq, text in said}
