"""`mem forget`: the plan, the person's word, the erasure, the receipt."""

import sys
import time
from collections.abc import Sequence
from typing import Annotated, Literal

from cli import output, person, related
from cli.declare import Argument, Home, Json, Option
from cli.opening import opened
from cli.person import excerpts
from cli.receipt import draw
from memory.errors import MemError, NotFoundError, StoreError, UsageError
from memory.hold_types import Notification
from memory.types import ForgetPlan, Receipt, Selector
from memory.wire import plain

SHOWN = 20


def run(  # noqa: PLR0913 - one parameter per option
    ids: Annotated[list[str] | None, Argument("Ids of memories.", "ID...")] = None,
    *,
    query: Annotated[
        str, Option("--query", "Those that hold all of these words, or this phrase.", "WORDS")
    ] = "",
    scope: Annotated[str, Option("--scope -s", "Those inside this scope.")] = "",
    source: Annotated[
        str,
        Option(
            "--source",
            "Those nothing else attests: a uri, the start of one and *, class:CLASS or root:NAME.",
        ),
    ] = "",
    subject: Annotated[
        str, Option("--subject", "What a person said and what is about them.", "NAME")
    ] = "",
    with_mentions: Annotated[
        bool, Option("--with-mentions", "And what others said that names the person.")
    ] = False,
    request: Annotated[
        str, Option("--request", "The open request that this answers; see 'mem request'.", "ID")
    ] = "",
    ground: Annotated[
        Literal["a", "b", "c", "d", "e", "f"] | None,
        Option("--ground", "Letter of Article 17(1); alone it records a request, too.", "LETTER"),
    ] = None,
    also: Annotated[
        list[str] | None, Option("--also", "This related memory, too; may be repeated.", "ID")
    ] = None,
    with_related: Annotated[
        bool, Option("--with-related", "All related memories of the plan, too.")
    ] = False,
    dry_run: Annotated[bool, Option("--dry-run", "Show the plan and stop.")] = False,
    yes: Annotated[bool, Option("--yes -y", "Do not ask.")] = False,
    wait: Annotated[
        float | None,
        Option("--wait", "Wait so long for programs that hold the file.", "SECONDS"),
    ] = None,
    no_tombstone: Annotated[
        bool, Option("--no-tombstone", "Do not recognise and refuse the erased texts afterwards.")
    ] = False,
    shred_backups: Annotated[
        bool, Option("--shred-backups", "Make every backup unreadable that may hold them.")
    ] = False,
    store: Home = None,
    as_json: Json = False,
) -> int:
    """Erase memories physically and verify it.

    All that is given must match. The plan is always shown first, and you confirm it by typing the
    number of memories. Memories that may say the same in other words are offered beside it; what a
    legal hold restricts stays, and is erased when that ends. Ends with 3 when the bytes cannot go
    yet because another program holds the file, with 4 when the verification found something. Keyed
    fingerprints of the erased texts stay, by which they are refused when they come again; see
    'mem guard'.

    With --subject what others said of the person stays unless --with-mentions, and what only has a
    name that other people bear, too, stays unless you give its id; see docs/subjects.md.
    """
    if as_json and not (yes or dry_run):
        raise UsageError(
            "with --json nobody is asked", hint="look at the plan with --dry-run, then add --yes"
        )
    chosen = Selector(
        ids=tuple(ids or ()),
        query=query,
        scope=scope,
        source=source,
        subject=subject,
        with_mentions=with_mentions,
    )
    with opened(store) as memories:
        asked = memories.request(request) if request else None
        plan = memories.plan_forget(chosen, also=also or ())
        if with_related and plan.related:
            plan = related.with_all(memories, chosen, plan, also or ())
        if not as_json:
            show(plan)
            if asked:
                person.show_request(asked)
        if not (dry_run or yes or as_json) and plan.related:
            plan = related.offered(memories, chosen, plan, also or ())
        if dry_run:
            if as_json:
                output.emit({"plan": plan, "receipt": None})
            return 0
        if not (plan.ids or plan.provenances or plan.people or plan.held):
            raise NotFoundError("nothing matches, nothing was erased")
        if not yes:
            confirm(plan)
        began = time.perf_counter()
        with output.steps("forgetting") as say:
            receipt = memories.forget(
                plan,
                wait=wait,
                tombstone=not no_tombstone,
                request=request,
                ground=ground or "",
                shred_backups=shred_backups,
                say=say,
            )
        told = memories.notifications(receipt.erasure)
        _done(plan, receipt, time.perf_counter() - began, told, as_json=as_json)
        return outcome(receipt)


def _done(
    plan: ForgetPlan,
    receipt: Receipt,
    took: float,
    told: Sequence[Notification],
    *,
    as_json: bool,
) -> None:
    if as_json:
        output.emit({"plan": plan, "receipt": receipt})
    else:
        output.write()
        draw(plain(receipt), took=took)
        if plan.subject:
            person.aftermath(plan, receipt)
        related.afterwards(receipt, told)


def outcome(receipt: Receipt) -> int:
    """Return the exit code of a receipt."""
    codes = {"verified": 0, "pending": NotFoundError.exit_code, "failed": StoreError.exit_code}
    return codes[receipt.state]


def show(plan: ForgetPlan, *, limit: int = SHOWN) -> None:
    """Draw what would go and what would stay, at most `limit` memories of each."""
    if plan.subject:
        person.show(plan)
    else:
        _show(plan, limit)
    if counts := output.tally(plan.counts):
        output.show(("rows that go: ", "dim"), counts)
    if plan.held:
        output.write()
        related.held(plan)
    if plan.related:
        output.write()
        related.show(plan, limit=limit)
    if plan.kept:
        output.write()
        output.show(
            (output.many(len(plan.kept), "memory"), "bold green"),
            (
                " stays: another source attests it too; it loses this provenance"
                if len(plan.kept) == 1
                else " stay: another source attests them too; they lose this provenance"
            ),
        )
        excerpts(plan.kept, limit)


def _show(plan: ForgetPlan, limit: int) -> None:
    output.show(
        ("Plan: ", "bold"),
        (output.many(len(plan.ids), "memory"), "bold red"),
        f" to be erased, chosen by {', '.join(plan.selected_by)}",
    )
    excerpts(plan.memories, limit)


def confirm(plan: ForgetPlan) -> None:
    """Return when the person typed the number of memories that go.

    Raises:
        UsageError: There is no terminal to ask on.
        MemError: They typed something else.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(
            "an erasure has to be confirmed, and there is no terminal",
            hint="look at the plan with --dry-run, then add --yes",
        )
    number = len(plan.ids) or len(plan.kept) or len(plan.people) or len(plan.held)
    what = "memories that are held"
    if plan.ids:
        what = "memories to be erased"
    elif plan.kept:
        what = "memories that lose a provenance"
    elif plan.people:
        what = "people whose names are to be erased"
    sys.stdout.flush()
    sys.stderr.write(f"\nThis cannot be undone. Type the number of {what} to go on: ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().replace(",", "") != str(number):
        raise MemError("not confirmed, nothing was erased")
