"""`mem receipt`: what past erasures did, and how it is shown."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from cli import output
from cli.declare import Argument, Home, Json
from cli.opening import opened
from memory.errors import NotFoundError

STYLES = {"pass": "green", "fail": "bold red", "pending": "yellow", "not_claimed": "dim"}
STATES = {
    "verified": ("verified", "bold green"),
    "pending": ("pending", "bold yellow"),
    "failed": ("failed", "bold red"),
}
# What each probe of a receipt looked at, in words for a person.
PROBES = {
    "rows": "rows of the database",
    "text_index": "terms of the full-text index",
    "bytes": "bytes of every file",
    "vectors": "vectors in every file",
    "files": "every file has an eraser",
    "log": "write-ahead logs are empty",
    "copies": "copies outside the store",
    "medium": "freed blocks of the drive",
}


def list_(*, store: Home = None, as_json: Json = False) -> None:
    """List the receipts of past erasures."""
    with opened(store) as memories:
        found = memories.receipts()
    if as_json:
        output.emit({"receipts": found})
        return
    rows = [
        (one["erasure"], one["day"], STATES.get(one["state"], one["state"]), str(one["memories"]))
        for one in found
    ]
    if rows:
        output.table(("erasure", "day", "state", "memories"), rows, numbers=("memories",))
    else:
        output.say("nothing was forgotten yet")


def show(
    erasure: Annotated[str, Argument("Id of the erasure.", "ID")],
    *,
    store: Home = None,
    as_json: Json = False,
) -> None:
    """Show one receipt."""
    with opened(store) as memories:
        found = [one for one in memories.receipts() if one["erasure"] == erasure]
    if not found:
        raise NotFoundError(
            f"no receipt has id {erasure!r}", hint="'mem receipt list' shows ids", ids=(erasure,)
        )
    if as_json:
        output.emit(found[-1])
    else:
        draw(found[-1])


def draw(receipt: Mapping[str, Any], *, took: float | None = None) -> None:
    """Draw a receipt: what went, what was verified, what is pending, what is not claimed."""
    state, style = STATES.get(receipt["state"], (receipt["state"], ""))
    seconds = "" if took is None else f" in {took:.1f} s"
    output.show(
        ("Receipt ", "bold"),
        (str(receipt["erasure"]), "bold cyan"),
        "  ",
        (state, style),
        (f"  {output.many(receipt['memories'], 'memory')} on {receipt['day']}{seconds}", "dim"),
    )
    _counts(receipt["erased"])
    _probes(receipt["probes"])
    if receipt["state"] == "pending":
        held = receipt["blocked_by"] or "another process"
        output.show(("Gone from every recall. The bytes go when the file is let go", "yellow"))
        output.show((f"and the store is next opened; it is held by {held}.", "yellow"))
    if receipt["state"] == "failed":
        output.show(("Something was found after the erasure: run 'mem doctor'.", "bold red"))


def _counts(erased: Mapping[str, int]) -> None:
    output.show(("erased: ", "dim"), output.tally(erased) or "nothing")


def _probes(probes: Sequence[Mapping[str, str]]) -> None:
    rows = [
        (
            (one["result"].replace("_", " "), STYLES.get(one["result"], "")),
            PROBES.get(one["name"], one["name"]),
            (one["detail"], "dim"),
        )
        for one in probes
    ]
    output.table(("", "looked at", "found"), rows)
