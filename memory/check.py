"""`mem doctor`: is the store whole, private, and what repairs it if not."""

import hashlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from memory import (
    copies,
    datakey,
    erasures,
    files,
    ledger,
    records,
    requests,
    reserve,
    restriction,
    seal,
    segments,
    setting,
    vectors,
)
from memory.db import Connection, DriverError, engine_version, identity, migrations
from memory.errors import FAULTS
from memory.survey import Slack
from memory.types import Encryption, Finding


def check(
    con: Connection, signals: Connection, home: Path, space: str | None, now: datetime
) -> list[Finding]:
    """Run every check; reads only.

    Args:
        con: `memory.db`.
        signals: `behavior.db`.
        home: The store's folder.
        space: Vector space that recall uses; None when no model is loaded.
        now: Tells which holds, requests and backups are due.
    """
    return [
        Finding(check="engine", ok=True, detail=f"SQLite {engine_version()}"),
        Finding(
            check="schema",
            ok=identity(con)[1] == len(migrations()),
            detail=f"version {identity(con)[1]}",
        ),
        _pages(con, files.DATABASE),
        _pages(signals, files.BEHAVIOR),
        _text_index(con),
        _digests(con),
        _neighbours(con),
        _lineage(con),
        _vectors(con, space),
        _erasures(con),
        _holds(con, now),
        requests.finding(con, now.date()),
        _sealed(con),
        _backups(con, home, now.date().isoformat()),
        _ledger(con, home),
        _reserve(home),
        _files(home),
        _modes(home),
    ]


def _pages(con: Connection, name: str) -> Finding:
    try:
        said = [row[0] for row in con.execute("PRAGMA integrity_check(5)")]
        said += [f"foreign key in {row[0]}" for row in con.execute("PRAGMA foreign_key_check")]
    except DriverError as exc:
        said = [str(exc)]
    return Finding(
        check=f"pages of {name}",
        ok=said == ["ok"],
        detail="; ".join(said[:5]),
        repair="restore the folder from a backup; 'mem export' saves what can still be read",
    )


def _text_index(con: Connection) -> Finding:
    try:
        con.execute("INSERT INTO memory_fts (memory_fts, rank) VALUES ('integrity-check', 1)")
    except DriverError as exc:
        return Finding(
            check="full-text index", ok=False, detail=str(exc), repair="mem doctor --repair"
        )
    return Finding(check="full-text index", ok=True, detail="agrees with the texts")


def _digests(con: Connection) -> Finding:
    bad = [
        memory_id
        # As bytes: what a flipped bit left may be no text any more.
        for memory_id, body, kept in con.execute(
            "SELECT id, CAST(text AS BLOB), digest FROM memory"
        )
        if hashlib.sha256(body).digest() != kept
    ]
    return Finding(
        check="digests of texts",
        ok=not bad,
        detail=f"{len(bad)} changed without Letheon: {', '.join(bad[:5])}" if bad else "all agree",
        repair="restore those memories from a backup, or 'mem edit' them",
    )


def _neighbours(con: Connection) -> Finding:
    (bad,) = con.execute(
        "SELECT count(*) FROM memory m JOIN memory n ON n.seq = m.next_seq"
        " WHERE n.prev_seq IS NOT m.seq OR n.scope_id <> m.scope_id"
    ).fetchone()
    return Finding(
        check="order of sessions",
        ok=bad == 0,
        detail=f"{bad} broken links" if bad else "all links agree",
        repair="restore the folder from a backup",
    )


def _lineage(con: Connection) -> Finding:
    (missing,) = con.execute(
        "SELECT count(*) FROM memory m WHERE NOT EXISTS"
        " (SELECT 1 FROM lineage l WHERE l.parent = m.seq AND l.child = m.seq)"
    ).fetchone()
    return Finding(
        check="lineage",
        ok=missing == 0,
        detail=f"{missing} memories without" if missing else "every memory is traced",
        repair="mem doctor --repair",
    )


