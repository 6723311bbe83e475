"""Readers: foreign files become drafts, lazily, each with a position an import can go on from."""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from memory.clock import parse
from memory.errors import UsageError
from memory.markdown import chunks, front_matter
from memory.sanitise import clean, validate
from memory.sources import decoded, json_object, json_value, numbered_lines, opened, whole
from memory.types import KINDS, SOURCE_CLASSES, Draft

MAX_PAGE = 10_000_000  # bytes of one Markdown file
MAX_WHOLE = 500_000_000  # bytes of one JSON document, which is read as a whole

# Several items of one file or line share its number; positions still have to differ, because an
# import goes on behind the last one it wrote.
_STRIDE = 10_000_000

_DRAFT_FIELDS = frozenset(field.name for field in fields(Draft))
_EXPORT_FIELDS = frozenset({"id", "recorded_at", "provenances", "prev", "identity"})
_TIMES = ("at", "valid_from", "valid_to")
_SPEAKER = ("speaker", "role", "author", "name", "sender", "actor")
_TIME = ("time", "timestamp", "date", "created_at", "create_time", "at")
_TEXT = ("text", "content", "message")
_SESSION = ("session", "session_id", "sessionId", "conversation", "conversation_id", "thread_id")
_CHAT_ONLY = {*_SPEAKER, *_TIME, *_SESSION, "messages", "turns"} - _DRAFT_FIELDS
_EPOCH = re.compile(r"-?[0-9]{9,19}(?:\.[0-9]{1,9})?")


@dataclass(frozen=True, slots=True)
class Item:
    """One draft and where it was found."""

    position: int  # strictly increasing; a later run skips positions below its `start`
    draft: Draft


def scope_value(text: str) -> str:
    """Return `text` as the value of a scope level: no slash, space or control, never empty."""
    value = re.sub(r"[/\s]+", "-", " ".join(clean(text).split()))
    return value[:200].strip("-") or "unnamed"


def read_jsonl(path: Path, start: int = 0) -> Iterator[Item]:
    """Yield one draft per line; the fields are those of `Draft`, or of an exported memory.

    Raises:
        UsageError: A line is no such object; the message has its number.
    """
    for number, line in numbered_lines(path):
        if number < start:
            continue
        where = f"line {number} of {path.name!r}"
        yield Item(number, _draft(json_object(json_value(line, where), where), where, path, number))


def _draft(entry: dict[str, Any], where: str, path: Path, number: int) -> Draft:
    unknown = sorted(entry.keys() - _DRAFT_FIELDS - _EXPORT_FIELDS)
    if unknown:
        raise UsageError(
            f"{where}: field {unknown[0]!r} does not exist",
            hint=f"the fields are {', '.join(sorted(_DRAFT_FIELDS))}",
        )
    given: dict[str, Any] = {"source": "import", "uri": f"{path.name}#L{number}"}
    given |= _first_provenance(entry.get("provenances"))
    for name in sorted(_DRAFT_FIELDS & entry.keys()):
        value = entry[name]
        if value is None and name != "text":
            continue
        if not isinstance(value, str):
            raise UsageError(f"{where}: {name} is of type {type(value).__name__!r}, not a string")
        if value or name in ("text", "kind"):
            given[name] = _time(value, where) if name in _TIMES else value
    given["text"] = _stored(given.get("text"), where)
    for name, known in (("kind", KINDS), ("source", SOURCE_CLASSES)):
        if given.get(name, known[0]) not in known:
            raise UsageError(
                f"{where}: {name} {given[name]!r} does not exist", hint=f"one of {', '.join(known)}"
            )
    return Draft(**given)


def _first_provenance(listed: object) -> dict[str, str]:
    """Return what the oldest provenance of an exported memory says about its origin."""
    first = listed[0] if isinstance(listed, list) and listed else None
    if not isinstance(first, dict):
        return {}
    kept = {name: first.get(name) for name in ("root", "source", "actor", "uri")}
    return {name: value for name, value in kept.items() if isinstance(value, str) and value}


def read_markdown(path: Path, start: int = 0) -> Iterator[Item]:
    """Yield notes of every `*.md` file below a folder, or of one file, in the order of names.

    Hidden folders and symbolic links are passed over. A note is a run of paragraphs below one
    heading; its title is the heading path, its uri the file and lines.

    Raises:
        UsageError: A file is too large, a link, or no UTF-8.
    """
    for ordinal, (page, name) in enumerate(_pages(path), start=1):
        base = ordinal * _STRIDE
        if base + _STRIDE <= start:
            continue
        text = decoded(whole(page, MAX_PAGE), page)
        if "\x00" in text:
            raise UsageError(f"{name!r} is a binary file", hint="give Markdown text")
        meta, body_line = front_matter(text)
        at = _loose_time(meta.get("date", ""))
        stem = meta.get("title") or page.stem
        for number, chunk in enumerate(chunks(text, body_line)):
            if base + number >= start:
                title = _short(" > ".join((stem, *chunk.headings)))
                uri = f"{name}#L{chunk.first}-L{chunk.last}"
                draft = Draft(
                    text=chunk.text, kind="note", title=title, at=at, source="file", uri=uri
                )
                yield Item(base + number, draft)


