"""Legal hold: restricted memories are out of everything, on record, and come back or go."""

import os
import signal
import subprocess
import sys
import textwrap
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from memory import (
    Draft,
    HoldTerms,
    NotFoundError,
    Selector,
    Store,
    UsageError,
    files,
    needles,
    pages,
    segments,
)
from memory.db import driver
from memory.errors import HeldContentError, StoreBusyError
from memory.vectors import STORED
from tests.support import Clock, HashedEmbedder

SECRET = "Mireille's badge is MVK-20931 and her extension is x4471quokka"
TERMS = HoldTerms(
    ground="17-3-e", authority="Court of Lyonxyz", reviewer="Zoequirk", expires="2026-09-01"
)


def held_secret(store: Store, terms: HoldTerms = TERMS) -> tuple[str, str]:
    """A secret in the middle of a session, restricted; its id and that of its hold."""
    done = [
        store.remember(text, kind="turn", scope="project:x/session:1", actor="Ada", uri=f"chat:{n}")
        for n, text in enumerate(["alpha one", "beta two", SECRET, "gamma three", "delta four"])
    ]
    store.recall("badge")
    store._index.save()  # type: ignore[union-attr]
    return done[2].id, store.place_hold(Selector(ids=(done[2].id,)), terms).id


def occurrences(home: Path, needle: bytes) -> dict[str, int]:
    found = {
        place.relative_to(home).as_posix(): place.read_bytes().lower().count(needle.lower())
        for place in files.walk(home)
    }
    return {name: count for name, count in found.items() if count}


def unused(store: Store) -> dict[str, int]:
    return dict(pages.audit(store.home / files.DATABASE).nonzero)


def columns(store: Store) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = store._con.execute(
        "SELECT own, prev, next, around FROM memory_text ORDER BY seq"
    ).fetchall()
    return rows


def test_a_restricted_memory_is_out_of_everything_that_reads_memories(store: Store) -> None:
    ident, _ = held_secret(store)

    assert all(hit.memory.id != ident for hit in store.recall("x4471quokka badge").hits)
    assert ident not in {one.id for one in store.list(limit=100)}
    assert ident not in {line["id"] for line in store.export()}
    assert SECRET not in store.sample(100)
    with pytest.raises(NotFoundError):
        store.get(ident)
    with pytest.raises(NotFoundError):
        store.feedback(ident, "useful")
    assert store.stats().memories == 4
    assert store.stats().restricted == 1
    assert store.unembedded() == 0


def test_its_words_are_in_the_restricted_row_and_nowhere_else(
    store: Store, embedder: HashedEmbedder
) -> None:
    row = embedder.encode([f"Ada: {SECRET}"]).astype(STORED)
    store.remember("first", scope="user:z")
    plain = store.remember(SECRET, scope="user:z", actor="Ada")
    store.recall("badge")
    store._index.save()  # type: ignore[union-attr]
    windows = needles.vector_windows([row[0].tobytes()])
    assert [one.name for one in files.walk(store.home) if needles.scan(one, windows).size]
    assert segments.present(store._con, "x4471quokka"), "positive control"

    store.place_hold(Selector(ids=(plain.id,)), TERMS)

    assert occurrences(store.home, b"x4471quokka") == {"memory.db": 1}
    assert not segments.present(store._con, "x4471quokka")
    assert segments.examine(store._con).clean
    assert [one for one in files.walk(store.home) if needles.scan(one, windows).size] == []
    assert unused(store) == {}
    (where,) = store._con.execute("SELECT text FROM restricted").fetchall()
    assert where == (SECRET,)
    assert all(finding.ok for finding in store.check(forensic=True))


def test_without_the_seal_the_same_look_finds_the_words_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Store, "_seal", lambda *_: True)
    held_secret(store)

    assert sum(occurrences(store.home, b"x4471quokka").values()) > 1


