"""People on the command line: show, declare, export, forget, and the requests they make."""

import json
import re
from pathlib import Path

from tests.cli.runner import Mem

NEEDLES = (b"mireille", b"kougelhopf", b"scaphoid", b"vorkeel")


def content(mem: Mem) -> bytes:
    places = (place for place in mem.home.rglob("*") if place.is_file())
    return b"\n".join(place.read_bytes() for place in places).lower()


def test_nobody_has_to_be_declared_to_be_shown_and_forgotten(told: Mem) -> None:
    shown = told.ok("subject", "show", "Mireille").out
    plan = told.ok("forget", "--subject", "mireille", "--dry-run").out

    assert "28 said or written by them" in shown
    assert "12 about them" in shown
    assert "13 said by others" in shown
    assert "Forget mireille" in plan
    assert "Plan: 40 memories to be erased, chosen by subject" in plan
    assert re.search(r"goes +28 +said or written by them", plan)
    assert re.search(r"goes +12 +about them", plan)
    assert re.search(r"asked separately +13 +said by others.*--with-mentions", plan)


def test_forget_a_person_says_what_went_what_is_left_and_what_to_do(told: Mem) -> None:
    told.ok("subject", "add", "Mireille Vorkeel", "mireille", "mireille@harbor.example")
    request = told.ok(
        "request", "open", "erasure", "Mireille", "--ground", "b", "--by", "subject", "--json"
    ).json["id"]
    assert all(needle in content(told) for needle in NEEDLES), "positive control"

    done = told.ok(
        "forget", "--subject", "Mireille", "--with-mentions", "--request", request, "--yes"
    ).out

    order = [
        "Forget Mireille Vorkeel",
        "Plan: 53 memories",
        "said or written by them",
        "names and addresses: Mireille Vorkeel, mireille, mireille@harbor.example",
        "answers: request",
        "Receipt",
        "verified",
        "ground (b) consent withdrawn",
        "alias 2",
        "not claimed",
        "Forgotten of Mireille Vorkeel: said by them 28, about them 12, mentions 13, names 3",
        "Next",
        "tell the person by",
        "mem receipt show",
    ]
    at = 0
    for said in order:
        at = done.index(said, at)
    assert [needle for needle in NEEDLES if needle in content(told)] == []
    after = told.ok("request", "show", request, "--json").json
    assert (after["state"], after["subject"]) == ("done", "")


def test_what_others_said_stays_until_it_is_asked_for(told: Mem) -> None:
    first = told.ok("subject", "forget", "mireille", "--yes")
    second = told.ok("forget", "--subject", "mireille", "--with-mentions", "--yes", "--json").json

    assert "13 memories of others still name them: mem forget --subject mireille" in first.out
    assert second["receipt"]["memories"] == 13
    assert b"mireille" not in content(told)


def test_the_number_is_typed_for_a_person_too(told: Mem) -> None:
    code, screen = told.on_terminal("forget", "--subject", "mireille", typed="40\n")

    assert code == 0
    assert screen.index("asked separately") < screen.index("Type the number") < screen.index("Next")


def test_a_person_without_memories_is_forgotten_by_typing_one(mem: Mem) -> None:
    mem.ok("init")
    mem.ok("subject", "add", "Quadflieg")

    code, screen = mem.on_terminal("forget", "--subject", "Quadflieg", typed="1\n")

    assert code == 0
    assert "people whose names are to be erased" in screen
    assert b"quadflieg" not in content(mem)


def test_an_ambiguous_name_is_refused_with_the_whole_names(told: Mem) -> None:
    told.ok("subject", "add", "Mireille Vorkeel")

    done = told("forget", "--subject", "Mireille", "--yes", "--json")

    assert done.code == 2
    assert done.error["kind"] == "AmbiguousNameError"
    assert done.error["ids"] == ["Mireille Vorkeel", "mireille"]
    assert "'Mireille Vorkeel', 'mireille'" in told("subject", "show", "Mireille").err


