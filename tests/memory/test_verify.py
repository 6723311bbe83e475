"""Each probe finds what it is for, and is not misled by what live memories say."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from memory import Draft, Selector, Store, files, forget, held, names, pages, records, segments
from memory import needles as searching
from memory import verify as verifying
from memory.stems import stemmed
from memory.types import Probe, Receipt
from tests.support import HashedEmbedder

SECRET = "Mireille's badge is MVK-20931 and her extension is x4471quokka"
Erase = Callable[..., Receipt]


@pytest.fixture
def erase(store: Store) -> Erase:
    def erased(*ids: str) -> Receipt:
        return store.forget(store.plan_forget(Selector(ids=ids)))

    return erased


def probe(receipt: Receipt, name: str) -> Probe:
    return next(one for one in receipt.probes if one.name == name)


def plant(store: Store, body: bytes) -> None:
    """Leave bytes in a file of the folder that is known, so that no other probe complains."""
    (store.home / "keys").mkdir(exist_ok=True)
    (store.home / "keys" / "old.token").write_bytes(body)


# Names


def test_names_that_only_erased_memories_attested_are_gone(store: Store, erase: Erase) -> None:
    store.remember("shared", scope="user:ada", actor="Ada")
    done = store.remember("gone", scope="user:zoeqquirk", actor="Zoeqquirk")

    receipt = erase(done.id)

    assert probe(receipt, "entities").result == "pass"
    assert probe(receipt, "entities").counts == {"names": 2, "found": 0}


@pytest.mark.parametrize("kind", ["scope", "actor"])
def test_a_name_that_stays_is_found(
    store: Store, erase: Erase, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.remember("shared", scope="user:ada", actor="Ada")
    fields = {"scope": "user:ada", "actor": "Ada", kind: "user:zoeqquirk"}
    done = store.remember("gone", **fields)  # type: ignore[arg-type]
    monkeypatch.setattr(records, "erase_unused_names", lambda con: {})

    receipt = erase(done.id)

    assert receipt.state == "failed"
    assert probe(receipt, "entities").counts["found"] == 1
    assert probe(receipt, "bytes").result == "pass", "a row of the table vouches for its bytes"


def test_names_of_the_erased_are_needles(store: Store) -> None:
    done = store.remember("gone", scope="user:zoeqquirk", actor="Quillon")
    seq = store._seq(store._con, done.id)

    found = verifying.needles(store._con, [seq], [])

    assert set(found.names) == {"user:zoeqquirk", "Quillon"}
    assert len(searching.found_in(b"...user:zoeqquirk...", found.windows()))
    assert {one.table for one in names.NAMED} >= {"scope", "actor"}


# Vectors


def test_the_same_text_in_another_scope_may_keep_its_vector(store: Store, erase: Erase) -> None:
    gone = store.remember("the harbour gate opens at noon", scope="user:ada")
    store.remember("the harbour gate opens at noon", scope="user:bob")
    store.remember("The harbour gate opens at noon!", scope="user:eve")

    receipt = erase(gone.id)

    assert receipt.state == "verified"
    assert probe(receipt, "vectors").counts["near"] == 2


def test_an_erased_vector_under_another_memory_is_found(store: Store, erase: Erase) -> None:
    gone = store.remember(SECRET)
    store.remember("tea is served at four")
    store._con.execute("UPDATE vector SET own = (SELECT own FROM vector WHERE seq = 1)")

    found = probe(erase(gone.id), "vectors")

    assert found.result == "fail"
    assert found.counts["near"] == 1
    assert found.counts["found"] > 1, "the cosine and the bytes"


def test_a_vector_that_nobody_can_judge_is_not_claimed(home: Path) -> None:
    with Store(home, embedder=HashedEmbedder()) as store:
        gone = store.remember(SECRET)
        store.remember("tea is served at four")
        row = np.frombuffer(
            store._con.execute("SELECT own FROM vector WHERE seq = 1").fetchone()[0], "<f2"
        )
        turned = (row * np.random.default_rng(2).uniform(0.9, 1.1, len(row))).astype("<f2")
        store._con.execute("UPDATE vector SET own = ? WHERE seq = 2", (turned.tobytes(),))
    with Store(home, embedder="none") as store:
        receipt = store.forget(store.plan_forget(Selector(ids=(gone.id,))))

    assert probe(receipt, "vectors").result == "not_claimed"
    assert probe(receipt, "vectors").counts["unknown"] == 1


class ShortSighted(HashedEmbedder):
    """Reads the first three words, as every model reads no more than so many."""

    space = "three-words@1"

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return super().encode([" ".join(text.split()[:3]) for text in texts])


def test_texts_that_the_model_cannot_tell_apart_may_be_near(home: Path) -> None:
    with Store(home, embedder=ShortSighted()) as store:
        gone = store.remember("minutes of monday: badge x4471quokka was handed to Mireille at noon")
        store.remember(
            "minutes of monday: tea for all, biscuits, then songs about ships and whales"
        )

        receipt = store.forget(store.plan_forget(Selector(ids=(gone.id,))))

    assert receipt.state == "verified"
    assert probe(receipt, "vectors").counts["near"] == 1


@pytest.mark.parametrize("shift", range(8))
def test_codes_and_sign_bits_are_found_at_every_offset(shift: int) -> None:
    row = np.random.default_rng(3).normal(size=384).astype(np.float32)
    blob = (row / np.linalg.norm(row)).astype("<f2").tobytes()
    plain = np.frombuffer(blob, "<f2").astype(np.float32)
    windows = searching.vector_windows([blob])

    for body in (
        blob,
        plain.tobytes(),
        searching.quantise(plain[None, :])[0].tobytes(),
        searching.sign_bits(plain[None, :]).T.tobytes(),
    ):
        held_at = bytes(shift) + body
        assert len(searching.Finder(windows).on_grid(held_at)[0]) >= len(body) // 32 - 1
    assert not len(searching.found_in(np.random.default_rng(4).bytes(1 << 16), windows))


# Bytes


def test_a_text_kept_as_its_stems_is_found(store: Store, erase: Erase) -> None:
    text = "happily relied"
    (stems,) = stemmed([text])
    assert stems == "happili reli"
    done = store.remember(text)
    plant(store, f"..{stems}..".encode())

    receipt = erase(done.id)

    assert probe(receipt, "bytes").result == "fail"
    assert probe(receipt, "bytes").where == ("key",)
    plain = searching.text_windows([text])
    assert not len(searching.found_in(f"..{stems}..".encode(), plain)), "positive control"


@pytest.mark.parametrize("pad", range(4))
def test_long_words_of_live_memories_are_no_residue(store: Store, erase: Erase, pad: int) -> None:
    # In the index they stand in another spelling and at another offset than in the text.
    store.remember_many(
        Draft(text=f"{'x' * pad} {word} is said {i} times")
        for i, word in enumerate(["NECESSARY", "Vulnerabilities", "counterrevolutionaries"])
    )
    done = store.remember("necessary vulnerabilities of counterrevolutionaries, unnecessarily")

    assert erase(done.id).state == "verified"


def test_addresses_that_others_share_are_no_residue(store: Store, erase: Erase) -> None:
    store.remember("kept", uri="https://wiki.example/projects/harbour/gates#1")
    done = store.remember("gone", uri="https://wiki.example/projects/harbour/gates#2")

    assert erase(done.id).state == "verified"


def test_a_page_of_a_table_vouches_for_live_bytes_only(store: Store, erase: Erase) -> None:
    store.remember_many(Draft(text=f"turn {i} about the harbour gate") for i in range(200))
    done = store.remember(SECRET)
    content = verifying.needles(store._con, [store._seq(store._con, done.id)], [])
    erase(done.id)
    place = store.home / files.DATABASE
    whole = pages.survey(place)
    owned = np.flatnonzero(whole.owner == whole.names.index("memory"))
    raw = place.read_bytes()
    at = next(
        start
        for start in (
            (int(page) - 1) * 4096 + offset for page in owned for offset in range(8, 4000)
        )
        if not any(raw[start : start + len(SECRET) + 8])
    )

    with held.opened(place, write=True) as descriptor:
        held.write_at(descriptor, SECRET.encode(), at + 4)
    found = {
        one.name: one.result
        for one in verifying.probes(store._con, store._behavior(), store.home, [], content)
    }

    assert found["slack"] == "fail"
    assert found["bytes"] == "fail"


def test_whether_the_pages_can_be_trusted_or_not_live_words_are_attested(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.remember("the harbour gate opens at NOON, unnecessarily", uri="chat:shared/42")
    done = store.remember("the harbour gate is necessary at noon", uri="chat:shared/41")
    content = verifying.needles(store._con, [store._seq(store._con, done.id)], [])
    store.forget(store.plan_forget(Selector(ids=(done.id,))))

    def result() -> str:
        found = verifying.probes(store._con, store._behavior(), store.home, [], content)
        return next(one.result for one in found if one.name == "bytes")

    assert result() == "pass"
    monkeypatch.setattr("memory.survey.Slack.clean", property(lambda self: False))
    assert result() == "pass"
    plant(store, b"... the harbour gate is necessary at noon ...")
    assert result() == "fail", "positive control: nobody says it in these words any more"
    monkeypatch.undo()
    assert result() == "fail"


def test_a_fragment_of_eleven_bytes_is_found_wherever_it_lies() -> None:
    text = "the quagga sleeps in berth seven"
    windows = searching.text_windows([text])

    for begin in range(len(text) - 11):
        for shift in range(4):
            body = b"\0" * shift + text[begin : begin + 11].encode() + b"\0" * 9
            assert len(searching.Finder(windows).on_grid(body)[0])


def test_many_files_parts_and_threads_find_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "the quagga sleeps in berth seven"
    place = tmp_path / "a"
    rng = np.random.default_rng(1)
    place.write_bytes(rng.bytes(5_000) + text.encode() + rng.bytes(777) + text.encode())
    finder = searching.Finder(searching.text_windows([text]))
    whole = searching.search(place, finder)[1]
    assert len(whole)

    for threads in (1, 3):
        for chunk in (64, 1024):
            monkeypatch.setattr("memory.side_by_side.THREADS", threads)
            monkeypatch.setattr(searching, "CHUNK", chunk)
            told: list[float] = []
            apart, rest = searching.search(place, finder, lambda at: at < 5_500, told.append)
            assert np.array_equal(searching.joined(apart, rest), whole)
            assert len(apart)
            assert len(rest)
            assert told[-1] == 1.0


# The full-text index


@pytest.mark.parametrize("anew", [0, 10**6])
def test_the_index_is_the_same_whether_changed_or_made_anew(
    home: Path, anew: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forget, "REINDEXED", anew)
    made: list[int] = []
    real = records.reindex
    monkeypatch.setattr(records, "reindex", lambda con: made.append(1) or real(con))
    with Store(home, embedder=HashedEmbedder()) as store:
        done = store.remember_many(
            Draft(text=f"turn {i} about gate{i}quokka", kind="turn", scope=f"session:{i // 20}")
            for i in range(300)
        )
        receipt = store.forget(store.plan_forget(Selector(ids=tuple(one.id for one in done[::7]))))

        assert receipt.state == "verified"
        assert bool(made) == bool(anew)
        assert segments.examine(store._con).clean
        assert all(finding.ok for finding in store.check(forensic=True))
        assert not segments.present(store._con, "gate7quokka")
        assert store.recall("gate8quokka", lexical=True).hits
        prev = store._con.execute("SELECT prev FROM memory_text WHERE own LIKE 'turn 8 %'")
        assert prev.fetchone()[0].endswith("gate6quokka")


# Progress


def test_long_steps_say_how_much_of_them_is_done(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forget, "SILENT", 0.0)
    said: list[str] = []
    done = store.remember(SECRET)

    store.forget(store.plan_forget(Selector(ids=(done.id,))), say=said.append)

    assert [one for one in said if "," not in one] == [
        "intent",
        "cascade",
        "artefacts",
        "seal",
        "verify",
    ]
    assert "seal, 100%" in said
    assert "verify, 50%" in said
    assert "verify, 100%" in said
