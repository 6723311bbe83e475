"""`mem export`: every memory as a JSON line that `mem import` reads back."""

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from cli import output
from cli.declare import Argument, Home, Json, Option
from cli.opening import opened
from memory import Store
from memory.errors import UsageError
from memory.wire import dumps


def run(
    file: Annotated[str, Argument("File to write, or - for standard output.")] = "-",
    *,
    scope: Annotated[str, Option("--scope -s", "Only what lies inside this scope.")] = "",
    store: Home = None,
    as_json: Json = False,
) -> None:
    """Write memories as JSON lines.

    A file is readable by you alone, and the store remembers that it exists: receipts of later
    erasures name it. What a shell makes of standard output, no erasure can know.
    """
    with opened(store) as memories:
        lines = (dumps(one) + "\n" for one in memories.export(scope))
        if file == "-":
            memories.disclosed_copy("standard output", "export", scope=scope)
            sys.stdout.writelines(lines)
            return
        place = Path(file).expanduser().resolve()
        if place.is_relative_to(memories.home.resolve()):
            raise UsageError(
                "an export inside the store would fail every later erasure",
                hint="choose another folder",
            )
        count = written(memories, place, lines, scope)
    if as_json:
        output.emit({"path": str(place), "memories": count})
    else:
        output.write(f"{output.many(count, 'memory')} in {place}")


def written(memories: Store, place: Path, lines: Iterator[str], scope: str = "") -> int:
    """Put the lines into a new private file, move it over `place`, return their number.

    The copy is registered first: one that was made and is not known would be worse than one that
    is known and was never made.
    """
    count = 0
    handle, name = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            for line in lines:
                out.write(line)
                count += 1
            out.flush()
            os.fsync(out.fileno())
        memories.register_copy(place, "export", scope=scope)
        Path(name).replace(place)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return count
