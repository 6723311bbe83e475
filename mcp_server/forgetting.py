"""The tool that erases, and the question a person answers before it does."""

import secrets
import shlex
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import anyio
import anyio.to_thread
from mcp.server.mcpserver import Context
from mcp.shared.exceptions import MCPError
from mcp_types import (
    CallToolResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequiredResult,
)
from mcp_types.version import is_version_at_least
from pydantic import Field, ValidationError
from typing_extensions import TypedDict

from mcp_server import arguments, shown
from mcp_server.opening import Opening
from mcp_server.replies import reply, root
from memory import wire
from memory.errors import UsageError
from memory.settings import Settings
from memory.types import (
    CopyKind,
    FileRole,
    ForgetPlan,
    Ground,
    IdentityCheck,
    Limit,
    ProbeName,
    ProbeResult,
    Receipt,
    ReceiptState,
    RecipientKind,
    Requester,
    Selector,
    Why,
)

EXPIRES = 300.0  # seconds a question stays open
PATIENCE = 5.0  # seconds to wait for readers that block the physical part
OPEN = 64  # questions at once; the oldest goes
QUOTED = 8  # memories quoted in a question
QUESTION = "confirm"
FIELD = "memories"
STATELESS = "2026-07-28"  # first revision in which a server cannot ask in the middle of a call

State = Literal["erased", "pending", "failed", "declined", "wrong_number", "expired", "by_hand"]

_SAYS: dict[State, str] = {
    "erased": "Erased and verified.",
    "pending": "Erased for every recall; another process still holds the file, so the bytes go"
    " when it lets go.",
    "failed": "Erased, but the verification failed: tell the person to run 'mem doctor'.",
    "declined": "Nothing was erased: the person did not agree. Do not ask again.",
    "wrong_number": "Nothing was erased: the number typed was not the number of memories.",
    "expired": "Nothing was erased: there was no answer within five minutes.",
    "by_hand": "Nothing was erased. Ask the person to run this command:",
}


@shown.closed
class ProbeAnswer(TypedDict):
    """One verification of an erasure."""

    name: ProbeName
    result: ProbeResult
    counts: dict[str, int]
    where: list[FileRole]
    why: Why


@shown.closed
class AnsweredAnswer(TypedDict):
    """The request that an erasure answers, in days and fixed words."""

    id: str
    received: str
    verified: str
    due: str
    extended: int
    requester: Requester
    identity: IdentityCheck


@shown.closed
class ReceiptAnswer(TypedDict):
    """What was erased and verified, without content."""

    format: int
    store: str
    erasure: str
    day: str
    state: ReceiptState
    method: Literal["physical"]
    memories: int
    erased: dict[str, int]
    probes: list[ProbeAnswer]
    not_claimed: list[ProbeName | Limit]
    ground: Ground
    request: list[AnsweredAnswer]
    held: int
    copies: dict[CopyKind, int]
    copies_until: str
    recipients: dict[RecipientKind, int]
    keys_destroyed: list[str]
    blocked_by: list[int]
    version: str
    engine: str


@shown.closed
class ForgetAnswer(TypedDict):
    """What became of the request; `command` is set where a person has to run it."""

    state: State
    memories: int
    command: str
    receipt: ReceiptAnswer | None


class Questions:
    """Open questions: each is bound to one plan, answered once, and gone after five minutes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Keep the clock; seconds, never going back."""
        self._clock = clock
        self._lock = threading.Lock()
        self._open: dict[str, tuple[str, float]] = {}  # nonce -> (digest, closing time)

    def put(self, digest: str) -> str:
        """Open a question about a plan and return its nonce."""
        nonce, now = secrets.token_hex(16), self._clock()
        with self._lock:
            alive = [(k, v) for k, v in self._open.items() if v[1] > now]
            self._open = dict(alive[-(OPEN - 1) :])
            self._open[nonce] = (digest, now + EXPIRES)
        return nonce

    def take(self, nonce: str, digest: str) -> None:
        """Close a question, whatever the answer was.

        Raises:
            UsageError: It was answered before, has expired, or was about another plan.
        """
        with self._lock:
            asked, closes = self._open.pop(nonce, ("", 0.0))
        if not asked or closes <= self._clock():
            raise UsageError(
                "this confirmation was used before or has expired; nothing was erased",
                hint="call forget again, so that the person is asked anew",
            )
        if not secrets.compare_digest(asked, digest):
            raise UsageError("this confirmation was for another plan; nothing was erased")


