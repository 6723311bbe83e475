"""`mem reembed`: vectors of another model, or those that are missing."""

from pathlib import Path
from typing import Annotated

from cli import output
from cli.declare import Home, Json, Option
from cli.opening import opened


def run(
    *,
    model: Annotated[
        str, Option("--model", "Name or folder of the model; the store's own if not given.")
    ] = "",
    store: Home = None,
    as_json: Json = False,
) -> None:
    """Make every vector anew.

    The old ones serve until the last is made, and an interrupted run goes on where it was.
    """
    folder = Path(model).expanduser()
    chosen = str(folder.resolve()) if model and folder.is_dir() else model
    with opened(store) as memories:
        total = memories.stats().memories
        try:
            with output.progress("embedding", total) as advance:
                made = memories.reembed(chosen, progress=advance)
        except KeyboardInterrupt:
            output.say("what was made so far stays; the same command goes on from there")
            raise
        used = memories.embedder
        answer = {"made": made, "space": None if used is None else used.space}
    if as_json:
        output.emit(answer)
    else:
        output.write(f"{output.many(made, 'vector')} made in {answer['space']}")
