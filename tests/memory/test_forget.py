import os
import random
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from memory import (
    Change,
    Draft,
    NotFoundError,
    Selector,
    Store,
    UsageError,
    correct,
    files,
    forget,
    held,
    needles,
    pages,
    remember,
    seal,
    segments,
    verify,
)
from memory.db import driver
from memory.errors import ErasedContentError
from memory.types import Receipt
from memory.vectors import STORED
from tests.support import Clock, HashedEmbedder

SECRET = "Mireille's badge is MVK-20931 and her extension is x4471quokka"


def holding(home: Path, needle: bytes) -> list[str]:
    """Every file of the store that holds the bytes, in any letter case."""
    return [
        place.relative_to(home).as_posix()
        for place in home.rglob("*")
        if place.is_file() and needle.lower() in place.read_bytes().lower()
    ]


def fill(store: Store, count: int = 200) -> None:
    store.remember_many(
        Draft(
            text=f"turn {i} about the harbour gate and berth {i * 13}",
            kind="turn",
            scope=f"project:harbor/session:{i // 20}",
            actor="Ada" if i % 2 else "coder",
        )
        for i in range(count)
    )


def probes(receipt: Receipt) -> dict[str, str]:
    return {probe.name: probe.result for probe in receipt.probes}


def test_an_erased_text_is_in_no_file_of_the_store(store: Store) -> None:
    fill(store)
    done = store.remember(SECRET, scope="project:harbor/session:3", uri="chat:mireille")
    store.recall("badge")
    store._index.save()  # type: ignore[union-attr]
    assert "memory.db" in holding(store.home, b"x4471quokka") or holding(
        store.home, b"x4471quokka"
    ), "positive control: the secret is on disk before"
    blob = store._con.execute(
        "SELECT own FROM vector v JOIN memory m ON m.seq = v.seq WHERE m.id = ?", (done.id,)
    ).fetchone()[0]
    codes = needles.quantise(np.frombuffer(blob, STORED).astype(np.float32)[None, :])[0].tobytes()
    assert holding(store.home, blob[:32])
    assert "index" in " ".join(holding(store.home, codes))

    receipt = store.forget(store.plan_forget(Selector(ids=(done.id,))))

    assert receipt.state == "verified"
    for needle in (b"x4471quokka", b"quokka", b"20931", b"mireille", blob[:32], blob[-32:], codes):
        assert holding(store.home, needle) == []
    assert probes(receipt) == {
        "rows": "pass",
        "text_index": "pass",
        "bytes": "pass",
        "vectors": "pass",
        "entities": "pass",
        "slack": "pass",
        "files": "pass",
        "log": "pass",
        "copies": "pass",
        "medium": "not_claimed",
    }


@pytest.mark.parametrize("count", [1, 40])
def test_a_forget_leaves_everything_else_as_it_was(store: Store, count: int) -> None:
    fill(store)
    ids = tuple(memory.id for memory in store.list(limit=count))
    kept = {memory.id: memory for memory in store.list(limit=1000) if memory.id not in ids}

    store.forget(store.plan_forget(Selector(ids=ids)))

    assert {memory.id: memory for memory in store.list(limit=1000)} == kept
    assert all(finding.ok for finding in store.check())


def test_neighbours_of_an_erased_turn_become_neighbours(store: Store) -> None:
    done = store.remember_many(
        Draft(text=word, kind="turn", scope="session:1", actor="Ada")
        for word in ("alpha", "beta", "gamma", "delta")
    )

    store.forget(store.plan_forget(Selector(ids=(done[1].id,))))

    rows = store._con.execute("SELECT own, prev, next FROM memory_text ORDER BY seq").fetchall()
    assert rows == [
        ("alpha", "", "Ada: gamma"),
        ("gamma", "Ada: alpha", "Ada: delta"),
        ("delta", "Ada: gamma", ""),
    ]


