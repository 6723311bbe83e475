import string
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memory import Draft, NotFoundError, Recalled, Store, UsageError
from memory.sanitise import clean
from tests.support import Clock, HashedEmbedder


def texts(found: Recalled) -> list[str]:
    return [hit.memory.text for hit in found.hits]


def test_the_best_match_comes_first_with_its_reasons(store: Store) -> None:
    store.remember("the deploy runs every Tuesday at noon", kind="rule")
    store.remember("Ada grows tomatoes on her balcony")

    found = store.recall("when does the deploy run?")

    assert texts(found)[0] == "the deploy runs every Tuesday at noon"
    assert found.mode == "hybrid"
    assert found.hits[0].rank == 1
    reasons = {reason.feature: reason for reason in found.hits[0].reasons}
    assert "deploy" in reasons["lexical"].says
    assert sum(reason.share for reason in reasons.values()) == pytest.approx(
        found.hits[0].score, abs=0.05
    )


def test_a_turn_is_found_by_the_words_of_the_turn_before_it(store: Store) -> None:
    for actor, text in (
        ("Ada", "Which backup window do we use for the orders database?"),
        ("coder", "Yes, that one, at 4 am."),
        ("Ada", "Good."),
    ):
        store.remember(text, kind="turn", scope="session:1", actor=actor)
    store.remember("The weather is fine", kind="turn", scope="session:2", actor="Ada")

    found = texts(store.recall("orders database backup window", lexical=True))

    assert "Yes, that one, at 4 am." in found
    assert "The weather is fine" not in found


def test_the_words_of_an_erased_neighbour_no_longer_find_a_turn(store: Store) -> None:
    from memory import Selector

    question = store.remember(
        "Which zebrawood backup?", kind="turn", scope="session:1", actor="Ada"
    )
    store.remember("Yes, that one.", kind="turn", scope="session:1", actor="coder")
    assert "Yes, that one." in texts(store.recall("zebrawood", lexical=True))

    store.forget(store.plan_forget(Selector(ids=(question.id,))))

    assert store.recall("zebrawood", lexical=True).hits == ()


def test_what_holds_for_the_user_is_seen_in_a_project_but_no_other_project(store: Store) -> None:
    store.remember("prefers tabs in code", scope="user:ada")
    store.remember("tabs are used in harbor", scope="user:ada/project:harbor")
    store.remember("tabs are banned in lighthouse", scope="user:ada/project:lighthouse")

    found = texts(store.recall("tabs", scope="user:ada/project:harbor"))

    assert set(found) == {"prefers tabs in code", "tabs are used in harbor"}


def test_an_unknown_scope_is_an_error_that_names_the_known_ones(store: Store) -> None:
    store.remember("x", scope="project:harbor")

    with pytest.raises(NotFoundError, match="project:harbour") as caught:
        store.recall("x", scope="project:harbour")

    assert "project:harbor" in caught.value.hint


def test_a_new_project_still_sees_the_user_when_the_scope_is_not_strict(store: Store) -> None:
    store.remember("prefers tabs", scope="user:ada")

    found = store.recall("tabs", scope="user:ada/project:new", strict=False)

    assert texts(found) == ["prefers tabs"]


def test_kinds_filter_every_channel(store: Store) -> None:
    store.remember("use tabs", kind="preference")
    store.remember("tabs were used", kind="event")

    assert texts(store.recall("tabs", kinds=["preference"])) == ["use tabs"]


def test_expired_and_future_memories_are_left_out_until_their_time(
    store: Store, clock: Clock
) -> None:
    now = clock.at
    store.remember("port is 1111", valid_to=now + timedelta(days=1))
    store.remember("port is 2222", valid_from=now + timedelta(days=1))
    assert texts(store.recall("port")) == ["port is 1111"]

    clock.tick(days=2)

    assert texts(store.recall("port")) == ["port is 2222"]
    assert texts(store.recall("port", as_of=now + timedelta(hours=1))) == ["port is 1111"]


def test_as_of_hides_what_was_said_later(store: Store, clock: Clock) -> None:
    store.remember("the port is 1111")
    clock.tick(days=10)
    store.remember("the port is 2222")

    found = texts(store.recall("port", as_of=clock.at - timedelta(days=5)))

    assert found == ["the port is 1111"]


