"""The full-text index decoded from its blocks says what FTS5 says, and what it hides."""

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memory import Draft, Selector, Store, segments
from memory.db import Connection, driver

WORDS = [f"w{i}" for i in range(40)] + ["quay", "quayside", "quaystone", "ölfass", "港口", "a" * 90]


def index(place: Path | str = ":memory:", page: int = 200, secure: int = 1) -> Connection:
    con = driver.connect(str(place), isolation_level=None)
    con.execute("CREATE TABLE memory (seq INTEGER PRIMARY KEY)")
    con.execute("CREATE VIRTUAL TABLE memory_fts USING fts5 (own, around)")
    con.execute("INSERT INTO memory_fts (memory_fts, rank) VALUES ('pgsz', ?)", (page,))
    con.execute("INSERT INTO memory_fts (memory_fts, rank) VALUES ('secure-delete', ?)", (secure,))
    con.execute("CREATE VIRTUAL TABLE v USING fts5vocab (memory_fts, instance)")
    return con


def write(con: Connection, seq: int, own: str, around: str) -> None:
    con.execute("INSERT INTO memory VALUES (?)", (seq,))
    con.execute("INSERT INTO memory_fts (rowid, own, around) VALUES (?, ?, ?)", (seq, own, around))


def delete(con: Connection, seq: int) -> None:
    con.execute("DELETE FROM memory WHERE seq = ?", (seq,))
    con.execute("DELETE FROM memory_fts WHERE rowid = ?", (seq,))


def listed(con: Connection) -> list[tuple[str, int, str, int]]:
    return sorted(con.execute("SELECT term, doc, col, offset FROM v").fetchall())


def decoded(con: Connection) -> list[tuple[str, int, str, int]]:
    errors: list[str] = []
    found = [
        (entry.term[1:].decode(), entry.rowid, ("own", "around")[column], offset)
        for entry in segments.decode(con, errors)
        for column, offset in entry.places()
        if not entry.deleted
    ]
    assert errors == []
    return sorted(found)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    page=st.sampled_from([64, 200, 4050]),
    step=st.sampled_from([1, 5, 60]),
)
def test_the_decoder_agrees_with_fts5(seed: int, page: int, step: int) -> None:
    rng = random.Random(seed)
    con = index(page=page)
    live: list[int] = []
    con.execute("BEGIN")
    for seq in range(rng.randrange(1, 120)):
        own, around = (" ".join(rng.choices(WORDS, k=rng.randrange(30))) for _ in range(2))
        write(con, seq * 1000, own, around)
        live.append(seq * 1000)
        if seq % step == 0:
            con.execute("COMMIT")
            con.execute("BEGIN")
        if rng.random() < 0.25:
            delete(con, live.pop(rng.randrange(len(live))))
    con.execute("COMMIT")
    segments.tidy(con)

    assert decoded(con) == listed(con)
    assert segments.examine(con).clean
    con.execute("INSERT INTO memory_fts (memory_fts) VALUES ('integrity-check')")
    for word in WORDS:
        rows = sorted({entry.rowid for entry in segments.lookup(con, word)})
        assert rows == sorted({doc for term, doc, *_ in listed(con) if term == word})
        assert segments.present(con, word) == bool(rows)


def test_a_list_longer_than_a_leaf_is_read_on_the_next_ones() -> None:
    con = index(page=64)
    write(con, 1, "x " * 900 + "y", "")
    for seq in range(2, 200):
        write(con, seq, "x y", "x")
    con.execute("INSERT INTO memory_fts (memory_fts) VALUES ('optimize')")

    assert decoded(con) == listed(con)
    assert len(segments.lookup(con, "y")) == 199


