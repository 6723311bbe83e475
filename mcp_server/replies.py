"""From a store's answer or error to a tool's result, and from a connection to who is asking."""

import functools
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, ParamSpec, TypeVar

from mcp.server.session import ServerSession
from mcp_types import CallToolResult, InputRequiredResult, TextContent

from mcp_server.shown import line, marked
from memory.errors import AmbiguousNameError, MemError
from memory.sanitise import clean

P = ParamSpec("P")
R = TypeVar("R", bound=CallToolResult | InputRequiredResult)

# Hints name commands for people at a shell; the model has tools of the same names.
_VERB = re.compile(r"'mem (recall|remember|show|list|stats|feedback)'")


def reply(text: str, data: object) -> CallToolResult:
    """Return a result a person and a program can read."""
    return CallToolResult(content=[TextContent(type="text", text=text)], structured_content=data)


def refusal(exc: MemError) -> CallToolResult:
    """Return an error the model can act on."""
    return CallToolResult(content=[TextContent(type="text", text=explained(exc))], is_error=True)


def explained(exc: MemError) -> str:
    """Return the message of an error and its hint, in terms of tools."""
    hint = _VERB.sub(r"the \1 tool", exc.hint)
    said = clean(f"{exc.message}\nhint: {hint}" if hint else exc.message)
    if isinstance(exc, AmbiguousNameError):  # names are what somebody wrote
        return marked(said, [("Names", "\n".join(line(one) for one in exc.ids))])
    return said


def answering(tool: Callable[P, R]) -> Callable[P, R | CallToolResult]:
    """Make every `MemError` of a tool a result."""

    @functools.wraps(tool)
    def answer(*args: P.args, **kwargs: P.kwargs) -> R | CallToolResult:
        try:
            return tool(*args, **kwargs)
        except MemError as exc:
            return refusal(exc)

    return answer


def answering_later(tool: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R | CallToolResult]]:
    """Make every `MemError` of an asynchronous tool a result."""

    @functools.wraps(tool)
    async def answer(*args: P.args, **kwargs: P.kwargs) -> R | CallToolResult:
        try:
            return await tool(*args, **kwargs)
        except MemError as exc:
            return refusal(exc)

    return answer


def root(session: ServerSession) -> str:
    """Return the root identity of a connection: the name its client gave, never an argument."""
    known: Any = session.client_params
    return f"mcp:{line(known.client_info.name)[:100] if known else ''}".removesuffix(":") or "mcp"


def utc(at: datetime | None) -> datetime | None:
    """Return `at` with a time zone; without one it means UTC."""
    return at if at is None or at.tzinfo else at.replace(tzinfo=UTC)
