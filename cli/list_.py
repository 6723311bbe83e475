"""`mem list`: memories inside a scope, newest first."""

import sys
from typing import Annotated

from cli import output
from cli.declare import Home, Json, Option
from cli.opening import opened
from memory.types import Kind

EXCERPT = 160


def run(
    *,
    scope: Annotated[str, Option("--scope -s", "Only what lies inside this scope.")] = "",
    kinds: Annotated[list[Kind] | None, Option("--kind -k", "Only this kind; repeatable.")] = None,
    limit: Annotated[int, Option("--limit -n", "At most so many.")] = 50,
    before: Annotated[
        str, Option("--before", "Only memories older than this one: the next page.", "ID")
    ] = "",
    store: Home = None,
    as_json: Json = False,
) -> None:
    """List memories, newest first.

    In a pipe each is a line of id, day, kind, actor, scope and text, separated by tabs.
    """
    with opened(store) as memories:
        found = memories.list(scope=scope, kinds=kinds or (), limit=limit, before=before)
    if as_json:
        output.emit({"memories": found})
        return
    rows = [
        (one.id, output.day(one.at), one.kind, output.line(one.actor), output.line(one.scope))
        for one in found
    ]
    if not sys.stdout.isatty():
        for row, one in zip(rows, found, strict=True):
            output.write("\t".join((*row, output.line(one.text))))
    elif found:
        output.table(
            ("id", "day", "kind", "actor", "scope", "text"),
            [(*row, output.short(one.text, EXCERPT)) for row, one in zip(rows, found, strict=True)],
            numbers=("id", "day"),
        )
    if len(found) == limit:
        output.say(f"there may be more: --before {found[-1].id}")