def test_without_secure_delete_the_erased_term_is_still_there() -> None:
    con = index(secure=0)
    write(con, 1, "quokka here", "")
    write(con, 2, "here", "")
    delete(con, 1)

    assert not [row for row in listed(con) if row[0] == "quokka"], "FTS5 hides it"
    assert segments.residue(con, ["quokka"]) == 1
    found = segments.examine(con)
    assert not found.clean
    assert found.deleted
    assert found.orphaned == 1


def test_an_erased_first_term_of_a_leaf_leaves_a_separator_until_it_is_tidied() -> None:
    con = index(page=64)
    con.execute("BEGIN")
    for seq in range(1, 60):
        write(con, seq, " ".join(f"quayside{seq * 40 + i:05d}" for i in range(12)), "")
    con.execute("COMMIT")
    con.execute("INSERT INTO memory_fts (memory_fts) VALUES ('optimize')")
    gone = list(range(1, 60, 2))
    con.execute("BEGIN")
    for seq in gone:
        delete(con, seq)
    con.execute("COMMIT")
    erased = [f"quayside{seq * 40 + i:05d}" for seq in gone for i in range(12)]
    left = segments.examine(con).separators
    assert left > 0, "positive control"
    assert segments.residue(con, erased) > 0, "positive control"

    assert segments.tidy(con) >= left

    assert segments.examine(con).clean
    assert segments.residue(con, erased) == 0
    assert decoded(con) == listed(con)
    con.execute("INSERT INTO memory_fts (memory_fts) VALUES ('integrity-check')")
    for seq in (2, 30, 58):
        hits = con.execute(
            "SELECT rowid FROM memory_fts WHERE memory_fts MATCH ?", (f"quayside{seq * 40:05d}",)
        )
        assert hits.fetchall() == [(seq,)]


def test_separators_of_leaves_that_a_merge_dropped_go(store: Store) -> None:
    rng = random.Random(2)
    for batch in range(40):
        store.remember_many(
            Draft(
                text=" ".join(f"{rng.randrange(16**5):05x}qz" for _ in range(30)),
                kind="turn",
                scope=f"session:{batch}",
            )
            for _ in range(25)
        )
    ids = [memory.id for memory in store.list(limit=2000)]
    assert len(segments.segments(store._con)) > 1

    store.forget(store.plan_forget(Selector(ids=tuple(rng.sample(ids, 300)))))

    assert segments.examine(store._con).clean
    assert [finding for finding in store.check(forensic=True) if not finding.ok] == []


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_malformed_blocks_give_errors_never_exceptions(data: st.DataObject) -> None:
    con = index(page=64)
    con.execute("BEGIN")
    for seq in range(30):
        write(con, seq, f"quay{seq} w1 w2", "w3")
    con.execute("COMMIT")
    rows = con.execute("SELECT id, block FROM memory_fts_data").fetchall()
    ident, block = data.draw(st.sampled_from(rows))
    raw = bytearray(block)
    for _ in range(data.draw(st.integers(1, 5))):
        if raw:
            raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del raw[data.draw(st.integers(0, len(raw))) :]
    con.execute("UPDATE memory_fts_data SET block = ? WHERE id = ?", (bytes(raw), ident))

    segments.examine(con)
    segments.present(con, "quay7")
    for entry in segments.lookup(con, "w1"):
        list(entry.places())


def test_a_block_of_no_segment_is_reported(store: Store) -> None:
    store.remember("the gate")
    store._con.execute("INSERT INTO memory_fts_data VALUES (?, ?)", ((77 << 37) + 1, b"left"))

    assert segments.examine(store._con).stray == 1
    (finding,) = [one for one in store.check(forensic=True) if "blocks" in one.check]
    assert not finding.ok
    assert "1 blocks of no segment" in finding.detail


@pytest.mark.parametrize("block", [b"", b"\0" * 4, b"\0\0\0\0\xff\0\0\1", b"\0" * 4 + b"\xff" * 60])
def test_a_structure_that_says_nothing_lists_nothing(block: bytes) -> None:
    assert len(segments.structure(block)) <= 8
