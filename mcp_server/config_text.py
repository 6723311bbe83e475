"""Change one server entry in the text of a JSON, TOML or YAML file and nothing else in it."""

import json
import math
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any

from memory.errors import UsageError

# JSON strings are TOML basic strings and YAML double-quoted scalars once these are escaped too.
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")

_STRING = r'("(?:[^"\\]|\\.)*")'
_COMMENT = re.compile(_STRING + r"|//[^\n]*|/\*.*?\*/", re.DOTALL)
_COMMA = re.compile(_STRING + r"|,(?=\s*[}\]])", re.DOTALL)
_UNREADABLE = (ValueError, ArithmeticError, RecursionError)


def yaml_document(document: Mapping[str, Any], *, levels: int) -> str:
    """Return YAML in block style for the first `levels` levels and in flow style below them.

    The keys of the upper levels must be plain words; below, every key and string is quoted.
    """
    return "\n".join(_yaml_lines(document, "", levels)) + "\n"


def toml_table(path: Sequence[str], entry: Mapping[str, Any]) -> str:
    """Return a TOML table; the words of `path` and the keys of `entry` must be bare keys."""
    lines = [f"[{'.'.join(path)}]"]
    for key, value in entry.items():
        if isinstance(value, Mapping):  # an inline table has "=" where JSON has ":"
            pairs = ", ".join(f"{_literal(k)} = {_literal(v)}" for k, v in value.items())
            lines.append(f"{key} = {{ {pairs} }}")
        else:
            lines.append(f"{key} = {_literal(value)}")
    return "\n".join(lines) + "\n"


def merged_json(body: str, path: Sequence[str], entry: Mapping[str, Any]) -> str:
    """Return `body` with the value at `path` set to `entry`; missing objects are created.

    The object is parsed and written again with its indent and line ends. A document that would
    not survive that (comments, a key given twice, a number a float would round) is refused.

    Raises:
        UsageError: `body` is no JSON object, or would lose something.
    """
    document = _json_object(body)
    *keys, name = path
    servers: Any = document
    for key in keys:
        servers = servers.setdefault(key, {})
        if not isinstance(servers, dict):
            raise UsageError(f"{key!r} is not an object")
    if servers.get(name) == entry:
        return body
    servers[name] = entry
    # Half a surrogate pair is legal as an escape but cannot be written as UTF-8.
    escape = body.isascii() or "\\ud" in body.casefold()
    text = json.dumps(document, ensure_ascii=escape, **_layout(body.strip()))
    if "\r\n" in body:
        text = text.replace("\n", "\r\n")
    return text + body[len(body.rstrip()) :]


def merged_toml(body: str, path: Sequence[str], table: str) -> str:
    """Return `body` with the table at `path` replaced by, or followed by, the text `table`.

    Works line by line, so all other bytes stay, comments included; then parses the result and
    refuses unless exactly that one table differs.

    Raises:
        UsageError: `body` is not TOML, or the table is written in a form other than `[path]`.
    """
    before: Any = _toml(body)
    expected = _grafted(before, _toml(table), path)
    if expected == before:
        return body
    present = _holds(before, path)
    newline = "\r\n" if "\r\n" in body else "\n"
    block = table.replace("\n", newline)
    kept: list[str] = []
    gap: list[str] = []  # comments after our last key belong to whatever table comes next
    inside = placed = False
    for line in body.splitlines(keepends=True):
        # A line of a string may look like our header, so look for it only if we are in there.
        if present and (header := _header(line)) is not None:
            inside = header[: len(path)] == tuple(path)
            kept += gap if placed or not inside else [*gap, block]
            placed, gap = placed or inside, []
        elif inside and line.strip() and not line.lstrip().startswith("#"):
            gap = []
        elif inside:
            gap.append(line)
        if not inside:
            kept.append(line)
    if not placed:
        gap = ["" if body.endswith("\n") else newline, newline, block]
    merged = "".join(kept + gap)
    with suppress(UsageError):
        if _toml(merged) == expected:
            return merged
    raise UsageError(f"{'.'.join(path)!r} cannot be edited safely in the form it is written in")


def merged_yaml(body: str, document: str) -> str:
    """Return `body` if it is `document` already; YAML that exists is not edited.

    Raises:
        UsageError: `body` is anything else.
    """
    if body.replace("\r\n", "\n").strip() == document.strip():
        return body
    raise UsageError("the file exists, and YAML files are not edited")


def _literal(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda hit: f"\\u{ord(hit[0]):04x}", text)


def _yaml_lines(table: Mapping[str, Any], pad: str, levels: int) -> Iterator[str]:
    for key, value in table.items():
        if levels and isinstance(value, Mapping):
            yield f"{pad}{key}:"
            yield from _yaml_lines(value, pad + "  ", levels - 1)
        elif levels and isinstance(value, list):
            yield f"{pad}{key}:"
            for item in value:
                first, *rest = _yaml_lines(item, pad + "    ", 0)
                yield f"{pad}  - {first.lstrip()}"
                yield from rest
        else:
            yield f"{pad}{key}: {_literal(value)}"


def _json_object(body: str) -> dict[str, Any]:
    try:
        document = _json(body)
    except _UNREADABLE as exc:
        message = f"the file cannot be rewritten as JSON: {exc}"
        bare = _COMMENT.sub(lambda hit: hit[1] or " ", body)
        with suppress(*_UNREADABLE):
            _json(_COMMA.sub(lambda hit: hit[1] or "", bare))
            message = "the file has comments or trailing commas, which a rewrite would lose"
        raise UsageError(message) from exc
    if not isinstance(document, dict):
        raise UsageError("the file holds no JSON object")
    return document


def _json(body: str) -> Any:
    return json.loads(
        body, object_pairs_hook=_unique, parse_float=_exact, parse_constant=_no_number
    )


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        raise ValueError("a key is given twice")
    return table


def _exact(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number) or Decimal(digits) != Decimal(repr(number)):
        raise ValueError(f"the number {digits} would be rounded")
    return number


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is not JSON")


def _layout(text: str) -> dict[str, Any]:
    """Return the `json.dumps` arguments that come nearest to how `text` is laid out."""
    if indent := re.match(r'\{[ \t]*\r?\n([ \t]+)"', text):
        return {"indent": indent[1]}
    if "\n" in text or re.fullmatch(r"\{\s*\}", text):
        return {"indent": 2}
    return {"separators": (",", ":")} if re.match(r'\{"[^"]*":\S', text) else {}


def _toml(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as exc:
        raise UsageError(f"the file is not valid TOML: {exc}") from exc


def _header(line: str) -> tuple[str, ...] | None:
    """Return the key path of a table header, or None for any other line."""
    if not line.lstrip().startswith("["):
        return None
    try:
        node: Any = tomllib.loads(line)
    except ValueError:
        return None
    path: list[str] = []
    while node and isinstance(node, dict):
        ((key, node),) = node.items()
        path.append(key)
    return tuple(path)


def _holds(table: Any, path: Sequence[str]) -> bool:
    for key in path:
        if not isinstance(table, dict) or key not in table:
            return False
        table = table[key]
    return True


def _grafted(before: Mapping[str, Any], new: Mapping[str, Any], path: Sequence[str]) -> Any:
    """Return `before` with the value at `path` taken from `new`."""
    key, *rest = path
    if not rest:
        return {**before, key: new[key]}
    inner = before.get(key, {})
    if not isinstance(inner, dict):
        raise UsageError(f"{key!r} is not a table")
    return {**before, key: _grafted(inner, new[key], rest)}
