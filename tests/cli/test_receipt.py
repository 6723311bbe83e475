"""Receipts from the command line: listed, shown, exported, verified."""

import json
from pathlib import Path

import pytest

from tests.cli.runner import Mem

HARBOR = ("--query", "halloumi", "--scope", "project:harbor")


@pytest.fixture
def erasure(told: Mem) -> str:
    told.ok("forget", *HARBOR, "--yes")
    found: str = told.ok("forget", "--source", "chat:mireille", "-y", "--json").json["receipt"][
        "erasure"
    ]
    return found


@pytest.fixture
def exported(told: Mem, erasure: str) -> Path:
    place = told.folder / "proof.json"
    place.write_text(told.ok("receipt", "show", erasure, "--proof", "--json").out)
    return place


def test_the_ledger_is_verified(told: Mem, erasure: str) -> None:
    found = told.ok("receipt", "verify", "--json").json
    shown = told.ok("receipt", "verify").out

    assert (found["ok"], found["entries"], found["faults"]) == (True, 2, [])
    assert found["keys"][0] in shown
    assert found["root"] in shown
    assert "2 receipts" in shown


def test_one_receipt_is_verified(told: Mem, erasure: str) -> None:
    found = told.ok("receipt", "verify", erasure, "--json").json
    shown = told.ok("receipt", "verify", erasure).out

    assert found["ok"]
    assert (found["erasure"], found["state"], found["index"]) == (erasure, "verified", 1)
    assert f"Receipt {erasure}" in shown
    assert "entry 2 of 2" in shown


def test_an_exported_proof_needs_no_store(told: Mem, exported: Path, erasure: str) -> None:
    key = told.ok("receipt", "verify", "--json").json["keys"][0]
    away = {"LETHEON_HOME": str(told.folder / "nowhere")}

    found = told.ok("receipt", "verify", "--file", str(exported), "--json", env=away).json
    shown = told.ok("receipt", "verify", "-f", str(exported), "--key", key, env=away).out
    open_end = told.ok("receipt", "verify", "-f", str(exported), env=away).out

    assert (found["erasure"], found["keys"]) == (erasure, [key])
    assert "--key" not in shown
    assert "--key" in open_end
    assert not (told.folder / "nowhere").exists()


def test_a_changed_proof_or_another_key_ends_with_4(told: Mem, exported: Path) -> None:
    body = json.loads(exported.read_text())
    other = told("receipt", "verify", "--file", str(exported), "--key", "0" * 64)
    body["entry"]["receipt"]["memories"] += 1
    exported.write_text(json.dumps(body))
    changed = told("receipt", "verify", "--file", str(exported), "--json")

    assert (other.code, other.out) == (4, "")
    assert "not the store's" in other.err
    assert (changed.code, changed.out) == (4, "")
    assert changed.error["kind"] == "InvalidReceiptError"


def test_a_changed_ledger_ends_with_4_and_names_the_line(told: Mem, erasure: str) -> None:
    place = told.home / "ledger.jsonl"
    lines = place.read_bytes().splitlines(keepends=True)
    place.write_bytes(lines[0].replace(b'"state":"verified"', b'"state":"pending"') + lines[1])

    whole, as_json = told("receipt", "verify"), told("receipt", "verify", "--json")
    one = told("receipt", "verify", erasure)
    doctor = told("doctor", "--json")

    assert [whole.code, as_json.code, one.code, doctor.code] == [4, 4, 4, 4]
    assert "does not have the hash it states" in whole.out
    assert as_json.json["faults"] == [{"line": 1, "reason": "hash"}]
    (finding,) = [one for one in doctor.json["findings"] if one["check"] == "ledger"]
    assert "line 1" in finding["detail"]


def test_a_ledger_that_lost_its_end_ends_with_4(told: Mem, erasure: str) -> None:
    place = told.home / "ledger.jsonl"
    place.write_bytes(place.read_bytes().splitlines(keepends=True)[0])

    assert told("receipt", "verify", "--json").json["faults"] == [{"line": 2, "reason": "missing"}]
    place.unlink()
    assert told("receipt", "verify").code == 4


def test_what_cannot_be_verified_is_said(told: Mem, erasure: str) -> None:
    assert told("receipt", "verify", "01ARZ3NDEKTSV4RRFFQ69G5FAV").code == 3
    assert told("receipt", "verify", "--file", "nothing.json").code == 3
    assert told("receipt", "verify", erasure, "--file", "x.json").code == 2
