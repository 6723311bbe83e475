"""Export: every memory as one JSON line that `mem import` reads back without loss.

docs/export.md has the format, docs/export.schema.json the same for programs.
"""

import json
import os
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from memory import adopt, behavior, copies, files, records, setting
from memory import shred as shredding
from memory.clock import moment
from memory.db import Connection
from memory.errors import UsageError
from memory.receipts import number, product_version
from memory.scope import Scope
from memory.wire import dumps, plain

FORMAT = 1
BATCH = 500
Line = dict[str, Any]
Advance = Callable[[int], None]


def export(con: Connection, scope: Scope) -> Iterator[Line]:
    """Yield the memories inside a scope, oldest first, with provenances and place in the session.

    In bounded memory and without a long read mark: what is written or erased meanwhile may be in it
    or not, whole.
    """
    inside = None
    if scope.values:
        inside = json.dumps([i for i, other in records.scopes(con) if scope.contains(other)])
    last = 0
    while True:
        rows = con.execute(
            "SELECT m.seq, p.id, lower(hex(m.identity)) FROM memory m"
            " LEFT JOIN memory p ON p.seq = m.prev_seq"
            " WHERE m.seq > ? AND (? IS NULL OR m.scope_id IN (SELECT value FROM json_each(?)))"
            " ORDER BY m.seq LIMIT ?",
            (last, inside, inside, BATCH),
        ).fetchall()
        if not rows:
            return
        last = rows[-1][0]
        besides = {seq: {"prev": before, "identity": same} for seq, before, same in rows}
        memories = records.fetch(con, list(besides))
        attested = adopt.attestations(con, list(besides))
        for seq in sorted(memories):
            line: Line = plain(memories[seq])
            yield {**line, "provenances": plain(attested.get(seq, [])), **besides[seq]}


def header(con: Connection, scope: Scope, now: datetime) -> Line:
    """Return the first line of an export, by which it is recognised."""
    return {
        "letheon": "export",
        "format": FORMAT,
        "store": setting.get(con, "store_id"),
        "day": now.date().isoformat(),
        "scope": str(scope),
        "version": number(product_version()),
    }


def lines(con: Connection, signals: Connection, scope: Scope, now: datetime) -> Iterator[Line]:
    """Yield a complete export: header, memories, what was said about them, and the end."""
    yield header(con, scope, now)
    memories = told = 0
    for one in export(con, scope):
        yield one
        memories += 1
    chosen = set() if not scope.values else {i for i, s in records.scopes(con) if scope.contains(s)}
    for memory_id, outcome, root, at, count in behavior.stream(signals):
        if scope.values and not _inside(con, memory_id, chosen):
            continue
        signal = {"memory": memory_id, "outcome": outcome, "root": root, "at": plain(moment(at))}
        yield {"signal": {**signal, "count": count}}
        told += 1
    yield {"end": {"memories": memories, "signals": told}}


def _inside(con: Connection, memory_id: str, scopes: set[int]) -> bool:
    row = con.execute("SELECT scope_id FROM memory WHERE id = ?", (memory_id,)).fetchone()
    return row is not None and row[0] in scopes


def checked(home: Path, target: Path) -> Path:
    """Return the place of an export.

    Raises:
        UsageError: It is inside the store, or its folder does not exist.
    """
    place = target.expanduser().resolve()
    if place.is_relative_to(home.resolve()):
        raise UsageError(
            "an export inside the store would fail every later erasure",
            hint="choose another folder",
        )
    return place


def write(ident: str, place: Path, body: Iterator[Line], advance: Advance = lambda _: None) -> int:
    """Write the lines of a registered export into a private file; return how many memories.

    The file moves to its place when it is whole. What it raises leaves nothing.
    """
    made, _ = shredding.leavings(place, ident)
    count = 0
    try:
        fd = os.open(made, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(fd, "w", encoding="utf-8", newline="\n") as out:
            for one in body:
                out.write(dumps(one) + "\n")
                if "text" in one:
                    count += 1
                    advance(1)
            out.flush()
            os.fsync(out.fileno())
        made.replace(place)
        files.sync_folder(place.parent)
    except BaseException:
        made.unlink(missing_ok=True)
        raise
    return count


def begin(con: Connection, place: Path, now: datetime) -> str:
    """Register an export before its first line is written; inside the caller's transaction."""
    return copies.begin(con, "export", place, now)
