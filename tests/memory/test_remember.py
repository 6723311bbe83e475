from datetime import UTC, datetime, timedelta

import pytest

from memory import Draft, Store, UsageError
from tests.support import Clock


def test_a_remembered_text_comes_back_with_all_its_fields(store: Store, clock: Clock) -> None:
    at = datetime(2026, 2, 27, 16, 30, tzinfo=UTC)

    done = store.remember(
        "the staging port is 5544",
        kind="fact",
        scope="project:harbor/user:ada",
        title="ports",
        actor="Ada",
        at=at,
        valid_from=at,
        valid_to=at + timedelta(days=90),
        source="file",
        root="os:ada",
        uri="notes/ports.md#L3",
    )

    memory = store.get(done.id)
    assert done.created
    assert memory.text == "the staging port is 5544"
    assert memory.scope == "user:ada/project:harbor"
    assert (memory.kind, memory.title, memory.actor) == ("fact", "ports", "Ada")
    assert (memory.at, memory.recorded_at) == (at, clock.at)
    assert (memory.valid_from, memory.valid_to) == (at, at + timedelta(days=90))
    (attested,) = memory.provenances
    assert (attested.root, attested.source, attested.uri) == ("os:ada", "file", "notes/ports.md#L3")


def test_the_same_text_in_the_same_scope_is_one_memory_with_two_provenances(store: Store) -> None:
    first = store.remember("tabs, not spaces", scope="user:ada", uri="chat:1", root="os:ada")
    second = store.remember("tabs, not spaces", scope="user:ada", uri="chat:2", root="os:bob")

    assert second.id == first.id
    assert not second.created
    assert [p.uri for p in store.get(first.id).provenances] == ["chat:1", "chat:2"]
    assert store.stats().memories == 1


def test_the_same_occasion_is_not_attested_twice(store: Store) -> None:
    first = store.remember("tabs, not spaces", uri="chat:1")
    store.remember("tabs, not spaces", uri="chat:1")

    assert len(store.get(first.id).provenances) == 1


def test_the_same_text_in_another_scope_is_another_memory(store: Store) -> None:
    first = store.remember("tabs", scope="user:ada")
    second = store.remember("tabs", scope="user:bob")

    assert first.id != second.id


def test_the_same_word_said_twice_in_a_conversation_stays_two_turns(
    store: Store, clock: Clock
) -> None:
    first = store.remember("Yes!", kind="turn", scope="session:1", actor="Ada", at=clock.at)
    clock.tick(seconds=30)
    second = store.remember("Yes!", kind="turn", scope="session:1", actor="Ada", at=clock.at)

    assert first.id != second.id


def test_an_idempotency_key_is_remembered_once_per_root(store: Store) -> None:
    first = store.remember("one", key="call-7", root="agent:a")
    again = store.remember("one, retried with other words", key="call-7", root="agent:a")
    other = store.remember("two", key="call-7", root="agent:b")

    assert (again.id, again.created) == (first.id, False)
    assert other.created
    assert store.get(first.id).text == "one"


def test_a_batch_is_stored_whole_or_not_at_all(store: Store) -> None:
    with pytest.raises(UsageError):
        store.remember_many([Draft(text="fine"), Draft(text="  ")])

    assert store.stats().memories == 0


def test_a_secret_is_redacted_and_its_rule_is_named(store: Store) -> None:
    token = "gh" + "p_" + "a1B2" * 9

    done = store.remember(f"push with {token} please")

    assert done.redacted
    assert token not in store.get(done.id).text
    assert f"[redacted:{done.redacted[0]}]" in store.get(done.id).text


def test_a_secret_is_kept_when_the_caller_insists(store: Store) -> None:
    token = "gh" + "p_" + "a1B2" * 9

    done = store.remember(f"push with {token} please", keep_secrets=True)

    assert token in store.get(done.id).text


def test_a_redacted_secret_never_touches_a_file(store: Store) -> None:
    token = "gh" + "p_" + "q9Zx" * 9

    store.remember(f"push with {token} please", title=f"about {token}")

    found = [
        place.name
        for place in store.home.rglob("*")
        if place.is_file() and token.encode() in place.read_bytes()
    ]
    assert found == []


@pytest.mark.parametrize(
    ("draft", "says"),
    [
        (Draft(text=""), "text"),
        (Draft(text=" \n "), "text"),
        (Draft(text="x" * 1_000_001), "text"),
        (Draft(text="broken \ud800"), "text"),
        (Draft(text="nul \0 byte"), "text"),
        (Draft(text="x", kind="opinion"), "opinion"),  # type: ignore[arg-type]
        (Draft(text="x", source="rumour"), "rumour"),  # type: ignore[arg-type]
        (Draft(text="x", scope="team:a"), "team"),
        (Draft(text="x", scope="user:"), "user"),
        (Draft(text="x", scope="user:a/user:b"), "user"),
        (Draft(text="x", at=datetime(2026, 1, 1)), "time zone"),  # noqa: DTZ001
        (Draft(text="x", title="t\0"), "title"),
    ],
)
def test_a_bad_draft_is_refused_by_name_and_leaves_the_store_as_it_was(
    store: Store, draft: Draft, says: str
) -> None:
    before = store.stats()

    with pytest.raises(UsageError, match=says):
        store.remember_many([draft])

    assert store.stats() == before


def test_validity_that_ends_before_it_begins_is_refused(store: Store, clock: Clock) -> None:
    with pytest.raises(UsageError, match="valid_to"):
        store.remember("x", valid_from=clock.at, valid_to=clock.at)


def test_every_memory_leaves_a_lineage_of_what_was_derived_from_it(store: Store) -> None:
    for word in ("one", "two", "three"):
        store.remember(word, kind="turn", scope="session:1", actor=word)

    rows = store._con.execute(
        "SELECT child_kind, child, parent, op FROM lineage WHERE child = 2 ORDER BY 1, 3"
    ).fetchall()
    assert rows == [
        ("context", 2, 1, "rewrite"),
        ("context", 2, 2, "delete"),
        ("context", 2, 3, "rewrite"),
        ("text_index", 2, 1, "rewrite"),
        ("text_index", 2, 2, "delete"),
        ("text_index", 2, 3, "rewrite"),
        ("vector", 2, 2, "delete"),
    ]
