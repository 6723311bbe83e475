"""`mem list`: memories inside a scope, newest first."""

import sys
from typing import Annotated

from cli import output
from cli.declare import Home, Json, Option
from cli.opening import opened
from memory.types import Kind, Memory

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
    if not sys.stdout.isatty():
        for one in found:
            fields = (one.id, output.day(one.at), one.kind, one.actor, one.scope, one.text)
            output.write("\t".join(output.line(field) for field in fields))
    elif found:
        output.by_scope((one.scope, one.id, _line(one)) for one in found)
    if len(found) == limit:
        output.say(f"there may be more: --before {found[-1].id}")


def _line(memory: Memory) -> str:
    head = "  ".join(filter(None, (output.day(memory.at), memory.kind, output.line(memory.actor))))
    return f"{head}\n{output.short(memory.text, EXCERPT)}"
