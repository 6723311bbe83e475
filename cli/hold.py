"""`mem hold`: memories that a legal hold restricts, who may read them, and how it ends."""

from typing import Annotated

from cli import output
from cli.declare import Argument, Home, Json, Option
from cli.opening import opened, person
from cli.receipt import draw
from cli.show import whole
from memory.errors import NotFoundError, UsageError
from memory.hold_types import (
    HOLD_GROUNDS,
    AccessReason,
    Hold,
    HoldGround,
    HoldReport,
    HoldTerms,
)
from memory.types import Memory, Selector
from memory.wire import plain


def place(  # noqa: PLR0913 - one parameter per option
    ids: Annotated[list[str] | None, Argument("Ids of memories.", "ID...")] = None,
    *,
    ground: Annotated[HoldGround, Option("--ground", "Article and letter that require it.")],
    authority: Annotated[
        str, Option("--authority", "Who requires it: a court, an office, a file number.", "NAME")
    ],
    reviewer: Annotated[str, Option("--reviewer", "Who looks at it again.", "NAME")],
    expires: Annotated[
        str, Option("--expires", "Day on which they do; nothing is released by itself.", "DAY")
    ],
    query: Annotated[
        str, Option("--query", "Those that hold all of these words, or this phrase.", "WORDS")
    ] = "",
    scope: Annotated[str, Option("--scope -s", "Those inside this scope.")] = "",
    source: Annotated[
        str,
        Option("--source", "A uri, the start of one and *, class:CLASS or root:NAME."),
    ] = "",
    store: Home = None,
    as_json: Json = False,
) -> int:
    """Restrict memories: out of everything, on record.

    All that is given must match. Restricted memories are in no recall, list, search, export or
    training sample until the hold is released; what somebody asks to erase meanwhile is erased
    then. Ends with 3 when another program holds the file, so that old copies of the words go only
    when it lets go.
    """
    said = HoldTerms(ground=ground, authority=authority, reviewer=reviewer, expires=expires)
    chosen = Selector(ids=tuple(ids or ()), query=query, scope=scope, source=source)
    with opened(store) as memories:
        hold = memories.place_hold(chosen, said)
        sealed = memories.sealed
    if as_json:
        output.emit(hold)
    else:
        output.write(f"{output.many(hold.memories, 'memory')} restricted by hold {hold.id}")
    if not sealed:
        output.say("another program holds the file: old bytes go when the store is next opened")
    return 0 if sealed else NotFoundError.exit_code


def list_(*, store: Home = None, as_json: Json = False) -> None:
    """List the legal holds."""
    with opened(store) as memories:
        found = memories.holds()
    if as_json:
        output.emit({"holds": found})
    elif found:
        rows = [
            (one.id, one.ground, _expiry(one), str(one.memories), str(one.deferred), one.authority)
            for one in found
        ]
        columns = ("id", "ground", "expires", "memories", "to erase", "authority")
        output.table(columns, rows, numbers=("memories", "to erase"))
    else:
        output.say("nothing is held")


def _expiry(hold: Hold) -> output.Cell:
    return (f"{hold.expires} due", "bold yellow") if hold.due else hold.expires


def show(
    ident: Annotated[str, Argument("Id of a hold, or of a memory to read.", "ID")],
    *,
    read: Annotated[
        bool, Option("--read", "Read a restricted memory; who and why is recorded.")
    ] = False,
    reason: Annotated[AccessReason | None, Option("--reason", "Why you read it.")] = None,
    store: Home = None,
    as_json: Json = False,
) -> None:
    """Show a hold, or read a restricted memory.

    A hold shows its terms, the ids it restricts and who read them. The text of a memory needs
    --read and --reason, and goes on record before it is shown.
    """
    with opened(store) as memories:
        if read:
            if reason is None:
                raise UsageError("nobody reads a restricted memory without a reason",
                                 hint="add --reason, for example --reason review")  # fmt: skip
            memory = memories.read_held(ident, root=person(), reason=reason)
            _read(memory, as_json=as_json)
            return
        report = memories.hold(ident)
    if as_json:
        output.emit(report)
    else:
        _show(report)


def _read(memory: Memory, *, as_json: bool) -> None:
    if as_json:
        output.emit(memory)
    else:
        whole(memory)


def _show(report: HoldReport) -> None:
    hold = report.hold
    rows = (
        ("hold", hold.id),
        ("ground", f"{hold.ground}: {HOLD_GROUNDS[hold.ground]}"),
        ("authority", hold.authority),
        ("reviewer", hold.reviewer),
        ("placed", f"{hold.day}, chosen by {', '.join(hold.selected_by)}"),
        ("expires", _expiry(hold)),
    )
    output.table(("", ""), rows)
    output.table(
        ("id", ""),
        [
            (
                one.id,
                "; ".join(
                    said
                    for said, so in (
                        ("to be erased when it is released", one.deferred),
                        (f"also under {output.many(one.others, 'other hold')}", one.others),
                    )
                    if so
                ),
            )
            for one in report.memories
        ],
    )
    if report.accesses:
        read = [(one.memory, one.day, one.reason, one.root) for one in report.accesses]
        output.table(("id", "day", "reason", "read by"), read)


def release(
    hold: Annotated[str, Argument("Id of the hold.", "ID")],
    *,
    store: Home = None,
    as_json: Json = False,
) -> int:
    """End a hold.

    Its memories are live again with their ids, times and places. Those that somebody asked to
    erase meanwhile are erased now, and you see the receipts. What another hold needs stays.
    """
    with opened(store) as memories:
        done = memories.release_hold(hold)
    if as_json:
        output.emit(done)
    else:
        output.write(f"{output.many(len(done.returned), 'memory')} back in the store")
        if done.still_held:
            output.write(f"{output.many(done.still_held, 'memory')} still under another hold")
        for receipt in done.receipts:
            draw(plain(receipt))
    pending = any(receipt.state != "verified" for receipt in done.receipts)
    return NotFoundError.exit_code if pending else 0
