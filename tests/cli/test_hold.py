"""Holds, recipients and related memories from the command line."""

from tests.cli.runner import Mem

HOLD = (
    *("--ground", "17-3-e", "--authority", "Court of Lyon", "--reviewer", "Zoe"),
    *("--expires", "2199-01-31"),
)
TEXT = (
    "The harbour office moved its night shift to berth seven because the old crane on berth four"
    " leaks hydraulic oil and the port authority closed it until the inspection in October"
)


def remembered(mem: Mem, text: str, *more: str) -> str:
    ident: str = mem.ok("remember", text, *more, "--json").json["id"]
    return ident


def test_a_hold_is_placed_listed_shown_and_released(mem: Mem) -> None:
    ident = remembered(mem, "her badge is MVK-20931")

    hold = mem.ok("hold", "place", "--query", "badge", *HOLD, "--json").json
    assert (hold["memories"], hold["ground"]) == (1, "17-3-e")
    listed = mem.ok("hold", "list").out
    assert "Court of Lyon" in listed
    assert hold["id"] in listed
    shown = mem.ok("hold", "show", hold["id"]).out
    assert ident in shown
    assert "it is needed for legal claims" in shown
    assert "MVK" not in listed + shown
    assert "1 by 1 hold" in mem.ok("stats").out
    assert mem("show", ident).code == 3

    assert "1 memory back in the store" in mem.ok("hold", "release", hold["id"]).out
    assert "MVK-20931" in mem.ok("show", ident).out
    assert "nothing is held" in mem.ok("hold", "list").err


def test_a_restricted_memory_is_read_with_a_reason_on_record(mem: Mem) -> None:
    ident = remembered(mem, "her badge is MVK-20931")
    hold = mem.ok("hold", "place", ident, *HOLD, "--json").json["id"]

    refused = mem("hold", "show", ident, "--read")
    read = mem.ok("hold", "show", ident, "--read", "--reason", "legal-claim")

    assert refused.code == 2
    assert "--reason" in refused.err
    assert "her badge is MVK-20931" in read.out
    (access,) = mem.ok("hold", "show", hold, "--json").json["accesses"]
    assert (access["root"], access["reason"]) == ("os:ada", "legal-claim")


def test_forget_says_what_is_held_and_ends_well_for_the_rest(mem: Mem) -> None:
    held = remembered(mem, "her badge is MVK-20931", "--scope", "user:ada")
    remembered(mem, "she likes figs", "--scope", "user:ada")
    hold = mem.ok("hold", "place", held, *HOLD, "--json").json["id"]

    done = mem.ok("forget", "--scope", "user:ada", "--yes")

    assert "1 memory to be erased" in done.out
    assert "1 memory stays under a legal hold" in done.out
    assert "1 memory still under a legal hold" in done.out
    assert "MVK" not in done.out
    ended = mem.ok("hold", "release", hold)
    assert "0 memories back in the store" in ended.out
    assert "verified" in ended.out


def test_forget_of_held_memories_alone_keeps_the_intent(mem: Mem) -> None:
    held = remembered(mem, "her badge is MVK-20931")
    mem.ok("hold", "place", held, *HOLD)

    done = mem.ok("forget", held, "--yes", "--json").json

    assert done["receipt"]["held"] == len(done["plan"]["held"]) == 1
    assert done["receipt"]["memories"] == 0


def test_related_memories_are_shown_and_taken_on_request(mem: Mem) -> None:
    first = remembered(mem, TEXT)
    second = remembered(mem, f"{TEXT}, they said")

    dry = mem.ok("forget", first, "--dry-run")
    both = mem.ok("forget", first, "--with-related", "--dry-run", "--json").json
    done = mem.ok("forget", first, "--also", second, "--yes", "--json").json

    assert "1 related memory stays unless you choose it, too" in dry.out
    assert "has the same words" in dry.out
    assert set(both["plan"]["ids"]) == {first, second}
    assert done["receipt"]["memories"] == 2


def test_a_person_picks_related_memories_by_number(mem: Mem) -> None:
    first = remembered(mem, TEXT)
    for end in ("they said", "she wrote"):
        remembered(mem, f"{TEXT}, {end}")

    code, screen = mem.on_terminal("forget", first, typed="1\n2\n")
    assert code == 0, screen
    assert "their numbers, or all" in screen
    assert mem.ok("stats", "--json").json["memories"] == 1

    code, screen = mem.on_terminal("forget", "--query", "harbour", typed="1\n")
    assert code == 0, screen


def test_recipients_are_listed_and_told(mem: Mem) -> None:
    ident = remembered(mem, "her badge is MVK-20931")
    mem.ok("export", str(mem.folder / "out.jsonl"))

    assert "out.jsonl" in mem.ok("recipients", "list").out
    done = mem.ok("forget", ident, "--yes")
    assert "Whom to tell (Article 19)" in done.out
    (told,) = mem.ok("recipients", "list", "--json").json["notifications"]
    assert (told["kind"], told["outcome"]) == ("export", "to-do")
    mem.ok("recipients", "notified", told["erasure"], told["name"])
    (told,) = mem.ok("recipients", "list", told["erasure"], "--json").json["notifications"]
    assert told["outcome"] == "notified"
    out = mem.ok("recipients", "impossible", told["erasure"], f"export:{told['name']}").out
    assert out.endswith("impossible\n")
    assert mem("recipients", "notified", told["erasure"], "nobody").code == 3
