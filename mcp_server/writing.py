"""Tools that add: remember and feedback."""

from typing import Annotated

from mcp.server.mcpserver import Context
from mcp_types import CallToolResult
from pydantic import Field
from typing_extensions import TypedDict

from mcp_server import arguments, shown
from mcp_server.opening import Opening
from mcp_server.replies import reply, root, utc
from memory import wire
from memory.types import Kind, Outcome


@shown.closed
class RememberAnswer(TypedDict):
    """What became of the text; `redacted` names the secret rules that fired."""

    id: str
    created: bool
    redacted: list[str]


@shown.closed
class FeedbackAnswer(TypedDict):
    """The signal that was recorded."""

    id: str
    outcome: Outcome


class Writing:
    """The adding tools over one store."""

    def __init__(self, opening: Opening, scope: str, agent: str) -> None:
        """Keep the store, and the scope and actor used when a call names none."""
        self._opening = opening
        self._scope = scope
        self._agent = agent

    def remember(  # noqa: PLR0913 - the arguments are the schema the model sees
        self,
        *,
        text: Annotated[
            str,
            Field(max_length=100_000, description="One statement, complete by itself."),
        ],
        kind: Kind = "note",
        scope: arguments.Scope = "",
        title: Annotated[
            arguments.Short, Field(description="Subject or heading, searched as well.")
        ] = "",
        actor: Annotated[
            arguments.Short, Field(description="Who said it; empty: this agent.")
        ] = "",
        at: arguments.Moment = None,
        valid_from: arguments.Moment = None,
        valid_to: arguments.Moment = None,
        key: Annotated[
            str | None,
            Field(max_length=200, description="The same key is remembered once: retry safely."),
        ] = None,
        ctx: Context,
    ) -> Annotated[CallToolResult, RememberAnswer]:
        """Keep a text for later conversations.

        For decisions with reasons, preferences, rules, hard-won facts and outcomes. Never for
        passwords, keys or tokens; known forms are redacted. `at` is when it was said, `valid_from`
        and `valid_to` when it holds. The same text in the same scope is kept once.
        """
        done = self._opening.store.remember(
            text,
            kind=kind,
            scope=scope or self._scope,
            title=title,
            actor=actor or self._agent,
            at=utc(at),
            valid_from=utc(valid_from),
            valid_to=utc(valid_to),
            source="tool",
            root=root(ctx.session),
            key=key or None,
        )
        said = f"Remembered as {done.id}." if done.created else f"Known already as {done.id}."
        if done.redacted:
            said += f" Secrets were redacted: {', '.join(done.redacted)}."
        return reply(said, wire.plain(done))

    def feedback(
        self,
        *,
        id: arguments.Id,  # noqa: A002 - the name the model knows from recall
        outcome: Outcome,
        ctx: Context,
    ) -> Annotated[CallToolResult, FeedbackAnswer]:
        """Say what became of a recalled memory: useful, not_useful, outdated or wrong.

        Only the id and the outcome are kept, and nothing is erased. Call it once per use.
        """
        ident = id.strip().upper()
        self._opening.store.feedback(ident, outcome, root=root(ctx.session))
        return reply(f"Noted: {ident} was {outcome}.", FeedbackAnswer(id=ident, outcome=outcome))
