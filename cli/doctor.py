"""`mem doctor`: is the store whole, and what repairs it."""

from typing import Annotated

from cli import output
from cli.declare import Home, Json, Option
from cli.opening import opened
from memory.errors import StoreError
from memory.types import Finding


def run(
    *,
    repair: Annotated[
        bool, Option("--repair", "Rebuild what is derived, close permissions, finish erasures.")
    ] = False,
    forensic: Annotated[
        bool, Option("--forensic", "Also account for every byte of the databases.")
    ] = False,
    store: Home = None,
    as_json: Json = False,
) -> int:
    """Examine the store and say how to repair it.

    Pages, full-text index, digests, order, lineage, vectors, erasures, files and permissions.
    With --forensic also every byte that no row uses, and the blocks of the full-text index.
    Ends with 4 if anything is not as it should be.
    """
    with opened(store) as memories:
        done = memories.repair() if repair else ()
        found = memories.check(forensic=forensic)
    well = all(one.ok for one in found)
    if as_json:
        output.emit({"ok": well, "repaired": done, "findings": found})
    else:
        for said in done:
            output.say(f"repaired: {said}")
        show(found)
    return 0 if well else StoreError.exit_code


def show(found: tuple[Finding, ...]) -> None:
    """Draw the findings, those that do not hold with their repair."""
    rows: list[tuple[output.Cell, ...]] = []
    for one in found:
        mark = ("ok", "green") if one.ok else ("bad", "bold red")
        rows.append((mark, one.check, one.detail))
        if not one.ok and one.repair:
            rows.append(("", "", (f"repair: {one.repair}", "yellow")))
    output.table(("", "check", "found"), rows)
