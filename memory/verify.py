"""Verification of an erasure: what is looked at, and what is not claimed."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

import numpy as np

from memory import files, ledger, pages, seal, segments, vectors
from memory.db import Connection, scratch_database
from memory.needles import Needles, Windows, attested, scan, text_windows, vector_windows
from memory.types import Count, FileRole, Probe, ProbeName, ProbeResult

# Those that have to wait for the seal.
PHYSICAL: tuple[ProbeName, ...] = ("text_index", "bytes", "vectors", "slack", "files", "log")
MOST_DECODED = 500  # terms looked for in the blocks of the index, too
PATIENCE = 0.5  # seconds to wait for readers that came after the seal


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


def pending() -> list[Probe]:
    """Return the probes of an erasure whose physical part could not run yet."""
    return [
        Probe(name="rows", result="pass", why="hidden"),
        *(Probe(name=name, result="pending", why="blocked") for name in PHYSICAL),
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
    log = _log(con, home, content)  # first: to look for slack needs, and makes, an empty log
    return [
        _rows(con, signals, ids),
        _text_index(con, content),
        _bytes(con, home, content),
        _vectors(con, home, content),
        slack(con, signals),
        _files(home),
        log,
        _copies(con),
        _medium(con),
    ]


def _probe(name: ProbeName, bad: int, counts: Mapping[Count, int]) -> Probe:
    result: ProbeResult = "fail" if bad else "pass"
    return Probe(name=name, result=result, counts=counts)


def _unknown(name: ProbeName) -> Probe:
    return Probe(name=name, result="not_claimed", why="interrupted")


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
    return _probe("rows", left + orphans, {"left": left, "orphaned": orphans})


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
    # What FTS5 itself does not show any more is looked for in the blocks.
    absent = [stem for stem in sorted(stems) if stem not in postings]
    residue += segments.residue(con, absent[:MOST_DECODED])
    return _probe("text_index", residue, {"terms": len(stems), "found": residue})


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
    found = {place: _residue(con, home, place, windows) for place in files.walk(home)}
    total = sum(found.values())
    return Probe(
        name="bytes",
        result="fail" if total else "pass",
        counts={"windows": len(windows), "files": len(found), "found": total},
        where=tuple(sorted({files.role(home, place) for place in found if found[place]})),
    )


def _residue(con: Connection, home: Path, place: Path, windows: Windows) -> int:
    hits = scan(place, windows)
    if not len(hits):
        return 0
    return len(np.setdiff1d(hits, attested(hits, chain(_live_texts(con), ledger.words(home)))))


def _live_texts(con: Connection) -> Iterator[str]:
    for sql in (
        "SELECT text FROM memory",
        "SELECT title FROM memory WHERE title <> ''",
        "SELECT DISTINCT uri FROM provenance",
        "SELECT DISTINCT root FROM provenance",
        "SELECT path FROM scope",
        "SELECT name FROM actor",
        "SELECT name || ' ' || value FROM setting",
        "SELECT name FROM space",
        "SELECT path || ' ' || day FROM file",
        # The store's own words: a text about an erasure "verified" that day is no residue of it.
        "SELECT day || ' ' || state || ' ' || erased FROM erasure",
        "SELECT DISTINCT kind FROM memory",
        "SELECT DISTINCT child_kind FROM lineage",
        "SELECT type || name || tbl_name || ' ' || coalesce(sql, '') FROM sqlite_schema",
        "SELECT 'SQLite format 3'",
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
    return _probe("vectors", hits, {"vectors": len(gone), "found": hits})


def _vector_hits(home: Path, blobs: Iterable[bytes]) -> int:
    windows = vector_windows(blobs)
    return sum(len(scan(place, windows)) for place in files.walk(home))


def slack(con: Connection, signals: Connection) -> Probe:
    """Account for every byte of the databases: is all that is not live zero."""
    # Needs no text: where every byte that is not live is zero, only live rows can hold something.
    found: dict[FileRole, pages.Slack | None] = {
        "database": seal.examine(con, PATIENCE),
        "behavior": seal.examine(signals, PATIENCE),
    }
    seen = [one for one in found.values() if one is not None]
    counts: dict[Count, int] = {
        "pages": sum(one.pages for one in seen),
        "bytes": sum(one.slack_bytes for one in seen),
        "unknown": sum(len(one.errors) + one.unreached for one in seen),
        "found": sum(sum(one.nonzero.values()) for one in seen),
    }
    where = tuple(role for role, one in found.items() if one is not None and not one.clean)
    if where and seal.encrypted(con) and not any(one.errors for one in seen):
        # Others have the file open; the epoch waits for them to leave, and zeroes these as well.
        return Probe(name="slack", result="pending", counts=counts, why="rotating")
    if where:
        return Probe(name="slack", result="fail", counts=counts, where=where)
    if len(seen) < len(found):
        return Probe(name="slack", result="not_claimed", counts=counts, why="blocked")
    return Probe(name="slack", result="pass", counts=counts)


def _files(home: Path) -> Probe:
    known, strange = sum(1 for _ in files.walk(home)), len(files.unknown(home))
    return _probe("files", strange, {"files": known, "unknown": strange})


def _log(con: Connection, home: Path, content: Needles | None) -> Probe:
    logs = [place for place in files.walk(home) if place.name.endswith(("-wal", "-journal"))]
    left = sum(place.stat().st_size for place in logs)
    if not left:
        return _probe("log", 0, {"bytes": 0})
    if content is None:
        return _unknown("log")
    # The seal emptied the logs, but other processes go on writing.
    windows = text_windows(content.texts)
    found = sum(_residue(con, home, place, windows) for place in logs)
    return _probe("log", found, {"bytes": left, "found": found})


def _copies(con: Connection) -> Probe:
    made = len(files.copies(con))
    if not made:
        return Probe(name="copies", result="pass", counts={"copies": 0})
    return Probe(name="copies", result="not_claimed", counts={"copies": made}, why="outside")


def _medium(con: Connection) -> Probe:
    # What an epoch turns into "pass" (memory.epoch); without encryption nothing can.
    if seal.encrypted(con):
        return Probe(name="medium", result="pending", why="rotating")
    return Probe(name="medium", result="not_claimed", why="unreachable")
