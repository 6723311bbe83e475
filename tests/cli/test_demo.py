"""`mem demo` ends green, and nothing of what it forgets is left."""

import json

import pytest

from cli.demo import clean_end
from tests.cli.conftest import LOG
from tests.cli.runner import Mem

ASKED = json.loads((LOG.parent / "demo_questions.json").read_text())


def test_the_demo_forgets_every_byte_and_leaves_nothing_behind(mem: Mem) -> None:
    scratch = mem.folder / "tmp"
    scratch.mkdir()

    done = mem.ok("demo", "--json", env={"TMPDIR": str(scratch)})

    found = done.json
    assert found["ok"] is True
    assert found["bytes"]["before"]["occurrences"] > 100
    assert found["bytes"]["after"]["occurrences"] == 0
    assert found["probe"] == {"query": found["probe"]["query"], "before": True, "after": False}
    assert found["control"]["after"] is True
    assert found["forget"]["receipt"]["state"] == "verified"
    assert found["contrast"]["hybrid"] == 1
    assert found["scope"]["projects_seen"]["project:harbor"] == ["harbor"]
    assert found["seconds"] > 0
    assert list(scratch.iterdir()) == []
    assert not mem.home.exists()


def test_the_demo_in_a_pipe_tells_the_story_and_can_keep_its_store(mem: Mem) -> None:
    kept = mem.folder / "kept"

    done = mem.ok("demo", "--keep", str(kept))

    assert "Bytes before: " in done.out
    assert "Bytes after: 0 occurrences" in done.out
    assert "why: " in done.out
    assert "█" in done.out
    assert "\x1b" not in done.out
    bodies = [place.read_bytes().lower() for place in kept.rglob("*") if place.is_file()]
    assert not any(
        n.lower().encode() in body for body in bodies for n in ASKED["forget"]["needles"]
    )
    assert mem.ok("stats", "--store", str(kept), "--json").json["memories"] == 448 - 53


@pytest.mark.parametrize("words", [("--store", "x"), ("--keep", ".")])
def test_the_demo_never_touches_a_store_that_is_there(told: Mem, words: tuple[str, ...]) -> None:
    assert told("demo", *words).code == 2


def test_a_needle_that_is_left_makes_the_demo_fail() -> None:
    good = {
        "bytes": {"before": {"occurrences": 9}, "after": {"occurrences": 0}},
        "probe": {"before": True, "after": False},
        "control": {"after": True},
        "forget": {"receipt": {"state": "verified"}},
    }

    assert clean_end(good)
    for broken in (
        {"bytes": {"before": {"occurrences": 9}, "after": {"occurrences": 1}}},
        {"bytes": {"before": {"occurrences": 0}, "after": {"occurrences": 0}}},
        {"probe": {"before": True, "after": True}},
        {"control": {"after": False}},
        {"forget": {"receipt": {"state": "failed"}}},
    ):
        assert not clean_end({**good, **broken})