def test_its_neighbours_are_indexed_without_it(store: Store) -> None:
    held_secret(store)

    assert columns(store)[1] == (
        "beta two", "Ada: alpha one", "Ada: gamma three", " Ada: delta four"
    )  # fmt: skip
    assert not any("quokka" in part for row in columns(store) for part in row)


def test_release_brings_it_back_with_id_times_provenances_and_place(
    store: Store, clock: Clock
) -> None:
    said = datetime(2020, 5, 1, tzinfo=UTC)
    first, second, third = (
        store.remember(text, kind="turn", scope="session:1", actor="Ada", uri=f"chat:{n}", at=said)
        for n, text in enumerate(["alpha", SECRET, "omega"])
    )
    store.remember(SECRET, kind="turn", scope="session:1", actor="Ada", uri="chat:1", at=said,
                   root="agent:x", key="k1")  # fmt: skip
    before, shown = store.get(second.id), columns(store)
    vector = store._con.execute("SELECT own FROM vector WHERE seq = 2").fetchone()
    hold = store.place_hold(Selector(ids=(second.id,)), TERMS)
    clock.tick(days=3)

    done = store.release_hold(hold.id)

    assert done.returned == (second.id,)
    assert store.get(second.id) == before
    assert columns(store) == shown
    assert store._con.execute("SELECT own FROM vector WHERE seq = 2").fetchone() == vector
    assert [one.id for one in store.list()] == [third.id, second.id, first.id]
    assert store.recall("x4471quokka badge").hits[0].memory.id == second.id
    assert store.holds() == ()
    assert all(finding.ok for finding in store.check(forensic=True))


def test_what_was_said_about_a_hold_goes_with_it(store: Store) -> None:
    _, hold = held_secret(store)
    for word in (b"lyonxyz", b"zoequirk"):
        assert occurrences(store.home, word) == {"memory.db": 1}

    store.release_hold(hold)

    for word in (b"lyonxyz", b"zoequirk"):
        assert occurrences(store.home, word) == {}


TABLES = (
    "hold", "hold_memory", "restricted", "restricted_reading", "deferred", "hold_access"
)  # fmt: skip


@pytest.mark.parametrize("asked", [False, True])
def test_the_end_of_a_hold_empties_its_tables(store: Store, asked: bool) -> None:
    ident, hold = held_secret(store)
    store.read_held(ident, root="os:ada", reason="review")
    store.forget(store.plan_forget(Selector(ids=(ident,)))) if asked else None

    def rows() -> dict[str, int]:
        found = {name: store._con.execute(f"SELECT count(*) FROM {name}") for name in TABLES}
        return {name: one.fetchone()[0] for name, one in found.items()}

    assert [name for name, count in rows().items() if not count] == ([] if asked else ["deferred"])

    store.release_hold(hold)

    assert set(rows().values()) == {0}


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_neighbours_restricted_apart_come_back_into_the_same_order(
    store: Store, order: tuple[int, int]
) -> None:
    done = [store.remember(word, kind="turn", scope="session:1") for word in "abcdef"]
    shown = columns(store)
    holds = [store.place_hold(Selector(ids=(done[n].id,)), TERMS).id for n in (2, 3)]

    for n in order:
        store.release_hold(holds[n])

    assert columns(store) == shown
    assert all(finding.ok for finding in store.check())


def test_a_whole_session_comes_back_before_what_was_said_since(store: Store) -> None:
    for word in ("alpha", "beta", "gamma"):
        store.remember(word, kind="turn", scope="session:1")
    hold = store.place_hold(Selector(scope="session:1"), TERMS)
    store.remember("delta", kind="turn", scope="session:1")

    store.release_hold(hold.id)

    links = store._con.execute("SELECT seq, prev_seq, next_seq FROM memory ORDER BY seq").fetchall()
    assert links == [(1, None, 2), (2, 1, 3), (3, 2, 4), (4, 3, None)]
    assert all(finding.ok for finding in store.check())