def _vectors(con: Connection, space: str | None) -> Finding:
    if space is None:
        return Finding(check="vectors", ok=True, detail="no model is loaded")
    missing = vectors.count_missing(con, vectors.find_space(con, space) or 0)
    others = sorted(set(vectors.counts(con)) - {space})
    detail = f"{missing} memories without a vector in {space}" if missing else f"all in {space}"
    return Finding(
        check="vectors",
        ok=not missing and not others,
        detail=detail + (f"; left from other models: {', '.join(others)}" if others else ""),
        repair="mem reembed",
    )


def _erasures(con: Connection) -> Finding:
    _, pending = erasures.count(con)
    return Finding(
        check="erasures",
        ok=pending == 0,
        detail=f"{pending} unfinished" if pending else "none unfinished",
        repair="close other programs that use the store; it is retried at every start",
    )


def _holds(con: Connection, now: datetime) -> Finding:
    changed, twice, loose = restriction.damaged(con)
    counts = {"changed without Letheon": changed, "live as well": twice, "without a hold": loose}
    wrong = [f"{count} {what}" for what, count in counts.items() if count]
    due = [one for one in restriction.holds(con, now) if one.due]
    said = [f"hold {one.id} expired on {one.expires} and still holds" for one in due[:5]]
    return Finding(
        check="holds",
        ok=not wrong and not due,
        detail="; ".join([f"{restriction.count(con)} memories restricted", *wrong, *said]),
        repair=(
            "restore the folder from a backup"
            if wrong
            else "look at them with 'mem hold show'; 'mem hold release' ends one"
        ),
    )


def _sealed(con: Connection) -> Finding:
    owed = setting.get(con, setting.UNSEALED)
    return Finding(
        check="seal",
        ok=not owed,
        detail=f"old {owed} may still be in the file" if owed else "nothing is owed",
        repair="close other programs that use the store; it is retried at every start",
    )


def _backups(con: Connection, home: Path, today: str) -> Finding:
    known = copies.backups(con)
    due = [one.id for one in known if one.overdue(today)]
    live = {one.id for one in known if one.state != "shredded"}
    strange = sorted(set(datakey.held(home)) - live)
    lost = [one.id for one in known if one.opens == "store" and one.state == "live"]
    lost = [ident for ident in lost if not datakey.exists(home, ident)]
    said = [f"expired: {', '.join(due[:5])}"] if due else []
    said += [f"keys of no backup: {', '.join(strange[:5])}"] if strange else []
    said += [f"keys lost: {', '.join(lost[:5])}"] if lost else []
    return Finding(
        check="backups",
        ok=not said,
        detail="; ".join(said) or f"{len(live)} known, none expired",
        repair="mem backup expire" if due else "mem backup shred ID; make a new backup",
    )


def _ledger(con: Connection, home: Path) -> Finding:
    found = ledger.verify(home, ledger.known(con))
    faults = [f"line {one.line} {FAULTS[one.reason]}" for one in found.faults[:5]]
    torn = ["the last line is incomplete"] if found.torn else []
    cut = [f"{found.cut} incomplete lines were removed before"] if found.cut else []
    whole = [] if faults else [f"{found.entries} receipts, chain and signatures agree"]
    return Finding(
        check="ledger",
        ok=found.ok and not torn,
        detail="; ".join([*whole, *faults, *torn, *cut]),
        repair=(
            "restore ledger.jsonl from a backup: a receipt cannot be written anew"
            if faults
            else "mem doctor --repair"
        ),
    )


def _reserve(home: Path) -> Finding:
    have, want = reserve.size(home), reserve.wanted(home)
    enough = have >= want
    room = enough or reserve.fits(home, want - have)
    detail = f"{have:,} bytes for an erasure on a full disk"
    if not enough:
        detail += "; the next write makes it" if room else f", and no room for {want:,}"
    return Finding(
        check="reserve",
        ok=room,
        detail=detail,
        repair="free some space: an erasure needs some, too; the next write makes the reserve",
    )


