"""Near duplicates and derived memories beside a plan."""

import pytest

from memory import Draft, NotFoundError, Selector, Store, UsageError

TEXT = (
    "The harbour office moved its night shift to berth seven because the old crane on berth four"
    " leaks hydraulic oil and the port authority closed it until the inspection in October"
)


def related(store: Store, *ids: str, **options: object) -> dict[str, tuple[str, float]]:
    plan = store.plan_forget(Selector(ids=ids))
    return {one.id: (one.why, one.score) for one in plan.related}


def others(store: Store) -> None:
    store.remember_many(
        Draft(text=f"note {n}: the {word} crane of berth {n} was inspected by crew {n % 7}")
        for n, word in enumerate(["old", "new", "blue", "harbour", "night"] * 20)
    )


def test_the_same_words_with_a_few_edits_are_offered(store: Store) -> None:
    others(store)
    done = store.remember(TEXT)
    twin = store.remember(TEXT.replace("October", "late November"), scope="user:bob")

    found = related(store, done.id)

    assert set(found) == {twin.id}
    assert found[twin.id][1] >= 0.6


def test_the_same_meaning_by_its_vector_is_offered(store: Store) -> None:
    others(store)
    words = TEXT.split()
    done = store.remember(TEXT)
    twin = store.remember(" ".join(sorted(words)))  # no run of five words is left

    found = related(store, done.id)

    assert found[twin.id][0] == "vector"
    assert found[twin.id][1] >= 0.92


def test_a_lexical_store_compares_words_alone(home: object) -> None:
    with Store(home, embedder="none") as store:  # type: ignore[arg-type]
        others(store)
        done = store.remember(TEXT)
        twin = store.remember(TEXT.upper() + "!")
        store.remember(" ".join(sorted(TEXT.split())))

        assert related(store, done.id) == {twin.id: ("words", 1.0)}


def test_memories_that_name_it_as_their_source_are_offered(store: Store) -> None:
    done = store.remember("alpha")
    summary = store.remember("quite different words", uri=f"memory:{done.id}")
    part = store.remember("other words again", uri=f"memory:{done.id}#2")
    store.remember("no relation at all", uri="memory:01AAAAAAAAAAAAAAAAAAAAAAAA")

    assert related(store, done.id) == {summary.id: ("derived", 1.0), part.id: ("derived", 1.0)}


def test_memories_written_under_the_same_key_are_offered(store: Store) -> None:
    done = store.remember("alpha", root="agent:a", key="ticket-7")
    copy = store.remember("beta gamma delta", root="agent:b", key="ticket-7")

    assert related(store, done.id) == {copy.id: ("key", 1.0)}


def test_ordinary_neighbours_of_a_topic_are_not_offered(store: Store) -> None:
    others(store)
    done = store.remember(TEXT)

    assert related(store, done.id) == {}


def test_what_goes_anyway_or_is_restricted_is_not_offered(store: Store) -> None:
    from tests.memory.test_holds import TERMS

    first, second, third = (
        store.remember(f"{TEXT} {n}", scope=f"user:u{n}") for n in ("one", "two", "three")
    )
    store.place_hold(Selector(ids=(third.id,)), TERMS)

    assert related(store, first.id, second.id) == {}
    assert set(related(store, first.id)) == {second.id}


def test_a_second_plan_takes_the_chosen_ones_and_binds_them(store: Store) -> None:
    others(store)
    done, twin = store.remember(TEXT), store.remember(f"{TEXT} again")
    first = store.plan_forget(Selector(ids=(done.id,)))

    second = store.plan_forget(Selector(ids=(done.id,)), also=[one.id for one in first.related])

    assert set(second.ids) == {done.id, twin.id}
    assert second.related == ()
    assert second.digest != first.digest
    assert second.selected_by == ("ids", "also")
    receipt = store.forget(second)
    assert (receipt.state, receipt.memories) == ("verified", 2)


def test_what_was_included_offers_its_own_related_ones(store: Store) -> None:
    words = [f"word{n}" for n in range(40)]
    chain = [store.remember(" ".join(words[at : at + 30])) for at in (0, 5, 10)]

    first = store.plan_forget(Selector(ids=(chain[0].id,)))
    second = store.plan_forget(Selector(ids=(chain[0].id,)), also=[chain[1].id])

    assert [one.id for one in first.related] == [chain[1].id]
    assert [one.id for one in second.related] == [chain[2].id]


def test_a_related_id_that_does_not_exist_is_named(store: Store) -> None:
    done = store.remember("x")
    with pytest.raises(NotFoundError):
        store.plan_forget(Selector(ids=(done.id,)), also=["01AAAAAAAAAAAAAAAAAAAAAAAA"])


def test_related_ones_alone_select_nothing(store: Store) -> None:
    done = store.remember("x")
    with pytest.raises(UsageError):
        store.plan_forget(Selector(), also=[done.id])
