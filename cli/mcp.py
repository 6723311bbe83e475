"""`mem mcp`: the server for agents, and the configuration of their programs."""

import os
import shutil
import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated, Literal

from cli import output
from cli.declare import Argument, Home, Json, Option
from cli.opening import home
from mcp_server.clients import CLIENTS, Client, render, write
from memory.errors import UsageError


def run(
    *,
    transport: Annotated[
        Literal["stdio", "http"], Option("--transport", "How clients connect.")
    ] = "stdio",
    port: Annotated[int, Option("--port", "Port on this machine, for http.")] = 8745,
    scope: Annotated[str, Option("--scope -s", "Scope of a call that names none.")] = "",
    agent: Annotated[str, Option("--agent", "Name under which the agent writes.", "NAME")] = "",
    store: Home = None,
    as_json: Json = False,  # noqa: ARG001 - every verb takes it; the protocol is JSON anyway
) -> None:
    """Serve the store to agents over MCP.

    Programs start this themselves: see 'mem mcp config'. Over http it listens on this machine
    only, and asks for the token in the store's folder.
    """
    # The SDK costs a second: no other verb may pay for it.
    import_module("mcp_server.server").serve(
        home(store), transport=transport, port=port, scope=scope, agent=agent
    )


def config(
    client: Annotated[
        str | None, Argument("Name of the program; all are listed if none.", offers=(*CLIENTS,))
    ] = None,
    *,
    change: Annotated[
        bool, Option("--write", "Merge it into the program's file; a copy of the old one is kept.")
    ] = False,
    scope: Annotated[str, Option("--scope -s", "Scope of a call that names none.")] = "",
    store: Home = None,
    as_json: Json = False,
) -> None:
    """Print or write an MCP client's configuration."""
    if client is None:
        _list(as_json=as_json)
        return
    if client not in CLIENTS:
        raise UsageError(
            f"client {client!r} is not known", hint=f"one of {', '.join(CLIENTS)}; or generic"
        )
    chosen, command = CLIENTS[client], started(store, scope)
    answer: dict[str, object] = {"client": client, "command": command, "path": _place(chosen)}
    if change:
        done = write(chosen, command=command, env={}, home=Path.home(), environ=os.environ)
        answer |= {"path": done.path, "backup": done.backup, "changed": done.changed}
    else:
        answer["config"] = render(chosen, command=command, env={})
    _show(chosen, answer, as_json=as_json)


def _show(client: Client, answer: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        output.emit({k: str(v) if isinstance(v, Path) else v for k, v in answer.items()})
        return
    if "config" in answer:
        sys.stdout.write(str(answer["config"]))
        if answer["path"]:
            output.say(f"goes into {answer['path']}")
    else:
        output.write(f"{'written' if answer['changed'] else 'unchanged'}: {answer['path']}")
        if answer["backup"]:
            output.say(f"the file as it was: {answer['backup']}")
    output.say(client.notes)


def _list(*, as_json: bool) -> None:
    rows = [(one.name, one.title, str(_place(one) or "")) for one in CLIENTS.values()]
    if as_json:
        names = ("name", "title", "path")
        output.emit({"clients": [dict(zip(names, row, strict=True)) for row in rows]})
    else:
        output.table(("client", "program", "file"), rows)


def _place(client: Client) -> Path | None:
    return client.path(sys.platform, Path.home(), os.environ) if client.writes else None


def started(store: str | None, scope: str) -> list[str]:
    """Return the command line that starts this very `mem` as a server.

    A program of the desktop has neither the path nor the environment of this shell, so both go
    into the command.
    """
    command = [*executable(), "mcp"]
    if store or os.environ.get("LETHEON_HOME"):
        command += ["--store", str(home(store).resolve())]
    return [*command, "--scope", scope] if scope else command


def executable() -> list[str]:
    """Return the absolute path of the running `mem`, or Python's with `-m cli`."""
    called = Path(sys.argv[0])
    if called.stem == "mem":
        found = shutil.which(called) or shutil.which("mem")
        if found:
            return [str(Path(found).absolute())]
    return [sys.executable, "-m", "cli"]
