"""Agents are recipients: what they were given is recorded, and they are told what was erased."""

from typing import Any

import pytest
from mcp import Client

from memory import HoldTerms, Selector, Store
from tests.mcp_server.faces import ERAS, Person, call, run, said

ROOT = "mcp:test client"
TEXT = (
    "The harbour office moved its night shift to berth seven because the old crane on berth four"
    " leaks hydraulic oil and the port authority closed it until the inspection in October"
)


def times(store: Store, ident: str) -> dict[str, int]:
    return {one.name: one.times for one in store.recipients([ident])}


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("recall", {"query": "harbour crane"}),
        ("show", {}),
        ("list", {}),
        ("forget_plan", {"query": "harbour"}),
    ],
)
@pytest.mark.parametrize("era", ERAS)
def test_what_a_tool_gives_out_is_recorded(
    store: Store, tool: str, arguments: dict[str, Any], era: str
) -> None:
    done = store.remember(TEXT)

    call(store, tool, era, **(arguments or ({"id": done.id} if tool == "show" else {})))

    assert times(store, done.id) == {ROOT: 1}


def test_resources_and_prompts_are_recorded(store: Store) -> None:
    done = store.remember(TEXT)

    run(store, lambda client: client.read_resource(f"memory://{done.id}"))
    run(store, lambda client: client.get_prompt("what_do_you_know", {"topic": "harbour"}))

    assert times(store, done.id) == {ROOT: 2}


def test_counting_and_remembering_give_nothing_out(store: Store) -> None:
    done = store.remember(TEXT)

    call(store, "stats")
    call(store, "remember", text="something new")

    assert times(store, done.id) == {}


@pytest.mark.parametrize("tool", ["recall", "stats"])
def test_an_agent_is_told_of_erased_memories_with_its_next_answer(store: Store, tool: str) -> None:
    done = store.remember(TEXT)
    call(store, "show", id=done.id)
    receipt = store.forget(store.plan_forget(Selector(ids=(done.id,))))
    arguments = {"query": "anything"} if tool == "recall" else {}

    first, second = (call(store, tool, **arguments) for _ in range(2))

    told = "1 memory you were given was erased on 2026-03-02"
    assert told in said(first)
    assert told in str(first.structured_content)
    assert done.id not in said(first)
    assert told not in said(second)
    (one,) = store.notifications(receipt.erasure)
    assert one.outcome == "notified"


def test_a_plan_offers_related_memories_and_a_forget_takes_the_chosen(store: Store) -> None:
    first, second = store.remember(TEXT), store.remember(f"{TEXT}, they said")
    chosen = {"ids": [first.id], "also": [second.id]}

    offer = call(store, "forget_plan", ids=[first.id]).structured_content
    assert offer is not None
    assert [one["id"] for one in offer["related"]] == [second.id]
    assert offer["related"][0]["of"] == first.id
    plan = call(store, "forget_plan", **chosen).structured_content
    assert plan is not None

    async def forget(client: Client) -> Any:
        return await client.call_tool("forget", {**chosen, "digest": plan["digest"]})

    done = run(store, forget, person=Person(typed=2))

    assert done.structured_content["receipt"]["memories"] == 2


def test_a_digest_without_the_related_ones_does_not_erase_them(store: Store) -> None:
    first, second = store.remember(TEXT), store.remember(f"{TEXT}, they said")
    plan = call(store, "forget_plan", ids=[first.id]).structured_content
    assert plan is not None

    done = call(store, "forget", ids=[first.id], also=[second.id], digest=plan["digest"])

    assert done.is_error
    assert store.stats().memories == 2


def test_a_plan_shows_what_is_held_without_content(store: Store) -> None:
    done = store.remember(TEXT, scope="user:ada")
    store.remember("figs", scope="user:ada")
    terms = HoldTerms(ground="18-1-b", authority="a", reviewer="b", expires="2026-09-01")
    hold = store.place_hold(Selector(ids=(done.id,)), terms)

    result = call(store, "forget_plan", scope="user:ada")
    plan = result.structured_content

    assert plan is not None
    assert plan["held"] == [
        {"id": done.id, "hold": hold.id, "ground": "18-1-b", "expires": "2026-09-01"}
    ]
    assert "1 under a legal hold" in said(result)
    assert "crane" not in str(plan)