def test_what_two_holds_need_stays_until_both_end(store: Store) -> None:
    ident, first = held_secret(store)
    second = store.place_hold(Selector(query="badge"), TERMS).id

    assert store.release_hold(first).still_held == 1
    with pytest.raises(NotFoundError):
        store.get(ident)
    assert store.release_hold(second).returned == (ident,)
    assert store.get(ident).text == SECRET


@pytest.mark.parametrize(
    "selector",
    [
        Selector(query="badge x4471quokka"),
        Selector(query="extensions badges"),  # by stem, as live ones
        Selector(query="her extension is"),
        Selector(scope="project:x"),
        Selector(source="chat:2"),
        Selector(source="chat:*", query="badge"),
    ],
    ids=lambda one: " ".join(str(part) for part in (one.query, one.scope, one.source) if part),
)
def test_a_forget_names_what_is_held_and_leaves_it(store: Store, selector: Selector) -> None:
    ident, hold = held_secret(store)

    plan = store.plan_forget(selector)

    assert [one.id for one in plan.held] == [ident]
    assert (plan.held[0].hold, plan.held[0].ground) == (hold, "17-3-e")
    assert plan.held[0].expires == "2026-09-01"
    assert ident not in plan.ids
    assert "quokka" not in str(plan)
    receipt = store.forget(plan)
    assert (receipt.state, receipt.held, receipt.memories) == ("verified", 1, len(plan.ids))
    assert store.hold(hold).memories[0].deferred
    assert store.holds()[0].deferred == 1


def test_selectors_that_do_not_name_a_restricted_memory_do_not_match_it(store: Store) -> None:
    held_secret(store)

    for selector in (
        Selector(query="alpha"),
        Selector(source="chat:1"),
        Selector(scope="project:x", query="beta"),
        Selector(source="root:nobody", query="badge"),
    ):
        assert store.plan_forget(selector).held == ()


def test_an_erasure_asked_for_meanwhile_resumes_on_release(store: Store, clock: Clock) -> None:
    ident, hold = held_secret(store)
    asked = store.forget(store.plan_forget(Selector(ids=(ident,))))
    clock.tick(days=40)
    assert occurrences(store.home, b"x4471quokka") == {"memory.db": 1}, "positive control"

    done = store.release_hold(hold)

    assert done.returned == ()
    (receipt,) = done.receipts
    assert receipt.erasure == asked.erasure, "the same erasure, which the request knows"
    assert (receipt.state, receipt.memories, receipt.held) == ("verified", 1, 0)
    assert receipt.erased["memory"] == receipt.erased["provenance"] == 1
    assert {one.result for one in receipt.probes if one.name == "bytes"} == {"pass"}
    for needle in (b"x4471quokka", b"quokka", b"20931", b"mireille"):
        assert occurrences(store.home, needle) == {}
    assert [line["held"] for line in store.receipts()] == [1, 0]
    assert store.verify_receipts().ok
    assert store.stats().pending_erasures == 0
    with pytest.raises(UsageError, match="erased on request"):
        store.remember(SECRET)


def test_a_release_erases_only_what_was_asked_for(store: Store) -> None:
    done = [store.remember(f"word{n} harbour", scope="user:ada", uri=f"c:{n}") for n in range(3)]
    hold = store.place_hold(Selector(scope="user:ada"), TERMS)
    store.forget(store.plan_forget(Selector(source="c:1")), tombstone=False)

    ended = store.release_hold(hold.id)

    assert ended.returned == (done[0].id, done[2].id)
    assert ended.receipts[0].memories == 1
    assert occurrences(store.home, b"word1") == {}
    assert store.remember("word1 harbour").created, "no tombstone was wanted"


