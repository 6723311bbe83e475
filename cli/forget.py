"""`mem forget`: the plan, the person's word, the erasure, the receipt."""

import sys
import time
from typing import Annotated

from cli import output
from cli.declare import Argument, Home, Json, Option
from cli.opening import opened
from cli.receipt import draw
from memory.errors import MemError, NotFoundError, StoreError, UsageError
from memory.types import ForgetPlan, PlannedMemory, Receipt, Selector
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
    number of memories. Ends with 3 when the bytes cannot go yet because another program holds the
    file, with 4 when the verification found something. Keyed fingerprints of the erased texts stay,
    by which they are refused when they come again; see 'mem guard'.
    """
    if as_json and not (yes or dry_run):
        raise UsageError(
            "with --json nobody is asked", hint="look at the plan with --dry-run, then add --yes"
        )
    chosen = Selector(ids=tuple(ids or ()), query=query, scope=scope, source=source)
    with opened(store) as memories:
        plan = memories.plan_forget(chosen)
        if not as_json:
            show(plan)
        if dry_run:
            if as_json:
                output.emit({"plan": plan, "receipt": None})
            return 0
        if not plan.ids and not plan.provenances:
            raise NotFoundError("nothing matches, nothing was erased")
        if not yes:
            confirm(plan)
        began = time.perf_counter()
        with output.steps("forgetting") as say:
            receipt = memories.forget(
                plan,
                wait=wait,
                tombstone=not no_tombstone,
                shred_backups=shred_backups,
                say=say,
            )
        _done(plan, receipt, time.perf_counter() - began, as_json=as_json)
        return outcome(receipt)


def _done(plan: ForgetPlan, receipt: Receipt, took: float, *, as_json: bool) -> None:
    if as_json:
        output.emit({"plan": plan, "receipt": receipt})
    else:
        output.write()
        draw(plain(receipt), took=took)


def outcome(receipt: Receipt) -> int:
    """Return the exit code of a receipt."""
    codes = {"verified": 0, "pending": NotFoundError.exit_code, "failed": StoreError.exit_code}
    return codes[receipt.state]


def show(plan: ForgetPlan, *, limit: int = SHOWN) -> None:
    """Draw what would go and what would stay, at most `limit` memories of each."""
    output.show(
        ("Plan: ", "bold"),
        (output.many(len(plan.ids), "memory"), "bold red"),
        f" to be erased, chosen by {', '.join(plan.selected_by)}",
    )
    _excerpts(plan.memories, limit)
    if counts := output.tally(plan.counts):
        output.show(("rows that go: ", "dim"), counts)
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
        _excerpts(plan.kept, limit)


def _excerpts(found: tuple[PlannedMemory, ...], limit: int) -> None:
    if not found:
        return
    output.by_scope((one.scope, one.id, output.line(one.excerpt)) for one in found[:limit])
    if len(found) > limit:
        output.show((f"and {len(found) - limit:,} more; --json lists them", "dim"))


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
    number = len(plan.ids) or len(plan.kept)
    what = "memories to be erased" if plan.ids else "memories that lose a provenance"
    sys.stdout.flush()
    sys.stderr.write(f"\nThis cannot be undone. Type the number of {what} to go on: ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().replace(",", "") != str(number):
        raise MemError("not confirmed, nothing was erased")
