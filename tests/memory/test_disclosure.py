"""Who was given which memories, and whom an erasure is told to."""

import os
import stat
from pathlib import Path

import pytest

from memory import (
    Change,
    Draft,
    HoldTerms,
    NotFoundError,
    Selector,
    Store,
    UsageError,
    disclosing,
    files,
)
from memory.db import connect, driver
from tests.support import Clock, HashedEmbedder

AGENT = "mcp:coder"
TERMS = HoldTerms(ground="18-1-a", authority="a", reviewer="b", expires="2026-09-01")


def given(store: Store, memory_id: str) -> dict[str, tuple[str, str, str, int]]:
    return {
        one.name: (one.kind, one.first, one.last, one.times)
        for one in store.recipients([memory_id])
    }


def test_what_an_agent_recalled_listed_or_was_shown_is_recorded(store: Store, clock: Clock) -> None:
    done = store.remember("the gate code is 4471")

    store.recall("gate code", recipient=AGENT)
    clock.tick(days=2)
    store.get(done.id, recipient=AGENT)
    store.list(recipient=AGENT)

    assert given(store, done.id) == {AGENT: ("agent", "2026-03-02", "2026-03-04", 3)}


def test_a_person_at_the_command_line_is_no_recipient(store: Store) -> None:
    done = store.remember("the gate code is 4471")

    store.recall("gate code")
    store.get(done.id)
    store.list()

    assert store.recipients() == ()


def test_only_what_was_given_is_recorded(store: Store) -> None:
    first, second = store.remember("alpha"), store.remember("beta")

    store.get(first.id, recipient=AGENT)

    assert given(store, first.id)
    assert given(store, second.id) == {}


def test_an_export_of_everything_is_one_row_and_counts_for_what_was_there(
    store: Store, tmp_path: Path
) -> None:
    done = store.remember_many(Draft(text=f"memory {n}") for n in range(300))
    store.register_copy(tmp_path / "all.jsonl", "export")
    later = store.remember("later")

    rows = store._behavior().execute("SELECT count(*) FROM disclosed_range").fetchone()

    assert rows == (1,)
    assert store._behavior().execute("SELECT count(*) FROM disclosure").fetchone() == (0,)
    path = str((tmp_path / "all.jsonl").resolve())
    assert given(store, done[7].id) == {path: ("export", "2026-03-02", "2026-03-02", 1)}
    assert given(store, later.id) == {}
    assert store.recipients([one.id for one in done])[0].memories == 300


def test_a_copy_of_a_scope_counts_for_what_lay_inside_it(store: Store, tmp_path: Path) -> None:
    inside = store.remember("in", scope="user:ada/session:1")
    outside = store.remember("out", scope="user:bob")
    store.register_copy(tmp_path / "ada.db", "backup", scope="user:ada")

    assert [one[0] for one in given(store, inside.id).values()] == ["backup"]
    assert given(store, outside.id) == {}


def test_a_memory_that_left_its_scope_is_still_in_the_copies_made_before(
    store: Store, tmp_path: Path
) -> None:
    done = store.remember("in", scope="user:ada")
    store.register_copy(tmp_path / "ada.jsonl", "export", scope="user:ada")

    store.edit(done.id, Change(scope="user:bob"))

    assert len(given(store, done.id)) == 1


def test_what_was_restricted_is_still_known_to_its_recipients(store: Store, tmp_path: Path) -> None:
    done = store.remember("in", scope="user:ada")
    store.register_copy(tmp_path / "ada.jsonl", "export", scope="user:ada")
    store.recall("in", recipient=AGENT)
    hold = store.place_hold(Selector(ids=(done.id,)), TERMS)
    assert len(given(store, done.id)) == 2
    store.forget(store.plan_forget(Selector(ids=(done.id,))))

    (receipt,) = store.release_hold(hold.id).receipts

    assert receipt.recipients == {"agent": 1, "export": 1}


def test_the_bridge_to_models_records_what_a_model_was_trained_on(store: Store) -> None:
    done = store.remember("x")

    store.disclosed([done.id], "tiny-lm", "model")

    assert given(store, done.id)["tiny-lm"][0] == "model"
    with pytest.raises(UsageError, match="kind of recipient"):
        store.disclosed([done.id], "tiny-lm", "friend")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="name"):
        store.disclosed([done.id], " ", "model")


def test_an_erasure_takes_the_record_and_keeps_whom_to_tell(store: Store, tmp_path: Path) -> None:
    gone = [store.remember(f"gate {n}", scope="user:ada") for n in range(3)]
    kept = store.remember("harbour", scope="user:bob")
    for one in (*gone[:2], kept):
        store.get(one.id, recipient=AGENT)
    store.disclosed([gone[0].id], "tiny-lm", "model")
    store.register_copy(tmp_path / "all.jsonl", "export")

    receipt = store.forget(store.plan_forget(Selector(scope="user:ada")))

    assert receipt.state == "verified"
    assert receipt.recipients == {"agent": 1, "export": 1, "model": 1}
    found = {one.name: (one.memories, one.outcome) for one in store.notifications(receipt.erasure)}
    path = str((tmp_path / "all.jsonl").resolve())
    assert found == {AGENT: (2, "to-do"), "tiny-lm": (1, "to-do"), path: (3, "to-do")}
    rows = store._behavior().execute("SELECT DISTINCT memory_id FROM disclosure").fetchall()
    assert rows == [(kept.id,)]
    for one in gone:
        for place in files.walk(store.home):
            assert one.id.encode() not in place.read_bytes(), place
    assert "tiny-lm" not in {one.name for one in store.recipients()}