def test_the_averaged_vector_of_a_neighbour_is_made_without_the_erased_one(
    home: Path, embedder: HashedEmbedder
) -> None:
    words = ("alpha", "beta", "gamma")
    with Store(home, embedder=embedder) as store:
        done = store.remember_many(
            Draft(text=word, kind="turn", scope="session:1") for word in words
        )
        store.recall("alpha")
        store.forget(store.plan_forget(Selector(ids=(done[1].id,))))
        store.recall("alpha")
        index = store._index
        assert index is not None
        query = embedder.encode(["alpha"])[0]
        _, context = index.scores(query, np.array([1, 3]))

    own = embedder.encode(words)
    first = own[0] + 0.3 * own[2]
    last = own[2] + 0.5 * own[0]
    expected = [row @ query / np.linalg.norm(row) for row in (first, last)]
    assert context == pytest.approx(expected, abs=0.01)


def test_a_plan_changes_nothing_and_names_what_would_go(store: Store) -> None:
    fill(store, 30)
    before = store.stats()

    plan = store.plan_forget(Selector(scope="project:harbor/session:1"))

    assert store.stats() == before
    assert len(plan.ids) == len(plan.memories) == 10
    assert plan.counts["memory"] == 10
    assert plan.counts["vector"] == 10
    assert plan.selected_by == ("scope",)


def test_selectors_given_together_must_all_match(store: Store) -> None:
    store.remember("likes figs", scope="user:ada", uri="chat:1")
    store.remember("likes figs", scope="user:bob", uri="chat:1")
    store.remember("likes plums", scope="user:ada", uri="chat:1")

    plan = store.plan_forget(Selector(query="figs", scope="user:ada", source="chat:1"))

    assert [one.excerpt for one in plan.memories] == ["likes figs"]
    assert plan.memories[0].scope == "user:ada"


@pytest.mark.parametrize(
    "disguise",
    ["Ｍarzipan cake", "mar\u200bzipan cake", "mar\u00adzipan  CAKE", "marzi\u0301pan cake"],
)
def test_a_phrase_finds_its_disguises(store: Store, disguise: str) -> None:
    store.remember(f"they ate {disguise} today")
    store.remember("they ate soup")

    assert len(store.plan_forget(Selector(query="marzipan cake")).ids) == 1


def test_a_memory_attested_by_another_source_is_kept_without_this_one(store: Store) -> None:
    both = store.remember("gate code changed", uri="chat:mireille")
    store.remember("gate code changed", uri="chat:ada")
    only = store.remember("her bike is blue", uri="chat:mireille")

    plan = store.plan_forget(Selector(source="chat:mireille"))
    receipt = store.forget(plan)

    assert plan.ids == (only.id,)
    assert [one.id for one in plan.kept] == [both.id]
    assert [p.uri for p in store.get(both.id).provenances] == ["chat:ada"]
    assert receipt.state == "verified"
    assert holding(store.home, b"mireille") == []


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("chat:*", {"a", "b"}),
        ("chat:1", {"a"}),
        ("class:web", {"c"}),
        ("root:agent:x", {"b"}),
    ],
)
def test_a_source_is_named_by_uri_prefix_class_or_root(
    store: Store, source: str, expected: set[str]
) -> None:
    store.remember("a", uri="chat:1")
    store.remember("b", uri="chat:2", root="agent:x")
    store.remember("c", uri="https://a.example", source="web")

    plan = store.plan_forget(Selector(source=source))

    assert {one.excerpt for one in plan.memories} == expected


def test_forgetting_a_scope_never_touches_a_broader_one(store: Store) -> None:
    store.remember("broad", scope="user:ada")
    store.remember("narrow", scope="user:ada/project:x")

    plan = store.plan_forget(Selector(scope="project:x"))

    assert [one.excerpt for one in plan.memories] == ["narrow"]


def test_scope_and_actor_names_go_with_their_last_memory(store: Store) -> None:
    done = store.remember("x", scope="user:zoeqquirk", actor="Zoeqquirk")
    assert holding(store.home, b"zoeqquirk")

    store.forget(store.plan_forget(Selector(ids=(done.id,))))

    assert holding(store.home, b"zoeqquirk") == []


