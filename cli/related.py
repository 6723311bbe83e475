"""What `mem forget` shows and asks about memories beside those that were chosen."""

import sys
from collections.abc import Sequence

from cli import output
from memory import Store
from memory.errors import UsageError
from memory.hold_types import Notification
from memory.types import ForgetPlan, Receipt, Selector

_WHY = {
    "vector": "means the same",
    "words": "has the same words",
    "key": "was written under the same key",
    "derived": "names it as its source",
}


def show(plan: ForgetPlan, *, limit: int) -> None:
    """Draw the related memories of a plan with numbers to choose them by."""
    stays = "stays" if len(plan.related) == 1 else "stay"
    output.show(
        (output.many(len(plan.related), "related memory"), "bold yellow"),
        f" {stays} unless you choose {'it' if len(plan.related) == 1 else 'them'}, too",
    )
    rows = [
        (str(n), (one.id, "dim"), f"{_WHY[one.why]} {one.score:.2f}", output.line(one.excerpt))
        for n, one in enumerate(plan.related[:limit], 1)
    ]
    output.table(("", "id", "why", "memory"), rows)
    if len(plan.related) > limit:
        output.show((f"and {len(plan.related) - limit:,} more; --json lists them", "dim"))


def with_all(
    memories: Store, chosen: Selector, plan: ForgetPlan, also: Sequence[str]
) -> ForgetPlan:
    """Return the plan with all its related memories; theirs are offered anew."""
    return memories.plan_forget(chosen, also=(*also, *(one.id for one in plan.related)))


def offered(memories: Store, chosen: Selector, plan: ForgetPlan, also: Sequence[str]) -> ForgetPlan:
    """Ask which related memories go, too, and return the plan with them.

    Raises:
        UsageError: What was typed is none of them.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return plan
    sys.stdout.flush()
    sys.stderr.write("\nRelated ones that go, too: their numbers, or all; Enter for none: ")
    sys.stderr.flush()
    typed = sys.stdin.readline().replace(",", " ").split()
    if not typed:
        return plan
    if typed == ["all"]:
        picked = plan.related
    else:
        numbers = {str(n): one for n, one in enumerate(plan.related, 1)}
        if wrong := [word for word in typed if word not in numbers]:
            raise UsageError(f"{wrong[0]!r} is none of them, nothing was erased")
        picked = tuple(numbers[word] for word in typed)
    return memories.plan_forget(chosen, also=(*also, *(one.id for one in picked)))


def held(plan: ForgetPlan) -> None:
    """Draw what stays under a legal hold; no content."""
    stays = "stays" if len(plan.held) == 1 else "stay"
    output.show(
        (output.many(len(plan.held), "memory"), "bold yellow"),
        f" {stays} under a legal hold; the erasure is kept and resumes when that ends",
    )
    counts: dict[tuple[str, str, str], int] = {}
    for one in plan.held:
        counts[one.hold, one.ground, one.expires] = (
            counts.get((one.hold, one.ground, one.expires), 0) + 1
        )
    rows = [(hold, ground, day, str(n)) for (hold, ground, day), n in counts.items()]
    output.table(("id", "ground", "expires", "memories"), rows, numbers=("memories",))


def afterwards(receipt: Receipt, told: Sequence[Notification]) -> None:
    """Draw what an erasure left open: what is held, and whom to tell of it."""
    if receipt.held:
        output.show(
            (output.many(receipt.held, "memory"), "bold yellow"),
            " still under a legal hold: 'mem hold list'",
        )
    if not told:
        return
    output.show(("Whom to tell (Article 19)", "bold"), ", who was given some of it before:")
    output.table(
        ("kind", "recipient", "erased", ""),
        [
            (
                one.kind,
                one.name,
                str(one.memories),
                "is told when it next calls the memory server" if one.kind == "agent" else "",
            )
            for one in told
        ],
        numbers=("erased",),
    )
    if any(one.kind != "agent" for one in told):
        line = f"mem recipients notified {receipt.erasure} RECIPIENT"
        output.show(("when you have told one: ", "dim"), line)
