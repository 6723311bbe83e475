"""Verification of an erasure: what is looked at, and what is not claimed."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from memory import copies, disclosure, files, likeness, live, names, pages, seal, segments, vectors
from memory import needles as searching
from memory.db import Connection
from memory.embedder import Embedder
from memory.needles import Finder, Needles, Windows, common, joined, vector_windows, without
from memory.stems import stemmed
from memory.survey import Slack, Survey
from memory.types import Count, FileRole, Probe, ProbeName, ProbeResult

# Those that have to wait for the seal.
PHYSICAL: tuple[ProbeName, ...] = (
    "text_index",
    "bytes",
    "vectors",
    "entities",
    "slack",
    "files",
    "log",
)
MOST_DECODED = 500  # terms looked for in the blocks of the index, too
PATIENCE = 0.5  # seconds to wait for readers that came after the seal
Tell = Callable[[float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What an examination found."""

    probes: list[Probe]
    version: int | None  # of `seal.version` when every byte of `memory.db` was accounted for


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """An erasure and the store it is looked for in."""

    con: Connection  # memory.db
    signals: Connection  # behavior.db
    home: Path
    content: Needles | None
    model: Callable[[], Embedder | None]
    tell: Tell


@dataclass(slots=True)
class _Searched:
    """What a search of every file found."""

    slack: dict[FileRole, Slack | None]
    version: int | None = None
    windows: int = 0  # of the texts
    texts: dict[Path, Windows] = field(default_factory=dict)  # in each file, said by no live row
    vectors: int = 0
    near: likeness.Near = field(default_factory=likeness.Near)


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
    rows = con.execute(
        "SELECT uri, root, coalesce(key, '') FROM provenance"
        " WHERE seq IN (SELECT value FROM json_each(?))"
        " OR id IN (SELECT value FROM json_each(?))",
        (listed, json.dumps(list(provenances))),
    )
    sources = [part for row in rows for part in row]
    return content(
        [*texts, *sources],
        vectors.all_blobs(con, seqs),
        seqs=seqs,
        named=names.of(con, seqs),
    )


def content(
    texts: Sequence[str],
    blobs: Sequence[bytes],
    *,
    seqs: Sequence[int] = (),
    named: Sequence[str] = (),
) -> Needles:
    """Return what to search for."""
    distinct = tuple(dict.fromkeys(text for text in texts if text))
    return Needles(
        texts=distinct,
        vectors=tuple(dict.fromkeys(blobs)),
        seqs=tuple(seqs),
        names=tuple(named),
        stemmed=tuple(stemmed(distinct)),
    )


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
    """Run every probe on a sealed store; see `examine`."""
    return examine(con, signals, home, ids, content).probes


def examine(  # noqa: PLR0913 - a store, what is looked for in it, and two ways to call back
    con: Connection,
    signals: Connection,
    home: Path,
    ids: Sequence[str],
    content: Needles | None,
    *,
    model: Callable[[], Embedder | None] = lambda: None,
    tell: Tell = lambda _: None,
) -> Examined:
    """Run every probe on a sealed store.

    Args:
        con: `memory.db`.
        signals: `behavior.db`.
        home: The store's folder; every file below it is searched.
        ids: The erased memories.
        content: What was erased; None after an interruption, when it is no longer known.
        model: Returns the embedder, for a live vector that is near without its words being so.
        tell: Told which share of the search is done.
    """
    case = _Case(con=con, signals=signals, home=home, content=content, model=model, tell=tell)
    log = _log(case)  # first: to look for slack needs, and makes, an empty log
    found = _search(case)
    return Examined(
        version=found.version,
        probes=[
            _rows(case, ids),
            _text_index(con, content),
            _bytes(content, home, found),
            _vectors(content, found),
            _entities(con),
            _slack(con, found),
            _files(home),
            log,
            _copies(con, home),
            _medium(con),
        ],
    )


def _probe(name: ProbeName, bad: int, counts: Mapping[Count, int]) -> Probe:
    result: ProbeResult = "fail" if bad else "pass"
    return Probe(name=name, result=result, counts=counts)