def _pages(path: Path) -> Iterator[tuple[Path, str]]:
    if path.is_symlink():
        raise UsageError(f"{path.name!r} is a symbolic link", hint="give the real path")
    if not path.is_dir():
        yield path, path.name
        return
    for folder, subfolders, names in os.walk(path):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in sorted(names):
            page = Path(folder, name)
            if name.lower().endswith(".md") and page.is_file() and not page.is_symlink():
                yield page, page.relative_to(path).as_posix()


def read_chat(path: Path, start: int = 0) -> Iterator[Item]:
    """Yield the turns of a chat: a JSON array, JSON lines, or a ChatGPT or Claude export.

    Each turn belongs to the scope of its session, which is the file if it names none. Turns
    without text count for the position but are not yielded.

    Raises:
        UsageError: The file is no JSON, or a turn is no object or has an unreadable time.
    """
    number = 0
    for entry, record in enumerate(_records(path), start=1):
        for turn in _turns(record, f"entry {entry} of {path.name!r}"):
            number += 1
            text = "" if number < start else _plain(_first(turn, _TEXT)).strip()
            if text:
                yield Item(number, _turn(turn, text, path, number))


def _turn(turn: dict[str, Any], text: str, path: Path, number: int) -> Draft:
    where = f"turn {number} of {path.name!r}"
    session = _first(turn, _SESSION)
    named = session if isinstance(session, (str, int)) and str(session).strip() else path.stem
    return Draft(
        text=_stored(text, where),
        kind="turn",
        scope=f"session:{scope_value(str(named))}",
        title=_short(_plain(turn.get("title"))),
        actor=_short(_plain(_first(turn, _SPEAKER))),
        at=_time(_first(turn, _TIME), where),
        source="import",
        uri=f"{path.name}#turn{number}",
    )


def _turns(record: object, where: str) -> Iterator[dict[str, Any]]:
    """Yield the turns of one entry: of a whole conversation, or the turn it is."""
    entry = json_object(record, where)
    about = {"conversation_id": _first(entry, ("conversation_id", "uuid", "id", *_SESSION))}
    about["title"] = _first(entry, ("title", "name"))
    if isinstance(entry.get("mapping"), dict):
        yield from (about | turn for turn in _branch(entry))
        return
    for name in ("chat_messages", "messages", "turns"):
        if isinstance(entry.get(name), list):
            yield from (about | _flat(json_object(turn, where)) for turn in entry[name])
            return
    yield _flat(entry)


def _flat(turn: dict[str, Any]) -> dict[str, Any]:
    message = turn.get("message")
    return turn | message if isinstance(message, dict) else turn


