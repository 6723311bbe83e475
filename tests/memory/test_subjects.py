"""People: what is found about them and why, their names, and forgetting them on bytes."""

import dataclasses
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memory import Draft, NotFoundError, Selector, Store, UsageError
from memory.errors import AmbiguousNameError
from memory.subjects import NAMES, Name
from memory.types import Evidence
from tests.support import Clock, HashedEmbedder


def why(store: Store, name: str) -> dict[str, Evidence]:
    return {one.memory.text: one.why for one in store.dossier(name).memories}


def bytes_of(home: Path) -> bytes:
    return b"\n".join(place.read_bytes() for place in home.rglob("*") if place.is_file()).lower()


@pytest.fixture
def peopled(store: Store) -> Store:
    store.remember_many(
        [
            Draft(text="I moved to Colmar", kind="turn", actor="Mireille Dubois"),
            Draft(text="Mireille likes tea", kind="fact", scope="project:x"),
            Draft(text="Ask m.dubois@example.org", kind="note"),
            Draft(text="She likes dogs", kind="fact", scope="user:Mireille Dubois"),
            Draft(text="Her badge is 77", kind="note", uri="chat:mireille-dubois"),
            Draft(text="Mireille owes me lunch", kind="turn", actor="Jonas"),
            Draft(text="Mireille and Jonas share a desk", kind="fact"),
            Draft(text="Jonas plays the cello", kind="fact"),
        ]
    )
    store.add_subject("Mireille Dubois", ["m.dubois@example.org", "@mdubois"])
    return store


def test_each_memory_is_found_under_its_strongest_evidence(peopled: Store) -> None:
    assert why(peopled, "Mireille Dubois") == {
        "I moved to Colmar": "said_by",
        "Mireille likes tea": "about",
        "Ask m.dubois@example.org": "about",
        "She likes dogs": "about",
        "Her badge is 77": "about",
        "Mireille owes me lunch": "mentions",
        "Mireille and Jonas share a desk": "mentions",
    }


@pytest.mark.parametrize(
    "name", ["mireille", "MIREILLE dubois", "m.dubois@example.org", "@mdubois"]
)
def test_every_name_leads_to_the_same_person(peopled: Store, name: str) -> None:
    assert peopled.dossier(name).subject.name == "Mireille Dubois"


def test_a_person_need_not_be_declared(store: Store) -> None:
    store.remember("Mireille likes tea")

    found = store.dossier("Mireille")

    assert not found.subject.id
    assert found.counts["about"] == 1


def test_a_first_name_that_others_bear_is_found_separately(peopled: Store) -> None:
    peopled.add_subject("Mireille Kopp")

    found = why(peopled, "Mireille Dubois")

    assert found["I moved to Colmar"] == "said_by"
    assert found["Mireille likes tea"] == "shared_name"
    plan = peopled.plan_forget(Selector(subject="Mireille Dubois", with_mentions=True))
    assert "Mireille likes tea" not in [one.excerpt for one in plan.memories]
    assert "Mireille likes tea" in [one.excerpt for one in plan.aside]


def test_a_name_of_several_people_is_refused_with_their_names(peopled: Store) -> None:
    peopled.add_subject("Mireille Kopp")

    with pytest.raises(AmbiguousNameError) as caught:
        peopled.plan_forget(Selector(subject="Mireille"))

    assert caught.value.ids == ("Mireille Dubois", "Mireille Kopp")


def test_a_speaker_of_the_first_name_is_proposed_and_not_taken(store: Store) -> None:
    store.remember("I like tea", kind="turn", actor="mireille")
    store.add_subject("Mireille Dubois")

    before = store.dossier("Mireille Dubois")
    store.name_subject("Mireille Dubois", ["mireille"])
    after = store.dossier("Mireille Dubois")

    assert before.counts["said_by"] == 0
    assert before.counts["shared_name"] == 1
    assert before.proposals == ((Name(kind="alias", value="mireille"), 1),)
    assert after.counts["said_by"] == 1
    assert after.proposals == ()


