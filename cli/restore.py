"""`mem restore`: what a backup has and the store lacks comes back."""

from pathlib import Path
from typing import Annotated

from cli import output
from cli.backup import secret
from cli.declare import Argument, Home, Json, Option
from cli.opening import opened


def run(
    file: Annotated[str, Argument("A file that 'mem backup' wrote.")],
    *,
    accept_unknown_erasures: Annotated[
        bool,
        Option("--accept-unknown-erasures", "Let content back in of which it is not known here."),
    ] = False,
    store: Home = None,
    as_json: Json = False,
) -> None:
    """Bring back what a backup has and the store lacks.

    An empty folder takes over everything. What the store holds keeps its present wording. What was
    erased since stays erased, whatever the backup has. It is all done or nothing.
    """
    place = Path(file).expanduser()
    with opened(store, create=True) as memories:
        given = secret(memories.home, place)
        with output.steps("restoring") as say:
            done = memories.restore(place, given, accept_unknown=accept_unknown_erasures, say=say)
    if as_json:
        output.emit(done)
        return
    output.write(
        f"{output.many(done.memories, 'memory')} back from {done.day}; {done.known:,} were here, "
        f"{done.erased:,} stay erased"
    )
    if done.unknown_erasures:
        output.say(
            f"{output.many(done.unknown_erasures, 'erasure')} of later days are not replayed: "
            "what they erased may be back"
        )
    if done.revived:
        output.say("erased once, and here again: mem forget " + " ".join(done.revived))
