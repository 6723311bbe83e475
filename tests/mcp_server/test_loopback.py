import asyncio
import http.client
import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from mcp_server.loopback import listening, token
from memory import Store, StoreError, UsageError
from tests.mcp_server.faces import CLIENT, ERAS, Person

ROOT = Path(__file__).parents[2]
PING = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"})


class Served:
    """A server process over HTTP."""

    def __init__(self, home: Path, port: int) -> None:
        self.home = home
        self.port = port
        self.token = (home / "keys" / "http.token").read_text(encoding="ascii").strip()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    def post(self, body: str = PING, **headers: str) -> tuple[int, str, Mapping[str, str]]:
        given = {
            "Host": f"127.0.0.1:{self.port}",
            "Authorization": f"Bearer {self.token}",
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": "2025-11-25",
        }
        given.update({name.replace("_", "-"): value for name, value in headers.items()})
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("POST", "/mcp", body.encode(), {k: v for k, v in given.items() if v})
            answer = connection.getresponse()
            return answer.status, answer.read().decode(), dict(answer.getheaders())
        finally:
            connection.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("http") / "store"
    with Store(home, embedder="none") as store:
        store.remember("Ada prefers tabs", scope="user:ada")
    command = [sys.executable, "-m", "mcp_server", "--store", str(home)]
    with subprocess.Popen(
        [*command, "--transport", "http", "--port", "0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        where = re.search(r"http://127\.0\.0\.1:(\d+)/mcp", line)
        assert where is not None, line
        yield Served(home, int(where.group(1)))
        process.terminate()
        out, err = process.communicate(timeout=30)
        assert process.returncode == 0
        assert out == ""
        assert "Ada" not in err


def test_the_token_is_not_printed_and_readable_by_the_owner_only(served: Served) -> None:
    place = served.home / "keys" / "http.token"

    assert len(served.token) >= 43  # 32 random bytes
    if os.name == "posix":
        assert stat.S_IMODE(place.stat().st_mode) == 0o600
        assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700
    with Store(served.home) as store:
        assert all(finding.ok for finding in store.check())


@pytest.mark.parametrize("given", ["", "Bearer wrong", "Bearer ", "Basic dTpw", "Bearer ünïcode"])
def test_a_missing_or_wrong_token_is_401(served: Served, given: str) -> None:
    status, body, headers = served.post(Authorization=given)

    assert status == 401
    assert headers["www-authenticate"] == "Bearer"
    assert "Ada" not in body


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "evil.example:{port}"]
)
def test_a_wrong_host_is_403(served: Served, host: str) -> None:
    assert served.post(Host=host.format(port=served.port))[0] == 403


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1:1", "https://localhost:{port}"]
)
def test_a_wrong_origin_is_403(served: Served, origin: str) -> None:
    status, _, headers = served.post(Origin=origin.format(port=served.port))

    assert status == 403
    assert not [name for name in headers if name.lower().startswith("access-control")]


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "[::1]"])
def test_the_names_of_this_machine_are_let_through(served: Served, name: str) -> None:
    place = f"{name}:{served.port}"

    status, _, headers = served.post(Host=place, Origin=f"http://{place}")

    assert status not in (401, 403, 413, 421)
    assert not [name for name in headers if name.lower().startswith("access-control")]


def test_a_body_over_one_megabyte_is_413(served: Served) -> None:
    assert served.post("x" * 1_000_001)[0] == 413


def test_an_overlong_body_without_the_token_is_not_read(served: Served) -> None:
    assert served.post("x" * 500_000, Authorization="")[0] == 401


@pytest.mark.parametrize("era", ERAS)
def test_the_right_token_recalls_and_forgets(served: Served, era: str) -> None:
    person = Person(typed=1)

    async def main() -> tuple[Any, Any]:
        headers = {"Authorization": f"Bearer {served.token}"}
        async with httpx2.AsyncClient(headers=headers, timeout=30) as http_client:
            transport = streamable_http_client(served.url, http_client=http_client)
            async with Client(
                transport, mode=era, elicitation_callback=person, client_info=CLIENT
            ) as client:
                kept = await client.call_tool("remember", {"text": f"the {era} port is 8080"})
                found = await client.call_tool("recall", {"query": f"{era} port"})
                selector = {"ids": [kept.structured_content["id"]]}
                plan = await client.call_tool("forget_plan", selector)
                digest = plan.structured_content["digest"]
                done = await client.call_tool("forget", {**selector, "digest": digest})
                return found.structured_content, done.structured_content

    found, done = asyncio.run(main())

    assert f"the {era} port is 8080" in [hit["text"] for hit in found["hits"]]
    assert done["state"] == "erased"
    assert len(person.asked) == 1


def test_the_token_stays_the_same(home: Path) -> None:
    home.mkdir(mode=0o700)

    assert token(home) == token(home)


@pytest.mark.skipif(os.name != "posix", reason="modes and links")
def test_a_token_others_can_read_or_move_is_refused(home: Path) -> None:
    home.mkdir(mode=0o700)
    place = home / "keys" / "http.token"
    kept = token(home)

    place.chmod(0o640)
    with pytest.raises(StoreError, match="read by others"):
        token(home)
    place.rename(home / "elsewhere")
    place.symlink_to(home / "elsewhere")
    with pytest.raises(StoreError, match="not a regular file"):
        token(home)
    place.unlink()
    place.touch(mode=0o600)
    with pytest.raises(StoreError, match="holds no token"):
        token(home)
    place.unlink()
    assert token(home) != kept


def test_a_taken_port_is_refused() -> None:
    with listening(0) as held, pytest.raises(UsageError, match="cannot be used"):
        listening(held.getsockname()[1])
