"""What `mem demo` draws for a person."""

from collections.abc import Mapping, Sequence
from typing import Any

from cli import output
from cli.forget import show as show_plan
from cli.recall import why
from cli.receipt import draw
from memory.importing import Imported
from memory.types import ForgetPlan, Hit, Receipt
from memory.wire import plain

BAR = 10
EXCERPT = 190  # characters of the best hit
GLANCE = 140  # of the others
PLANNED_SHOWN = 5


def imported(done: Imported, took: float) -> None:
    """Say how many turns came in and how fast."""
    output.show(
        (f"{done.created:,} turns", "bold"),
        f" in {took:.1f} s, each with its vectors, columns, order and lineage",
        (f"  ({done.created / took:,.0f} per second)", "dim"),
    )


def counted(persons: Mapping[str, int], weeks: Mapping[str, int]) -> None:
    """Draw the turns per person and per week."""
    output.bars(persons, title="who")
    output.bars(weeks, title="when")


def asked(query: str, scope: str, took: float | None = None) -> None:
    """Draw a question, where it was asked, and how long the answer took."""
    output.show()
    output.show(
        ("? ", "bold cyan"),
        (query, "bold"),
        (f"  {scope or 'every scope'}", "dim"),
        (f"  {took:.0f} ms" if took is not None else "", "dim"),
    )


def hits(
    found: Sequence[Hit], marked: frozenset[str], *, explain: bool = False, alarm: bool = False
) -> None:
    """Draw hits with a bar for each score; those a person marked as the answer are ticked."""
    top = found[0].score if found else 0.0
    rows = []
    for hit in found:
        answer = hit.memory.text in marked
        tick = ("!" if alarm else "+", "bold red" if alarm else "bold green") if answer else ""
        text = output.short(hit.memory.text, EXCERPT if hit.rank == 1 else GLANCE)
        if explain and hit.rank == 1:
            text += f"\nwhy: {why(hit)}"
        filled = output.bar(hit.score / top if top > 0 else 0.0, BAR)
        origin = f"{hit.memory.actor}\n{output.day(hit.memory.at)}"
        rows.append((tick, (filled, "cyan"), f"{hit.score:.2f}", (origin, "dim"), text))
    if rows:
        output.table(("", "", "", "", ""), rows, widths=(1, BAR, 4, 10, None))
    else:
        output.show(("  nothing", "dim"))


def searched(found: Mapping[str, Any], needles: Sequence[str], when: str) -> None:
    """Say what the search through all bytes of the store found."""
    count = found["occurrences"]
    where = ", ".join(f"{name} {n}" for name, n in found["found_in"].items())
    output.show()
    output.show(
        (f"Bytes {when}: ", "bold"),
        (f"{count:,} occurrences", "bold red" if count else "bold green"),
        f" of {len(needles)} words in {output.many(found['files'], 'file')}",
        (f"  ({where})" if where else "", "dim"),
    )
    if when == "before":
        output.show((f"  {', '.join(needles)}", "dim"))


def plan(planned: ForgetPlan) -> None:
    """Draw the plan of the forget, as `mem forget --dry-run` does."""
    output.show()
    show_plan(planned, limit=PLANNED_SHOWN)


def receipt(done: Receipt, took: float) -> None:
    """Draw the receipt."""
    output.show()
    draw(plain(done), took=took)


def end(found: Mapping[str, Any], kept: str) -> None:
    """Sum the demo up."""
    output.heading("Summary")
    ranked = [one["rank"] for one in found["recall"]]
    before, after = found["bytes"]["before"], found["bytes"]["after"]
    first = sum(1 for rank in ranked if rank is not None)
    rows = (
        ("import", f"{found['import']['created']:,} turns in {found['import']['seconds']} s"),
        ("recall", f"{first} of {len(ranked)} questions answered among the first hits shown"),
        ("forget", f"{found['forget']['memories']} memories in {found['forget']['seconds']} s"),
        ("bytes", f"{before['occurrences']} occurrences before, {after['occurrences']} after"),
        ("in all", f"{found['seconds']} s"),
    )
    output.table(("", ""), rows)
    if kept:
        output.show(("kept: ", "dim"), kept)
    good = ("all of it as promised", "bold green")
    output.show(good if found["ok"] else ("NOT as promised", "bold red"))