def _unknown(name: ProbeName) -> Probe:
    return Probe(name=name, result="not_claimed", why="interrupted")


def _search(case: _Case) -> _Searched:
    """Account for every byte of the databases and look for the content in every file.

    Under the write lock, so that the pages are still those of the tables they were found in.
    """
    found = _Searched(slack={"behavior": seal.examine(case.signals, PATIENCE)})
    if case.content is not None:
        found.near = likeness.near(case.con, case.content, case.model)
    with seal.stilled(case.con, PATIENCE) as current:
        whole = None
        if current is not None:
            half: Tell = lambda share: case.tell(share / 2)  # noqa: E731 - a shorter name
            whole = pages.survey(case.home / files.DATABASE, half)
            found.version = current if whole.slack.clean else None
        found.slack["database"] = None if whole is None else whole.slack
        if case.content is not None:
            _look(case, case.content, whole, found)
    return found


def _look(case: _Case, content: Needles, whole: Survey | None, found: _Searched) -> None:
    texts = content.windows()
    found.windows = len(texts)
    # The same text kept in another scope has the same vector: that one is no residue.
    bodies = vector_windows(set(content.vectors) - found.near.same)
    bodies = without(bodies, vector_windows(found.near.alike))
    finder = Finder(joined(texts, bodies))
    said, seen = texts[:0], texts[:0]
    for place in files.walk(case.home):
        main = place == case.home / files.DATABASE
        # A page of a table vouches for what is on it only while nothing on it is not live.
        sound = main and whole is not None and whole.slack.clean
        apart, other = searching.search(
            place,
            finder,
            whole.lies_in(live.SAYS) if sound and whole is not None else None,
            (lambda share: case.tell(0.5 + share / 2)) if main else (lambda _: None),
        )
        said = joined(said, apart)
        found.texts[place] = common(other, texts)
        found.vectors += len(common(joined(apart, other), bodies))
        seen = joined(seen, found.texts[place])
    left = without(seen, said)
    own = disclosure.words(case.signals)
    said = joined(said, live.attest(case.con, case.home, left, content.stemmed, own))
    found.texts = {place: without(hits, said) for place, hits in found.texts.items()}


def _rows(case: _Case, ids: Sequence[str]) -> Probe:
    listed = (json.dumps(list(ids)),)
    left = sum(
        int(where.execute(sql, listed).fetchone()[0])
        for where, sql in (
            (case.con, "SELECT count(*) FROM memory WHERE id IN (SELECT value FROM json_each(?))"),
            (
                case.con,
                "SELECT count(*) FROM restricted WHERE memory_id IN"
                " (SELECT value FROM json_each(?))",
            ),
            (
                case.signals,
                "SELECT count(*) FROM signal WHERE memory_id IN (SELECT value FROM json_each(?))",
            ),
            (
                case.signals,
                "SELECT count(*) FROM disclosure WHERE memory_id IN"
                " (SELECT value FROM json_each(?))",
            ),
        )
    )
    if case.content is not None and case.content.seqs:
        seqs = (json.dumps(list(case.content.seqs)),)
        orphans = sum(int(case.con.execute(sql, seqs).fetchone()[0]) for sql in _ORPHANS_OF)
    else:
        orphans = sum(int(case.con.execute(sql).fetchone()[0]) for sql in _ORPHANS)
    return _probe("rows", left + orphans, {"left": left, "orphaned": orphans})


# Rows of these memories, which are known as long as their content is,
_ORPHANS_OF = (
    "SELECT count(*) FROM provenance WHERE seq IN (SELECT value FROM json_each(?))",
    "SELECT count(*) FROM vector WHERE seq IN (SELECT value FROM json_each(?))",
    "SELECT count(*) FROM json_each(?) AS j JOIN lineage AS l"
    " ON l.parent = j.value OR l.child = j.value",
    "SELECT count(*) FROM memory_fts_docsize WHERE id IN (SELECT value FROM json_each(?))",
)
# or of any that is not there.
_ORPHANS = (
    "SELECT count(*) FROM provenance WHERE seq NOT IN (SELECT seq FROM memory)",
    "SELECT count(*) FROM vector WHERE seq NOT IN (SELECT seq FROM memory)",
    "SELECT count(*) FROM lineage WHERE parent NOT IN (SELECT seq FROM memory)"
    " OR child NOT IN (SELECT seq FROM memory)",
    "SELECT count(*) FROM memory_fts_docsize WHERE id NOT IN (SELECT seq FROM memory)",
    "SELECT count(*) FROM restricted WHERE memory_id NOT IN (SELECT memory_id FROM hold_memory)",
)


