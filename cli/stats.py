"""`mem stats`: counts of a store."""

from collections.abc import Mapping, Sequence

from cli import output
from cli.declare import Home, Json
from cli.opening import opened
from memory.copies import Copy
from memory.types import Stats

SCOPES = 20


def run(*, store: Home = None, as_json: Json = False) -> None:
    """Count what is in the store."""
    with opened(store) as memories:
        found = memories.stats()
        overdue = [one for one in memories.backups() if one.overdue(memories.today())]
    if as_json:
        output.emit(found)
    else:
        show(found, overdue)


def show(found: Stats, overdue: Sequence[Copy] = ()) -> None:
    """Draw the counts, with bars for kinds and scopes."""
    vectors = ", ".join(f"{count:,} in {space}" for space, count in found.vectors.items())
    rows: tuple[tuple[output.Cell, ...], ...] = (
        ("store", found.path),
        ("id", found.store_id),
        ("size", output.size(found.bytes)),
        ("encryption", f"key by {found.encryption}" if found.encryption else "none"),
        ("memories", f"{found.memories:,}"),
        ("provenances", f"{found.provenances:,}"),
        ("vectors", vectors or "none"),
        ("without vector", f"{found.unembedded:,}"),
        ("feedback", f"{found.feedback:,}"),
        ("erasures", f"{found.erasures:,}, {found.pending_erasures:,} unfinished"),
        *([("requests", _requests(found))] if found.open_requests else []),
        *((("restricted", _held(found)),) if found.holds else ()),
        *(("copy", path) for path in found.copies),
        *(("expired backup", f"{one.path}: 'mem backup expire' shreds it") for one in overdue),
    )
    output.table(("", ""), rows)
    if found.by_kind:
        output.bars(_largest(found.by_kind), title="kind")
    scopes = _without_sessions(found.by_scope)
    if scopes:
        output.bars(_largest(scopes), title="scope, sessions summed up", width=24)
    if len(scopes) > SCOPES:
        output.say(f"and {len(scopes) - SCOPES:,} more scopes; --json lists them")


def _requests(found: Stats) -> output.Cell:
    said = f"{found.open_requests:,} open, {found.overdue_requests:,} overdue"
    return (said, "bold red") if found.overdue_requests else said


def _held(found: Stats) -> str:
    due = f", {found.holds_due:,} due for review" if found.holds_due else ""
    return f"{found.restricted:,} by {output.many(found.holds, 'hold')}{due}"


def _without_sessions(counts: Mapping[str, int]) -> dict[str, int]:
    summed: dict[str, int] = {}
    for scope, count in counts.items():
        wider = scope.partition("session:")[0].rstrip("/")
        summed[wider] = summed.get(wider, 0) + count
    return summed


def _largest(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda entry: -entry[1])[:SCOPES])
