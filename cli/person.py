"""Forgetting a person, on a terminal: the plan, and what is left to do afterwards."""

import shlex
from collections.abc import Sequence

from cli import output
from memory.requests import GROUND_SAYS, Request
from memory.types import Evidence, ForgetPlan, PlannedMemory, Receipt

EACH = 6  # memories of a kind of evidence that 'mem subject show' shows
SOME = 3  # and that a plan does

# What each kind of evidence means, in words for a person.
SAYS: dict[Evidence, str] = {
    "said_by": "said or written by them",
    "about": "about them: in their scope, or names them and nobody else",
    "mentions": "said by others, or about others too, and names them",
    "shared_name": "only has a name that others bear, too",
}

_SHORT: dict[Evidence, str] = {
    "said_by": "said by them",
    "about": "about them",
    "mentions": "mentions",
    "shared_name": "with a shared name",
}
# What becomes of those that a name alone does not take, and how they can be taken, too.
STAYS: dict[Evidence, tuple[str, str]] = {
    "said_by": ("stays", "not chosen"),
    "about": ("stays", "not chosen"),
    "mentions": ("asked separately", "--with-mentions"),
    "shared_name": ("stays", "give its id, too"),
}


def show(plan: ForgetPlan) -> None:
    """Draw the plan of forgetting a person: what goes, what is asked separately, what stays."""
    output.heading(f"Forget {output.line(plan.subject)}")
    output.show(
        ("Plan: ", "bold"),
        (output.many(len(plan.ids), "memory"), "bold red"),
        f" to be erased, chosen by {', '.join(plan.selected_by).replace('_', ' ')}",
    )
    goes = _by_evidence(plan.memories)
    left = _by_evidence(plan.aside)
    rows: list[tuple[output.Cell, ...]] = [
        (("goes", "bold red"), f"{len(found):,}", SAYS[why]) for why, found in goes.items()
    ]
    if plan.names:
        said = f"names and addresses: {', '.join(output.line(one) for one in plan.names)}"
        rows.append((("goes", "bold red"), f"{len(plan.names):,}", said))
    for why, found in left.items():
        word, way = STAYS[why]
        rows.append(((word, "bold yellow"), f"{len(found):,}", f"{SAYS[why]} ({way})"))
    if rows:
        output.table(("", "number", "what"), rows, numbers=("number",))
    for why, found in goes.items():
        _some(f"goes: {SAYS[why].partition(':')[0]}", found)
    for why, found in left.items():
        _some(f"{STAYS[why][0]}: {SAYS[why].partition(':')[0]}", found)


def _by_evidence(found: Sequence[PlannedMemory]) -> dict[Evidence, list[PlannedMemory]]:
    sorted_out = {why: [one for one in found if one.why == why] for why in SAYS}
    return {why: some for why, some in sorted_out.items() if some}


def _some(title: str, found: Sequence[PlannedMemory]) -> None:
    output.show((title, "bold"))
    for one in found[:SOME]:
        one_line(one.id, "", one.excerpt)
    if len(found) > SOME:
        output.show((f"  and {len(found) - SOME:,} more; --json lists them", "dim"))
    output.write()


def one_line(ident: str, about: str, text: str) -> None:
    """Draw a memory on one line, its text cut to the width of the terminal."""
    about = f"  {output.line(about)}" if about else ""
    room = max(20, output.console().width - len(ident) - len(about) - 4)
    output.show((f"  {ident}{about}", "dim"), "  ", output.short(text, room))


def excerpts(found: Sequence[PlannedMemory], limit: int) -> None:
    """Draw the first memories of a plan."""
    if not found:
        return
    output.by_scope((one.scope, one.id, output.line(one.excerpt)) for one in found[:limit])
    if len(found) > limit:
        output.show((f"and {len(found) - limit:,} more; --json lists them", "dim"))


def show_request(asked: Request) -> None:
    """Draw the request that an erasure is to answer."""
    output.show(
        ("answers: ", "dim"),
        f"request {asked.id}, received {asked.received}, ",
        due(asked),
        (f", ground ({asked.ground}) {GROUND_SAYS[asked.ground]}" if asked.ground else "", ""),
    )


def due(asked: Request) -> output.Cell:
    """Return by when an answer is owed, in words, and how urgent that is."""
    if asked.days_left is None:
        return (f"{asked.state} on {asked.answered}", "green" if asked.state == "done" else "")
    if asked.overdue:
        return (f"overdue since {asked.due}", "bold red")
    left = "today" if not asked.days_left else f"in {output.many(asked.days_left, 'day')}"
    return (f"due {asked.due}, {left}", "yellow" if asked.days_left < 8 else "")


def aftermath(plan: ForgetPlan, receipt: Receipt) -> None:
    """Draw what went by kind, and what is left to do after a person was forgotten."""
    went = {_SHORT[why]: len(found) for why, found in _by_evidence(plan.memories).items()}
    if said := output.tally({**went, "names": len(plan.names)}):
        output.show((f"\nForgotten of {output.line(plan.subject)}: ", "bold"), said)
    steps = []
    if receipt.state == "pending":
        steps.append("close other programs that use the store; it is finished at its next start")
    if receipt.state == "failed":
        steps.append("'mem doctor' says what was found; the request stays open until it is gone")
    told = sum(receipt.recipients.values()) or sum(
        probe.counts.get("copies", 0) for probe in receipt.probes if probe.name == "copies"
    )
    if told:
        steps.append(
            f"tell {output.many(told, 'recipient')}: exports and backups may hold it (Article 19);"
            " 'mem stats' lists them"
        )
    others = sum(1 for one in plan.aside if one.why == "mentions")
    if others:
        line = shlex.join(["mem", "forget", "--subject", plan.subject, "--with-mentions"])
        steps.append(f"{output.many(others, 'memory')} of others still name them: {line}")
    shared = sum(1 for one in plan.aside if one.why == "shared_name")
    if shared:
        steps.append(f"look at {output.many(shared, 'memory')} with a name that others bear, too")
    steps += [
        f"tell the person by {one.due}: 'mem request show {one.id}'"
        for one in receipt.request
        if receipt.state == "verified"
    ]
    steps.append(f"for your records: mem receipt show {receipt.erasure} --html receipt.html")
    output.show(("Next", "bold"))
    for number, step in enumerate(steps, 1):
        output.show((f"  {number}. ", "dim"), step)
