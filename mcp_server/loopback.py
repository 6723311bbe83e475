"""HTTP on this machine only: a token file, and a gate in front of the protocol."""

import hmac
import os
import secrets
import socket
import sys
from pathlib import Path
from typing import Any

import uvicorn
from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from memory.errors import StoreError, UsageError

HOST = "127.0.0.1"
PATH = "/mcp"
BODY = 1_000_000  # bytes of a request
TOKEN = "keys/http.token"  # noqa: S105 - a file name


def token(home: Path) -> str:
    """Return the bearer token of a store, making it at first need, readable by its owner only.

    Raises:
        StoreError: The file is a link, open to others, or damaged.
    """
    place = home / TOKEN
    place.parent.mkdir(mode=0o700, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        with os.fdopen(os.open(place, flags, 0o600), "w", encoding="ascii") as out:
            out.write(secrets.token_urlsafe(32) + "\n")
    except FileExistsError:
        pass
    hint = "delete it; the next start makes a new one"
    if place.is_symlink() or not place.is_file():
        raise StoreError(f"{str(place)!r} is not a regular file", hint=hint)
    if os.name == "posix" and place.stat().st_mode & 0o077:
        raise StoreError(f"{str(place)!r} can be read by others", hint=hint)
    kept = place.read_text(encoding="ascii", errors="replace").strip()
    if len(kept) < 32:
        raise StoreError(f"{str(place)!r} holds no token", hint=hint)
    return kept


class Gate:
    """Lets through requests for this host, from this host's pages or none, with the token."""

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        """Keep what a request has to carry."""
        names = (HOST, "localhost", "[::1]")
        self._app = app
        self._hosts = {f"{name}:{port}" for name in names}
        self._origins = {f"http://{name}:{port}" for name in names}
        self._token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that may not pass, or hand it on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            refused = self._refusal(Headers(scope=scope))
            await (refused or self._app)(scope, receive, send)

    def _refusal(self, headers: Headers) -> PlainTextResponse | None:
        # A page that a browser was led to by name comes with that name, or with its origin.
        hosts = headers.getlist("host")
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            return PlainTextResponse("wrong host", status_code=403)
        if any(origin not in self._origins for origin in headers.getlist("origin")):
            return PlainTextResponse("wrong origin", status_code=403)
        scheme, _, given = headers.get("authorization", "").partition(" ")
        right = hmac.compare_digest(given.strip().encode("latin-1", "replace"), self._token)
        if scheme.lower() != "bearer" or not right:
            return PlainTextResponse(
                "a bearer token is needed", status_code=401, headers={"WWW-Authenticate": "Bearer"}
            )
        return None


def app(server: MCPServer[Any], token: str, port: int) -> ASGIApp:
    """Return the protocol behind the gate."""
    names = (HOST, "localhost", "[::1]")
    allowed = TransportSecuritySettings(
        allowed_hosts=[f"{name}:{port}" for name in names],
        allowed_origins=[f"http://{name}:{port}" for name in names],
    )
    inner = server.streamable_http_app(
        streamable_http_path=PATH, max_request_body_size=BODY, transport_security=allowed
    )
    return Gate(inner, token, port)


def listening(port: int) -> socket.socket:
    """Return a socket on which clients can already knock; port 0 takes a free one.

    Raises:
        UsageError: The port is taken, or out of range.
    """
    knocked = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # elsewhere the option would let two servers share the port
            knocked.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        knocked.bind((HOST, port))
        knocked.listen()
    except (OSError, OverflowError) as exc:
        knocked.close()
        raise UsageError(
            f"port {port} cannot be used: {exc}", hint="choose another with --port"
        ) from exc
    return knocked


def run(server: MCPServer[Any], home: Path, port: int) -> None:
    """Serve until stopped. Says on stderr where, and where the token lies.

    Raises:
        StoreError: The token cannot be used.
        UsageError: The port cannot be used.
    """
    secret = token(home)
    with listening(port) as knocked:
        port = knocked.getsockname()[1]
        config = uvicorn.Config(
            app(server, secret, port),
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=3,
        )
        sys.stderr.write(f"MCP on http://{HOST}:{port}{PATH}, bearer token in {home / TOKEN}\n")
        sys.stderr.flush()
        uvicorn.Server(config).run(sockets=[knocked])