def test_restricted_memories_of_a_person_are_found_as_live_ones_are(store: Store) -> None:
    texts = {
        "by": store.remember("see you", kind="turn", scope="session:1", actor="Jonas"),
        "about": store.remember("prefers tea", scope="user:jonas"),
        "named": store.remember("the badge of Jonas is blue"),
        "both": store.remember("Jonas met Mireille"),
        "heard": store.remember("Jonas is late", kind="turn", scope="session:1", actor="Ada"),
        "none": store.remember("the badge is blue"),
    }
    names = {one.id: name for name, one in texts.items()}
    store.place_hold(Selector(ids=tuple(names)), TERMS)

    store.add_subject("Mireille")

    def found(*, mentions: bool) -> set[str]:
        plan = store.plan_forget(Selector(subject="Jonas", with_mentions=mentions))
        return {names[one.id] for one in plan.held}

    assert found(mentions=False) == {"by", "about", "named"}
    assert found(mentions=True) == {"by", "about", "named", "both", "heard"}


def test_a_plan_is_void_when_one_of_its_memories_was_restricted_since(store: Store) -> None:
    done = store.remember("x y z")
    plan = store.plan_forget(Selector(ids=(done.id,)))
    store.place_hold(Selector(ids=(done.id,)), TERMS)

    with pytest.raises(UsageError, match="changed since"):
        store.forget(plan)
    assert store.stats().restricted == 1


def test_a_memory_that_is_being_erased_cannot_be_restricted(store: Store) -> None:
    from memory import erasures

    done = store.remember("x y z")
    with store._writing() as con:
        erasures.put(con, "01AAAAAAAAAAAAAAAAAAAAAAAA", "2026-03-02", [done.id])

    with pytest.raises(StoreBusyError):
        store.place_hold(Selector(ids=(done.id,)), TERMS)


def test_reading_a_restricted_memory_is_on_record(store: Store) -> None:
    ident, hold = held_secret(store)

    memory = store.read_held(ident, root="os:ada", reason="authority")

    assert memory.text == SECRET
    assert memory.provenances[0].uri == "chat:2"
    (access,) = store.hold(hold).accesses
    assert (access.memory, access.root, access.day, access.reason) == (
        ident, "os:ada", "2026-03-02", "authority"
    )  # fmt: skip


@pytest.mark.parametrize(("root", "reason"), [("", "review"), ("os:ada", "curiosity")])
def test_nobody_reads_without_a_name_and_a_reason(store: Store, root: str, reason: str) -> None:
    ident, hold = held_secret(store)

    with pytest.raises(UsageError):
        store.read_held(ident, root=root, reason=reason)  # type: ignore[arg-type]
    assert store.hold(hold).accesses == ()


@pytest.mark.parametrize(
    "terms",
    [
        {"ground": "17-3-z"},
        {"authority": " "},
        {"reviewer": ""},
        {"expires": "soon"},
        {"expires": "2026-03-02"},
    ],
)
def test_a_hold_without_all_its_terms_is_refused(store: Store, terms: dict[str, str]) -> None:
    from dataclasses import replace

    done = store.remember("x")

    with pytest.raises(UsageError):
        store.place_hold(Selector(ids=(done.id,)), replace(TERMS, **terms))  # type: ignore[arg-type]
    assert store.stats().memories == 1


def test_a_hold_over_nothing_is_refused(store: Store) -> None:
    store.remember("x")
    with pytest.raises(NotFoundError):
        store.place_hold(Selector(query="unheard-of"), TERMS)
    assert store.holds() == ()


def test_expiry_is_told_and_releases_nothing(store: Store, clock: Clock) -> None:
    ident, hold = held_secret(store)
    assert store.stats().holds_due == 0
    clock.tick(days=190)

    (told,) = [one for one in store.check() if one.check == "holds"]

    assert not told.ok
    assert hold in told.detail
    assert store.stats().holds_due == 1
    assert store.holds()[0].due
    with pytest.raises(NotFoundError):
        store.get(ident)


