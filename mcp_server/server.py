"""Build the MCP server of a store, and serve it over stdio or loopback HTTP."""

import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, Literal

from mcp.server.mcpserver import MCPServer
from mcp.server.request_state import RequestStateSecurity

from mcp_server import loopback
from mcp_server.forgetting import EXPIRES, Questions
from mcp_server.material import Material
from mcp_server.opening import Opening
from mcp_server.replies import root
from mcp_server.tools import tools
from memory.files import DATABASE
from memory.receipts import product_version
from memory.scope import Scope
from memory.settings import Settings
from memory.store import Store

NAME = "letheon"


def build(
    store: Store | Opening,
    *,
    scope: str = "",
    agent: str = "",
    clock: Callable[[], float] = time.monotonic,
) -> MCPServer[Any]:
    """Return a server over `store`, which stays the caller's to close.

    Args:
        store: An open store, or one that opens when first needed.
        scope: Used by calls that name none. A default, not a fence.
        agent: Actor of what is remembered by calls that name none.
        clock: Seconds for the expiry of confirmations.

    Raises:
        UsageError: The scope is malformed.
    """
    opening = Opening.of(store)
    scope = str(Scope.parse(scope))
    server: MCPServer[Any] = MCPServer(
        NAME,
        title="Letheon",
        version=product_version(),
        instructions=Path(__file__).with_name("instructions.md").read_text(encoding="utf-8"),
        tools=tools(opening, Questions(clock), scope=scope, agent=agent),
        log_level="WARNING",
        subscriptions=False,
        # A key of this process: what it sealed is worth nothing to the next one.
        request_state_security=RequestStateSecurity(
            keys=[os.urandom(32)], ttl=EXPIRES, bind_principal=lambda ctx: root(ctx.session)
        ),
    )
    Material(opening, scope).add_to(server)
    return server


def serve(
    home: Path,
    *,
    transport: Literal["stdio", "http"] = "stdio",
    port: int = 8745,
    scope: str = "",
    agent: str = "",
) -> None:
    """Serve the store in folder `home` until the client leaves or a signal comes.

    Over stdio the store opens while the handshake runs, and one that cannot be opened is an error
    of each call, which a client shows; over HTTP it is an error here.

    Raises:
        MemError: The scope is malformed, or the store or its token cannot be used.
    """
    _log_to_stderr()
    scope = scope or Settings.from_env().scope
    opening = Opening(lambda: _opened(home))
    _close_on_signal(opening)
    try:
        server = build(opening, scope=scope, agent=agent)
        # What is loaded by now stays: a full collection over it would cost a recall 40 ms.
        gc.freeze()
        if transport == "http":
            home = opening.store.home
            opening.start()
            loopback.run(server, home, port)
        else:
            opening.start()
            server.run("stdio")
    finally:
        opening.close()


def _opened(home: Path) -> Store:
    fresh = not (home / DATABASE).exists()
    return Store(home, embedder=Settings.from_env().model if fresh else None)


class _Terse(logging.Formatter):
    """Where and what kind, never arguments or exception texts: they can hold memories."""

    def format(self, record: logging.LogRecord) -> str:
        ours = record.name.partition(".")[0] in ("mcp_server", "memory")
        said = record.getMessage() if ours else str(record.msg)
        kind = record.exc_info[0] if record.exc_info else None
        return f"{record.levelname} {record.name}: {said}{f' ({kind.__name__})' if kind else ''}"


def _log_to_stderr() -> None:
    lines = logging.StreamHandler(sys.stderr)
    lines.setFormatter(_Terse())
    logging.basicConfig(level=logging.WARNING, handlers=[lines])


def _close_on_signal(opening: Opening) -> None:
    def stop(number: int, _: FrameType | None) -> None:
        opening.close()
        # The thread that reads stdin sits in a system call that nothing but its end interrupts,
        # and an orderly exit would wait for it.
        os._exit(0 if number == signal.SIGTERM else 130)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