def test_an_agent_is_told_once_when_it_next_asks(store: Store, clock: Clock) -> None:
    done = store.remember("x")
    store.get(done.id, recipient=AGENT)
    receipt = store.forget(store.plan_forget(Selector(ids=(done.id,))))
    clock.tick(days=3)

    assert store.notices("mcp:other") == ()
    (notice,) = store.notices(AGENT)
    assert (notice.day, notice.memories) == ("2026-03-02", 1)
    assert store.notices(AGENT) == ()
    (told,) = store.notifications(receipt.erasure)
    assert (told.outcome, told.settled) == ("notified", "2026-03-05")


def test_a_person_says_what_became_of_the_others(store: Store, tmp_path: Path) -> None:
    done = store.remember("x")
    store.disclosed([done.id], "same", "model")
    store.disclosed([done.id], "same", "remote")
    erasure = store.forget(store.plan_forget(Selector(ids=(done.id,)))).erasure

    with pytest.raises(UsageError, match="more than one"):
        store.notified(erasure, "same")
    assert store.notified(erasure, "model:same", "impossible").outcome == "impossible"
    assert store.notified(erasure, "remote:same").settled == "2026-03-02"
    with pytest.raises(NotFoundError):
        store.notified(erasure, "nobody")
    with pytest.raises(UsageError, match="outcome"):
        store.notified(erasure, "model:same", "forgotten")  # type: ignore[arg-type]


def test_a_memory_from_the_path_of_an_export_is_forgotten_and_verified(
    store: Store, tmp_path: Path
) -> None:
    place = (tmp_path / "notes-of-ada.jsonl").resolve()
    done = store.remember("x", uri=str(place))
    store.register_copy(place, "export")

    receipt = store.forget(store.plan_forget(Selector(ids=(done.id,))))

    assert receipt.state == "verified", "the name of a recipient is no residue"


def test_a_busy_ledger_delays_the_record_and_never_the_answer(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = store.remember("the gate code is 4471")
    store.recall("gate", recipient="mcp:first")
    other = driver.connect(str(store.home / files.BEHAVIOR), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    assert store.recall("gate code", recipient=AGENT).hits
    (told,) = [one for one in store.check() if one.check == "recipients"]
    assert not told.ok
    assert "1 memories" in told.detail

    other.execute("COMMIT")
    other.close()
    assert AGENT in given(store, done.id)
    assert all(one.ok for one in store.check())


def test_a_record_that_is_lost_is_counted_for_the_doctor(
    home: Path, embedder: HashedEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disclosing, "MOST_OWED", 1)
    with Store(home, embedder=embedder) as store:
        store.remember_many([Draft(text="gate one"), Draft(text="gate two")])
        store.notices("")
        other = driver.connect(str(home / files.BEHAVIOR), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        assert len(store.recall("gate", recipient=AGENT).hits) == 2
        other.close()

    with Store(home, embedder=embedder) as store:
        (told,) = [one for one in store.check() if one.check == "recipients"]
        assert not told.ok
        assert "2 memories" in told.detail


@pytest.mark.skipif(
    os.name != "posix" or os.geteuid() == 0, reason="needs modes that this user must keep to"
)
def test_a_read_only_ledger_never_fails_an_answer(home: Path, embedder: HashedEmbedder) -> None:
    with Store(home, embedder=embedder) as store:
        store.remember("gate")
        store.notices("")
    place = home / files.BEHAVIOR
    place.chmod(stat.S_IRUSR)
    with Store(home, embedder=embedder) as store:
        assert store.recall("gate", recipient=AGENT).hits


def test_a_broken_ledger_never_fails_an_answer(home: Path, embedder: HashedEmbedder) -> None:
    with Store(home, embedder=embedder) as store:
        store.remember("gate")
    (home / files.BEHAVIOR).write_bytes(b"no database" * 1000)

    store = Store(home, embedder=embedder)
    assert store.recall("gate", recipient=AGENT).hits
    assert store.notices(AGENT) == ()
    store.close()


def test_records_of_two_processes_add_up(home: Path, embedder: HashedEmbedder) -> None:
    with (
        Store(home, embedder=embedder) as one,
        Store(home, embedder=embedder) as two,
    ):
        done = one.remember("gate")
        for store in (one, two, one):
            store.get(done.id, recipient=AGENT)

        assert given(two, done.id)[AGENT][3] == 3


def test_the_first_schema_of_the_behavior_file_is_migrated(home: Path) -> None:
    with Store(home, embedder="none") as store:
        done = store.remember("x")
        store.feedback(done.id, "useful")
    con = connect(home / files.BEHAVIOR, wait=1.0, create=False, schema="behavior")
    for table in ("disclosure", "disclosed_range", "recipient", "notification"):
        con.execute(f"DROP TABLE {table}")
    con.execute("PRAGMA user_version=1")
    con.close()

    with Store(home, embedder="none") as store:
        store.get(done.id, recipient=AGENT)
        assert store.feedback_of(done.id) == {"useful": 1}
        assert AGENT in given(store, done.id)
