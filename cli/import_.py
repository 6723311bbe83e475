"""`mem import`: a file or folder becomes memories."""

from pathlib import Path
from typing import Annotated, Literal

from cli import output
from cli.declare import Argument, Home, Json, Option
from cli.opening import opened
from memory.errors import MemError

Format = Literal["export", "jsonl", "markdown", "chat", "mcp"]
READER: dict[Format | None, str] = {None: "", "mcp": "mcp-memory"}  # where the names differ
COUNTED = 500_000_000  # bytes; a larger file is not read twice for the length of a bar


def run(
    path: Annotated[str, Argument("JSONL, a folder of Markdown, a chat, or an MCP memory file.")],
    *,
    form: Annotated[
        Format | None, Option("--format", "Its form; seen from its content if not given.")
    ] = None,
    scope: Annotated[str, Option("--scope -s", "Added to the scope of every item.")] = "",
    keep_secrets: Annotated[
        bool, Option("--keep-secrets", "Store passwords, keys and cards as they are.")
    ] = False,
    store: Home = None,
    as_json: Json = False,
) -> None:
    """Import a file or a folder.

    It is written in batches. An interrupted import goes on where it was when the same command
    is given again; one that ended can be repeated, as known texts are not stored twice.
    Items that were erased on request are left out and counted.
    """
    place = Path(path).expanduser()
    with opened(store, create=True) as memories:
        try:
            with output.progress(f"importing {place.name}", expected(place)) as advance:
                done = memories.import_from(
                    place,
                    reader=READER.get(form, form or ""),
                    scope=scope,
                    keep_secrets=keep_secrets,
                    progress=advance,
                )
        except KeyboardInterrupt:
            output.say("what was read so far stays; the same command goes on from there")
            raise
        except MemError as exc:
            exc.hint = exc.hint or "the batches before it stay; the same command goes on from there"
            raise
    if as_json:
        output.emit(done)
        return
    output.write(
        f"read {output.many(done.read, 'item')} as {done.reader}: {done.created:,} new, "
        f"{done.known:,} known already"
    )
    if done.resumed_at:
        output.say("went on where an earlier import was interrupted")
    if done.refused:
        output.say(f"left out {output.many(done.refused, 'item')}: erased on request before")
    if done.redacted:
        output.say(f"secrets were redacted in {output.many(done.redacted, 'item')}")


def expected(place: Path) -> int | None:
    """Return how many items a file of lines holds; None for everything else."""
    if place.suffix not in (".jsonl", ".ndjson") or not place.is_file():
        return None
    if place.stat().st_size > COUNTED:
        return None
    with place.open("rb") as lines:
        return sum(1 for line in lines if line.strip())