def test_pairs_that_stand_together_are_proposed(store: Store) -> None:
    store.remember("From: Mireille Dubois <m.dubois@example.org>")
    store.remember("thanks to Mireille Dubois (@mdubois) and to Ada <ada@example.org>")

    assert store.dossier("Mireille Dubois").proposals == (
        (Name(kind="handle", value="@mdubois"), 1),
        (Name(kind="email", value="m.dubois@example.org"), 1),
    )


def test_the_same_words_of_another_speaker_lose_a_provenance_and_stay(store: Store) -> None:
    store.remember("the mill is closed", actor="Jonas", uri="a")
    store.remember("the mill is closed", actor="Mireille", uri="b")

    plan = store.plan_forget(Selector(subject="Mireille"))
    store.forget(plan)

    assert (len(plan.ids), len(plan.kept), len(plan.provenances)) == (0, 1, 1)
    (left,) = store.list()
    assert [one.actor for one in store.get(left.id).provenances] == ["Jonas"]
    assert b"mireille" not in bytes_of(store.home)


def test_forgetting_a_person_leaves_no_byte_of_any_of_their_names(
    home: Path, clock: Clock, embedder: HashedEmbedder
) -> None:
    names = (b"mireille", b"dubois", b"kougelhopf", b"zz-mimi")
    with Store(home, embedder=embedder, clock=clock) as store:
        store.remember("I bake kougelhopf", actor="Mireille Dubois", scope="user:Mireille Dubois")
        store.remember("Mireille sits by the window", kind="turn", actor="Jonas")
        store.remember("the mill is closed", actor="Jonas")
        store.add_subject("Mireille Dubois", ["m.dubois@example.org", "@zz-mimi"])
        request = store.open_request("erasure", "Mireille Dubois", ground="b", requester="subject")
        store.recall("kougelhopf")
        assert all(name in bytes_of(home) for name in names), "positive control"

        plan = store.plan_forget(Selector(subject="Mireille Dubois", with_mentions=True))
        receipt = store.forget(plan, request=request.id)

    left = bytes_of(home)
    assert [name for name in names if name in left] == []
    assert receipt.state == "verified"
    assert (receipt.erased["subject"], receipt.erased["alias"]) == (1, 2)
    assert receipt.ground == "b"
    assert [one.id for one in receipt.request] == [request.id]


def test_names_that_are_left_in_a_file_fail_the_verification(peopled: Store) -> None:
    peopled.name_subject("Mireille Dubois", ["Quadfliegerin"])
    plan = peopled.plan_forget(Selector(subject="Mireille Dubois", with_mentions=True))
    (peopled.home / "keys").mkdir()
    (peopled.home / "keys" / "note").write_text("what nobody knows of Quadfliegerin")

    receipt = peopled.forget(plan)

    assert receipt.state == "failed"
    (probe,) = [one for one in receipt.probes if one.name == "bytes"]
    assert probe.result == "fail"
    assert probe.where == ("key",)


def test_a_person_of_whom_nothing_is_remembered_can_be_forgotten(store: Store) -> None:
    store.remember("the mill is closed")
    store.add_subject("Mireille Dubois", ["m.dubois@example.org"])

    receipt = store.forget(store.plan_forget(Selector(subject="Mireille Dubois")))

    assert receipt.state == "verified"
    assert receipt.memories == 0
    assert store.subjects() == ()
    assert b"mireille" not in bytes_of(store.home)


def test_a_narrower_selection_leaves_the_declared_names(peopled: Store) -> None:
    plan = peopled.plan_forget(Selector(subject="Mireille Dubois", scope="project:x"))

    assert [one.excerpt for one in plan.memories] == ["Mireille likes tea"]
    assert plan.people == ()


