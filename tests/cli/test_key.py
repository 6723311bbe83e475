import json

from memory import keyslots
from tests.cli.runner import Mem

WORDS = "correct horse battery"
GIVEN = {"LETHEON_PASSPHRASE": WORDS}
WITHOUT_RING = {"PYTHONPATH": ""}


def test_init_says_how_the_key_is_kept_and_what_losing_it_means(mem: Mem) -> None:
    done = mem.ok("init", "--encrypt", "--key", "file")

    assert "encrypted: its key is in a file that only you can read" in done.out
    assert "nothing opens the store" in done.err
    assert "not a stolen folder" in done.err
    told = mem.ok("key", "status").out
    assert told.startswith("encrypted under key 0")
    assert mem.ok("init", "--json").json["encryption"] == "file"
    assert mem.ok("stats", "--json").json["encryption"] == "file"
    assert "key by file" in mem.ok("stats").out


def test_a_forget_on_an_encrypted_store_names_the_key_it_destroyed(mem: Mem) -> None:
    mem.ok("init", "--encrypt", "--key", "file")
    mem.ok("remember", "the otter sleeps under pier seven")
    before = mem.ok("key", "status", "--json").json["key"]

    receipt = mem.ok("forget", "--query", "otter", "--yes", "--json").json["receipt"]

    assert receipt["keys_destroyed"] == [before]
    assert mem.ok("key", "status", "--json").json["key"] != before
    assert mem.ok("doctor").code == 0


def test_an_unencrypted_receipt_says_medium_not_claimed(mem: Mem) -> None:
    mem.ok("remember", "the otter sleeps under pier seven")

    receipt = mem.ok("forget", "--query", "otter", "--yes", "--json").json["receipt"]

    (medium,) = [one for one in receipt["probes"] if one["name"] == "medium"]
    assert medium["result"] == "not_claimed"
    assert "medium" in receipt["not_claimed"]
    assert "not encrypted" in mem.ok("key", "status").out
    assert mem("key", "rotate").code == 4


def test_a_passphrase_is_taken_from_the_environment_or_refused_clearly(mem: Mem) -> None:
    mem.ok("init", "--encrypt", "--key", "passphrase", env=GIVEN)
    mem.ok("remember", "a text", env=GIVEN)

    without, wrong = mem("list"), mem("list", env={"LETHEON_PASSPHRASE": "another one"})

    assert (without.code, without.out) == (4, "")
    assert "encrypted with a passphrase" in without.err
    assert "LETHEON_PASSPHRASE" in without.err
    assert (wrong.code, wrong.out) == (4, "")
    assert "the passphrase is wrong" in wrong.err
    assert "a text" in mem.ok("list", env=GIVEN).out
    assert WORDS not in without.err + wrong.err


def test_on_a_terminal_the_passphrase_is_asked_for_once_and_not_shown(mem: Mem) -> None:
    mem.ok("init", "--encrypt", "--key", "passphrase", env=GIVEN)
    mem.ok("remember", "a text of one's own", env=GIVEN)

    code, screen = mem.on_terminal("list", typed=f"{WORDS}\n")

    assert code == 0
    assert screen.count("Passphrase of the store:") == 1
    assert "a text of one's own" in screen


def test_on_a_terminal_a_new_passphrase_is_asked_for_twice(mem: Mem) -> None:
    code, screen = mem.on_terminal(
        "init", "--encrypt", "--key", "passphrase", typed=f"{WORDS}\nanother one\n"
    )
    assert code == 2
    assert "differ" in screen
    assert not keyslots.place_of(mem.home).exists()

    code, screen = mem.on_terminal(
        "init", "--encrypt", "--key", "passphrase", typed=f"{WORDS}\n{WORDS}\n"
    )
    assert code == 0, screen
    assert mem.ok("list", "--json", env=GIVEN).json


def test_the_key_can_be_rotated_and_kept_in_another_way(mem: Mem) -> None:
    mem.ok("init", "--encrypt", "--key", "file")
    first = mem.ok("key", "status", "--json").json["key"]

    assert mem.ok("key", "rotate", "--json").json == {"destroyed": [first]}
    second = mem.ok("key", "status", "--json").json["key"]
    done = mem.ok("key", "keep", "--key", "passphrase", env=GIVEN)

    assert second in done.out
    assert "nobody can reset it" in done.err
    assert mem("key", "status").code == 4
    assert mem.ok("key", "status", "--json", env=GIVEN).json["kept"] == "passphrase"


def test_a_plain_store_is_not_encrypted_afterwards(mem: Mem) -> None:
    mem.ok("remember", "in plain")

    done = mem("init", "--encrypt", "--key", "file", "--json")

    assert done.code == 4
    assert "unencrypted store" in done.error["message"]
    assert "mem export" in done.error["hint"]
    assert json.dumps(mem.ok("list", "--json").json)
