"""Restoring: what is lost comes back as it was, what was erased never, whenever it is killed."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from memory import Change, Draft, Selector, Store, UsageError, adopt, datakey, files, tombstones
from memory.backup import Made, Wish
from memory.errors import ErasedContentError, StoreError
from tests.memory.test_forget import holding
from tests.support import Clock, HashedEmbedder

SECRET = "Mireille's badge is MVK-20931 and her extension is x4471quokka"
WORDS = "harbour gate berth quay crane rope anchor tide buoy mast keel sail deck hull helm".split()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "monday.mem"


@pytest.fixture
def other(tmp_path: Path, embedder: HashedEmbedder, clock: Clock) -> Iterator[Store]:
    with Store(tmp_path / "other", embedder=embedder, clock=clock) as opened:
        yield opened


def fill(store: Store, count: int = 60) -> list[str]:
    rng = random.Random(3)
    done = store.remember_many(
        Draft(
            text=f"turn {i}: {' '.join(rng.choices(WORDS, k=8))}",
            kind="turn" if i % 3 else "fact",
            scope=f"project:harbor/session:{i // 15}",
            title="log" if i % 5 == 0 else "",
            actor="Ada" if i % 2 else "coder",
            root="os:ada",
            uri=f"chat:{i}",
            key=f"key {i}" if i % 7 == 0 else None,
        )
        for i in range(count)
    )
    ids = [one.id for one in done]
    store.feedback(ids[3], "useful")
    store.feedback(ids[3], "useful")
    store.feedback(ids[4], "wrong", root="os:ada")
    return ids


def content(store: Store) -> list[dict[str, Any]]:
    return sorted(
        (line for line in store.export_lines() if "text" in line or "signal" in line),
        key=json.dumps,
    )


def forget(store: Store, *ids: str, **how: Any) -> None:
    assert store.forget(store.plan_forget(Selector(ids=ids)), **how).state == "verified"


def lose(store: Store, *ids: str) -> None:
    """Delete memories as damage would: with all they produced, but without an erasure."""
    from memory.db import transaction
    from memory.forget import erase
    from memory.records import by_ids

    with transaction(store._con, 5.0):
        erase(store._con, list(by_ids(store._con, ids).values()))


def sound(store: Store) -> bool:
    found = [one for one in store.check(forensic=True) if not one.ok]
    assert found == []
    return True


# -- into an empty folder ------------------------------------------------------------------------


def test_an_empty_store_becomes_the_one_of_the_backup(
    store: Store, other: Store, target: Path
) -> None:
    ids = fill(store)
    forget(store, ids[9])
    made = store.backup(target, Wish(recovery=True, with_keys=True))
    store_id = store.stats().store_id

    done = other.restore(target, made.recovery_code)

    assert (done.whole, done.memories, done.erased, done.backup) == (True, 59, 0, made.id)
    assert content(other) == content(store)
    assert other.stats().store_id == store_id
    assert other.receipts() == store.receipts()
    assert other.verify_receipts().ok
    assert sound(other)
    assert [hit.memory.id for hit in other.recall("quay crane").hits] == [
        hit.memory.id for hit in store.recall("quay crane").hits
    ]


def test_a_restored_store_goes_on_like_any_other(store: Store, other: Store, target: Path) -> None:
    ids = fill(store)
    forget(store, ids[9])
    made = store.backup(target, Wish(recovery=True))
    other.restore(target, made.recovery_code)

    added = other.remember("a new turn", kind="turn", scope="project:harbor/session:3")
    forget(other, ids[10])

    assert other.verify_receipts().ok
    assert len(other.receipts()) == 2
    assert added.created
    assert sound(other)


def test_the_guard_of_a_restored_store_refuses_what_was_erased(
    store: Store, other: Store, target: Path
) -> None:
    forget(store, store.remember(SECRET).id)
    made = store.backup(target, Wish(recovery=True))
    assert other.remember("ready").created
    lose(other, other.list()[0].id)

    other.restore(target, made.recovery_code)

    with pytest.raises(ErasedContentError):
        other.remember(SECRET)


def test_an_erasure_that_was_under_way_is_ended_by_the_restored_store(
    home: Path, embedder: HashedEmbedder, clock: Clock, other: Store, target: Path
) -> None:
    with Store(home, embedder=embedder, clock=clock) as store:
        ids = fill(store)
        done = store.remember(SECRET, kind="turn", scope="project:harbor/session:1")
        plan = store.plan_forget(Selector(ids=(done.id, ids[20])))

        def stop(step: str) -> None:
            if step == "cascade":
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            store.forget(plan, say=stop)
        assert SECRET in {line["text"] for line in store.export()}, "positive control"
        made = store.backup(target, Wish(recovery=True))

    report = other.restore(target, made.recovery_code)

    assert (report.memories, report.erased) == (59, 2)
    assert holding(other.home, b"quokka") == []
    assert other.resume()[0].state == "verified"
    assert other.stats().pending_erasures == 0
    assert sound(other)


def test_lost_erasures_are_counted_and_have_to_be_accepted(
    store: Store, other: Store, target: Path
) -> None:
    ids = fill(store)
    forget(store, ids[1])
    made = store.backup(target, Wish(recovery=True))
    forget(store, ids[2])
    forget(store, ids[3], tombstone=False)
    shutil.copy(store.home / "ledger.jsonl", other.home / "ledger.jsonl")

    with pytest.raises(StoreError, match="2 erasures are later than this backup"):
        other.restore(target, made.recovery_code)
    assert other.stats().memories == 0

    done = other.restore(target, made.recovery_code, accept_unknown=True)

    assert (done.memories, done.unknown_erasures) == (59, 2)
    assert len(other.receipts()) == 3, "the longer ledger stays"
    assert other.verify_receipts().ok


def test_a_folder_with_the_ledger_of_another_store_is_refused(
    store: Store, other: Store, target: Path, tmp_path: Path, embedder: HashedEmbedder
) -> None:
    ids = fill(store)
    forget(store, ids[1])
    made = store.backup(target, Wish(recovery=True))
    with Store(tmp_path / "third", embedder=embedder) as third:
        forget(third, third.remember("x").id)
        shutil.copy(third.home / "ledger.jsonl", other.home / "ledger.jsonl")

    with pytest.raises(StoreError, match="not of one store"):
        other.restore(target, made.recovery_code, accept_unknown=True)

    assert other.stats().memories == 0


# -- into the store it came from -----------------------------------------------------------------


def test_restoring_into_an_unchanged_store_changes_nothing(store: Store, target: Path) -> None:
    fill(store)
    store.backup(target)
    before = content(store)

    done = store.restore(target)

    assert (done.memories, done.known, done.erased) == (0, 60, 0)
    assert content(store) == before


def test_lost_memories_come_back_where_they_were(store: Store, target: Path) -> None:
    ids = fill(store)
    before = content(store)
    store.backup(target)
    lose(store, ids[0], ids[3], ids[4], *ids[20:24], ids[59])
    assert len(content(store)) < len(before), "positive control"

    done = store.restore(target)

    assert done.memories == 8
    assert sorted(row["id"] for row in content(store) if "id" in row) == sorted(ids)
    assert content(store) == before
    assert sound(store)
    hit = store.recall(store.get(ids[3]).text).hits[0]
    assert hit.memory.id == ids[3]


def test_what_was_written_since_stays(store: Store, target: Path) -> None:
    ids = fill(store)
    store.backup(target)
    new = store.remember("written since", kind="turn", scope="project:harbor/session:3")
    lose(store, ids[59])

    store.restore(target)

    assert store.get(new.id).text == "written since"
    assert {new.id, ids[59]} <= {line["id"] for line in store.export()}
    assert sound(store)


def test_a_correction_since_keeps_the_present_wording(store: Store, target: Path) -> None:
    done = store.remember(f"old wording: {SECRET}")
    store.backup(target)
    store.edit(done.id, Change(text="new wording"))

    report = store.restore(target)

    assert report.known == 1
    assert store.get(done.id).text == "new wording"
    assert holding(store.home, b"quokka") == []


@pytest.mark.parametrize("tombstone", [True, False])
def test_erased_content_never_comes_back(store: Store, target: Path, *, tombstone: bool) -> None:
    ids = fill(store)
    done = store.remember(SECRET, kind="turn", scope="project:harbor/session:1")
    store.feedback(done.id, "useful")
    store.backup(target)
    forget(store, done.id, tombstone=tombstone)
    lose(store, ids[5])

    report = store.restore(target)

    assert (report.memories, report.erased) == (1, 1)
    assert store.recall("x4471quokka", lexical=True).hits == ()
    assert store.feedback_of(done.id) == {}
    assert holding(store.home, b"quokka") == []
    assert sound(store)


def test_without_the_replay_it_would_come_back(
    store: Store, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Positive control: nothing but the tombstones keeps it out."""
    done = store.remember(SECRET)
    store.backup(target)
    forget(store, done.id)
    monkeypatch.setattr(adopt, "fates", lambda con, guard, batch, *_: ["created" for one in batch])

    store.restore(target)

    assert store.recall("x4471quokka", lexical=True).hits
    assert holding(store.home, b"quokka")