@pytest.mark.parametrize(
    "text", [SECRET, SECRET.upper(), SECRET.replace("a", "\u0430"), f"{SECRET}!"]
)
def test_a_restricted_text_is_refused_when_it_comes_again(store: Store, text: str) -> None:
    _, hold = held_secret(store)

    with pytest.raises(HeldContentError):
        store.remember(text, scope="user:bob", allow_erased=True)
    store.release_hold(hold)
    assert store.remember(text, scope="user:bob").created


def test_small_talk_in_a_restricted_session_can_be_said_elsewhere(store: Store) -> None:
    store.remember("thanks!", kind="turn", scope="session:1")
    store.place_hold(Selector(scope="session:1"), TERMS)

    assert store.remember("thanks!", kind="turn", scope="session:2").created


def test_an_edit_does_not_bring_a_restricted_text_back(store: Store) -> None:
    from memory import Change

    held_secret(store)
    other = store.remember("something else")

    with pytest.raises(HeldContentError):
        store.edit(other.id, Change(text=SECRET))


def test_an_import_leaves_restricted_texts_out(store: Store, tmp_path: Path) -> None:
    held_secret(store)
    place = tmp_path / "in.jsonl"
    place.write_text(f'{{"text": "{SECRET}"}}\n{{"text": "quite another thing"}}\n')

    done = store.import_from(place)

    assert (done.created, done.refused) == (1, 1)


def test_other_memories_are_forgotten_and_verified_beside_a_hold(store: Store) -> None:
    held_secret(store)
    twin = store.remember("the badge is MVK-20931 and hers is x4471quokka", scope="user:bob")

    receipt = store.forget(store.plan_forget(Selector(ids=(twin.id,))))

    assert receipt.state == "verified", "words that the restricted row holds are no residue"


def test_a_reader_delays_the_seal_and_not_the_restriction(
    home: Path, embedder: HashedEmbedder, clock: Clock
) -> None:
    with Store(home, embedder=embedder, clock=clock) as store:
        done = store.remember(SECRET)
        reader = driver.connect(str(home / files.DATABASE))
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM memory").fetchone()
        store.place_hold(Selector(ids=(done.id,)), TERMS, wait=0.0)
        assert all(hit.memory.id != done.id for hit in store.recall("quokka").hits)
        assert not store.sealed
        reader.close()

    with Store(home, embedder=embedder, clock=clock) as store:
        assert store.sealed
        assert occurrences(home, b"quokka") == {"memory.db": 1}


def test_a_live_twin_stops_the_return_and_loses_nothing(store: Store) -> None:
    ident, hold = held_secret(store)
    with store._writing() as con:  # as an older version, or a restored copy, might leave it
        con.execute("UPDATE memory SET identity = (SELECT identity FROM restricted) WHERE seq = 1")

    with pytest.raises(UsageError, match="already says"):
        store.release_hold(hold)
    assert store.read_held(ident, root="os:ada", reason="review").text == SECRET


# -- crashes -----------------------------------------------------------------------------------

CRASH = """
import os, signal, sys
from memory import HoldTerms, Selector, Store
from memory import behavior, erasures, holds, ledger, lineage, records, restriction, seal, setting
from memory import verify
from tests.support import Clock, HashedEmbedder

home, ident, verb, step = sys.argv[1:]

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

store = Store(home, embedder=HashedEmbedder(), clock=Clock())
module, name = step.split(".")
hold = next((one.id for one in store.holds()), "")
setattr(globals()[module], name, die)
if verb == "place":
    terms = HoldTerms(ground="17-3-e", authority="a", reviewer="b", expires="2026-09-01")
    store.place_hold(Selector(ids=(ident,)), terms)
else:
    store.release_hold(hold)
"""
PLACE = (
    "restriction.put_hold", "restriction.put", "holds.erase", "setting.next_epoch", "seal.seal",
    "seal.scrub",
)  # fmt: skip
RETURN = (
    "restriction.drop_hold", "records.unindex", "records.put_back", "restriction.erase",
    "holds.trace", "seal.seal",
)  # fmt: skip
ERASE = (
    "restriction.drop_hold", "restriction.erase", "erasures.reopen", "behavior.erase", "seal.seal",
    "verify.examine", "ledger.append", "erasures.finish",
)  # fmt: skip