def test_ids_beside_a_person_take_what_the_name_alone_does_not(peopled: Store) -> None:
    peopled.add_subject("Mireille Kopp")
    (chosen,) = [
        one.memory.id
        for one in peopled.dossier("Mireille Dubois").memories
        if one.memory.text == "Mireille likes tea"
    ]
    (other,) = [one.id for one in peopled.list() if one.text == "Jonas plays the cello"]

    plan = peopled.plan_forget(Selector(subject="Mireille Dubois", ids=(chosen, other)))

    assert plan.ids == (chosen,)


def test_a_confirmation_is_for_the_person_it_was_given_for(peopled: Store) -> None:
    plan = peopled.plan_forget(Selector(subject="Mireille Dubois"))

    with pytest.raises(UsageError, match="altered"):
        peopled.forget(dataclasses.replace(plan, people=()))

    assert peopled.subjects()


def test_what_is_found_is_the_same_after_the_store_was_opened_anew(peopled: Store) -> None:
    before = why(peopled, "Mireille")
    with Store(peopled.home, embedder="none") as again:
        assert why(again, "Mireille") == before


def test_declaring_twice_is_refused(peopled: Store) -> None:
    for name in ("mireille dubois", "M.DUBOIS@example.org"):
        with pytest.raises(UsageError, match="already"):
            peopled.add_subject(name)


def test_two_declared_people_become_one(peopled: Store) -> None:
    peopled.add_subject("M. Vorkeel", ["@vorkeel"])
    request = peopled.open_request("access", "M. Vorkeel")

    after = peopled.merge_subjects("Mireille Dubois", "M. Vorkeel")

    assert {one.value for one in after.names} == {
        "m.dubois@example.org",
        "@mdubois",
        "M. Vorkeel",
        "@vorkeel",
    }
    assert len(peopled.subjects()) == 1
    assert peopled.request(request.id).subject == "Mireille Dubois"
    with pytest.raises(UsageError, match="one person already"):
        peopled.merge_subjects("Mireille Dubois", "@vorkeel")


def test_a_name_that_is_taken_away_is_gone_from_the_file(peopled: Store) -> None:
    peopled.name_subject("Mireille Dubois", ["Qwertzuiop"])
    assert b"qwertzuiop" in bytes_of(peopled.home), "positive control"

    peopled.unname_subject("Mireille Dubois", ["Qwertzuiop"])

    assert b"qwertzuiop" not in bytes_of(peopled.home)
    with pytest.raises(NotFoundError):
        peopled.unname_subject("Mireille Dubois", ["Qwertzuiop"])


def test_an_export_holds_all_that_article_15_asks_for(peopled: Store) -> None:
    given = peopled.export_subject("Mireille")

    assert set(given) == {
        "format", "version", "article", "day", "store", "subject", "purposes", "categories",
        "recipients", "retention", "sources", "automated_decisions", "rights", "not_included",
        "evidence", "memories",
    }  # fmt: skip
    assert len(given["memories"]) == 7
    assert given["evidence"][given["memories"][0]["id"]] == "said_by"
    assert given["memories"][0]["provenances"][0]["actor"] == "Mireille Dubois"
    assert json.loads(json.dumps(given)) == given


def test_portability_gives_what_the_person_provided(peopled: Store) -> None:
    given = peopled.export_subject("Mireille", "20")

    assert [one["text"] for one in given["memories"]] == ["I moved to Colmar"]
    assert given["not_included"] == {"about": 4, "mentions": 2}


def test_an_export_of_nobody_is_refused(store: Store) -> None:
    with pytest.raises(NotFoundError, match="nothing is known"):
        store.export_subject("Nobody")


def test_the_memories_of_an_export_can_be_imported(
    peopled: Store, tmp_path: Path, embedder: HashedEmbedder
) -> None:
    given = peopled.export_subject("Mireille", "20")
    place = tmp_path / "given.jsonl"
    place.write_text("\n".join(json.dumps(one) for one in given["memories"]))

    with Store(tmp_path / "other", embedder=embedder) as other:
        other.import_from(place)
        (one,) = other.list()

    assert (one.text, one.actor) == ("I moved to Colmar", "Mireille Dubois")


