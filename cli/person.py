"""Forgetting a person, on a terminal: the plan, and what is left to do afterwards."""

import shlex
from collections.abc import Sequence

from cli import output
from memory.requests import GROUND_SAYS, Request
from memory.types import Evidence, ForgetPlan, PlannedMemory, Receipt

EACH = 6  # memories of a kind of evidence that are shown

# What each kind of evidence means, in words for a person.
SAYS: dict[Evidence, str] = {
    "said_by": "said or written by them",
    "about": "about them: in their scope, or names them and nobody else",
    "mentions": "said by others, or about others too, and names them",
    "shared_name": "only has a name that others bear, too",
}


def show(plan: ForgetPlan) -> None:
    """Draw the plan of forgetting a person, by why each memory was found."""
    output.heading(f"Forget {output.line(plan.subject)}")
    output.show(
        ("Plan: ", "bold"),
        (output.many(len(plan.ids), "memory"), "bold red"),
        f" to be erased, chosen by {', '.join(plan.selected_by).replace('_', ' ')}",
    )
    for why in SAYS:
        _kind(why, [one for one in plan.memories if one.why == why], "red")
    if plan.people:
        output.show(("  names", "red"), "  their name, aliases, e-mails and handles go as well")
    others = [one for one in plan.aside if one.why == "mentions"]
    if others:
        output.show(
            (f"\nAsked separately: {output.many(len(others), 'memory')}", "bold yellow"),
            ("  stay unless you add --with-mentions", "yellow"),
        )
        _kind("mentions", others, "yellow")
    shared = [one for one in plan.aside if one.why == "shared_name"]
    if shared:
        stay = "stays" if len(shared) == 1 else "stay"
        output.show(
            (f"\nNot sure: {output.many(len(shared), 'memory')}", "bold yellow"),
            (f"  {stay} unless you give ids beside --subject", "yellow"),
        )
        _kind("shared_name", shared, "yellow")


def _kind(why: Evidence, found: Sequence[PlannedMemory], style: str) -> None:
    if found:
        output.show((f"  {len(found):,} ", style), SAYS[why])
        excerpts(found, EACH)


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
    """Draw what is left to do after a person was forgotten."""
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
    output.show(("\nNext", "bold"))
    for number, step in enumerate(steps, 1):
        output.show((f"  {number}. ", "dim"), step)
