"""`mem recipients`: who was given memories, and whom an erasure has to be told to."""

from collections.abc import Sequence
from typing import Annotated

from cli import output
from cli.declare import Argument, Home, Json
from cli.opening import opened
from memory.hold_types import Notification, Outcome19

Erasure = Annotated[str, Argument("Id of the erasure.", "ERASURE")]
Named = Annotated[str, Argument("Name of the recipient, or kind:name.", "RECIPIENT")]

_OUTCOMES = {
    "to-do": ("to do", "yellow"),
    "notified": ("notified", "green"),
    "impossible": ("impossible", "dim"),
    "disproportionate": ("disproportionate", "dim"),
}


def list_(
    erasure: Annotated[str, Argument("Only those of this erasure.", "ERASURE")] = "",
    *,
    store: Home = None,
    as_json: Json = False,
) -> None:
    """List who was given memories, and what they were told.

    Agents are told by the memory server itself when they next call. Of the rest you say what
    became of it: 'mem recipients notified', 'impossible' or 'disproportionate'.
    """
    with opened(store) as memories:
        given = () if erasure else memories.recipients()
        told = memories.notifications(erasure)
    if as_json:
        output.emit({"recipients": given, "notifications": told})
        return
    if given:
        rows = [
            (one.kind, one.name, str(one.memories or "range"), one.first, one.last) for one in given
        ]
        output.table(("kind", "recipient", "memories", "first", "last"), rows,
                     numbers=("memories",))  # fmt: skip
    draw(told)
    if not given and not told:
        output.say("nobody was given any memory")


def draw(told: Sequence[Notification]) -> None:
    """Draw whom erasures have to be told to, and what became of it."""
    rows = [
        (one.erasure, one.kind, one.name, str(one.memories), _OUTCOMES[one.outcome], one.settled)
        for one in told
    ]
    if rows:
        columns = ("erasure", "kind", "recipient", "erased", "told", "day")
        output.table(columns, rows, numbers=("erased",))


def notified(
    erasure: Erasure, recipient: Named, *, store: Home = None, as_json: Json = False
) -> None:
    """Record that a recipient was told of an erasure."""
    _settle(erasure, recipient, "notified", store, as_json=as_json)


def impossible(
    erasure: Erasure, recipient: Named, *, store: Home = None, as_json: Json = False
) -> None:
    """Record that telling a recipient is impossible."""
    _settle(erasure, recipient, "impossible", store, as_json=as_json)


def disproportionate(
    erasure: Erasure, recipient: Named, *, store: Home = None, as_json: Json = False
) -> None:
    """Record that telling a recipient would be disproportionate."""
    _settle(erasure, recipient, "disproportionate", store, as_json=as_json)


def _settle(
    erasure: str, recipient: str, outcome: Outcome19, store: str | None, *, as_json: bool
) -> None:
    with opened(store) as memories:
        done = memories.notified(erasure, recipient, outcome)
    if as_json:
        output.emit(done)
    else:
        output.write(f"{done.kind} {output.line(done.name)}: {done.outcome}")