def test_feedback_about_an_erased_memory_goes_with_it(store: Store) -> None:
    done = store.remember("x")
    store.feedback(done.id, "useful")

    receipt = store.forget(store.plan_forget(Selector(ids=(done.id,))))

    assert receipt.erased["signal"] == 1
    assert store.stats().feedback == 0


def test_an_empty_selector_is_refused(store: Store) -> None:
    with pytest.raises(UsageError, match="what to forget"):
        store.plan_forget(Selector())


def test_an_unknown_id_is_named(store: Store) -> None:
    with pytest.raises(NotFoundError) as caught:
        store.plan_forget(Selector(ids=("01AAAAAAAAAAAAAAAAAAAAAAAA",)))
    assert caught.value.ids == ("01AAAAAAAAAAAAAAAAAAAAAAAA",)


def test_a_plan_that_matches_nothing_erases_nothing(store: Store) -> None:
    store.remember("x")
    with pytest.raises(NotFoundError, match="nothing matches"):
        store.forget(store.plan_forget(Selector(query="unheard-of")))
    assert store.stats().memories == 1


def test_an_altered_plan_is_refused(store: Store) -> None:
    from dataclasses import replace

    keep, go = store.remember("keep"), store.remember("go")
    plan = store.plan_forget(Selector(ids=(go.id,)))

    with pytest.raises(UsageError, match="altered"):
        store.forget(replace(plan, ids=(keep.id,)))
    assert store.stats().memories == 2


def test_the_receipt_is_in_the_ledger_and_holds_no_content(store: Store) -> None:
    done = store.remember(SECRET)
    receipt = store.forget(store.plan_forget(Selector(query="badge MVK-20931")))

    (line,) = store.receipts()
    assert line["erasure"] == receipt.erasure
    assert line["format"] == 1
    assert done.id not in str(line)
    assert "quokka" not in str(line)


def test_a_reader_that_holds_the_file_makes_it_pending_and_hidden_at_once(
    store: Store,
) -> None:
    done = store.remember(SECRET)
    reader = driver.connect(str(store.home / files.DATABASE))
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM memory").fetchone()

    receipt = store.forget(store.plan_forget(Selector(ids=(done.id,))), wait=0.1)

    assert receipt.state == "pending"
    assert receipt.blocked_by
    assert store.recall("quokka").hits == ()
    assert list(store.export()) == []
    assert store.stats().pending_erasures == 1

    reader.execute("COMMIT")
    reader.close()
    (finished,) = store.resume()

    assert finished.state == "verified"
    assert holding(store.home, b"quokka") == []
    assert store.stats().pending_erasures == 0


def test_a_pending_erasure_is_finished_when_the_store_is_next_opened(
    home: Path, embedder: HashedEmbedder
) -> None:
    with Store(home, embedder=embedder) as store:
        done = store.remember(SECRET)
        reader = driver.connect(str(home / files.DATABASE))
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM memory").fetchone()
        store.forget(store.plan_forget(Selector(ids=(done.id,))), wait=0.0)
        reader.close()

    with Store(home, embedder=embedder) as store:
        assert store.stats().pending_erasures == 0
        assert holding(home, b"quokka") == []


# -- positive controls: with a protection off, the same look finds residue -----------------------