def _text_index(con: Connection, content: Needles | None) -> Probe:
    if content is None:
        return _unknown("text_index")
    stems = {stem for text in content.stemmed for stem in text.split(" ") if stem}
    residue, absent = live.unsaid(con, stems)
    # What FTS5 itself does not show any more is looked for in the blocks.
    residue += segments.residue(con, absent[:MOST_DECODED])
    return _probe("text_index", residue, {"terms": len(stems), "found": residue})


def _bytes(content: Needles | None, home: Path, found: _Searched) -> Probe:
    if content is None:
        return _unknown("bytes")
    holding = [place for place, hits in found.texts.items() if len(hits)]
    return Probe(
        name="bytes",
        result="fail" if holding else "pass",
        counts={
            "windows": found.windows,
            "files": len(found.texts),
            "found": sum(map(len, found.texts.values())),
        },
        where=tuple(sorted({files.role(home, place) for place in holding})),
    )


def _vectors(content: Needles | None, found: _Searched) -> Probe:
    if content is None:
        return _unknown("vectors")
    near = found.near
    bad = found.vectors + near.strange
    counts: dict[Count, int] = {"vectors": len(content.vectors), "near": near.count, "found": bad}
    if near.unsure and not bad:
        counts["unknown"] = near.unsure
        return Probe(name="vectors", result="not_claimed", counts=counts)
    return _probe("vectors", bad, counts)


def _entities(con: Connection) -> Probe:
    total, left = names.count(con)
    return _probe("entities", left, {"names": total, "found": left})


def slack(con: Connection, signals: Connection) -> Probe:
    """Account for every byte of the databases: is all that is not live zero."""
    both: dict[FileRole, Slack | None] = {
        "behavior": seal.examine(signals, PATIENCE),
        "database": seal.examine(con, PATIENCE),
    }
    return _slack(con, _Searched(slack=both))


def _slack(con: Connection, searched: _Searched) -> Probe:
    # Needs no text: where every byte that is not live is zero, only live rows can hold something.
    found = searched.slack
    seen = [one for one in found.values() if one is not None]
    counts: dict[Count, int] = {
        "pages": sum(one.pages for one in seen),
        "bytes": sum(one.slack_bytes for one in seen),
        "unknown": sum(len(one.errors) + one.unreached for one in seen),
        "found": sum(sum(one.nonzero.values()) for one in seen),
    }
    where = tuple(sorted(role for role, one in found.items() if one is not None and not one.clean))
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


def _log(case: _Case) -> Probe:
    logs = [place for place in files.walk(case.home) if place.name.endswith(("-wal", "-journal"))]
    left = sum(place.stat().st_size for place in logs)
    if not left:
        return _probe("log", 0, {"bytes": 0})
    if case.content is None:
        return _unknown("log")
    # The seal emptied the logs, but other processes go on writing.
    windows = case.content.windows()
    hits = [searching.scan(place, windows) for place in logs]
    seen = joined(*hits)
    own = disclosure.words(case.signals)
    said = live.attest(case.con, case.home, seen, case.content.stemmed, own)
    found = sum(len(without(one, said)) for one in hits)
    return _probe("log", found, {"bytes": left, "found": found})


def _copies(con: Connection, home: Path) -> Probe:
    return copies.probe(con, home)


def _medium(con: Connection) -> Probe:
    # What an epoch turns into "pass" (memory.epoch); without encryption nothing can.
    if seal.encrypted(con):
        return Probe(name="medium", result="pending", why="rotating")
    return Probe(name="medium", result="not_claimed", why="unreachable")
