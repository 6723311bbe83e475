"""Canonical JSON of the frozen values: what `--json`, MCP and export lines consist of."""

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from typing import Any


def plain(value: Any) -> Any:
    """Return `value` as dicts, lists and scalars; datetimes become ISO 8601 with a `Z`."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def dumps(value: Any, *, indent: int | None = None) -> str:
    """Return one JSON text: keys in the order of the value's fields, non-ASCII kept."""
    return json.dumps(plain(value), ensure_ascii=False, indent=indent, allow_nan=False)