def test_the_content_is_recognised_under_another_id(store: Store, target: Path) -> None:
    first = store.remember(SECRET, scope="project:a")
    store.backup(target)
    lose(store, first.id)
    second = store.remember(f"As I said, {SECRET}", scope="project:b")
    forget(store, second.id)
    assert tombstones.erased_ids(store._con, [first.id]) == set(), "positive control"

    report = store.restore(target)

    assert (report.memories, report.erased) == (0, 1)
    assert holding(store.home, b"quokka") == []


def test_ids_are_remembered_after_the_guard_forgot_the_texts(store: Store, target: Path) -> None:
    done = store.remember(SECRET)
    store.backup(target)
    forget(store, done.id)
    store.rotate_guard()
    assert store.remember(SECRET, scope="project:x").created, "the guard is off"

    report = store.restore(target)

    assert (report.memories, report.erased) == (0, 1)


def test_what_the_store_holds_is_not_refused(store: Store, target: Path) -> None:
    kept = store.remember(SECRET, scope="project:a")
    gone = store.remember(SECRET, scope="project:b")
    store.backup(target)
    forget(store, gone.id)

    report = store.restore(target)

    assert (report.known, report.erased) == (1, 1)
    assert [line["id"] for line in store.export()] == [kept.id]


def test_a_provenance_that_was_erased_stays_so(store: Store, target: Path) -> None:
    done = store.remember("Tabs in SQL files", uri="mail:mireille")
    store.remember("Tabs in SQL files", uri="chat:ada")
    store.backup(target)
    store.forget(store.plan_forget(Selector(source="mail:mireille")))

    store.restore(target)

    assert [one.uri for one in store.get(done.id).provenances] == ["chat:ada"]
    assert holding(store.home, b"mail:mireille") == []


