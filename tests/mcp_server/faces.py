"""A client in each protocol era, and a person who answers its questions."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from mcp import Client, MCPError
from mcp_types import CallToolResult, ElicitRequestParams, ElicitResult, Implementation

from mcp_server.server import build
from memory import Store

ERAS = ("legacy", "2026-07-28")
CLIENT = Implementation(name="test client", version="1")


class Person:
    """Answers every question the same way and keeps what was asked."""

    def __init__(self, action: str = "accept", typed: object = None) -> None:
        self.action = action
        self.typed = typed
        self.asked: list[str] = []

    async def __call__(self, _: Any, params: ElicitRequestParams) -> ElicitResult:
        self.asked.append(params.message)
        content = {"memories": self.typed} if self.action == "accept" else None
        return ElicitResult.model_validate({"action": self.action, "content": content})


def run(
    store: Any,
    work: Callable[[Client], Awaitable[Any]],
    era: str = ERAS[0],
    person: Person | None = None,
    **options: Any,
) -> Any:
    """Connect to a server over `store`, do the work, and return what it returned."""

    async def main() -> Any:
        async with Client(
            build(store, **options),
            mode=era,
            elicitation_callback=person,
            client_info=CLIENT,
            cache=None,
        ) as client:
            try:
                return await work(client)
            except MCPError as exc:  # outside, so that the client's task group does not wrap it
                failure = exc
        raise failure

    return asyncio.run(main())


def call(store: Store, tool: str, era: str = ERAS[0], **arguments: Any) -> CallToolResult:
    """Call one tool over a connection of its own."""
    result: CallToolResult = run(store, lambda client: client.call_tool(tool, arguments), era)
    return result


def said(result: CallToolResult) -> str:
    """Return the readable part of a result."""
    return "".join(getattr(block, "text", "") for block in result.content)