class Forgetting:
    """The erasing tool over one store."""

    def __init__(self, opening: Opening, questions: Questions) -> None:
        """Keep the store and the open questions."""
        self._opening = opening
        self._questions = questions

    async def forget(  # noqa: PLR0913 - the arguments are the schema the model sees
        self,
        *,
        digest: Annotated[
            str, Field(pattern=r"^[0-9a-f]{64}$", description="`digest` of forget_plan.")
        ],
        ids: arguments.Ids = (),
        query: arguments.Words = "",
        scope: Annotated[
            str, Field(max_length=900, description="Memories inside this scope, none broader.")
        ] = "",
        source: arguments.Source = "",
        subject: arguments.Subject = "",
        with_mentions: arguments.Mentions = False,
        also: arguments.Also = (),
        ctx: Context,
    ) -> Annotated[CallToolResult, ForgetAnswer] | InputRequiredResult:
        """Erase memories physically, after the person has confirmed. It cannot be undone.

        Only when the person asked for it, with the selector and digest of a `forget_plan` you have
        shown them. The person is asked to type the number of memories. If your client cannot ask,
        nothing is erased and the answer holds the command for the person to run.
        """
        selector = Selector(
            ids=arguments.canonical(ids),
            query=query,
            scope=scope,
            source=source,
            subject=subject,
            with_mentions=with_mentions,
        )
        more = arguments.canonical(also)
        plan = await anyio.to_thread.run_sync(self._planned, selector, digest, more)
        if not can_ask(ctx) or len(plan.ids) > shown.LISTED:
            return self._by_hand(plan, selector, more)
        if not is_version_at_least(ctx.protocol_version or "", STATELESS):
            state = await asked(ctx, plan)
        elif ctx.request_state is None:
            request = ElicitRequest(params=question(ctx, plan))
            return InputRequiredResult(
                input_requests={QUESTION: request}, request_state=self._questions.put(plan.digest)
            )
        else:
            self._questions.take(ctx.request_state, plan.digest)
            state = judged((ctx.input_responses or {}).get(QUESTION), plan)
        if state == "by_hand":
            return self._by_hand(plan, selector, more)
        if state is not None:
            return answer(state)
        erase = partial(self._opening.store.forget, plan, wait=PATIENCE)
        return receipted(await anyio.to_thread.run_sync(erase))

    def _planned(self, selector: Selector, digest: str, also: tuple[str, ...]) -> ForgetPlan:
        plan = self._opening.store.plan_forget(selector, also=also)
        if not secrets.compare_digest(plan.digest, digest):
            raise UsageError(
                "this is not what was planned: memories came or went since, or the selector"
                " differs; nothing was erased",
                hint="call forget_plan again and show the person what it says now",
            )
        if not (plan.ids or plan.provenances or plan.people or plan.held):
            raise UsageError("nothing matches, nothing was erased")
        return plan

    def _by_hand(
        self, plan: ForgetPlan, selector: Selector, also: tuple[str, ...]
    ) -> CallToolResult:
        home = self._opening.store.home
        return answer("by_hand", command=command(plan, selector, home, also))


def can_ask(ctx: Context[Any, Any]) -> bool:
    """Tell whether the client shows forms; one that names no mode does, as before modes."""
    known = ctx.client_capabilities
    form = known.elicitation if known else None
    return form is not None and (form.form is not None or form.url is None)


def amount(plan: ForgetPlan) -> int:
    """Return the number a person types: memories that go, lose a source, or are held; or people."""
    return len(plan.ids) or len(plan.kept) or len(plan.people) or len(plan.held)


def question(ctx: Context[Any, Any], plan: ForgetPlan) -> ElicitRequestFormParams:
    """Return the form a person sees: what would go, and a field for the number."""
    lines = [
        f"Erase {shown.tally(plan)} for good? This cannot be undone.",
        f"Asked for by {root(ctx.session)}.",
        *(f"- {one.kind}: “{shown.line(one.excerpt)}”" for one in plan.memories[:QUOTED]),
    ]
    if len(plan.memories) > QUOTED:
        lines.append(f"- and {len(plan.memories) - QUOTED} more")
    lines.append(f"Type {amount(plan)} to erase. Decline to keep everything.")
    field = {
        "type": "integer",
        "title": "Number of memories",
        "description": "Type the number to confirm the erasure.",
    }
    return ElicitRequestFormParams(
        message="\n".join(lines),
        requested_schema={"type": "object", "properties": {FIELD: field}, "required": [FIELD]},
    )


async def asked(ctx: Context[Any, Any], plan: ForgetPlan, seconds: float = EXPIRES) -> State | None:
    """Ask in the middle of the call, as protocols before 2026-07-28 do; None means yes."""
    form = question(ctx, plan)
    with anyio.move_on_after(seconds):
        try:
            given = await ctx.session.elicit_form(
                form.message, form.requested_schema, related_request_id=ctx.request_id
            )
        except (MCPError, ValidationError):  # the client has no way to show it after all
            return "by_hand"
        return judged(given, plan)
    return "expired"


def judged(given: object, plan: ForgetPlan) -> State | None:
    """Return why an answer is not a yes, or None if it is one."""
    if not isinstance(given, ElicitResult) or given.action != "accept":
        return "declined"
    typed = (given.content or {}).get(FIELD)
    # Some clients return every field as a string; True and 1.0 are not what somebody typed.
    return None if str(typed).strip() == str(amount(plan)) else "wrong_number"


def command(plan: ForgetPlan, selector: Selector, home: Path, also: tuple[str, ...] = ()) -> str:
    """Return the line a person runs to erase the same."""
    words = ["mem", "forget"]
    if plan.provenances or plan.subject or plan.held or len(plan.ids) > shown.LISTED:
        words += selector.ids
        for name in ("query", "scope", "source", "subject"):
            if value := getattr(selector, name):
                words += [f"--{name}", value]
        words += ["--with-mentions"] if selector.subject and selector.with_mentions else []
        for ident in also:
            words += ["--also", ident]
    else:
        words += plan.ids
    if home != Settings.from_env().home:
        words += ["--store", str(home)]
    return shlex.join(words)


def answer(
    state: State, *, command: str = "", receipt: ReceiptAnswer | None = None
) -> CallToolResult:
    """Return what became of the request, in words and as data."""
    erased = receipt["memories"] if receipt else 0
    said = f"{_SAYS[state]}\n{command}".strip()
    if receipt:
        probes = len(receipt["probes"])
        said += f" {erased} memories, erasure {receipt['erasure']}, {probes} probes."
    return reply(said, ForgetAnswer(state=state, memories=erased, command=command, receipt=receipt))


def receipted(receipt: Receipt) -> CallToolResult:
    """Return the receipt of an erasure."""
    state: State = "erased" if receipt.state == "verified" else receipt.state
    return answer(state, receipt=wire.plain(receipt))
