"""Nothing beside an encrypted store's pages says what is in it."""

from pathlib import Path

import pytest

from memory import Draft, Selector, Store, UsageError, held, keyslots
from memory.backup import Wish
from memory.errors import StoreLockedError
from memory.needles import scan, text_windows, vector_windows
from tests.support import HashedEmbedder

TEXTS = [f"the ferry to Skarholm number {n} leaves from quay {n * 7}" for n in range(40)]
ACTOR, SCOPE, URI, TITLE = "Ingeborg Aasland", "Fjellvik", "chat:nordhavn-harbour", "Timetable"


def lived(home: Path, *, encrypted: bool) -> set[bytes]:
    """Live a while: writes, recalls, feedback, forgets, two openings; return the vectors kept."""
    options = {"encrypt": "file"} if encrypted else {}
    for turn in range(2):
        with Store(home, embedder=HashedEmbedder(), **options) as store:  # type: ignore[arg-type]
            drafts = [
                Draft(
                    text=text,
                    title=TITLE + " of the northern line",
                    actor=ACTOR,
                    scope=f"project:{SCOPE}",
                    uri=URI,
                )
                for text in TEXTS[turn * 20 : turn * 20 + 20]
            ]
            done = store.remember_many(drafts)
            assert store.recall("ferry to Skarholm quay 14").hits
            store.feedback(done[0].id, "useful")
            if store._index is not None and store._index.folder is not None:
                store._index.save()
            store.forget(store.plan_forget(Selector(ids=(done[-1].id,))))
            store.recall("ferry")
            vectors = {blob for (blob,) in store._con.execute("SELECT own FROM vector")}
    return vectors


def left(home: Path, vectors: set[bytes]) -> dict[str, int]:
    """Count what lies in plain in the files of a store, as an examiner without the key sees it."""
    texts = text_windows([*TEXTS, ACTOR, SCOPE, URI, "Timetable of the northern line"])
    found = {"texts": 0, "vectors": 0, "magic": 0}
    assert not held.encrypted(home / "memory.db")
    for place in home.rglob("*"):
        if place.is_file():
            body = place.read_bytes().lower()
            found["texts"] += len(scan(place, texts))
            found["texts"] += body.count(ACTOR.lower().encode()) + body.count(b"skarholm")
            found["vectors"] += len(scan(place, vector_windows(vectors)))
            found["magic"] += body.startswith(b"sqlite format 3\0")
    return found


def test_no_file_of_an_encrypted_store_says_anything(home: Path) -> None:
    vectors = lived(home, encrypted=True)

    assert vectors
    assert left(home, vectors) == {"texts": 0, "vectors": 0, "magic": 0}


def test_the_same_search_finds_a_plain_store_out(home: Path) -> None:
    vectors = lived(home, encrypted=False)

    found = left(home, vectors)
    assert found["texts"] > 100
    assert found["vectors"] > 0
    assert found["magic"] == 2


@pytest.mark.parametrize("encrypted", [True, False])
def test_the_log_of_an_open_store_is_encrypted_as_well(home: Path, encrypted: bool) -> None:
    options = {"encrypt": "file"} if encrypted else {}
    with Store(home, embedder=HashedEmbedder(), **options) as store:  # type: ignore[arg-type]
        store.remember(TEXTS[0], actor=ACTOR)
        bodies = {
            place.name: place.read_bytes()
            for place in home.rglob("*")
            if place.name.endswith(("-wal", ".vec", ".tmp"))
        }

    assert len(bodies["memory.db-wal"]) > 4096
    assert (b"Skarholm" in b"".join(bodies.values())) is not encrypted


def test_an_encrypted_store_recalls_what_a_plain_one_does(home: Path, tmp_path: Path) -> None:
    answers = []
    for place, options in ((home, {"encrypt": "file"}), (tmp_path / "plain", {})):
        with Store(place, embedder=HashedEmbedder(), **options) as store:  # type: ignore[arg-type]
            store.remember_many([Draft(text=text) for text in TEXTS])
        with Store(place, embedder=HashedEmbedder()) as store:
            hits = store.recall("which ferry leaves from quay 77?").hits
            answers.append([hit.memory.text for hit in hits])

    assert answers[0] == answers[1]
    assert answers[0]


def test_a_backup_of_an_encrypted_store_leaves_no_key_in_the_folder(home: Path) -> None:
    file = home.parent / "one.letheon"
    with Store(home, encrypt="file", embedder=HashedEmbedder()) as store:
        kept = store.remember("the heron keeps to the north bank")
        gone = store.remember("the otter sleeps under pier seven")
        with pytest.raises(UsageError, match="no key in plain"):
            store.backup(file)
        made = store.backup(file, Wish(recovery=True))
        assert not list((home / "keys").rglob("backup/*"))
        store.forget(store.plan_forget(Selector(ids=(gone.id,))))

        done = store.restore(file, made.recovery_code)

        assert (done.memories, done.known, done.erased) == (0, 1, 1)
        assert [one.id for one in store.list()] == [kept.id]
    assert b"heron" not in file.read_bytes()

    with Store(home.parent / "other", encrypt="file", embedder=HashedEmbedder()) as other:
        assert other.restore(file, made.recovery_code).memories == 2
        assert all(finding.ok for finding in other.check(forensic=True))


def test_a_store_whose_key_file_is_gone_is_told_from_a_damaged_one(home: Path) -> None:
    with Store(home, encrypt="file", embedder=HashedEmbedder()) as store:
        store.remember("the heron keeps to the north bank")
    body = (home / "memory.db").read_bytes()
    keyslots.place_of(home).unlink()

    with pytest.raises(StoreLockedError, match="its key is gone"):
        Store(home)

    assert (home / "memory.db").read_bytes() == body