def _branch(conversation: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the turns from the root of a ChatGPT conversation to its current node."""
    nodes = conversation["mapping"]
    at = conversation.get("current_node") or next(reversed(nodes), None)
    turns: list[dict[str, Any]] = []
    seen: set[str] = set()
    while isinstance(at, str) and at not in seen and isinstance(nodes.get(at), dict):
        seen.add(at)
        message = nodes[at].get("message")
        if isinstance(message, dict) and not _is_hidden(message):
            turns.append(
                {
                    "role": _get(message.get("author"), "role"),
                    "time": message.get("create_time"),
                    "text": _get(message.get("content"), "parts"),
                }
            )
        at = nodes[at].get("parent")
    return turns[::-1]


def _is_hidden(message: dict[str, Any]) -> bool:
    kind = _get(message.get("content"), "content_type")
    hidden = _get(message.get("metadata"), "is_visually_hidden_from_conversation")
    by_system = _get(message.get("author"), "role") == "system"
    return by_system or bool(hidden) or kind not in ("text", "multimodal_text", None)


def read_mcp_memory(path: Path, start: int = 0) -> Iterator[Item]:
    """Yield the observations and relations of the MCP reference memory server as facts.

    Raises:
        UsageError: An entry is neither an entity nor a relation; the message has its number.
    """
    for number, record in enumerate(_records(path), start=1):
        where = f"entry {number} of {path.name!r}"
        facts = list(_facts(json_object(record, where), where))
        for ordinal, (text, title) in enumerate(facts):
            position = number * _STRIDE + ordinal
            if position >= start:
                uri = f"{path.name}#{number}"
                draft = Draft(
                    text=_stored(text, where), kind="fact", title=title, source="import", uri=uri
                )
                yield Item(position, draft)


def _facts(entry: dict[str, Any], where: str) -> Iterator[tuple[str, str]]:
    if "relationType" in entry:
        names = ("from", "relationType", "to")
        yield " ".join(_wanted(entry, name, where) for name in names), ""
        return
    name = _wanted(entry, "name", where)
    listed = entry.get("observations", [])
    if not isinstance(listed, list):
        raise UsageError(f"{where}: observations are no list")
    title = _short(f"{name} ({_plain(entry.get('entityType')) or 'entity'})")
    for observation in map(_plain, listed):
        if observation.strip():
            yield f"{name}: {observation.strip()}", title


def _wanted(entry: dict[str, Any], name: str, where: str) -> str:
    value = entry.get(name)
    if not isinstance(value, str) or not value.strip():
        raise UsageError(
            f"{where} has no {name!r}",
            hint="an entity has a name and observations, a relation has from, to and relationType",
        )
    return value.strip()


# `memory.exported` reads the exports of a store: memories as they were, not drafts.
EXPORT = "export"
READERS: dict[str, Callable[..., Iterator[Item]]] = {
    "jsonl": read_jsonl,
    "markdown": read_markdown,
    "chat": read_chat,
    "mcp-memory": read_mcp_memory,
}


def sniff(path: Path) -> str:
    """Return the name of the reader for a path, chosen by what the file holds.

    Raises:
        UsageError: The file cannot be read or is of no known form.
    """
    if path.is_dir() and not path.is_symlink():
        return "markdown"
    with opened(path) as file:
        head = file.read(200_000).decode(errors="replace").removeprefix("\ufeff").lstrip()
    if not head.startswith(("{", "[")) and path.suffix.lower() in (".md", ".markdown", ".txt"):
        return "markdown"
    entry = _first_object(path) if head.startswith("{") else None
    keys = set(entry or re.findall(r'"(\w+)"\s{0,9}:', head))
    if head.startswith(("{", "[")):
        if entry and entry.get("letheon") == "export":
            return EXPORT
        if keys & {"entityType", "relationType", "entities", "relations"}:
            return "mcp-memory"
        if entry and "text" in keys and not keys & _CHAT_ONLY:
            return "jsonl"
        if keys & {"mapping", "chat_messages", "messages", "turns", "conversations", *_TEXT}:
            return "chat"
    raise UsageError(f"{path.name!r} is of no known form", hint=f"one of {', '.join(READERS)}")


def _first_object(path: Path) -> dict[str, Any] | None:
    """Return the object on the first line, if it stands there as a whole."""
    _, line = next(numbered_lines(path), (0, ""))
    try:
        entry = json_value(line, "")
    except UsageError:
        return None
    return entry if isinstance(entry, dict) else None


def _records(path: Path) -> Iterator[object]:
    """Yield the entries of JSON lines, or of a JSON array or object that is read as a whole."""
    with opened(path) as file:
        head = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith(b"[") or _first_object(path) is None:
        text = decoded(whole(path, MAX_WHOLE), path)
        yield from _entries(json_value(text, repr(path.name))) if text.strip() else ()
        return
    for number, line in numbered_lines(path):
        yield from _entries(json_value(line, f"line {number} of {path.name!r}"))


def _entries(value: object) -> list[object]:
    if isinstance(value, dict):
        held = [value.get(name) for name in ("entities", "relations", "conversations")]
        listed = [one for one in held if isinstance(one, list)]
        return [entry for one in listed for entry in one] if listed else [value]
    return value if isinstance(value, list) else [value]


def _first(entry: dict[str, Any], names: Iterable[str]) -> Any:
    return next((entry[name] for name in names if entry.get(name) not in (None, "", [])), None)


def _get(value: object, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _plain(value: object) -> str:
    """Return the text of a field of a chat: a string, parts of text, or an object around them."""
    if isinstance(value, list):
        return "\n".join(filter(None, map(_plain, value)))
    if isinstance(value, dict):
        if value.get("type") not in (None, "text", "input_text", "output_text"):
            return ""
        return _plain(_first(value, ("text", "content", "parts", "name", "role")))
    text = str(value) if isinstance(value, (str, int, float)) else ""
    return re.sub("[\ud800-\udfff]", "\ufffd", text.replace("\x00", ""))


def _short(text: str) -> str:
    return " ".join(clean(text).split())[:300]


def _stored(value: object, where: str) -> str:
    if value is None:
        raise UsageError(f"{where} has no text")
    try:
        return validate(value)  # type: ignore[arg-type]  # it refuses what is no string
    except UsageError as exc:
        raise UsageError(f"{where}: {exc.message}", hint=exc.hint) from exc


def _time(value: object, where: str) -> datetime | None:
    """Return a time in UTC from ISO 8601 or seconds, milli-, micro- or nanoseconds since 1970."""
    if value in (None, ""):
        return None
    try:
        if isinstance(value, str) and not _EPOCH.fullmatch(value.strip()):
            return parse(value).astimezone(UTC)
        since = float(value)  # type: ignore[arg-type]  # a list or object is refused below
        size = abs(since)
        scale = 1e9 if size >= 1e17 else 1e6 if size >= 1e14 else 1e3 if size >= 1e11 else 1.0
        return datetime.fromtimestamp(since / scale, UTC)
    except (UsageError, ValueError, TypeError, OverflowError, OSError) as exc:
        hint = "write 2026-03-02T14:30:00Z, or seconds since 1970"
        raise UsageError(f"{where}: {value!r:.60} is not a time", hint=hint) from exc


def _loose_time(text: str) -> datetime | None:
    try:
        return _time(text, "")
    except UsageError:
        return None
