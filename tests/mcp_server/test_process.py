import asyncio
import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import pytest
from mcp import Client, StdioServerParameters

from mcp_server.server import _Terse
from memory import Store
from tests.mcp_server.faces import CLIENT, ERAS, Person

ROOT = Path(__file__).parents[2]
ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "raw", "version": "1"},
    },
}
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    place = tmp_path / "store"
    with Store(place, embedder="none") as store:
        store.remember("Ada prefers tabs", scope="user:ada")
    return place


def server(home: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "mcp_server", "--store", str(home), *options]


@pytest.fixture
def started(home: Path) -> Iterator["subprocess.Popen[str]"]:
    with running(home) as process:
        yield process


@contextlib.contextmanager
def running(home: Path) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        server(home),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        process.kill()


def pipe(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream


def send(process: "subprocess.Popen[str]", *messages: dict[str, Any] | str) -> None:
    for message in messages:
        line = message if isinstance(message, str) else json.dumps(message)
        pipe(process.stdin).write(line + "\n")
    pipe(process.stdin).flush()


def asking(ident: int, tool: str, **arguments: Any) -> dict[str, Any]:
    params = {"name": tool, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": ident, "method": "tools/call", "params": params}


def answers(process: "subprocess.Popen[str]", idents: Sequence[int]) -> dict[int, Any]:
    """Read lines until every id has its answer; each line must be a message."""
    found: dict[int, Any] = {}
    while set(idents) - set(found):
        message = json.loads(pipe(process.stdout).readline())
        assert message["jsonrpc"] == "2.0"
        if "id" in message:
            found[message["id"]] = message
    return found


@pytest.mark.parametrize("era", ["auto", *ERAS])
def test_a_client_remembers_recalls_and_forgets_over_stdio(home: Path, era: str) -> None:
    person = Person(typed=1)
    command, *words = server(home)
    where = StdioServerParameters(command=command, args=words, cwd=ROOT)

    async def main() -> dict[str, Any]:
        async with Client(
            where, mode=era, elicitation_callback=person, client_info=CLIENT
        ) as client:
            version = "2025-11-25" if era == "legacy" else "2026-07-28"
            assert client.protocol_version == version
            await client.call_tool("remember", {"text": "the port is 8080"})
            found = await client.call_tool("recall", {"query": "which port"})
            ids = [hit["id"] for hit in found.structured_content["hits"]]
            plan = await client.call_tool("forget_plan", {"ids": ids})
            digest = plan.structured_content["digest"]
            done = await client.call_tool("forget", {"ids": ids, "digest": digest})
            return dict(done.structured_content)

    done = asyncio.run(main())

    assert done["state"] == "erased"
    assert done["receipt"]["state"] == "verified"
    with Store(home) as store:
        assert [memory.text for memory in store.list()] == ["Ada prefers tabs"]


def test_stdout_carries_only_the_protocol(started: "subprocess.Popen[str]") -> None:
    send(
        started,
        INITIALIZE,
        INITIALIZED,
        "this is not JSON",
        {"jsonrpc": "2.0", "id": 2, "method": "no/such/method"},
        {"jsonrpc": "2.0", "id": 3, "method": "tools/list"},
        asking(4, "recall", query="Ada"),
        asking(5, "remember", text=""),
        asking(6, "no_such_tool"),
        asking(7, "stats"),
    )
    found = answers(started, range(1, 8))
    out, err = started.communicate(timeout=30)

    for line in out.splitlines():
        json.loads(line)
    assert started.returncode == 0
    assert found[1]["result"]["protocolVersion"] == "2025-11-25"
    assert found[4]["result"]["structuredContent"]["hits"][0]["text"] == "Ada prefers tabs"
    assert found[5]["result"]["isError"] is True
    assert {ident for ident, message in found.items() if "error" in message} >= {2}
    assert "Ada" not in err


def test_the_stateless_protocol_needs_no_handshake(started: "subprocess.Popen[str]") -> None:
    first = asking(1, "recall", query="Ada")
    first["params"]["_meta"] = ENVELOPE

    send(started, first)

    result = answers(started, [1])[1]["result"]
    assert result["resultType"] == "complete"
    assert result["structuredContent"]["hits"][0]["text"] == "Ada prefers tabs"


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_ends_it_while_stdin_is_open(
    started: "subprocess.Popen[str]", home: Path, number: signal.Signals, code: int
) -> None:
    send(started, INITIALIZE, INITIALIZED, asking(2, "remember", text="the port is 8080"))
    answers(started, [1, 2])

    started.send_signal(number)

    assert started.wait(timeout=30) == code
    assert not (home / "memory.db-wal").exists() or not (home / "memory.db-wal").stat().st_size
    with Store(home) as store:
        assert store.stats().memories == 2


def test_a_store_that_cannot_be_opened_is_told_to_the_model(tmp_path: Path) -> None:
    place = tmp_path / "store"
    place.mkdir(mode=0o700)
    (place / "memory.db").write_bytes(b"no database at all " * 100)

    with running(place) as process:
        send(process, INITIALIZE, INITIALIZED, asking(2, "recall", query="x"))
        found = answers(process, [1, 2])

    assert "result" in found[1]
    assert found[2]["result"]["isError"] is True
    assert "hint:" in found[2]["result"]["content"][0]["text"]


def test_a_malformed_scope_ends_it_with_a_hint(home: Path) -> None:
    done = subprocess.run(
        server(home, "--scope", "planet:x"), cwd=ROOT, capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 2
    assert done.stdout == ""
    assert "hint: write levels" in done.stderr


def test_log_lines_hold_no_arguments_and_no_exception_text() -> None:
    try:
        raise ValueError("Ada's secret")
    except ValueError:
        kind = sys.exc_info()
    record = logging.LogRecord("mcp.x", logging.ERROR, "", 0, "tool %r raised", ("Ada",), kind)

    assert _Terse().format(record) == "ERROR mcp.x: tool %r raised (ValueError)"


def test_a_server_without_the_passphrase_says_so_in_each_call(tmp_path: Path) -> None:
    home = tmp_path / "locked"
    with Store(home, encrypt="passphrase", key="correct horse battery", embedder="none") as store:
        store.remember("Ada prefers tabs")

    def answer(env: dict[str, str]) -> str:
        async def ask() -> str:
            params = StdioServerParameters(
                command=sys.executable,
                args=server(home)[1:],
                env={**os.environ, "PYTHONPATH": str(ROOT), **env},
            )
            async with Client(params) as client:
                done = await client.call_tool("recall", {"query": "tabs"})
                return str(done.content)

        return asyncio.run(ask())

    refused = answer({"LETHEON_PASSPHRASE": ""})
    assert "encrypted with a passphrase" in refused
    assert "LETHEON_PASSPHRASE" in refused
    assert "Ada prefers tabs" in answer({"LETHEON_PASSPHRASE": "correct horse battery"})