def killed(home: Path, ident: str, verb: str, step: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(CRASH), str(home), ident, verb, step],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
        capture_output=True,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


def filled(store: Store) -> str:
    store.remember_many(Draft(text=f"turn {n}", kind="turn", scope="session:1") for n in range(5))
    done = store.remember(SECRET, kind="turn", scope="session:1")
    store.remember("the last turn", kind="turn", scope="session:1")
    return done.id


needs_kill = pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")


@needs_kill
@pytest.mark.parametrize("step", PLACE)
def test_a_killed_placing_restricted_it_or_did_nothing(
    home: Path, embedder: HashedEmbedder, clock: Clock, step: str
) -> None:
    with Store(home, embedder=embedder, clock=clock) as store:
        ident = filled(store)

    killed(home, ident, "place", step)

    with Store(home, embedder=embedder, clock=clock) as store:
        live = [one.id for one in store.list(limit=100)].count(ident)
        assert live + store.stats().restricted == 1
        assert len(store.holds()) == store.stats().restricted
        assert store.stats().restricted == (step in ("seal.seal", "seal.scrub"))
        if not live:
            assert occurrences(home, b"x4471quokka") == {"memory.db": 1}
        assert store.stats().memories == 6 + live
        assert all(finding.ok for finding in store.check())


@needs_kill
@pytest.mark.parametrize("step", RETURN)
def test_a_killed_release_returned_it_or_did_nothing(
    home: Path, embedder: HashedEmbedder, clock: Clock, step: str
) -> None:
    with Store(home, embedder=embedder, clock=clock) as store:
        ident = filled(store)
        store.place_hold(Selector(ids=(ident,)), TERMS)

    killed(home, ident, "release", step)

    with Store(home, embedder=embedder, clock=clock) as store:
        live = [one.id for one in store.list(limit=100)].count(ident)
        assert live + store.stats().restricted == 1
        assert live == (step == "seal.seal")
        assert all(finding.ok for finding in store.check())


@needs_kill
@pytest.mark.parametrize("step", ERASE)
def test_a_killed_release_that_erases_ends_erased_or_did_nothing(
    home: Path, embedder: HashedEmbedder, clock: Clock, step: str
) -> None:
    with Store(home, embedder=embedder, clock=clock) as store:
        ident = filled(store)
        store.place_hold(Selector(ids=(ident,)), TERMS)
        store.forget(store.plan_forget(Selector(ids=(ident,))))

    killed(home, ident, "release", step)

    with Store(home, embedder=embedder, clock=clock) as store:
        begun = step.partition(".")[0] not in ("restriction",) and step != "erasures.reopen"
        assert store.stats().restricted == (not begun)
        assert store.stats().pending_erasures == 0
        assert (occurrences(home, b"quokka") == {}) == begun
        assert [one["held"] for one in store.receipts()] == ([1, 0] if begun else [1])
        assert all(hit.memory.id != ident for hit in store.recall("quokka").hits)
        assert all(finding.ok for finding in store.check())


def test_vectors_of_what_comes_back_are_searched_again(store: Store) -> None:
    ident, hold = held_secret(store)
    store.recall("alpha")
    store.release_hold(hold)

    store.recall("alpha")

    index = store._index
    assert index is not None
    query = HashedEmbedder().encode([f"Ada: {SECRET}"])[0]
    own, _ = index.scores(query, np.array([3]))
    assert own[0] == pytest.approx(1.0, abs=0.02)
    assert store.get(ident).text == SECRET
