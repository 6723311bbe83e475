"""Forget from the command line: the plan, the person's word, the receipt, the exit code."""

import pytest

from memory.db import connect
from tests.cli.runner import Mem

SOURCE = ("--source", "chat:mireille")
GONE = 53
NEEDLES = (b"mireille", b"kougelhopf", b"scaphoid", b"vorkeel")


def count(mem: Mem) -> int:
    found: int = mem.ok("stats", "--json").json["memories"]
    return found


def occurrences(mem: Mem) -> int:
    bodies = [place.read_bytes().lower() for place in mem.home.rglob("*") if place.is_file()]
    return sum(body.count(needle) for body in bodies for needle in NEEDLES)


def test_a_dry_run_shows_the_plan_and_erases_nothing(told: Mem) -> None:
    before = count(told)

    done = told.ok("forget", *SOURCE, "--dry-run")

    assert f"Plan: {GONE} memories to be erased, chosen by source" in done.out
    assert f"and {GONE - 20} more" in done.out
    assert count(told) == before


def test_forget_erases_the_bytes_and_draws_the_receipt(told: Mem) -> None:
    assert occurrences(told) > 0

    done = told.ok("forget", *SOURCE, "--yes")

    assert f"Plan: {GONE} memories" in done.out
    assert "verified" in done.out
    assert "not claimed" in done.out
    assert occurrences(told) == 0


def test_forget_json_is_plan_and_receipt_alone(told: Mem) -> None:
    done = told.ok("forget", *SOURCE, "--yes", "--json")

    assert set(done.json) == {"plan", "receipt"}
    assert len(done.json["plan"]["ids"]) == done.json["receipt"]["memories"] == GONE
    assert done.json["receipt"]["state"] == "verified"
    assert done.err == ""


def test_forget_by_ids_and_by_words_in_a_scope(told: Mem) -> None:
    ids = told.ok("recall", "snapshot tests", "--ids", "-n", "2").out.split()

    by_ids = told.ok("forget", *ids, "--yes", "--json").json
    by_words = told.ok(
        "forget", "--query", "halloumi", "--scope", "project:harbor", "-y", "--json"
    ).json

    assert set(by_ids["plan"]["ids"]) == set(ids)
    assert by_words["plan"]["ids"]
    assert by_words["plan"]["selected_by"] == ["query", "scope"]


def test_a_memory_another_source_attests_is_kept_and_said_so(told: Mem) -> None:
    for uri in ("first.md", "second.md"):
        told.ok("remember", "tabs in SQL files", "--uri", uri)

    plan = told.ok("forget", "--source", "second.md", "--dry-run").out
    told.ok("forget", "--source", "second.md", "--yes")

    assert "Plan: 0 memories to be erased" in plan
    assert "1 memory stays: another source attests it too" in plan
    (kept,) = told.ok("recall", "tabs SQL", "-n", "1", "--ids").out.split()
    assert "first.md" in told.ok("show", kept).out
    assert "second.md" not in told.ok("show", kept).out


def test_nothing_that_matches_ends_with_3(told: Mem) -> None:
    done = told("forget", "--source", "chat:nobody", "--yes", "--json")

    assert (done.code, done.out) == (3, "")
    assert "nothing was erased" in done.error["message"]


def test_without_terminal_and_yes_nothing_is_erased(told: Mem) -> None:
    before = count(told)

    done = told("forget", *SOURCE, stdin=f"{GONE}\n")

    assert done.code == 2
    assert "--yes" in done.err
    assert count(told) == before


def test_json_asks_nobody_and_so_wants_yes(told: Mem) -> None:
    done = told("forget", *SOURCE, "--json")

    assert (done.code, done.out) == (2, "")
    assert "--dry-run" in done.error["hint"]


@pytest.mark.parametrize("typed", ["yes\n", f"{GONE - 1}\n", "\n", "\x04"])
def test_a_wrong_number_erases_nothing(told: Mem, typed: str) -> None:
    before = count(told)

    code, screen = told.on_terminal("forget", *SOURCE, typed=typed)

    assert code == 1
    assert "not confirmed, nothing was erased" in screen
    assert count(told) == before


def test_the_typed_number_confirms(told: Mem) -> None:
    code, screen = told.on_terminal("forget", *SOURCE, typed=f"{GONE}\n")

    assert code == 0
    assert "Type the number of memories to be erased" in screen
    assert screen.index("Plan:") < screen.index("Type the number") < screen.index("Receipt")
    assert occurrences(told) == 0


def test_a_reader_that_holds_the_file_makes_it_3_and_the_next_start_finishes(told: Mem) -> None:
    reader = connect(told.home / "memory.db", wait=1.0, create=False)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM memory").fetchall()
    try:
        done = told("forget", *SOURCE, "--yes", "--json", "--wait", "0.1")
        unseen = told("recall", "kougelhopf", "--json", "--lexical")
    finally:
        reader.close()

    assert done.code == 3
    assert done.json["receipt"]["state"] == "pending"
    assert not any("mireille" in one["memory"]["text"].lower() for one in unseen.json["hits"])
    assert told.ok("stats", "--json").json["pending_erasures"] == 0
    assert occurrences(told) == 0


def test_a_failed_verification_ends_with_4(told: Mem) -> None:
    (told.home / "stray.txt").write_text("somebody's copy")

    done = told("forget", *SOURCE, "--yes")

    assert done.code == 4
    assert "failed" in done.out
    assert "mem doctor" in done.out


def test_receipts_are_listed_and_shown(told: Mem) -> None:
    erasure = told.ok("forget", *SOURCE, "--yes", "--json").json["receipt"]["erasure"]

    listed = told.ok("receipt", "list", "--json").json["receipts"]
    shown = told.ok("receipt", "show", erasure)

    assert [one["erasure"] for one in listed] == [erasure]
    assert erasure in told.ok("receipt", "list").out
    assert f"Receipt {erasure}" in shown.out
    assert told.ok("receipt", "show", erasure, "--json").json == listed[0]


def test_a_receipt_that_does_not_exist_ends_with_3(told: Mem) -> None:
    assert told("receipt", "show", "01ARZ3NDEKTSV4RRFFQ69G5FAV").code == 3
    assert "nothing was forgotten yet" in told.ok("receipt", "list").err
