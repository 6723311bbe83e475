"""`mem mcp`: the server starts, and its configuration names this very command."""

import json
import sys

from mcp_server.clients import CLIENTS
from tests.cli.runner import Mem

HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}


def test_the_server_answers_over_standard_input_and_prints_nothing_else(mem: Mem) -> None:
    done = mem.ok("mcp", stdin=json.dumps(HELLO) + "\n", env={"PYTHONWARNINGS": "default"})

    (answer,) = map(json.loads, done.out.splitlines())
    assert answer["id"] == 1
    assert answer["result"]["serverInfo"]["name"]


def test_config_prints_an_entry_that_starts_this_mem_with_this_store(mem: Mem) -> None:
    done = mem.ok("mcp", "config", "cursor")

    entry = json.loads(done.out)["mcpServers"]["letheon"]
    assert entry["command"] == sys.executable
    assert entry["args"] == ["-m", "cli", "mcp", "--store", str(mem.home)]
    assert str(mem.folder / ".cursor" / "mcp.json") in done.err
    assert CLIENTS["cursor"].notes.split()[0] in done.err


def test_config_json_carries_the_command_and_the_text_to_paste(mem: Mem) -> None:
    found = mem.ok("mcp", "config", "codex", "--scope", "user:ada", "--json").json

    assert found["command"][-2:] == ["--scope", "user:ada"]
    assert found["config"].startswith("[mcp_servers.letheon]")
    assert found["path"] == str(mem.folder / ".codex" / "config.toml")


def test_config_write_merges_and_keeps_a_copy(mem: Mem) -> None:
    place = mem.folder / ".cursor" / "mcp.json"
    place.parent.mkdir()
    place.write_text('{"mcpServers": {"other": {"command": "x"}}}')

    first = mem.ok("mcp", "config", "cursor", "--write", "--json").json
    second = mem.ok("mcp", "config", "cursor", "--write")

    assert set(json.loads(place.read_text())["mcpServers"]) == {"other", "letheon"}
    assert first["changed"] is True
    assert "other" in open_text(first["backup"])
    assert second.out == f"unchanged: {place}\n"


def open_text(path: str) -> str:
    with open(path, encoding="utf-8") as file:  # noqa: PTH123 - a path from JSON
        return file.read()


def test_config_without_a_client_lists_all(mem: Mem) -> None:
    listed = mem.ok("mcp", "config", "--json").json["clients"]

    assert [one["name"] for one in listed] == list(CLIENTS)
    assert "goose" in mem.ok("mcp", "config").out


def test_an_unknown_client_is_a_usage_error_that_lists_the_known(mem: Mem) -> None:
    assert "cursor" in mem("mcp", "config", "netscape", "--json").error["hint"]
