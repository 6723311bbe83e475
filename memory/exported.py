"""Reading one's own exports: memories with their ids, and the signals about them."""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from memory.adopt import Attestation, Kept
from memory.clock import parse
from memory.errors import UsageError
from memory.export import FORMAT
from memory.ids import is_id
from memory.remember import Prepared, prepare
from memory.sources import json_object, json_value, numbered_lines, opened
from memory.types import OUTCOMES, SOURCE_CLASSES, Draft, Outcome

_HASH = re.compile(r"[0-9a-f]{64}")
_TAIL = 4096
MOST = 1_000_000  # equal signals on one line


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """Equal signals about one memory."""

    memory: str
    outcome: Outcome
    root: str
    at: datetime
    count: int


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an export and its number."""

    position: int
    body: Kept | Signal


def read(path: Path, start: int = 0, *, keep_secrets: bool = False) -> Iterator[Line]:
    """Yield what an export holds, from a line on.

    Raises:
        UsageError: It is of a newer format, a line is not as an export has it, or the end is
            missing; the message has the number.
    """
    check_end(path)
    ended = False
    counts = {"memories": 0, "signals": 0}
    for number, text in numbered_lines(path):
        where = f"line {number} of {path.name!r}"
        if ended:
            raise UsageError(f"{where} stands behind the end of the export")
        entry = json_object(json_value(text, where), where)
        if number == 1:
            check_header(entry, where)
        elif "end" in entry:
            ended = True
            if entry["end"] != counts:
                raise UsageError(f"{where}: the export has lost lines", hint="export it anew")
        else:
            kind = "signals" if "signal" in entry else "memories"
            counts[kind] += 1
            if number >= start:
                yield Line(number, _body(entry, where, keep_secrets=keep_secrets))


def check_end(path: Path) -> None:
    """Return if the last line of a file is the end of an export.

    Raises:
        UsageError: The export was cut off.
    """
    with opened(path) as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
        last = file.read().rstrip().rpartition(b"\n")[2]
    try:
        ends = "end" in json.loads(last)
    except (ValueError, TypeError):
        ends = False
    if not ends:
        raise UsageError(
            f"{path.name!r} ends before the export does",
            hint="export it anew; without its first line it is read as a list of memories",
        )


def check_header(entry: dict[str, Any], where: str) -> None:
    """Return if a line begins an export of this format.

    Raises:
        UsageError: It does not.
    """
    if entry.get("letheon") != "export" or entry.get("format") != FORMAT:
        raise UsageError(
            f"{where}: an export of format {entry.get('format')!r:.20} cannot be read",
            hint=f"this Letheon reads format {FORMAT}; a newer one may read it",
        )


def _body(entry: dict[str, Any], where: str, *, keep_secrets: bool) -> Kept | Signal:
    try:
        if "signal" in entry:
            return _signal(json_object(entry["signal"], where))
        return _kept(entry, where, keep_secrets=keep_secrets)
    except UsageError as exc:
        begins = exc.message.startswith(where)
        raise UsageError(
            exc.message if begins else f"{where}: {exc.message}", hint=exc.hint
        ) from exc
    except (KeyError, TypeError, ValueError) as exc:
        raise UsageError(f"{where} is not a line of an export", hint="see docs/export.md") from exc


def _signal(entry: dict[str, Any]) -> Signal:
    if entry["outcome"] not in OUTCOMES:
        raise UsageError(f"outcome {entry['outcome']!r:.40} does not exist")
    count = entry["count"]
    if type(count) is not int or not 0 < count <= MOST:
        raise UsageError("the count of a signal is no number of signals")
    return Signal(
        memory=_id(entry["memory"]),
        outcome=entry["outcome"],
        root=_text(entry["root"]),
        at=parse(entry["at"]),
        count=count,
    )


def _kept(entry: dict[str, Any], where: str, *, keep_secrets: bool) -> Kept:
    attested = [json_object(one, where) for one in entry["provenances"]]
    first = attested[0] if attested else {}
    draft = Draft(
        text=entry["text"],
        kind=entry["kind"],
        scope=_text(entry["scope"]),
        title=_text(entry["title"]),
        actor=_text(entry["actor"]),
        at=parse(entry["at"]),
        valid_from=_moment(entry["valid_from"]),
        valid_to=_moment(entry["valid_to"]),
        # A turn is told apart by where it was first read, too.
        uri=_text(first.get("uri", "")),
    )
    ready = prepare(draft, keep_secrets=keep_secrets)
    before = entry.get("prev")
    return Kept(
        prepared=ready,
        id=_id(entry["id"]),
        recorded_at=parse(entry["recorded_at"]),
        provenances=tuple(_attestation(one, draft, keep_secrets=keep_secrets) for one in attested),
        same=_identity(entry.get("identity"), entry, ready),
        placed="prev" in entry,
        before=None if before is None else _id(before),
    )


def _identity(value: Any, entry: dict[str, Any], ready: Prepared) -> bytes:
    """Return the identity of a memory, if it is still that of the same text."""
    if value is None or ready.draft.text != entry["text"]:
        return b""
    if not isinstance(value, str) or not _HASH.fullmatch(value):
        raise UsageError("identity is no SHA-256 in hexadecimal")
    return bytes.fromhex(value)


def _attestation(one: dict[str, Any], draft: Draft, *, keep_secrets: bool) -> Attestation:
    if one["source"] not in SOURCE_CLASSES:
        raise UsageError(f"source {one['source']!r:.40} does not exist")
    ready: Prepared = prepare(
        replace(
            draft,
            text="x",
            title="",
            actor=_text(one["actor"]),
            root=_text(one["root"]),
            uri=_text(one["uri"]),
            key=one["key"],
            at=parse(one["at"]),
        ),
        keep_secrets=keep_secrets,
    )
    return Attestation(
        root=ready.draft.root,
        source=one["source"],
        actor=ready.draft.actor,
        uri=ready.draft.uri,
        at=parse(one["at"]),
        recorded_at=parse(one["recorded_at"]),
        key=ready.draft.key,
    )


def _id(value: Any) -> str:
    if not isinstance(value, str) or not is_id(value):
        raise UsageError(f"{value!r:.40} is not an id")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise UsageError(f"{value!r:.40} is no string")
    return value


def _moment(value: Any) -> datetime | None:
    return None if value is None else parse(value)
