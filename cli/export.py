"""`mem export`: every memory as a JSON line that `mem import` reads back."""

import sys
from pathlib import Path
from typing import Annotated

from cli import output
from cli.declare import Argument, Home, Json, Option
from cli.opening import opened
from memory.wire import dumps


def run(
    file: Annotated[str, Argument("File to write, or - for standard output.")] = "-",
    *,
    scope: Annotated[str, Option("--scope -s", "Only what lies inside this scope.")] = "",
    store: Home = None,
    as_json: Json = False,
) -> None:
    """Write memories as JSON lines.

    'mem import' reads them back without loss. A file is readable by you alone, and the store
    remembers that it exists: receipts of later erasures count it. What a shell makes of standard
    output, no erasure can know.
    """
    with opened(store) as memories:
        if file == "-":
            memories.disclosed_copy("standard output", "export", scope=scope)
            sys.stdout.writelines(dumps(one) + "\n" for one in memories.export_lines(scope))
            return
        place = Path(file).expanduser().resolve()
        with output.progress(f"exporting to {place.name}", memories.stats().memories) as advance:
            count = memories.export_to(place, scope, progress=advance)
    if as_json:
        output.emit({"path": str(place), "memories": count})
    else:
        output.write(f"{output.many(count, 'memory')} in {place}")