def test_the_person_a_question_names_comes_before_another(store: Store) -> None:
    for actor in ("Jonas", "Ada"):
        store.remember("I went hiking", kind="turn", scope="session:1", actor=actor)

    found = store.recall("When did Ada go hiking?")

    assert found.hits[0].memory.actor == "Ada"


def test_a_month_in_the_question_prefers_that_month(store: Store, clock: Clock) -> None:
    for _ in range(3):
        store.remember("release party", kind="event", scope=f"session:{clock.at:%m}", at=clock.at)
        clock.tick(days=31)

    found = store.recall("release party in April")

    assert found.hits[0].memory.at.month == 4


def test_an_exact_identifier_beats_every_similar_text(store: Store) -> None:
    drafts = [
        Draft(text=f"tenant setting cache_ttl_{i:04d} is {i * 7} seconds on the edge proxy")
        for i in range(600)
    ]
    done = store.remember_many(drafts)

    for i in (0, 17, 599):
        found = store.recall(f"what is cache_ttl_{i:04d} on the edge proxy?")
        assert found.hits[0].memory.id == done[i].id


def test_a_token_budget_packs_the_best_that_fit_and_says_what_it_left_out(store: Store) -> None:
    store.remember("deploy " + "very long " * 200)
    store.remember("deploy on Tuesday")
    store.remember("deploy needs a review")

    found = store.recall("deploy", budget=20)

    assert set(texts(found)) == {"deploy on Tuesday", "deploy needs a review"}
    assert found.tokens <= 20
    assert found.left_out == 1


def test_a_store_without_a_model_recalls_by_words_and_says_so(home: Path) -> None:
    with Store(home, embedder="none") as store:
        store.remember("deploy on Tuesday")

        found = store.recall("deploy")

        assert (found.mode, texts(found)) == ("lexical", ["deploy on Tuesday"])


def test_an_empty_store_answers_with_nothing(store: Store) -> None:
    assert store.recall("anything").hits == ()


def test_no_query_text_is_written_anywhere(store: Store) -> None:
    store.remember("the deploy runs on Tuesday")
    done = store.recall("xyloquaternion deploy question")
    store.feedback(done.hits[0].memory.id, "useful")
    store.close()

    for place in store.home.rglob("*"):
        if place.is_file():
            assert b"xyloquaternion" not in place.read_bytes().lower(), place.name


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 1001}, "limit"),
        ({"budget": 0}, "budget"),
        ({"kinds": ["opinion"]}, "opinion"),
        ({"scope": "team:x"}, "team"),
    ],
)
def test_a_bad_argument_is_named(store: Store, options: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        store.recall("x", **options)  # type: ignore[arg-type]


def test_hits_are_ordered_by_score_and_repeatable(store: Store) -> None:
    store.remember_many(Draft(text=f"note {i} about {'deploy' * (i % 3)}") for i in range(50))

    one, two = store.recall("deploy note 7"), store.recall("deploy note 7")

    assert one == two
    assert all(a.score >= b.score for a, b in pairwise(one.hits))


SYNTAX = ['"', "*", "(", ")", "^", ":", "-", "+", "NEAR", "AND", "OR", "NOT", "own:", "{", "}"]
QUERY = st.one_of(
    st.text(min_size=1, max_size=80),
    st.lists(
        st.one_of(st.sampled_from(SYNTAX), st.text(string.printable, max_size=6)), max_size=12
    ).map(" ".join),
)


def clean_surrogates(text: str) -> str:
    return text.encode("utf-8", "ignore").decode()


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Store:
    opened = Store(tmp_path_factory.mktemp("fuzz") / "store", embedder=HashedEmbedder())
    opened.remember_many(Draft(text=text) for text in ("NOT a test", "a-b:c", 'say "hi"', "x*y"))
    return opened


@settings(
    max_examples=4000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(query=QUERY)
def test_no_query_of_four_thousand_raises_anything_but_a_usage_error(
    small: Store, query: str
) -> None:
    try:
        small.recall(query)
    except UsageError:
        # Only what is no text at all: nothing visible, a NUL, half a character.
        assert not clean(query).strip() or "\0" in query or query != clean_surrogates(query)
