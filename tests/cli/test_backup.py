"""Backups from the command line: made, listed, examined, shredded, restored."""

import re
from pathlib import Path

import pytest

from tests.cli.runner import Mem


@pytest.fixture
def made(told: Mem) -> Path:
    place = told.folder / "monday.mem"
    told.ok("backup", str(place))
    return place


def test_a_backup_is_made_listed_shown_and_verified(told: Mem) -> None:
    place = told.folder / "monday.mem"

    done = told.ok("backup", str(place), "--json").json
    (listed,) = told.ok("backup", "list", "--json").json["backups"]
    shown = told.ok("backup", "show", done["id"]).out
    table = told.ok("backup", "list").out

    assert (done["memories"], done["path"], done["opens"]) == (448, str(place), "store")
    assert listed["id"] == done["id"]
    assert done["id"] in table
    assert f"until {done['expires']}" in shown
    assert "holds" in told.ok("backup", "verify", str(place)).out
    assert told.ok("backup", "verify", str(place), "--json").json["backup"] == done["id"]


def test_a_person_is_told_that_the_key_is_lost_with_the_store(told: Mem) -> None:
    done = told.ok("backup", str(told.folder / "a.mem"), "--expires", "0")

    assert "if the store is lost, so is the backup" in done.err
    assert "to be shredded never" in done.err


def test_a_recovery_code_stands_alone_on_standard_output(told: Mem) -> None:
    place = told.folder / "a.mem"
    code = told.ok("backup", str(place), "--recovery").out.splitlines()[-1]
    elsewhere = ("--store", str(told.folder / "new machine"))

    wrong = told("restore", str(place), *elsewhere, stdin="0000-" * 7 + "0000\n")
    done = told.ok("restore", str(place), *elsewhere, "--json", stdin=f"{code}\n").json

    assert re.fullmatch(r"(?:\w{4}-){7}\w{4}", code)
    assert wrong.code == 2
    assert "not the recovery code" in wrong.err
    assert (done["memories"], done["whole"]) == (448, True)
    assert told.ok("stats", "--json", *elsewhere).json["memories"] == 448


def test_a_passphrase_comes_from_the_environment_or_a_pipe(told: Mem) -> None:
    place = told.folder / "a.mem"
    told.ok("backup", str(place), "--passphrase", env={"LETHEON_PASSPHRASE": "correct horse"})
    elsewhere = ("--store", str(told.folder / "new machine"))

    none = told("restore", str(place), *elsewhere)
    done = told.ok("restore", str(place), *elsewhere, stdin="correct horse\n")

    assert none.code == 2
    assert "no passphrase" in none.err
    assert "448 memories back" in done.out


def test_forget_shreds_backups_on_request(told: Mem, made: Path) -> None:
    first = told.ok("forget", "--source", "chat:mireille", "-y", "--json").json["receipt"]
    shown = told.ok("receipt", "show", first["erasure"]).out
    second = told.ok("forget", "--scope", "user:jonas", "-y", "--shred-backups", "--json").json

    assert first["copies"] == {"backup": 1}
    assert f"until {first['copies_until']}" in shown
    assert second["receipt"]["copies"] == {"shredded": 1}
    assert not made.exists()
    assert [one["state"] for one in told.ok("backup", "list", "--json").json["backups"]] == [
        "shredded"
    ]


def test_an_erased_memory_does_not_come_back(told: Mem, made: Path) -> None:
    receipt = told.ok("forget", "--source", "chat:mireille", "-y", "--json").json["receipt"]

    done = told.ok("restore", str(made)).out

    assert f"{receipt['memories']} stay erased" in done
    assert "0 memories back" in done


def test_shredding_one_and_expiring_none(told: Mem, made: Path) -> None:
    (one,) = told.ok("backup", "list", "--json").json["backups"]

    assert told.ok("backup", "expire").out == "0 backups shredded\n"
    assert "key destroyed, file removed" in told.ok("backup", "shred", one["id"]).out
    assert "nothing any more" in told.ok("backup", "show", one["id"]).out
    assert told("backup", "shred", "0" * 26).code == 3


def test_what_is_no_backup_ends_with_2_and_a_damaged_one_with_4(told: Mem, made: Path) -> None:
    other = told.folder / "other.txt"
    other.write_text("hello")
    raw = bytearray(made.read_bytes())
    raw[5_000] ^= 1
    made.write_bytes(raw)

    assert told("backup", "verify", str(other)).code == 2
    assert told("restore", str(told.folder / "absent")).code == 2
    assert told("backup", "verify", str(made)).code == 4
    assert told("restore", str(made)).code == 4


def test_lost_erasures_have_to_be_accepted(told: Mem) -> None:
    place = told.folder / "a.mem"
    code = told.ok("backup", str(place), "--recovery").out.splitlines()[-1]
    told.ok("forget", "--source", "chat:mireille", "-y")
    for name in ("memory.db", "memory.db-wal", "memory.db-shm", "behavior.db"):
        (told.home / name).unlink(missing_ok=True)
    for key in (told.home / "keys" / "backup").iterdir():
        key.unlink()

    refused = told("restore", str(place), stdin=f"{code}\n")
    done = told.ok("restore", str(place), "--accept-unknown-erasures", stdin=f"{code}\n")

    assert refused.code == 4
    assert "1 erasures are later than this backup" in refused.err
    assert "448 memories back" in done.out
    assert "1 erasure of later days" in done.err


def test_a_backup_shows_its_progress_on_a_terminal(told: Mem) -> None:
    code, screen = told.on_terminal("backup", str(told.folder / "a.mem"))

    assert code == 0
    assert "448 memories in" in screen