def test_without_the_checkpoint_the_bytes_are_still_in_the_files(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = store.remember(SECRET)
    monkeypatch.setattr(seal, "seal", lambda *_, **__: True)
    monkeypatch.setattr(seal, "_truncate", lambda con, deadline: True)

    receipt = store.forget(store.plan_forget(Selector(ids=(done.id,))), wait=0.1)

    assert receipt.state == "failed"
    assert probes(receipt)["log"] == "fail"
    assert holding(store.home, b"quokka")


def test_the_byte_probe_finds_a_planted_copy(store: Store) -> None:
    done = store.remember(SECRET)
    (store.home / "keys").mkdir()
    (store.home / "keys" / "old.token").write_text(f"...{SECRET.upper()[10:40]}...{SECRET}")

    receipt = store.forget(store.plan_forget(Selector(ids=(done.id,))))

    assert receipt.state == "failed"
    assert probes(receipt)["bytes"] == "fail"
    assert store.stats().pending_erasures == 1


def test_the_vector_probe_finds_a_planted_code(store: Store) -> None:
    done = store.remember(SECRET)
    (blob,) = store._con.execute("SELECT own FROM vector").fetchone()
    (store.home / "keys").mkdir()
    (store.home / "keys" / "old.token").write_bytes(b"xyz" + blob)

    receipt = store.forget(store.plan_forget(Selector(ids=(done.id,))))

    assert probes(receipt)["vectors"] == "fail"
    assert probes(receipt)["bytes"] == "pass"


def test_the_text_index_probe_finds_a_left_posting(store: Store) -> None:
    done = store.remember(SECRET)
    content = verify.needles(store._con, [1], [])
    store.forget(store.plan_forget(Selector(ids=(done.id,))))
    store.remember("something else")
    store._con.execute("INSERT INTO memory_fts (rowid, own) VALUES (2, 'quokka x4471quokka')")

    (index,) = [
        probe
        for probe in verify.probes(store._con, store._behavior(), store.home, [], content)
        if probe.name == "text_index"
    ]

    assert index.result == "fail"


def test_an_unknown_file_in_the_folder_fails_the_verification(store: Store) -> None:
    done = store.remember("x")
    (store.home / "notes.txt").write_text("left here")

    receipt = store.forget(store.plan_forget(Selector(ids=(done.id,))))

    assert probes(receipt)["files"] == "fail"


def test_words_shared_with_live_memories_are_no_residue(store: Store) -> None:
    gone = store.remember("the harbour gate opens at noon", scope="user:ada")
    store.remember("the harbour gate opens at noon", scope="user:bob")

    receipt = store.forget(store.plan_forget(Selector(ids=(gone.id,))))

    assert receipt.state == "verified"


def test_copies_made_by_export_are_disclosed_not_claimed(store: Store, tmp_path: Path) -> None:
    done = store.remember("x")
    store.register_copy(tmp_path / "out.jsonl", "export")

    receipt = store.forget(store.plan_forget(Selector(ids=(done.id,))))

    assert probes(receipt)["copies"] == "not_claimed"


# -- crashes -----------------------------------------------------------------------------------

CRASH = """
import os, signal, sys
from memory import Selector, Store
from memory import forget, seal, ledger, behavior, verify, erasures
from tests.support import HashedEmbedder

home, ident, step = sys.argv[1:]

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

target = {
    "cascade": (forget, "cascade"),
    "artefacts": (behavior, "erase"),
    "seal": (seal, "seal"),
    "verify": (verify, "examine"),
    "receipt": (ledger, "append"),
    "done": (erasures, "finish"),
}[step]
store = Store(home, embedder=HashedEmbedder())
plan = store.plan_forget(Selector(ids=(ident,)))
setattr(*target, die)
store.forget(plan)
"""


@pytest.mark.parametrize("step", ["cascade", "artefacts", "seal", "verify", "receipt", "done"])
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_killed_forget_is_completed_by_the_next_start(
    home: Path, embedder: HashedEmbedder, step: str
) -> None:
    with Store(home, embedder=embedder) as store:
        fill(store, 60)
        done = store.remember(SECRET, scope="project:harbor/session:1")
        store.feedback(done.id, "useful")

    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(CRASH), str(home), done.id, step],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )

    assert killed.returncode == -signal.SIGKILL
    with Store(home, embedder=embedder) as store:
        assert store.stats().pending_erasures == 0
        assert store.stats().memories == 60
        assert store.stats().feedback == 0
        assert holding(home, b"quokka") == []
        assert all(finding.ok for finding in store.check())
        assert [line["state"] for line in store.receipts()] == ["verified"]


