import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from memory import Draft, Selector, Store, vector_index
from memory.vector_index import averaged, quantise, sidecar, sign_bits
from tests.support import HashedEmbedder

ROWS = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 8), st.just(64)),
    elements=st.floats(-1, 1, width=32),
)


@given(ROWS)
def test_quantising_errs_by_at_most_half_a_step(rows: np.ndarray) -> None:
    codes, scale = quantise(rows)

    # Half a step, and a rounding of float32 on top of it.
    bound = 0.5 * scale[:, None] * (1 + 1e-5) + 1e-12
    assert (np.abs(codes * scale[:, None] - rows) <= bound).all()


@given(ROWS)
def test_sign_bits_differ_in_as_many_places_as_signs_do(rows: np.ndarray) -> None:
    bits = sign_bits(rows)
    distance = sum(np.bitwise_count(word ^ word[0]) for word in bits)

    expected = ((rows > 0) != (rows[0] > 0)).sum(axis=1)
    assert distance.tolist() == expected.tolist()


def test_the_averaged_vector_is_the_weighted_mean_of_the_neighbours() -> None:
    rng = np.random.default_rng(0)
    own, before, after = (rng.normal(size=(5, 8)).astype(np.float32) for _ in range(3))

    expected = own + 0.5 * before + 0.3 * after
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)

    assert averaged(own, before, after) == pytest.approx(expected, abs=1e-6)


def fill(store: Store, count: int) -> None:
    store.remember_many(
        Draft(text=f"note {i} on topic {i % 37}", scope=f"project:p{i % 3}/session:{i // 50}")
        for i in range(count)
    )


def nearest(store: Store, query: str, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Brute force over the stored vectors: the independent formula."""
    rows = store._con.execute("SELECT seq, own FROM vector ORDER BY seq").fetchall()
    matrix = np.stack([np.frombuffer(blob, np.float16).astype(np.float32) for _, blob in rows])
    cosines = matrix @ HashedEmbedder().encode([query])[0]
    best = np.argsort(-cosines)[:k]
    return np.array([rows[i][0] for i in best]), cosines[best]


def test_the_bit_scan_finds_what_brute_force_finds(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vector_index, "EXACT", 100)
    fill(store, 3000)
    store.recall("warm")
    index = store._index
    assert index is not None

    overlap = []
    for i in range(20):
        query = f"note {i * 11} on topic {i % 37}"
        expected, _ = nearest(store, query, 10)
        vector = HashedEmbedder().encode([query])[0]
        found = index.search(vector, 10, scopes=None, only=None)
        overlap.append(len(set(expected.tolist()) & set(found.tolist())) / 10)

    assert np.mean(overlap) >= 0.95


def test_cosines_of_the_index_are_those_of_the_stored_vectors(store: Store) -> None:
    fill(store, 200)
    store.recall("warm")
    expected, cosines = nearest(store, "note 7 on topic 7", 20)

    own, _ = store._index.scores(HashedEmbedder().encode(["note 7 on topic 7"])[0], expected)  # type: ignore[union-attr]

    assert own == pytest.approx(cosines, abs=0.01)


def test_an_index_that_caught_up_equals_one_built_at_once(
    store: Store, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vector_index, "EXACT", 64)  # so that the tail is merged on the way
    query = HashedEmbedder().encode(["note 7 on topic 7"])[0]
    for i in range(40):
        store.remember(f"note {i} on topic {i % 5}", scope="session:1", kind="turn")
        store.remember(f"other {i}", scope=f"session:x{i}", kind="turn")
        store.recall("note")
    seqs = np.arange(1, 81)

    with Store(home, embedder=HashedEmbedder()) as second:
        second.recall("note")
        one, two = store._index, second._index
        assert one is not None
        assert two is not None
        for left, right in zip(one.scores(query, seqs), two.scores(query, seqs), strict=True):
            assert left == pytest.approx(right, abs=1e-6)


def test_the_sidecar_is_read_again_and_rebuilt_when_it_is_damaged(store: Store, home: Path) -> None:
    fill(store, 300)
    before = [hit.memory.id for hit in store.recall("note 7 on topic 7").hits]
    store._index.save()  # type: ignore[union-attr]
    place = sidecar(home / "index", HashedEmbedder.space)
    whole = place.read_bytes()

    for content in (whole, whole[: len(whole) // 2], b"\xff" * 500, b"", b"\0" * 64):
        place.write_bytes(content)
        with Store(home, embedder=HashedEmbedder()) as second:
            assert [hit.memory.id for hit in second.recall("note 7 on topic 7").hits] == before


def test_an_index_from_before_an_erasure_is_never_written_back(
    store: Store, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vector_index, "SAVED", 0)
    done = store.remember("zebrawood shelf in the attic")
    other = Store(home, embedder=HashedEmbedder())
    other.recall("zebrawood")  # holds the vector in memory

    receipt = store.forget(store.plan_forget(Selector(ids=(done.id,))), wait=1.0)
    other.close()

    assert receipt.state == "verified"
    assert not list((home / "index").glob("*.vec"))


def test_an_edit_that_was_killed_before_its_seal_is_sealed_at_the_next_start(home: Path) -> None:
    import subprocess

    code = (
        "import os, signal, sys\n"
        "from memory import Change, Store, session\n"
        "store = Store(sys.argv[1], embedder='none')\n"
        "done = store.remember('the quaggaport is 5544')\n"
        "session.seal.seal = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)\n"
        "store.edit(done.id, Change(text='the port is 6000'))\n"
    )
    killed = subprocess.run(
        [sys.executable, "-c", code, str(home)],
        env={"PYTHONPATH": ":".join(sys.path)},
        check=False,
    )
    assert killed.returncode == -9
    assert any(b"quaggaport" in place.read_bytes() for place in home.glob("memory.db*"))

    Store(home, embedder="none").close()

    assert not any(b"quaggaport" in place.read_bytes() for place in home.glob("memory.db*"))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 500), min_size=1, max_size=60), st.integers(1, 60))
def test_only_allowed_memories_are_returned(allowed: list[int], k: int) -> None:
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(500, 64)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    codes, scale = quantise(rows)
    index = vector_index.VectorIndex("x", 64, None)
    index.base = vector_index.Segment(
        seq=np.arange(500, dtype=np.int64),
        scope=(np.arange(500) % 7).astype(np.int32),
        own=codes,
        own_scale=scale,
        context=codes,
        context_scale=scale,
        own_bits=sign_bits(rows),
        context_bits=sign_bits(rows),
    )
    only = np.unique(np.array(allowed, np.int64))

    found = index.search(rows[0], k, scopes=frozenset({1, 2}), only=only)

    assert set(found.tolist()) <= {seq for seq in allowed if seq % 7 in (1, 2) and seq < 500}
