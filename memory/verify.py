"""Verification of an erasure: what is looked at, and what is not claimed."""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from memory import files, vectors
from memory.db import Connection, scratch_database
from memory.needles import Needles, attested, scan, text_windows, vector_windows
from memory.types import Probe, ProbeResult

NAMES = ("rows", "text_index", "bytes", "vectors", "files", "log", "copies", "medium")


def needles(con: Connection, seqs: Sequence[int], provenances: Sequence[int]) -> Needles:
    """Read what is about to be erased, to search for it afterwards."""
    listed = json.dumps(list(seqs))
    texts = [
        part
        for row in con.execute(
            "SELECT text, title FROM memory WHERE seq IN (SELECT value FROM json_each(?))",
            (listed,),
        )
        for part in row
    ]
    texts += [
        uri
        for (uri,) in con.execute(
            "SELECT uri FROM provenance WHERE seq IN (SELECT value FROM json_each(?))"
            " OR id IN (SELECT value FROM json_each(?))",
            (listed, json.dumps(list(provenances))),
        )
    ]
    distinct = tuple(dict.fromkeys(text for text in texts if text))
    return Needles(distinct, tuple(vectors.all_blobs(con, seqs)))


def pending(blocked: str) -> list[Probe]:
    """Return the probes of an erasure whose physical part could not run yet."""
    return [
        Probe(name="rows", result="pass", detail="hidden at once everywhere"),
        *(
            Probe(name=name, result="pending", detail=f"blocked by {blocked}")
            for name in ("text_index", "bytes", "vectors", "files", "log")
        ),
    ]


def probes(
    con: Connection,
    signals: Connection,
    home: Path,
    ids: Sequence[str],
    content: Needles | None,
) -> list[Probe]:
    """Run every probe on a sealed store.

    Args:
        con: `memory.db`.
        signals: `behavior.db`.
        home: The store's folder; every file below it is searched.
        ids: The erased memories.
        content: What was erased; None after an interruption, when it is no longer known.
    """
    return [
        _rows(con, signals, ids),
        _text_index(con, content),
        _bytes(con, home, content),
        _vectors(con, home, content),
        _files(home),
        _log(home),
        _copies(con),
        Probe(
            name="medium",
            result="not_claimed",
            detail="blocks the file system or the drive freed earlier cannot be reached",
        ),
    ]


def _probe(name: str, bad: int, detail: str) -> Probe:
    result: ProbeResult = "fail" if bad else "pass"
    return Probe(name=name, result=result, detail=detail)


def _unknown(name: str) -> Probe:
    return Probe(
        name=name, result="not_claimed", detail="the content was not known after an interruption"
    )


def _rows(con: Connection, signals: Connection, ids: Sequence[str]) -> Probe:
    listed = (json.dumps(list(ids)),)
    left = sum(
        int(where.execute(sql, listed).fetchone()[0])
        for where, sql in (
            (con, "SELECT count(*) FROM memory WHERE id IN (SELECT value FROM json_each(?))"),
            (
                signals,
                "SELECT count(*) FROM signal WHERE memory_id IN (SELECT value FROM json_each(?))",
            ),
        )
    )
    orphans = sum(int(con.execute(sql).fetchone()[0]) for sql in _ORPHANS)
    return _probe("rows", left + orphans, f"{left} left, {orphans} orphaned")


_ORPHANS = (
    "SELECT count(*) FROM provenance WHERE seq NOT IN (SELECT seq FROM memory)",
    "SELECT count(*) FROM vector WHERE seq NOT IN (SELECT seq FROM memory)",
    "SELECT count(*) FROM lineage WHERE parent NOT IN (SELECT seq FROM memory)"
    " OR child NOT IN (SELECT seq FROM memory)",
    "SELECT count(*) FROM memory_fts_docsize WHERE id NOT IN (SELECT seq FROM memory)",
)


