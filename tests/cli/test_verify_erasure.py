"""`mem verify-erasure`: exit codes, and what a person may bring."""

import json

import pytest

from memory.db import driver
from tests.cli.runner import Mem

TEXT = "Zoe keeps the quaggabadge in drawer seven"


@pytest.fixture
def erasure(mem: Mem) -> str:
    mem.ok("remember", "Zoe likes tea")
    mem.ok("remember", TEXT, "--uri", "chat:zoe")
    found: str = mem.ok("forget", "--source", "chat:zoe", "-y", "--json").json["receipt"]["erasure"]
    return found


def test_it_says_what_was_looked_at(mem: Mem, erasure: str) -> None:
    shown = mem.ok("verify-erasure", erasure).out
    found = mem.ok("verify-erasure", erasure, "--json").json

    assert f"Erasure {erasure}  verified" in shown
    assert "its receipt holds and says verified" in shown
    assert found["state"] == "verified"
    assert [one["name"] for one in found["probes"] if one["why"] == "not_given"] == [
        "bytes",
        "vectors",
    ]


@pytest.mark.parametrize("form", ["a file", "standard input", "an export"])
def test_a_text_is_looked_for_from(mem: Mem, erasure: str, form: str) -> None:
    place = mem.folder / "text"
    line = json.dumps({"text": TEXT, "actor": "", "uri": "chat:zoe", "kind": "note"})
    place.write_text(f"{line}\n{line}\n" if form == "an export" else TEXT)
    given = ("--with", "-" if form == "standard input" else str(place))

    clean = mem.ok("verify-erasure", erasure, *given, "--json", stdin=TEXT).json
    (mem.home / "keys" / "old.token").write_text(f"... {TEXT} ...")
    dirty = mem("verify-erasure", erasure, *given, "--json", stdin=TEXT)

    assert {one["name"]: one["result"] for one in clean["probes"]}["bytes"] == "pass"
    assert dirty.code == 4
    assert {one["name"]: one["result"] for one in dirty.json["probes"]}["bytes"] == "fail"
    assert "quagga" not in dirty.out


def test_what_is_not_there_or_says_nothing_is_refused(mem: Mem, erasure: str) -> None:
    (mem.folder / "empty").write_text(" \n")

    assert mem("verify-erasure", "01AAAAAAAAAAAAAAAAAAAAAAAA").code == 3
    assert mem("verify-erasure", erasure, "--with", str(mem.folder / "none")).code == 2
    assert mem("verify-erasure", erasure, "--with", str(mem.folder / "empty")).code == 2


def test_a_pending_erasure_ends_with_three(mem: Mem) -> None:
    mem.ok("remember", TEXT, "--uri", "chat:zoe")
    reader = driver.connect(str(mem.home / "memory.db"))
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM memory").fetchone()
    pending = mem("forget", "--source", "chat:zoe", "-y", "--wait", "0", "--json").json
    erasure = pending["receipt"]["erasure"]

    done = mem("verify-erasure", erasure)

    assert done.code == 3
    assert f"Erasure {erasure}  pending" in done.out
    reader.close()
    assert mem("verify-erasure", erasure).code == 0


def test_a_ledger_that_was_changed_ends_with_four(mem: Mem, erasure: str) -> None:
    place = mem.home / "ledger.jsonl"
    place.write_bytes(place.read_bytes().replace(b'"memories":1', b'"memories":7'))

    done = mem("verify-erasure", erasure)

    assert done.code == 4
    assert "does not have the hash it states" in done.out
