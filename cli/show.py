"""`mem show`: everything about some memories."""

from typing import Annotated

from cli import output
from cli.declare import Argument, Home, Json
from cli.opening import opened
from memory.types import Memory, Provenance


def run(
    ids: Annotated[list[str], Argument("Ids of memories.", "ID...")],
    *,
    store: Home = None,
    as_json: Json = False,
) -> None:
    """Show memories in full, with their provenances."""
    with opened(store) as memories:
        found = [memories.get(one) for one in ids]
    if as_json:
        output.emit({"memories": found})
        return
    for number, one in enumerate(found):
        if number:
            output.write()
        whole(one)


def whole(memory: Memory) -> None:
    """Write every field of a memory."""
    fields = {
        "id": memory.id,
        "kind": memory.kind,
        "scope": memory.scope,
        "title": memory.title,
        "actor": memory.actor,
        "at": memory.at.isoformat(),
        "recorded": memory.recorded_at.isoformat(),
        "valid from": memory.valid_from and memory.valid_from.isoformat(),
        "valid to": memory.valid_to and memory.valid_to.isoformat(),
    }
    for name, value in fields.items():
        if value:
            output.write(f"{name + ':':<12}{output.line(value)}")
    for one in memory.provenances:
        output.write(f"{'from:':<12}{_origin(one)}")
    output.write(f"\n{memory.text}")


def _origin(one: Provenance) -> str:
    parts = (one.root, one.source, one.actor, one.uri, one.at.isoformat())
    return "  ".join(output.line(part) for part in parts if part)