def _text_index(con: Connection, content: Needles | None) -> Probe:
    if content is None:
        return _unknown("text_index")
    stems = _stems(content.texts)
    con.execute(
        "CREATE VIRTUAL TABLE IF NOT EXISTS temp.memory_terms"
        " USING fts5vocab (main, memory_fts, instance)"
    )
    # One posting per stem is enough: either a live row attests it, or it is residue.
    postings = {
        stem: row[0]
        for stem in stems
        if (
            row := con.execute(
                "SELECT doc FROM temp.memory_terms WHERE term = ? LIMIT 1", (stem,)
            ).fetchone()
        )
    }
    live = {
        seq: " ".join(columns)
        for seq, *columns in con.execute(
            "SELECT seq, own, header, prev, next, around FROM memory_text"
            " WHERE seq IN (SELECT value FROM json_each(?))",
            (json.dumps(sorted(set(postings.values()))),),
        )
    }
    known = {seq: _stems([text]) for seq, text in live.items()}
    residue = sum(1 for stem, seq in postings.items() if stem not in known.get(seq, ()))
    return _probe(
        "text_index", residue, f"{len(stems)} terms decoded, {residue} without a live source"
    )


def _stems(texts: Sequence[str]) -> set[str]:
    # The same tokenizer as the store's, so that terms compare as they lie in the index.
    scratch = scratch_database()
    try:
        scratch.execute("CREATE VIRTUAL TABLE t USING fts5 (x, tokenize = 'porter unicode61')")
        scratch.execute("CREATE VIRTUAL TABLE v USING fts5vocab (t, row)")
        scratch.executemany("INSERT INTO t VALUES (?)", [(text,) for text in texts])
        return {term for (term,) in scratch.execute("SELECT term FROM v")}
    finally:
        scratch.close()


def _bytes(con: Connection, home: Path, content: Needles | None) -> Probe:
    if content is None:
        return _unknown("bytes")
    windows = text_windows(content.texts)
    searched, total, where = list(files.walk(home)), 0, []
    for place in searched:
        hits = scan(place, windows)
        if len(hits):
            residue = np.setdiff1d(hits, attested(hits, _live_texts(con)))
            total += len(residue)
            where += [place.name] if len(residue) else []
    detail = f"{len(windows)} windows of 8 bytes in {len(searched)} files"
    return _probe("bytes", total, detail + (f", {total} found in {where}" if total else ""))


def _live_texts(con: Connection) -> Iterator[str]:
    for sql in (
        "SELECT text FROM memory",
        "SELECT title FROM memory WHERE title <> ''",
        "SELECT DISTINCT uri FROM provenance",
        "SELECT DISTINCT root FROM provenance",
        "SELECT path FROM scope",
        "SELECT name FROM actor",
        "SELECT value FROM setting",
        "SELECT name FROM space",
        "SELECT path FROM file",
        "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL",
    ):
        for (text,) in con.execute(sql):
            yield text


def _vectors(con: Connection, home: Path, content: Needles | None) -> Probe:
    if content is None:
        return _unknown("vectors")
    gone = set(content.vectors)
    hits = _vector_hits(home, gone)
    if hits:
        # The same text kept in another scope has the same vector: that one is no residue.
        gone -= {blob for (blob,) in con.execute("SELECT own FROM vector") if blob in gone}
        hits = _vector_hits(home, gone)
    return _probe("vectors", hits, f"{len(gone)} vectors as float16, float32 and int8")


def _vector_hits(home: Path, blobs: Iterable[bytes]) -> int:
    windows = vector_windows(blobs)
    return sum(len(scan(place, windows)) for place in files.walk(home))


def _files(home: Path) -> Probe:
    strange = files.unknown(home)
    return _probe(
        "files", len(strange), f"unknown: {', '.join(strange)}" if strange else "all files known"
    )


def _log(home: Path) -> Probe:
    left = sum(
        place.stat().st_size
        for place in files.walk(home)
        if place.name.endswith(("-wal", "-journal"))
    )
    return _probe("log", left, f"{left} bytes in write-ahead logs")


def _copies(con: Connection) -> Probe:
    listed = files.copies(con)
    if not listed:
        return Probe(name="copies", result="pass", detail="no export or backup was made")
    return Probe(
        name="copies",
        result="not_claimed",
        detail=f"{len(listed)} exports or backups made earlier may hold it; 'mem stats' lists them",
    )