def test_finishing_twice_gives_the_same_end(store: Store) -> None:
    done = store.remember(SECRET)
    receipt = store.forget(store.plan_forget(Selector(ids=(done.id,))))

    again = forget.finish(store._place(), receipt.erasure, None, 1.0)

    assert again.state == "verified"
    assert {p.name for p in again.probes if p.result == "fail"} == set()


def test_a_forgotten_text_is_refused_unless_a_person_lets_it_in(store: Store, clock: Clock) -> None:
    first = store.remember("likes figs")
    store.forget(store.plan_forget(Selector(ids=(first.id,))))
    clock.tick(days=1)

    with pytest.raises(ErasedContentError):
        store.remember("likes figs")
    second = store.remember("likes figs", allow_erased=True)

    assert second.created
    assert second.id != first.id


def test_a_text_forgotten_without_a_tombstone_can_be_remembered_anew(
    store: Store, clock: Clock
) -> None:
    first = store.remember("likes figs")
    store.forget(store.plan_forget(Selector(ids=(first.id,))), tombstone=False)
    clock.tick(days=1)

    assert store.remember("likes figs").created


# -- every byte ----------------------------------------------------------------------------------


def unused(store: Store) -> dict[str, int]:
    """What the databases say outside of live content."""
    names = (files.DATABASE, files.BEHAVIOR)
    found = [pages.audit(store.home / name) for name in names if (store.home / name).exists()]
    assert not [one.errors for one in found if one.errors]
    return {kind: count for one in found for kind, count in one.nonzero.items()}


