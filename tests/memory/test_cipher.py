"""The codec reads and writes pages exactly as the engine does."""

import os
import secrets
from pathlib import Path

import pytest

from memory import held, pages
from memory.cipher import PAGE, RESERVED, SALT, Codec
from memory.db import Connection, driver, is_open, set_key
from memory.errors import CorruptStoreError

ROWS = 400


def opened(place: Path, key: bytes) -> Connection:
    con = driver.connect(str(place), isolation_level=None)
    set_key(con, key)
    return con


@pytest.fixture
def key() -> bytes:
    return secrets.token_bytes(32)


@pytest.fixture
def place(tmp_path: Path, key: bytes) -> Path:
    made = tmp_path / "memory.db"
    con = opened(made, key)
    con.execute("BEGIN")
    con.execute("CREATE TABLE t (x TEXT)")
    con.execute("CREATE INDEX i ON t (x)")
    con.executemany(
        "INSERT INTO t VALUES (?)", [(f"needle {i} " + "z" * 900,) for i in range(ROWS)]
    )
    con.execute("INSERT INTO t VALUES (?)", ("overflow " * 3_000,))
    con.execute("COMMIT")
    con.close()
    return made


def plain(place: Path, codec: Codec) -> list[bytes | None]:
    raw = place.read_bytes()
    return [
        codec.decrypt(raw[at : at + PAGE], at // PAGE + 1, raw[:SALT])
        for at in range(0, len(raw), PAGE)
    ]


def test_what_the_codec_decrypts_is_a_sound_database_with_the_same_rows(
    place: Path, key: bytes
) -> None:
    image = place.with_name("image.db")
    image.write_bytes(b"".join(page or b"" for page in plain(place, Codec([key]))))

    con = driver.connect(str(image))

    assert con.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert con.execute("SELECT count(*) FROM t WHERE x LIKE 'needle%'").fetchone() == (ROWS,)
    con.close()
    assert b"needle" in image.read_bytes()
    assert b"needle" not in place.read_bytes(), "the engine encrypts"


def test_what_the_codec_writes_the_engine_reads(place: Path, key: bytes) -> None:
    codec, first = Codec([key]), place.read_bytes()[:PAGE]
    before = plain(place, codec)

    place.write_bytes(
        b"".join(codec.encrypt(page or b"", at, first) for at, page in enumerate(before, 1))
    )

    con = opened(place, key)
    assert con.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert con.execute("PRAGMA cipher_integrity_check").fetchall() == []
    assert con.execute("SELECT count(*) FROM t").fetchone() == (ROWS + 1,)
    con.close()
    assert plain(place, codec) == before


def test_every_writing_of_a_page_has_its_own_initial_value(place: Path, key: bytes) -> None:
    codec, first = Codec([key]), place.read_bytes()[:PAGE]
    page = bytes(PAGE)

    assert len({codec.encrypt(page, 2, first) for _ in range(20)}) == 20


@pytest.mark.parametrize("at", [SALT, 100, PAGE - RESERVED, PAGE - 1])
def test_a_flipped_bit_and_a_moved_page_are_told(place: Path, key: bytes, at: int) -> None:
    codec, raw = Codec([key]), bytearray(place.read_bytes()[PAGE : 2 * PAGE])
    salt = place.read_bytes()[:SALT]
    assert codec.decrypt(bytes(raw), 2, salt) is not None, "positive control"

    assert codec.decrypt(bytes(raw), 3, salt) is None
    raw[at] ^= 1
    assert codec.decrypt(bytes(raw), 2, salt) is None
    assert not codec.opens(bytes(raw), 2, salt)


def test_another_key_opens_nothing_and_the_right_one_is_found_among_several(
    place: Path, key: bytes
) -> None:
    others = [secrets.token_bytes(32) for _ in range(2)]
    first = place.read_bytes()[:PAGE]

    assert Codec(others).decrypt(first, 1, first[:SALT]) is None
    assert Codec([*others, key]).decrypt(first, 1, first[:SALT]) is not None
    with pytest.raises(CorruptStoreError):
        Codec(others).encrypt(bytes(PAGE), 1, first)


def test_the_slack_audit_and_scrub_hold_on_encrypted_pages(place: Path, key: bytes) -> None:
    con = opened(place, key)
    con.execute("PRAGMA secure_delete=OFF")
    con.execute("DELETE FROM t WHERE rowid % 3 = 0")
    left = con.execute("SELECT x FROM t").fetchall()
    con.close()
    home = place.parent
    held.begin(home)
    try:
        held.unlock(home, [key])
        assert any(b"needle" in part for part in held.chunks(place))

        found = pages.scrub(place)
        after = pages.audit(place)
    finally:
        held.end(home)

    assert found.nonzero, "positive control: deleted rows were there"
    assert found.errors == ()
    assert after.clean
    assert after.slack_bytes > 0
    assert not place.with_name("memory.db-journal").exists()
    con = opened(place, key)
    assert con.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert con.execute("SELECT x FROM t").fetchall() == left
    con.close()


def test_a_page_that_is_not_whole_fails_the_audit(place: Path, key: bytes) -> None:
    with place.open("r+b") as file:
        file.seek(3 * PAGE + 50)
        byte = file.read(1)
        file.seek(3 * PAGE + 50)
        file.write(bytes([byte[0] ^ 1]))
    held.begin(place.parent)
    try:
        held.unlock(place.parent, [key])
        found = pages.audit(place)
    finally:
        held.end(place.parent)

    assert not found.clean


def test_frames_of_a_log_come_in_plain(tmp_path: Path, key: bytes) -> None:
    place = tmp_path / "memory.db"
    con = opened(place, key)
    con.execute("PRAGMA journal_mode=WAL")
    con.execute("CREATE TABLE t (x)")
    con.execute("INSERT INTO t VALUES ('needle in the log')")
    log = place.with_name("memory.db-wal")
    held.begin(tmp_path)
    try:
        held.unlock(tmp_path, [key])
        seen = b"".join(held.chunks(log))
    finally:
        held.end(tmp_path)

    assert b"needle in the log" in seen
    assert b"needle in the log" not in log.read_bytes()
    con.close()
    assert not is_open(con)


def test_a_patch_that_a_power_cut_tears_is_undone_by_the_engine(
    place: Path, key: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    con = opened(place, key)
    con.execute("PRAGMA secure_delete=OFF")
    con.execute("DELETE FROM t WHERE rowid % 3 = 0")
    left = con.execute("SELECT x FROM t").fetchall()
    con.close()

    class PowerCutError(Exception):
        pass

    def torn(descriptor: int, data: bytes, at: int) -> None:
        os.pwrite(descriptor, secrets.token_bytes(512), at // PAGE * PAGE + 1024)
        raise PowerCutError

    held.begin(place.parent)
    try:
        held.unlock(place.parent, [key])
        monkeypatch.setattr(held, "write_at", torn)
        with pytest.raises(PowerCutError):
            pages.scrub(place)
        monkeypatch.undo()
        assert not pages.audit(place).clean
    finally:
        held.end(place.parent)
    journal = place.with_name("memory.db-journal")
    kept = (place.read_bytes(), journal.read_bytes())

    con = opened(place, key)
    assert con.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert con.execute("SELECT x FROM t").fetchall() == left
    con.close()
    assert not journal.exists()

    # The positive control: without the journal the page is lost.
    place.write_bytes(kept[0])
    con = opened(place, key)
    assert con.execute("PRAGMA cipher_integrity_check").fetchall() != []
    con.close()