def test_the_backup_of_another_store_is_not_mixed_in(
    store: Store, other: Store, target: Path
) -> None:
    fill(store)
    made = store.backup(target, Wish(recovery=True))
    other.remember("mine")

    with pytest.raises(UsageError, match="backup of another store"):
        other.restore(target, made.recovery_code)

    assert [line["text"] for line in other.export()] == ["mine"]


def test_a_later_backup_names_what_an_earlier_one_revived(
    store: Store, other: Store, target: Path
) -> None:
    ids = fill(store)
    early = store.backup(target, Wish(recovery=True))
    forget(store, ids[7])
    late = store.backup(target.with_name("late.mem"), Wish(recovery=True))

    other.restore(target, early.recovery_code)
    assert other.get(ids[7])
    report = other.restore(target.with_name("late.mem"), late.recovery_code)

    assert report.revived == (ids[7],)


def test_two_restores_at_once_give_one(
    store: Store, target: Path, embedder: HashedEmbedder
) -> None:
    ids = fill(store)
    before = content(store)
    store.backup(target)
    lose(store, *ids[10:20])
    with Store(store.home, embedder=embedder) as second:

        def between(step: str) -> None:
            if step == "unpack":
                second.restore(target)

        done = store.restore(target, say=between)

    assert (done.memories, done.known) == (0, 60)
    assert content(store) == before
    assert not (store.home / "staging").exists()