def _files(home: Path) -> Finding:
    strange = files.unknown(home)
    return Finding(
        check="files",
        ok=not strange,
        detail=f"unknown: {', '.join(strange[:5])}" if strange else "all known",
        repair="move them away: an erasure cannot vouch for them",
    )


def _modes(home: Path) -> Finding:
    shared = files.open_modes(home)
    return Finding(
        check="permissions",
        ok=not shared,
        detail=f"open to others: {', '.join(shared[:5])}" if shared else "private",
        repair="mem doctor --repair",
    )


def encryption(found: Encryption) -> Finding:
    """Say how the store is encrypted, and whether a key is still to be destroyed."""
    if not found.kept:
        return Finding(check="encryption", ok=True, detail="none: no receipt claims the medium")
    owed = [f"{found.owed} erasures wait for the end of their key"] if found.owed else []
    owed += ["a change of the key was interrupted"] if found.interrupted else []
    kept = [f"key {found.key}, by {found.kept}"]
    if not found.in_place and found.kept != "keyring":
        kept.append("the file system may keep former versions: no receipt claims the medium")
    return Finding(
        check="encryption",
        ok=not owed,
        detail="; ".join([*kept, *owed]),
        repair="close other programs that use the store; it is retried at every start",
    )


def forensic(con: Connection, signals: Connection, wait: float) -> list[Finding]:
    """Account for every byte of the databases and decode the full-text index; reads only.

    Between two erasures unused bytes hold copies of live rows; right after one all are zero.

    Args:
        con: `memory.db`.
        signals: `behavior.db`.
        wait: Seconds to wait for others that use the files.
    """
    return [
        _unused(files.DATABASE, seal.examine(con, wait)),
        _unused(files.BEHAVIOR, seal.examine(signals, wait)),
        _segments(con),
    ]


def _unused(name: str, found: Slack | None) -> Finding:
    check = f"unused bytes of {name}"
    if found is None:
        return Finding(
            check=check,
            ok=False,
            detail="not examined: other programs use the file",
            repair="close other programs that use the store",
        )
    said = [f"{count:,} not zero in {kind}" for kind, count in sorted(found.nonzero.items())]
    said += [*found.errors, *([f"{found.unreached} unreached pages"] if found.unreached else [])]
    return Finding(
        check=check,
        ok=found.clean,
        detail=f"{found.slack_bytes:,} in {found.pages:,} pages, {'; '.join(said) or 'all zero'}",
        repair="mem doctor --repair",
    )


def _segments(con: Connection) -> Finding:
    found = segments.examine(con)
    counts = {
        "delete markers": found.deleted,
        "entries without a memory": found.orphaned,
        "blocks of no segment": found.stray,
        "beginnings of erased terms": found.separators,
        "unreadable leaves": len(found.errors),
    }
    said = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
    return Finding(
        check="blocks of the full-text index",
        ok=found.clean,
        detail=f"{found.segments} segments, {found.terms:,} terms, {found.entries:,} entries"
        + (f"; {said}" if said else ", all of live memories"),
        repair="mem doctor --repair",
    )


def repair(con: Connection, home: Path) -> Iterator[str]:
    """Rebuild what is derived and close permissions; yields what was done. In a transaction."""
    con.execute("INSERT INTO memory_fts (memory_fts) VALUES ('rebuild')")
    yield "full-text index rebuilt from the texts"
    records.erase_unused_names(con)
    if ledger.mend(con, home):
        yield "an incomplete last line removed from the ledger"
    yield f"{files.erase_indexes(home)} vector indexes dropped; they are rebuilt when needed"
    for name in files.open_modes(home):
        place = home / name
        place.chmod(0o700 if place.is_dir() else 0o600)
        yield f"'{name}' closed to other users"
