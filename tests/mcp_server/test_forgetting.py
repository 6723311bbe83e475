import asyncio
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp import MCPError
from mcp_types import ElicitResult, InputRequiredResult

from mcp_server.forgetting import OPEN, Questions, asked
from memory import Selector, Store, UsageError
from tests.mcp_server.faces import ERAS, Person, run, said

OLD, NEW = ERAS
DIGEST = "0" * 64


class Seconds:
    """A clock that stands still until it is told otherwise."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class SilentContext:
    """The context of a call whose person went for coffee."""

    client_params = None
    request_id = "1"

    @property
    def session(self) -> "SilentContext":
        return self

    async def elicit_form(self, *_: object, **__: object) -> ElicitResult:
        await asyncio.Event().wait()
        raise AssertionError


@pytest.fixture
def store(home: Path) -> Iterator[Store]:
    with Store(home, embedder="none") as opened:
        opened.remember("Ada's door code is on the blue card", scope="user:ada")
        opened.remember("Ada's spare door key is with Ben", scope="user:ada")
        opened.remember("the harbor service runs on port 8080", scope="project:x")
        yield opened


def planned(store: Store, **selector: Any) -> dict[str, Any]:
    return {**selector, "digest": store.plan_forget(Selector(**selector)).digest}


def forget(store: Store, era: str, person: Person | None, **arguments: Any) -> Any:
    return run(store, lambda client: client.call_tool("forget", arguments), era, person)


@pytest.mark.parametrize("era", ERAS)
def test_a_plan_is_confirmed_by_the_person_and_erased(store: Store, era: str) -> None:
    person = Person(typed=2)

    async def work(client: Any) -> Any:
        plan = (await client.call_tool("forget_plan", {"query": "Ada door"})).structured_content
        assert plan["total"] == len(plan["ids"]) == len(plan["memories"]) == 2
        return await client.call_tool("forget", {"query": "Ada door", "digest": plan["digest"]})

    result = run(store, work, era, person)

    answer = result.structured_content
    assert (answer["state"], answer["memories"], answer["command"]) == ("erased", 2, "")
    assert answer["receipt"]["state"] == "verified"
    assert answer["receipt"]["erasure"] in said(result)
    assert [memory.text for memory in store.list()] == ["the harbor service runs on port 8080"]
    (asked,) = person.asked
    assert "Erase 2 memories for good?" in asked
    assert "Asked for by mcp:test client" in asked
    assert "“Ada's spare door key is with Ben”" in asked


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("typed", ["2", " 2 "])
def test_a_number_typed_as_text_counts(store: Store, era: str, typed: str) -> None:
    result = forget(store, era, Person(typed=typed), **planned(store, query="Ada door"))

    assert result.structured_content["state"] == "erased"


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    ("person", "state"),
    [
        (Person("decline"), "declined"),
        (Person("cancel"), "declined"),
        (Person(typed=3), "wrong_number"),
        (Person(typed=True), "wrong_number"),
        (Person(typed="yes"), "wrong_number"),
        (Person(typed=None), "wrong_number"),
        (Person(typed=2.5), "wrong_number"),
    ],
    ids=["decline", "cancel", "3", "true", "yes", "null", "2.5"],
)
def test_anything_but_the_right_number_erases_nothing(
    store: Store, era: str, person: Person, state: str
) -> None:
    result = forget(store, era, person, **planned(store, query="Ada door"))

    assert not result.is_error
    assert result.structured_content == {
        "state": state, "memories": 0, "command": "", "receipt": None
    }  # fmt: skip
    assert said(result).startswith("Nothing was erased")
    assert store.stats().memories == 3


@pytest.mark.parametrize("era", ERAS)
def test_a_stale_plan_is_refused_before_anybody_is_asked(store: Store, era: str) -> None:
    arguments = planned(store, query="Ada door")
    store.remember("Ada's garden door is never locked", scope="user:ada")
    person = Person(typed=3)

    result = forget(store, era, person, **arguments)

    assert result.is_error
    assert "not what was planned" in said(result)
    assert "hint: call forget_plan again" in said(result)
    assert person.asked == []
    assert store.stats().memories == 4


@pytest.mark.parametrize("era", ERAS)
def test_the_digest_of_another_selector_is_refused(store: Store, era: str) -> None:
    digest = planned(store, query="Ada door")["digest"]

    result = forget(store, era, Person(typed=1), scope="project:x", digest=digest)

    assert "not what was planned" in said(result)

    assert result.is_error
    assert store.stats().memories == 3


@pytest.mark.parametrize("era", ERAS)
def test_a_client_that_cannot_ask_gets_the_command(store: Store, era: str) -> None:
    arguments = planned(store, query="Ada door")

    result = forget(store, era, None, **arguments)

    answer = result.structured_content
    ids = store.plan_forget(Selector(query="Ada door")).ids
    assert answer["state"] == "by_hand"
    assert shlex.split(answer["command"]) == [
        "mem", "forget", *ids, "--store", str(store.home)
    ]  # fmt: skip
    assert answer["command"] in said(result)
    assert store.stats().memories == 3


def test_the_default_store_is_not_named_in_the_command(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LETHEON_HOME", str(store.home))

    result = forget(store, OLD, None, **planned(store, scope="project:x"))

    (ident,) = store.plan_forget(Selector(scope="project:x")).ids
    assert result.structured_content["command"] == f"mem forget {ident}"


@pytest.mark.parametrize("era", ERAS)
def test_more_than_two_hundred_go_by_hand(store: Store, era: str) -> None:
    for n in range(201):
        store.remember(f"noise {n}", scope="project:big one")
    person = Person(typed=201)

    result = forget(store, era, person, **planned(store, scope="project:big one"))

    assert result.structured_content["state"] == "by_hand"
    words = shlex.split(result.structured_content["command"])
    assert words[:4] == ["mem", "forget", "--scope", "project:big one"]
    assert person.asked == []
    assert store.stats().memories == 204


@pytest.mark.parametrize("era", ERAS)
def test_a_source_leaves_memories_that_others_attest(store: Store, era: str) -> None:
    for root in ("web:a", "web:b"):
        store.remember("water boils at 100 degrees", root=root, uri=f"https://{root[-1]}")
    person = Person(typed=1)

    result = forget(store, era, person, **planned(store, source="root:web:a"))

    assert result.structured_content["state"] == "erased"
    assert "Erase one source of 1 memory that stays for good?" in person.asked[0]
    (memory,) = (one for one in store.list() if "boils" in one.text)
    assert [one.root for one in store.get(memory.id).provenances] == ["web:b"]


def test_a_client_whose_form_fails_gets_the_command(store: Store) -> None:
    async def broken(*_: object) -> Any:
        raise RuntimeError("no screen")

    result = forget(store, OLD, broken, **planned(store, query="Ada door"))  # type: ignore[arg-type]

    assert result.structured_content["state"] == "by_hand"
    assert store.stats().memories == 3


def test_an_answer_that_does_not_come_erases_nothing(store: Store) -> None:
    plan = store.plan_forget(Selector(query="Ada door"))

    state = asyncio.run(asked(SilentContext(), plan, seconds=0.01))  # type: ignore[arg-type]

    assert state == "expired"


async def questioned(client: Any, arguments: dict[str, Any]) -> InputRequiredResult:
    first = await client.session.call_tool("forget", arguments, allow_input_required=True)
    assert isinstance(first, InputRequiredResult)
    assert list(first.input_requests or {}) == ["confirm"]
    return first


async def answered(
    client: Any, arguments: dict[str, Any], state: str | None, typed: int = 2
) -> Any:
    yes = {"confirm": ElicitResult(action="accept", content={"memories": typed})}
    return await client.session.call_tool(
        "forget", arguments, input_responses=yes, request_state=state, allow_input_required=True
    )


def test_a_confirmation_cannot_be_replayed(store: Store) -> None:
    arguments = planned(store, query="Ada door")

    async def work(client: Any) -> Any:
        first = await questioned(client, arguments)
        wrong = await answered(client, arguments, first.request_state, typed=7)
        return wrong, await answered(client, arguments, first.request_state)

    wrong, replayed = run(store, work, NEW, Person())

    assert wrong.structured_content["state"] == "wrong_number"
    assert replayed.is_error
    assert "used before or has expired" in said(replayed)
    assert store.stats().memories == 3


def test_a_confirmation_expires(store: Store) -> None:
    arguments, clock = planned(store, query="Ada door"), Seconds()

    async def work(client: Any) -> Any:
        first = await questioned(client, arguments)
        clock.now += 300
        return await answered(client, arguments, first.request_state)

    result = run(store, work, NEW, Person(), clock=clock)

    assert result.is_error
    assert "has expired" in said(result)
    assert store.stats().memories == 3


def test_a_confirmation_is_bound_to_its_arguments_and_seal(store: Store) -> None:
    arguments = planned(store, query="Ada door")
    other = planned(store, scope="project:x")

    async def work(client: Any) -> None:
        first = await questioned(client, arguments)
        state = first.request_state or ""
        for given, forged in ((other, state), (arguments, state[:-2]), (arguments, "f" * 32)):
            with pytest.raises(MCPError, match="Invalid or expired requestState"):
                await answered(client, given, forged)

    run(store, work, NEW, Person())

    assert store.stats().memories == 3


def test_an_answer_without_a_question_asks(store: Store) -> None:
    arguments = planned(store, query="Ada door")

    async def work(client: Any) -> Any:
        return await answered(client, arguments, None)

    assert isinstance(run(store, work, NEW, Person()), InputRequiredResult)
    assert store.stats().memories == 3


def test_a_confirmation_is_worth_nothing_to_another_server(store: Store) -> None:
    arguments = planned(store, query="Ada door")
    first = run(store, lambda client: questioned(client, arguments), NEW, Person())

    with pytest.raises(MCPError, match="Invalid or expired requestState"):
        run(store, lambda client: answered(client, arguments, first.request_state), NEW, Person())

    assert store.stats().memories == 3


def test_memories_that_came_while_the_person_thought_void_the_confirmation(store: Store) -> None:
    arguments = planned(store, query="Ada door")

    async def work(client: Any) -> Any:
        first = await questioned(client, arguments)
        await asyncio.to_thread(store.remember, "Ada's cellar door sticks")
        return await answered(client, arguments, first.request_state)

    result = run(store, work, NEW, Person())

    assert result.is_error
    assert "not what was planned" in said(result)
    assert store.stats().memories == 4


def test_open_questions_are_bounded_and_bound_to_their_plan() -> None:
    questions = Questions(Seconds())
    nonces = [questions.put(DIGEST) for _ in range(OPEN + 1)]

    with pytest.raises(UsageError, match="expired"):
        questions.take(nonces[0], DIGEST)
    with pytest.raises(UsageError, match="another plan"):
        questions.take(nonces[1], "1" * 64)
    questions.take(nonces[-1], DIGEST)


@pytest.mark.parametrize("era", ERAS)
def test_a_person_is_forgotten_with_their_names(store: Store, era: str) -> None:
    store.remember("Lena Quadflieg paints", kind="fact")
    store.remember("Lena Quadflieg owes me lunch", kind="turn", actor="Ben")
    store.add_subject("Lena Quadflieg", ["quad@example.org"])
    person = Person(typed=1)

    async def work(client: Any) -> Any:
        fields = {"subject": "quad@example.org"}
        plan = (await client.call_tool("forget_plan", fields)).structured_content
        assert [one["why"] for one in plan["memories"]] == ["about"]
        assert [one["why"] for one in plan["aside"]] == ["mentions"]
        return await client.call_tool("forget", {**fields, "digest": plan["digest"]})

    result = run(store, work, era, person)

    assert result.structured_content["state"] == "erased"
    assert "and all names of one person" in person.asked[0]
    assert store.subjects() == ()


def test_what_others_said_is_asked_for_by_name(store: Store) -> None:
    store.remember("Lena Quadflieg owes me lunch", kind="turn", actor="Ben")
    person = Person(typed=1)

    plan = planned(store, subject="Lena Quadflieg", with_mentions=True)
    by_hand = forget(store, NEW, None, **plan)
    result = forget(store, NEW, person, **plan)

    assert result.structured_content["state"] == "erased"
    words = shlex.split(by_hand.structured_content["command"])
    assert words[:5] == ["mem", "forget", "--subject", "Lena Quadflieg", "--with-mentions"]


def test_names_of_several_people_come_back_as_data(store: Store) -> None:
    store.add_subject("Ada Quadflieg")
    store.add_subject("Ada Lovelace")

    result = run(store, lambda client: client.call_tool("forget_plan", {"subject": "Ada"}), NEW)

    assert result.is_error
    lead, _, names = said(result).partition("The text between the markers")
    assert "'Ada' is the name of" in lead
    assert "Quadflieg" not in lead
    assert "Ada Lovelace\nAda Quadflieg" in names