def test_declaring_tells_of_names_that_may_be_the_same(told: Mem) -> None:
    done = told.ok("subject", "add", "Mireille Vorkeel")

    assert "also seen: mireille (alias, 28 times)" in done.err
    assert "mem subject alias 'Mireille Vorkeel' 'mireille'" in done.err


def test_names_are_listed_added_joined_and_taken_away(mem: Mem) -> None:
    mem.ok("init")
    mem.ok("subject", "add", "Ada Lovelace", "ada@example.org", "@ada")
    mem.ok("subject", "add", "Countess")
    mem.ok("subject", "merge", "Ada Lovelace", "Countess")
    mem.ok("subject", "alias", "ada@example.org", "@ada", "--remove")

    (one,) = mem.ok("subject", "list", "--json").json["subjects"]

    assert one["name"] == "Ada Lovelace"
    assert [name["value"] for name in one["names"]] == ["Countess", "ada@example.org"]
    assert "ada@example.org" in mem.ok("subject", "list").out
    assert mem("subject", "alias", "Nobody", "x").code == 3


def test_an_export_is_private_registered_and_warns_of_other_people(
    told: Mem, tmp_path: Path
) -> None:
    place = tmp_path / "given.json"

    done = told.ok("subject", "export", "mireille", "--file", str(place))

    assert done.out == f"53 memories in {place}\n"
    assert "13 memories are other people's words" in done.err
    assert place.stat().st_mode & 0o077 == 0
    assert json.loads(place.read_text())["evidence"]
    assert told.ok("stats", "--json").json["copies"] == [str(place)]
    piped = told.ok("subject", "export", "mireille", "--article", "20").json
    assert len(piped["memories"]) == 28
    inside = told("subject", "export", "mireille", "--file", str(told.home / "x.json"))
    assert inside.code == 2


def test_correct_is_edit_and_counts_for_a_request(mem: Mem) -> None:
    kept = mem.ok("remember", "Ada likes tabs", "--json").json["id"]
    request = mem.ok("request", "open", "rectification", "Ada", "--json").json["id"]
    access = mem.ok("request", "open", "access", "Ada", "--json").json["id"]

    mem.ok("correct", kept, "--text", "Ada likes spaces", "--request", request)
    wrong = mem("correct", kept, "--text", "Ada likes both", "--request", access)

    assert mem.ok("request", "show", request, "--json").json["corrected"] == 1
    assert wrong.code == 2
    assert "Ada likes spaces" in mem.ok("edit", kept, "--kind", "preference").out


def test_a_request_from_its_opening_to_its_end(mem: Mem) -> None:
    mem.ok("init")
    opened = mem.ok("request", "open", "access", "Ada", "--received", "2026-01-31", "--json").json
    ident = opened["id"]

    assert opened["due"] == "2026-02-28"
    assert "overdue since 2026-02-28" in mem.ok("request", "list").out
    assert "1 open, 1 overdue" in mem.ok("stats").out
    assert mem("doctor").code == 4
    assert "by an account they use" in mem.ok("request", "verify", ident, "account").out
    assert mem("request", "refuse", ident, "17-3-b").code == 2
    refused = mem.ok("request", "refuse", ident, "12-5-excessive").out
    assert "excessive, above all repeated, Article 12(5)(b)" in refused
    assert b"ada" not in content(mem).replace(b"metadata", b"")


def test_an_extended_request_is_due_later(mem: Mem) -> None:
    mem.ok("init")
    ident = mem.ok("request", "open", "erasure", "--ground", "a", "--json").json["id"]

    after = mem.ok("request", "extend", ident, "number", "--months", "1", "--json").json

    assert (after["extended"], after["extended_for"]) == (1, "number")
    assert "1 month, there are many requests" in mem.ok("request", "show", ident).out


def test_nothing_recorded_is_said_so(mem: Mem) -> None:
    mem.ok("init")

    assert "no request was recorded yet" in mem.ok("request", "list").err
    assert "nobody is declared" in mem.ok("subject", "list").err
    assert "no memory is by, about or with this name" in mem.ok("subject", "show", "Ada").err
    assert mem("subject", "export", "Ada").code == 3