def test_the_places_of_names_are_those_the_tables_have(store: Store) -> None:
    for table, column in NAMES:
        columns = [row[1] for row in store._con.execute(f"PRAGMA table_info({table})")]
        assert column in columns


def test_a_speaker_written_with_an_address_is_the_person(store: Store) -> None:
    store.remember("I like tea", kind="turn", actor="Mireille Dubois <md@example.org>")
    store.remember("so do I", kind="turn", actor="M. D. <md@example.org>")
    store.add_subject("Mireille Dubois", ["md@example.org"])

    assert store.dossier("Mireille Dubois").counts["said_by"] == 2


def test_mentions_without_a_person_are_refused(store: Store) -> None:
    with pytest.raises(UsageError, match="of a subject"):
        store.plan_forget(Selector(query="tea", with_mentions=True))


@pytest.mark.parametrize(
    "text", ["a" * 200_000, "a " * 100_000, "a-" * 100_000 + "<", "(<[" * 70_000]
)
def test_a_name_beside_its_address_is_proposed_after_any_text(tmp_path: Path, text: str) -> None:
    with Store(tmp_path / "plain", embedder="none") as store:
        store.remember(f"{text} ( Ada Lovelace <ada@example.org>")

        assert [one.value for one, _ in store.name_proposals("Ada Lovelace")] == ["ada@example.org"]


def test_the_name_of_a_person_nobody_declared_is_searched_for_as_well(store: Store) -> None:
    store.remember("I like tea", kind="turn", actor="Quadfliegerin")
    (store.home / "keys").mkdir()
    (store.home / "keys" / "note").write_text("what nobody knows of Quadfliegerin")

    receipt = store.forget(store.plan_forget(Selector(subject="Quadfliegerin")))

    assert [one.name for one in receipt.probes if one.result == "fail"] == ["bytes"]


def test_a_scope_that_names_a_person_is_about_them(store: Store) -> None:
    store.remember("boxes are ordered", kind="fact", scope="project:mireille-moves")

    assert store.dossier("Mireille").counts["about"] == 1


PEOPLE = ("Zubrowka Alpha", "Quadflieg Beta", "Wyszkowska Gamma", "Xanthippe Delta")
LINES = st.tuples(
    st.sampled_from(["", *PEOPLE]),  # who speaks
    st.sets(st.sampled_from(PEOPLE), max_size=2),  # whom it names
    st.sampled_from(["turn", "fact"]),
    st.sampled_from(["", "user:{0}", "project:x", "project:{0}"]),
    st.sampled_from(["", "chat:{0}"]),
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(LINES, min_size=1, max_size=8), st.data())
def test_forgetting_one_of_several_people_takes_their_bytes_and_nobody_elses(
    lines: list[tuple[str, set[str], str, str, str]], data: st.DataObject
) -> None:
    gone = data.draw(st.sampled_from(PEOPLE))
    drafts = [
        Draft(
            text=f"line {at} names {' and '.join(sorted(named)) or 'nobody'}",
            kind=kind,  # type: ignore[arg-type]
            actor=actor,
            scope=scope.format(data.draw(st.sampled_from(PEOPLE))),
            uri=uri.format(data.draw(st.sampled_from(PEOPLE))),
        )
        for at, (actor, named, kind, scope, uri) in enumerate(lines)
    ]
    with (
        tempfile.TemporaryDirectory() as folder,
        Store(Path(folder) / "store", embedder="none") as store,
    ):
        store.remember_many(drafts)
        for name in PEOPLE:
            store.add_subject(name)
        hers = {
            draft.text
            for draft in drafts
            if gone in " ".join((draft.text, draft.actor, draft.scope, draft.uri))
        }

        plan = store.plan_forget(Selector(subject=gone, with_mentions=True))
        receipt = store.forget(plan)

        assert receipt.state == "verified"
        assert {one.text for one in store.list()} == {one.text for one in drafts} - hers
        assert gone.split()[0].lower().encode() not in bytes_of(store.home)
