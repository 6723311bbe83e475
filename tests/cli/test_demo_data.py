"""The bundled conversation log of `mem demo` is sound, and its questions point into it."""

import json
import re
from datetime import UTC, datetime
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any, get_args

import pytest

from memory.types import SourceClass

DATA = Path(__file__).parents[2] / "cli" / "data"
SCOPE = re.compile(
    r"user:(ada|jonas|mireille)/agent:coder/project:(harbor|lighthouse)"
    r"/session:\d{4}-\d\d-\d\d-[a-z]"
)
FIELDS = {"text", "kind", "scope", "actor", "at", "source", "root", "uri"}
FORGOTTEN = "chat:mireille"

Turn = dict[str, Any]


@pytest.fixture(scope="module")
def turns() -> list[Turn]:
    lines = (DATA / "demo.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def asked() -> dict[str, Any]:
    asked: dict[str, Any] = json.loads((DATA / "demo_questions.json").read_text(encoding="utf-8"))
    return asked


def when(turn: Turn) -> datetime:
    return datetime.strptime(turn["at"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def sessions(turns: list[Turn]) -> dict[str, list[Turn]]:
    found: dict[str, list[Turn]] = {}
    for turn in turns:
        found.setdefault(turn["scope"], []).append(turn)
    return found


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))


def test_there_are_enough_turns(turns: list[Turn]) -> None:
    assert len(turns) >= 300


def test_every_turn_has_valid_fields(turns: list[Turn]) -> None:
    for turn in turns:
        assert set(turn) - {"title"} == FIELDS
        assert all(isinstance(value, str) and value for value in turn.values())
        assert turn["kind"] == "turn"
        assert SCOPE.fullmatch(turn["scope"])
        assert turn["source"] in get_args(SourceClass)
        by_agent = turn["actor"] == "coder"
        assert turn["source"] == ("tool" if by_agent else "user")
        assert turn["root"] == ("agent:coder" if by_agent else f"user:{turn['actor']}")
        project = turn["scope"].split("project:")[1].split("/")[0]
        assert turn["uri"] in {f"chat:{project}", FORGOTTEN}


def test_no_turn_is_longer_than_120_words(turns: list[Turn]) -> None:
    assert max(len(turn["text"].split()) for turn in turns) <= 120


def test_sessions_spread_over_weeks_of_workdays(turns: list[Turn]) -> None:
    assert len(sessions(turns)) >= 20
    times = [when(turn) for turn in turns]
    assert len({time.isocalendar()[:2] for time in times}) >= 5
    assert all(time.isoweekday() <= 5 for time in times)


def test_time_increases_through_the_log_and_within_a_session(turns: list[Turn]) -> None:
    times = [when(turn) for turn in turns]
    assert times == sorted(times)
    for scope, session in sessions(turns).items():
        own = [when(turn) for turn in session]
        assert all(a < b for a, b in pairwise(own))
        assert scope.split("session:")[1][:10] == own[0].date().isoformat()
        assert own[0].date() == own[-1].date()


def test_no_turn_repeats_another(turns: list[Turn]) -> None:
    bags = [words(turn["text"]) for turn in turns]
    close = [
        (i, j)
        for (i, a), (j, b) in combinations(enumerate(bags, 1), 2)
        if len(a & b) >= 0.8 * len(a | b)
    ]
    assert close == []


def test_questions_point_at_turns_inside_their_scope(
    turns: list[Turn], asked: dict[str, Any]
) -> None:
    questions = asked["questions"]
    assert len(questions) >= 40
    assert len({question["query"] for question in questions}) == len(questions)
    for question in questions:
        assert set(question) == {"query", "scope", "gold", "note"}
        assert question["gold"] == sorted(set(question["gold"])) != []
        for line in question["gold"]:
            assert 1 <= line <= len(turns)
            assert turns[line - 1]["scope"].startswith(question["scope"])


def test_showcase_holds_six_questions_that_survive_the_forget(asked: dict[str, Any]) -> None:
    showcase = asked["showcase"]  # positions in "questions", from 0
    assert len(set(showcase)) == len(showcase) == 6
    gone = set(asked["forget"]["lines"])
    for place in showcase:
        assert not gone & set(asked["questions"][place]["gold"])


def test_forget_lists_exactly_the_turns_of_its_source(
    turns: list[Turn], asked: dict[str, Any]
) -> None:
    forget = asked["forget"]
    assert forget["source"] == FORGOTTEN
    assert forget["lines"] == [n for n, turn in enumerate(turns, 1) if turn["uri"] == FORGOTTEN]
    assert set(forget["probe_gold"]) <= set(forget["lines"])
    assert not set(forget["control_gold"]) & set(forget["lines"])
    by_her = [turn for turn in turns if turn["actor"] == "mireille"]
    assert by_her
    assert all(turn["uri"] == FORGOTTEN for turn in by_her)


def test_needles_occur_only_in_what_is_forgotten(turns: list[Turn], asked: dict[str, Any]) -> None:
    gone = "\n".join(turn["text"] for turn in turns if turn["uri"] == FORGOTTEN).lower()
    # Every field counts: a name may also hide in a scope, an actor or a root.
    kept = "\n".join(
        value for turn in turns if turn["uri"] != FORGOTTEN for value in turn.values()
    ).lower()
    assert len(asked["forget"]["needles"]) >= 6
    for needle in asked["forget"]["needles"]:
        assert needle.lower() in gone
        assert needle.lower() not in kept
