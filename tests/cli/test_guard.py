import json

from tests.cli.runner import Mem

SAID = "Mireille moved to the flat above the bakery in Tanner Row"


def forgotten(mem: Mem, *options: str) -> None:
    mem.ok("remember", SAID)
    mem.ok("forget", "--query", "bakery", "--yes", *options)


def test_an_erased_text_is_refused_with_2_and_a_way_out(mem: Mem) -> None:
    forgotten(mem)

    done = mem("remember", SAID.upper())

    assert (done.code, done.out) == (2, "")
    assert "was erased on request and is refused" in done.err
    assert "mem remember --allow-erased" in done.err
    assert "Mireille" not in done.err


def test_a_person_can_let_an_erased_text_in(mem: Mem) -> None:
    forgotten(mem)

    mem.ok("remember", SAID, "--allow-erased")

    assert mem.ok("stats", "--json").json["memories"] == 1


def test_without_a_tombstone_the_text_is_accepted_again(mem: Mem) -> None:
    forgotten(mem, "--no-tombstone")

    mem.ok("remember", SAID)


def test_an_import_says_how_many_items_it_left_out(mem: Mem) -> None:
    forgotten(mem)
    place = mem.folder / "in.jsonl"
    place.write_text("".join(json.dumps({"text": text}) + "\n" for text in (SAID, "rain", "snow")))

    done = mem.ok("import", str(place))

    assert "2 new" in done.out
    assert "left out 1 item" in done.err
    assert mem.ok("import", str(place), "--json").json["refused"] == 1


def test_guard_counts_and_rotates(mem: Mem) -> None:
    mem.ok("init")
    assert mem.ok("guard", "status", "--json").json == {"texts": 0}
    forgotten(mem)
    assert mem.ok("guard", "status").out == "1 erased text would be refused\n"

    assert (
        mem.ok("guard", "rotate").out == "1 erased text no longer recognised, the key destroyed\n"
    )

    assert mem.ok("guard", "rotate", "--json").json == {"dropped": 0}
    mem.ok("remember", SAID)
