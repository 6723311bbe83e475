"""Positive controls of the examiner itself: it finds what is planted, where it is, and no more."""

import base64
import json
import pickle
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import forensic_sqlite
import numpy as np
import pytest
from byte_matrix import Churned
from examiner import Examiner
from forensic_texts import Floats, reworded, texts, vector

from memory import pages, segments
from memory.db import connect_reader

TEXTS = texts(40)
GONE = TEXTS[7]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Texts and vectors that nobody looks for."""
    held = tmp_path / "held"
    held.mkdir()
    others = [text for text in TEXTS if text is not GONE]
    (held / "texts.txt").write_text("\n".join(map(str, others)), "utf-8")
    np.save(held / "vectors.npy", np.stack([vector(text.token) for text in others]))
    return held


SPELLINGS: dict[str, Callable[[], bytes]] = {
    "plain": lambda: GONE.token.encode(),
    "upper case": lambda: GONE.token.upper().encode(),
    "part": lambda: GONE.token[5:15].encode(),
    "accents": lambda: GONE.accented.encode(),
    "JSON": lambda: json.dumps(GONE.accented).encode(),
    "UTF-16": lambda: str(GONE).encode("utf-16-le"),
    "UTF-16, the other order": lambda: str(GONE).encode("utf-16-be"),
    "base64": lambda: base64.b64encode(str(GONE).encode()),
    "base64, shifted": lambda: base64.b64encode(b"x" + str(GONE).encode()),
}
FORMS: dict[str, Callable[[Floats], bytes]] = {
    "float32": lambda row: row.tobytes(),
    "float32, renormalised": lambda row: (row * np.float32(1.0000003)).tobytes(),
    "float64": lambda row: row.astype(np.float64).tobytes(),
    "float64, pickled": lambda row: pickle.dumps([float(number) for number in row]),
    "float16": lambda row: row.astype(np.float16).tobytes(),
    "decimal": lambda row: json.dumps([float(number) for number in row]).encode(),
    "int8": lambda row: np.rint(row * 127 / np.abs(row).max()).astype(np.int8).tobytes(),
    "bits": lambda row: np.packbits(row > 0).tobytes(),
    "bits, the other order": lambda row: np.packbits(row > 0, bitorder="little").tobytes(),
}


def test_nothing_is_found_where_only_others_are(folder: Path) -> None:
    found = Examiner([GONE])(folder)

    assert found.files == 2
    assert (found.readable, found.any_vector) == (set(), set())


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_text_is_read_in_any_spelling(folder: Path, spelling: str) -> None:
    (folder / "deep").mkdir()
    (folder / "deep" / "x.bin").write_bytes(b"\1\2\3" + SPELLINGS[spelling]() + bytes(9))

    found = Examiner([GONE])(folder)

    assert (found.raw, found.any_vector) == ({GONE.key}, set())
    assert set(found.where) == {"deep/x.bin"}


@pytest.mark.parametrize("form", FORMS)
def test_a_vector_is_read_in_any_form(folder: Path, form: str) -> None:
    (folder / "x.bin").write_bytes(bytes(5) + FORMS[form](vector(GONE.token)) + bytes(9))

    found = Examiner([GONE])(folder)

    assert found.vectors[form.partition(",")[0]] == {GONE.key}
    assert found.raw == set()


def test_every_wording_of_a_memory_counts_as_that_memory(folder: Path) -> None:
    (folder / "x.bin").write_text(reworded(GONE).token)

    assert Examiner([GONE, reworded(GONE)])(folder).raw == {GONE.key}


@pytest.mark.parametrize("tokenizer", ["unicode61", "trigram"])
def test_a_deleted_row_is_read_in_slack_and_in_the_text_index(
    tmp_path: Path, tokenizer: str
) -> None:
    with closing(sqlite3.connect(tmp_path / "x.db", isolation_level=None)) as con:
        con.execute("PRAGMA secure_delete=OFF").fetchall()
        con.execute("CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT)")
        con.execute(
            "CREATE VIRTUAL TABLE note_fts USING fts5"
            f" (text, content='note', content_rowid='id', tokenize='{tokenizer}')"
        )
        for text in TEXTS:
            con.execute("INSERT INTO note VALUES (?, ?)", (text.key, str(text)))
            con.execute("INSERT INTO note_fts (rowid, text) VALUES (?, ?)", (text.key, str(text)))
        before = Examiner([GONE])(tmp_path)
        con.execute(
            "INSERT INTO note_fts (note_fts, rowid, text) VALUES ('delete', ?, ?)",
            (GONE.key, str(GONE)),
        )
        con.execute("DELETE FROM note WHERE id = ?", (GONE.key,))

    after = Examiner([GONE])(tmp_path)

    assert "x.db in note" in before.where
    assert after.index == {GONE.key}, "a delete marker repeats the term"
    assert after.in_slack == {GONE.key}
    assert "x.db in note" not in after.where
    assert after.slack > len(str(GONE))


def test_a_row_is_read_in_the_log(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "x.db", isolation_level=None)) as con:
        con.execute("PRAGMA journal_mode=WAL").fetchall()
        con.execute("CREATE TABLE note (text TEXT)")
        con.execute("INSERT INTO note VALUES (?)", (str(GONE),))
        found = Examiner([GONE])(tmp_path)

    assert set(found.where) == {"x.db-wal"}
    assert found.log > 0


def test_two_readers_of_the_format_agree(made: Churned) -> None:
    """The product's and the examiner's, written apart."""
    place = made.home / "memory.db"
    mine, theirs = forensic_sqlite.layout(place), pages.audit(place)

    assert mine.nonzero == sum(theirs.nonzero.values()) > 0
    assert (mine.errors, theirs.errors) == ([], ())
    with closing(connect_reader(place)) as con:
        decoded = {entry.term for entry in segments.decode(con, [])}
    read = forensic_sqlite.text_indexes(place)
    assert {word.encode() for word in read.words} == {term[1:] for term in decoded}