# -- crashes ---------------------------------------------------------------------------------------

KILLED = """
import os, signal, sys
from memory import (
    Store, adopt, behavior, container, copies, datakey, enciphered, refill, returning, setting,
)
from tests.support import HashedEmbedder

home, target, code, step = sys.argv[1:]

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

store = Store(home, embedder=HashedEmbedder())
if step.startswith("say "):
    store.restore(target, code, say=lambda now: die() if now == step[4:] else None)
else:
    setattr(*{
        "damage": (enciphered, "damage"),
        "adopt": (adopt, "adopt"),
        "signals": (setting, "next_epoch"),
        "refill": (refill, "refill"),
        "lay": (returning, "lay"),
        "settle": (returning, "settle"),
        "reread": (Store, "_reread"),
        "seal": (Store, "_seal"),
    }[step], die)
    store.restore(target, code)
"""


def kill(home: Path, target: Path, made: Made, step: str) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(home), str(target), made.recovery_code, step],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, step


BEFORE = ["say verify", "say unpack", "damage", "say restore", "signals"]
AFTER = ["reread", "seal"]


@pytest.mark.parametrize("step", [*BEFORE, "say leave out", "refill", "lay", "say files", *AFTER])
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_killed_restore_into_an_empty_folder_is_all_or_nothing(
    store: Store, target: Path, tmp_path: Path, clock: Clock, step: str
) -> None:
    ids = fill(store)
    forget(store, ids[9])
    made = store.backup(target, Wish(recovery=True))
    home = tmp_path / "other"

    kill(home, target, made, step)

    with Store(home, embedder=HashedEmbedder(), clock=clock) as other:
        committed = step in ("say files", *AFTER)
        assert content(other) == (content(store) if committed else [])
        assert other.receipts() == (store.receipts() if committed else ())
        assert (home / "ledger.jsonl").exists() == committed
        assert (home / "keys" / "suppress.key").exists() == committed
        assert not (home / "staging").exists()
        assert other.stats().feedback == (3 if committed else 0)
        other.restore(target, made.recovery_code)
        assert content(other) == content(store)
        assert sound(other)


@pytest.mark.parametrize("step", [*BEFORE, "adopt", *AFTER])
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_killed_restore_into_the_store_is_all_or_nothing(
    home: Path, embedder: HashedEmbedder, clock: Clock, target: Path, step: str
) -> None:
    with Store(home, embedder=embedder, clock=clock) as store:
        ids = fill(store)
        secret = store.remember(SECRET, kind="turn", scope="project:harbor/session:1")
        whole = [row for row in content(store) if row.get("id") != secret.id]
        made = store.backup(target, Wish(recovery=True))
        forget(store, secret.id)
        lose(store, ids[3], ids[40])
        with store._behavior() as signals:
            signals.execute("DELETE FROM signal WHERE memory_id = ?", (ids[3],))
        before = content(store)
        assert before != whole

    kill(home, target, made, step)

    with Store(home, embedder=embedder, clock=clock) as store:
        assert content(store) == (whole if step in AFTER else before)
        assert not (home / "staging").exists()
        assert holding(home, b"quokka") == []
        store.restore(target)
        assert content(store) == whole
        assert sound(store)


def test_nothing_of_a_backup_lies_in_the_clear_while_it_is_restored(
    store: Store, target: Path
) -> None:
    fill(store)
    done = store.remember(SECRET)
    store.backup(target)
    forget(store, done.id)
    seen: dict[str, list[str]] = {}

    store.restore(target, say=lambda step: seen.update({step: holding(store.home, b"quokka")}))

    assert list(seen) == ["verify", "unpack", "restore"]
    assert set(map(tuple, seen.values())) == {()}


def test_a_damaged_backup_changes_nothing(store: Store, target: Path) -> None:
    ids = fill(store)
    store.backup(target)
    lose(store, ids[0])
    before = content(store)
    raw = bytearray(target.read_bytes())
    raw[9_000] ^= 255
    target.write_bytes(raw)

    with pytest.raises(StoreError):
        store.restore(target)

    assert content(store) == before
    assert files.unknown(store.home) == []
    assert len(datakey.held(store.home)) == 1
