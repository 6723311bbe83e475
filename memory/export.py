"""Export: every memory as one JSON line that `mem import` reads back."""

from collections.abc import Iterator
from typing import Any

from memory import records
from memory.db import Connection
from memory.scope import Scope
from memory.wire import plain


def export(con: Connection, scope: Scope) -> Iterator[dict[str, Any]]:
    """Yield the memories inside a scope, oldest first, with all their provenances."""
    inside = None
    if scope.values:
        inside = [ident for ident, other in records.scopes(con) if scope.contains(other)]
    for memory in records.stream(con, inside):
        yield plain(memory)