def churned(home: Path, rows: int) -> tuple[Store, dict[str, str]]:
    """A store written session by session in random order, a tenth of it corrected since."""
    rng = random.Random(rows)
    store = Store(home, embedder=HashedEmbedder(), clock=Clock())
    tokens: dict[str, str] = {}
    order = rng.sample(range(rows), rows)
    for at in range(0, rows, 50):
        drafts = [
            Draft(
                text=f"berth {i % 40} holds "
                + "".join(rng.choices("bcdfghjklmnpqrtvwxz", k=16))  # no "s": no stem of its own
                + " crates of tea" * rng.choice([1, 5, 30, 400 if i % 100 == 0 else 2]),
                kind="turn",
                scope=f"project:p{i % 3}/session:{i % (rows // 20)}",
                actor=f"actor{i % 7}",
                uri=f"chat:{i}",
            )
            for i in order[at : at + 50]
        ]
        done = store.remember_many(drafts)
        tokens |= {one.id: draft.text.split()[3] for one, draft in zip(done, drafts, strict=True)}
    for memory_id in rng.sample(list(tokens), rows // 10):
        text = f"corrected: {store.get(memory_id).text} and salt"
        change = Change(text=text)
        after = remember.prepare(correct.changed(store.get(memory_id), change))
        encoded = HashedEmbedder().encode([text])
        with store._writing() as con:
            seq = store._seq(con, memory_id)
            correct.correct(con, seq, after, embedder=HashedEmbedder(), encoded=encoded)
    return store, tokens


def left_readable(home: Path, tokens: Iterable[str]) -> set[str]:
    everything = b"\0".join(place.read_bytes() for place in files.walk(home))
    return {
        token
        for token in tokens
        if any(token.encode()[at : at + 8] in everything for at in range(0, 9, 4))
    }


@pytest.mark.parametrize(
    ("rows", "gone"), [(2000, 100), pytest.param(20_000, 600, marks=pytest.mark.slow)]
)
def test_no_byte_of_many_victims_is_left_in_a_churned_store(
    home: Path, rows: int, gone: int
) -> None:
    store, tokens = churned(home, rows)
    victims = random.Random(1).sample(list(tokens), gone)
    words = [tokens[one] for one in victims]
    seal.empty_log(store._con, 1.0)
    seqs = [store._seq(store._con, one) for one in victims]
    blobs = verify.needles(store._con, seqs, []).vectors
    assert left_readable(home, words) == set(words), "positive control"
    assert unused(store), "positive control"
    assert needles.scan(home / files.DATABASE, needles.vector_windows(blobs)).size
    assert segments.present(store._con, words[0])

    receipt = store.forget(store.plan_forget(Selector(ids=tuple(victims))))

    assert receipt.state == "verified"
    assert left_readable(home, words) == set()
    assert unused(store) == {}
    kept = {blob for (blob,) in store._con.execute("SELECT own FROM vector")}
    windows = needles.vector_windows(set(blobs) - kept)
    assert [one for one in files.walk(home) if needles.scan(one, windows).size] == []
    assert [word for word in words if segments.present(store._con, word)] == []
    assert segments.examine(store._con).clean
    assert all(finding.ok for finding in store.check(forensic=True))
    store.close()
    assert left_readable(home, words) == set()


@pytest.mark.parametrize("off", ["seal", "scrub", "tidy"])
def test_without_one_protection_the_same_look_finds_residue(
    home: Path, off: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, tokens = churned(home, 1200)
    victims = random.Random(1).sample(list(tokens), 400)
    if off == "seal":
        monkeypatch.setattr(seal, "seal", lambda con, wait, **_: seal.empty_log(con, wait))
    if off in ("seal", "scrub"):
        monkeypatch.setattr(pages, "scrub", pages.audit)
        monkeypatch.setattr(seal, "_bump", lambda *_: True)
    else:
        monkeypatch.setattr(segments, "tidy", lambda con: 0)
        monkeypatch.setattr(forget, "REINDEXED", 0)  # an index made anew has nothing to tidy
    receipt = store.forget(store.plan_forget(Selector(ids=tuple(victims))), wait=0.2)

    if off == "tidy":
        assert probes(receipt)["text_index"] == "fail"
        assert not segments.examine(store._con).clean
    else:
        assert probes(receipt)["slack"] == "fail"
        assert unused(store)["gap"] > 0
    if off == "seal":
        assert probes(receipt)["bytes"] == "fail", "rows that moved before they were deleted"
    store.close()


def test_slack_is_probed_when_the_content_is_no_longer_known(store: Store) -> None:
    fill(store)
    done = store.remember(SECRET)
    receipt = store.forget(store.plan_forget(Selector(ids=(done.id,))))
    store.remember("one more")

    again = forget.finish(store._place(), receipt.erasure, None, 1.0)

    assert probes(again)["bytes"] == "not_claimed"
    assert probes(again)["slack"] == "pass"
    assert unused(store) == {}


def test_a_full_disk_is_scrubbed_in_place(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(store)
    done = store.remember(SECRET)
    usage = shutil.disk_usage(store.home)._replace(free=0)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)

    receipt = store.forget(store.plan_forget(Selector(ids=(done.id,))))

    assert receipt.state == "verified"
    assert holding(store.home, b"quokka") == []
    assert unused(store) == {}


def test_an_edit_leaves_no_slack(store: Store) -> None:
    fill(store)
    done = store.remember(SECRET)

    store.edit(done.id, Change(text="Mireille's badge was returned"))

    assert holding(store.home, b"quokka") == []
    assert unused(store) == {}


def test_the_doctor_finds_planted_slack_and_repairs_it(store: Store) -> None:
    fill(store)
    store.forget(store.plan_forget(Selector(scope="project:harbor/session:1")))
    assert all(finding.ok for finding in store.check(forensic=True))
    place = store.home / files.DATABASE
    raw = bytearray(place.read_bytes())
    at = next(at for at in range(4200, len(raw)) if not any(raw[at - 40 : at + 40]))
    with held.opened(place, write=True) as descriptor:
        held.write_at(descriptor, b"left", at)

    bad = [finding for finding in store.check(forensic=True) if not finding.ok]
    assert [finding.check for finding in bad] == ["unused bytes of memory.db"]
    assert "4 not zero in gap" in bad[0].detail
    assert all(finding.ok for finding in store.check()), "only the examiner sees it"

    assert "databases rebuilt, unused bytes zeroed" in store.repair()
    assert all(finding.ok for finding in store.check(forensic=True))
