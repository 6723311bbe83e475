"""Every byte of a database file is live or zero, and the parser knows which."""

import random
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memory import held, pages, seal
from memory.db import Connection, driver
from memory.survey import Slack

TABLES = """
CREATE TABLE plain (id INTEGER PRIMARY KEY, body TEXT);
CREATE TABLE keyed (name TEXT PRIMARY KEY, body TEXT) WITHOUT ROWID;
CREATE TABLE mail (id INTEGER PRIMARY KEY, address TEXT, pad TEXT);
CREATE INDEX mail_address ON mail (address);
CREATE VIEW seen AS SELECT address FROM mail;
CREATE VIRTUAL TABLE words USING fts5 (body);
INSERT INTO words (words, rank) VALUES ('secure-delete', 1);
"""


def database(
    place: Path, *, secure: bool = True, size: int = 4096, automatic: int = 0
) -> Connection:
    con = driver.connect(str(place), isolation_level=None)
    con.execute(f"PRAGMA page_size={size}")
    con.execute(f"PRAGMA auto_vacuum={automatic}")
    con.execute("PRAGMA journal_mode=WAL").fetchall()
    con.execute(f"PRAGMA secure_delete={int(secure)}").fetchall()
    con.execute("PRAGMA temp_store=MEMORY")
    con.executescript(TABLES)
    return con


def token(rng: random.Random) -> str:
    return "".join(rng.choices("bcdfghjklmnpqrstvwxz", k=16))


def churn(con: Connection, rng: random.Random, rows: int, gone: int) -> list[str]:
    """Insert in random order, update some, delete others; return the deleted tokens."""
    order = rng.sample(range(rows), rows)
    tokens = {i: [token(rng) for _ in range(4)] for i in order}
    con.execute("BEGIN")
    for i in order:
        one, two, three, four = tokens[i]
        body = " pad" * rng.choice([3, 40, 150, 2500 if i % 97 == 0 else 9])
        con.execute("INSERT INTO plain VALUES (?, ?)", (i, one + body))
        con.execute("INSERT INTO keyed VALUES (?, ?)", (two, body))
        con.execute("INSERT INTO mail VALUES (?, ?, ?)", (i, three, "x"))
        con.execute("INSERT INTO words (rowid, body) VALUES (?, ?)", (i, f"w{i % 50} {four}"))
        if i % 7 == 0:
            con.execute("UPDATE plain SET body = body || ? WHERE id = ?", (body, i))
        if i % 200 == 0:
            con.execute("COMMIT")
            con.execute("BEGIN")
    con.execute("COMMIT")
    con.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    victims = rng.sample(order, gone)
    con.execute("BEGIN")
    for i in victims:
        con.execute("DELETE FROM plain WHERE id = ?", (i,))
        con.execute("DELETE FROM keyed WHERE name = ?", (tokens[i][1],))
        con.execute("DELETE FROM mail WHERE id = ?", (i,))
        con.execute("DELETE FROM words WHERE rowid = ?", (i,))
    con.execute("COMMIT")
    con.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return [one for i in victims for one in tokens[i]]


def content(con: Connection) -> list[list[tuple[object, ...]]]:
    return [
        con.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()
        for table in ("plain", "keyed", "mail", "words", "words_idx", "words_docsize")
    ]


def readable(place: Path, tokens: list[str]) -> int:
    raw = place.read_bytes()
    return sum(1 for one in tokens if one.encode() in raw)


def sound(con: Connection) -> bool:
    con.execute("INSERT INTO words (words) VALUES ('integrity-check')")
    return [row[0] for row in con.execute("PRAGMA integrity_check")] == ["ok"]


def test_deleted_rows_stay_readable_in_gaps_until_the_scrub(tmp_path: Path) -> None:
    place = tmp_path / "a.db"
    con = database(place)
    tokens = churn(con, random.Random(5), 4000, 400)
    before, kept = pages.audit(place), content(con)

    assert before.nonzero["gap"] > 100, "positive control"
    assert readable(place, tokens) > 0, "positive control"
    assert not before.errors
    assert seal.scrub(con, 1.0)

    after = pages.audit(place)
    assert after.clean
    assert after.live_bytes == before.live_bytes
    assert readable(place, tokens) == 0
    assert content(con) == kept
    assert sound(con)


@pytest.mark.parametrize("roomy", [True, False])
def test_vacuum_alone_leaves_slack_and_the_seal_does_not(
    tmp_path: Path, roomy: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "a.db"
    con = database(place)
    tokens = churn(con, random.Random(7), 1500, 150)
    con.execute("DELETE FROM plain WHERE id % 3 > 0")
    before = place.stat().st_size
    usage = shutil.disk_usage(tmp_path)._replace(free=10**12 if roomy else 10)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    if roomy:
        con.execute("VACUUM")
        con.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        assert pages.audit(place).nonzero, "positive control"

    assert seal.seal(con, 1.0, rebuild=True)

    assert pages.audit(place).clean
    assert readable(place, tokens) == 0
    assert (place.stat().st_size < before) == roomy
    assert not place.with_name("a.db-wal").stat().st_size


@pytest.mark.parametrize("rebuilt", [False, True])
def test_a_file_is_rebuilt_only_when_much_of_it_is_free(tmp_path: Path, rebuilt: bool) -> None:
    place = tmp_path / "a.db"
    con = database(place)
    churn(con, random.Random(7), 1500, 0)
    before = place.stat().st_size
    con.execute("DELETE FROM plain WHERE ? OR id % 20 = 0", (rebuilt,))

    assert seal.seal(con, 1.0)

    assert pages.audit(place).clean
    assert (place.stat().st_size < before) == rebuilt
    assert sound(con)


def test_pages_that_nothing_points_to_are_rebuilt_away(tmp_path: Path) -> None:
    place = tmp_path / "a.db"
    con = database(place)
    churn(con, random.Random(7), 300, 10)
    con.close()
    raw = bytearray(place.read_bytes())
    trunk = int.from_bytes(raw[32:36], "big")
    assert not trunk
    raw += b"lost" * 1024
    raw[28:32] = (len(raw) // 4096).to_bytes(4, "big")
    place.write_bytes(raw)
    assert pages.audit(place).unreached == 1, "positive control"
    con = driver.connect(str(place), isolation_level=None)

    assert seal.seal(con, 1.0)

    assert pages.audit(place).clean
    assert not pages.audit(place).unreached
    assert b"lostlost" not in place.read_bytes()


def test_after_one_transaction_only_the_pages_it_changed_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "a.db"
    con = database(place)
    churn(con, random.Random(5), 1500, 300)
    assert seal.seal(con, 1.0)
    since = seal.version(con)
    con.execute("DELETE FROM mail WHERE id % 3 > 0")
    con.execute("UPDATE mail SET pad = pad || 'yz' WHERE id % 6 = 0")
    con.execute("BEGIN")
    con.execute("COMMIT")
    looked = []
    real = pages.scrub
    monkeypatch.setattr(pages, "scrub", lambda *given: looked.append(1) or real(*given))

    assert seal.scrub_after(con, 1.0, since, ("mail", "mail_address"))

    assert not looked
    assert pages.audit(place).clean
    assert sound(con)


@pytest.mark.parametrize("why", ["another table", "another writer", "an emptied log", "unknown"])
def test_the_whole_file_is_looked_at_where_that_cannot_be_relied_on(
    tmp_path: Path, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "a.db"
    con = database(place)
    churn(con, random.Random(5), 1500, 300)
    other = driver.connect(str(place), isolation_level=None)
    assert seal.seal(con, 1.0)
    since = None if why == "unknown" else seal.version(con)
    con.execute("DELETE FROM mail WHERE id % 3 > 0")
    if why == "another table":
        con.execute("DELETE FROM plain WHERE id % 3 > 0")
    if why == "another writer":
        other.execute("DELETE FROM plain WHERE id % 3 > 0")
    if why == "an emptied log":
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    looked = []
    real = pages.scrub
    monkeypatch.setattr(pages, "scrub", lambda *given: looked.append(1) or real(*given))

    assert seal.scrub_after(con, 1.0, since, ("mail", "mail_address"))

    assert looked
    assert pages.audit(place).clean


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 2**32),
    size=st.sampled_from([512, 1024, 4096, 65536]),
    automatic=st.sampled_from([0, 1, 2]),
    secure=st.booleans(),
    rebuilt=st.booleans(),
)
def test_after_a_seal_every_unused_byte_is_zero(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    size: int,
    automatic: int,
    secure: bool,
    rebuilt: bool,
) -> None:
    rng = random.Random(seed)
    place = tmp_path_factory.mktemp("random") / "a.db"
    con = database(place, secure=secure, size=size, automatic=automatic)
    tokens = churn(con, rng, rng.randrange(30, 300), 20)
    kept = content(con)

    assert seal.seal(con, 1.0) if rebuilt else seal.scrub(con, 1.0)

    found = pages.audit(place)
    assert found.clean, found
    assert not found.unreached
    assert content(con) == kept
    assert sound(con)
    con.close()
    assert readable(place, tokens) == 0


def test_the_count_agrees_with_the_engines_own(tmp_path: Path) -> None:
    place = tmp_path / "a.db"
    con = database(place)
    churn(con, random.Random(3), 1500, 0)
    con.execute("VACUUM")
    con.execute("PRAGMA journal_mode=DELETE").fetchall()
    con.close()
    other = sqlite3.connect(place)
    try:
        other.execute("SELECT count(*) FROM dbstat").fetchone()
    except sqlite3.OperationalError:
        pytest.skip("this SQLite has no dbstat")
    number, unused = other.execute("SELECT count(*), sum(unused) FROM dbstat").fetchone()
    trees = other.execute("SELECT pageno FROM dbstat WHERE pagetype <> 'overflow'").fetchall()
    other.close()
    raw = place.read_bytes()
    links = 0
    for (page,) in trees:
        begin = (page - 1) * 4096
        link = begin + (100 if page == 1 else 0) + 1
        while at := int.from_bytes(raw[link : link + 2], "big"):
            links, link = links + 4, begin + at

    found = pages.audit(place)

    assert found.pages == number
    # The links of freeblocks are read and so are live here; the header's reserve is not.
    assert found.slack_bytes == unused - links + 20
    assert found.live_bytes + found.slack_bytes == place.stat().st_size


def test_freed_pages_and_overflow_tails_are_found(tmp_path: Path) -> None:
    place = tmp_path / "a.db"
    con = database(place, secure=False)
    churn(con, random.Random(3), 600, 0)
    con.execute("DELETE FROM plain WHERE id % 3 = 0")
    con.execute("INSERT INTO plain VALUES (9999, ?)", ("y" * 4280,))
    con.execute("DROP TABLE mail")
    con.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    con.close()
    raw = bytearray(place.read_bytes())
    raw[(raw.rindex(b"y" * 3000) | 4095) - 9] = 1
    place.write_bytes(raw)

    found = pages.audit(place)

    assert found.nonzero["freelist"] > 4096
    assert found.nonzero["freeblock"] > 0
    assert found.nonzero["overflow"] == 1
    assert not found.errors
    assert not found.unreached


def test_other_places_of_a_file_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "a.db"
    con = database(place)
    con.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    con.close()
    raw = bytearray(place.read_bytes())
    number = len(raw) // 4096
    raw[75] = 7
    raw += b"lost" * 1024
    place.write_bytes(raw)

    assert pages.audit(place).nonzero == {"header": 1, "beyond the end": 4096}

    raw[28:32] = (number + 1).to_bytes(4, "big")
    place.write_bytes(raw)
    found = pages.audit(place)
    assert found.nonzero == {"header": 1, "unreached": 4096}
    assert found.unreached == 1
    pages.scrub(place)
    assert pages.audit(place).nonzero == {"unreached": 4096}, "what nothing points to is left"

    monkeypatch.setattr(pages, "LOCK_BYTE", number * 4096)
    assert pages.audit(place).nonzero == {"lock byte": 4096}
    pages.scrub(place)
    assert pages.audit(place).clean


def test_reserved_bytes_are_slack(tmp_path: Path) -> None:
    place = tmp_path / "a.db"
    con = driver.connect(str(place), isolation_level=None)
    con.execute("CREATE TABLE t (x)")
    con.execute("DROP TABLE t")
    con.execute("VACUUM")
    con.close()
    raw = bytearray(place.read_bytes())
    raw[20] = 32
    raw[105:107] = (4096 - 32).to_bytes(2, "big")
    place.write_bytes(raw)
    con = driver.connect(str(place), isolation_level=None)
    con.execute("CREATE TABLE t (x)")
    con.executemany("INSERT INTO t VALUES (?)", [("x" * n,) for n in range(0, 9000, 90)])
    assert [row[0] for row in con.execute("PRAGMA integrity_check")] == ["ok"]
    con.close()
    assert pages.audit(place).errors == ()
    raw = bytearray(place.read_bytes())
    raw[4096 - 3] = raw[2 * 4096 - 1] = 9
    place.write_bytes(raw)

    assert pages.audit(place).nonzero["reserved"] == 2


def test_pages_held_by_another_connection_do_not_come_back(tmp_path: Path) -> None:
    place = tmp_path / "a.db"
    con = database(place)
    churn(con, random.Random(5), 1500, 300)
    other = driver.connect(str(place), isolation_level=None)

    def cached_then_written() -> Slack:
        other.execute("UPDATE plain SET body = body || 'x' WHERE id % 40 = 1")
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return pages.audit(place)

    other.execute("SELECT sum(length(body)) FROM plain").fetchone()
    pages.scrub(place)  # without the change that makes the other connection read anew
    back = cached_then_written()
    assert sum(back.nonzero.values()) > 1000, "positive control"

    other.execute("SELECT sum(length(body)) FROM plain").fetchone()
    assert seal.scrub(con, 1.0)
    # What the update itself moves about stays small; the old gaps stay away.
    assert sum(cached_then_written().nonzero.values()) < sum(back.nonzero.values()) / 4
    assert seal.scrub(other, 1.0)
    assert pages.audit(place).clean
    assert sound(con)


def test_an_own_cached_page_does_not_come_back(tmp_path: Path) -> None:
    place = tmp_path / "a.db"
    con = database(place)
    for n in range(40):
        con.execute(f"CREATE TABLE extra_{n} (name_of_a_column)")
    for n in range(0, 40, 2):
        con.execute(f"DROP TABLE extra_{n}")
    con.execute("PRAGMA secure_delete=OFF").fetchall()
    for n in range(1, 40, 2):
        con.execute(f"DROP TABLE extra_{n}")
    con.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    assert b"extra_" in place.read_bytes()[:4096], "positive control: on the first page"

    assert seal.scrub(con, 1.0)

    assert pages.audit(place).clean
    assert b"extra_" not in place.read_bytes()


def test_a_writer_between_patch_and_change_makes_it_start_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "a.db"
    con = database(place)
    churn(con, random.Random(5), 800, 100)
    other = driver.connect(str(place), isolation_level=None)
    other.execute("SELECT sum(length(body)) FROM plain").fetchone()
    real, turns = seal._bump, []

    def late(*args: object) -> bool:
        if not turns:
            other.execute("UPDATE plain SET body = body || 'x' WHERE id % 40 = 1")
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        turns.append(real(*args))  # type: ignore[arg-type]
        return turns[-1]

    monkeypatch.setattr(seal, "_bump", late)

    assert seal.scrub(con, 5.0)

    assert turns == [False, True]
    assert pages.audit(place).clean


def test_a_reader_blocks_the_seal(tmp_path: Path) -> None:
    place = tmp_path / "a.db"
    con = database(place)
    reader = driver.connect(str(place), isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM plain").fetchone()
    con.execute("INSERT INTO plain VALUES (1, 'x')")

    assert not seal.seal(con, 0.05)
    assert not seal.scrub(con, 0.05)
    assert seal.examine(con, 0.05) is None

    reader.execute("COMMIT")
    assert seal.seal(con, 0.05)
    assert seal.examine(con, 0.05).clean  # type: ignore[union-attr]


def test_an_interrupted_scrub_harms_nothing_and_a_second_one_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "a.db"
    con = database(place)
    churn(con, random.Random(9), 1500, 200)
    kept, left = content(con), 5
    real = held.write_at

    def torn(descriptor: int, data: bytes, at: int) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError("power cut")
        real(descriptor, data[: len(data) // 2], at)

    monkeypatch.setattr(held, "write_at", torn)
    with pytest.raises(OSError, match="power cut"):
        seal.scrub(con, 1.0)
    monkeypatch.undo()

    assert not con.in_transaction
    assert not pages.audit(place).clean
    con.execute("PRAGMA shrink_memory")
    assert content(con) == kept
    assert sound(con)
    assert seal.scrub(con, 1.0)
    assert pages.audit(place).clean


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "not an unencrypted SQLite database"),
        (b"SQLite format 3\0", "not an unencrypted SQLite database"),
        (bytes(4096), "not an unencrypted SQLite database"),
        (pages.MAGIC + b"\x03\x00" + bytes(4096), "the header has an impossible page size"),
        (pages.MAGIC + b"\x10\x00" + bytes(4078), "page 1 is not a sound b-tree page"),
    ],
)
def test_what_is_no_database_is_said(tmp_path: Path, raw: bytes, said: str) -> None:
    (tmp_path / "a.db").write_bytes(raw)

    assert said in pages.audit(tmp_path / "a.db").errors


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    place = tmp_path_factory.mktemp("whole") / "a.db"
    con = database(place, secure=False, size=1024, automatic=2)
    churn(con, random.Random(1), 200, 60)
    con.close()
    return place.read_bytes()


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_malformed_file_gives_errors_never_exceptions(
    tmp_path: Path, whole: bytes, data: st.DataObject
) -> None:
    raw = bytearray(whole)
    page = 1024 * data.draw(st.integers(0, len(raw) // 1024 - 1))
    for _ in range(data.draw(st.integers(1, 12))):
        at = data.draw(st.one_of(st.integers(0, 99), st.integers(page, page + 40)))
        raw[at] = data.draw(st.sampled_from([0, 1, 2, 5, 10, 13, 0x7F, 0x80, 0xFF]))
    if data.draw(st.booleans()):
        del raw[data.draw(st.integers(0, len(raw) - 1)) :]
    place = tmp_path / "a.db"
    place.write_bytes(raw)

    found = pages.audit(place)
    pages.scrub(place)

    assert found.live_bytes + found.slack_bytes == len(raw)
    if found.errors:
        assert place.read_bytes() == bytes(raw), "a file that is not understood is left alone"


def test_a_page_that_is_used_twice_is_an_error(tmp_path: Path, whole: bytes) -> None:
    place = tmp_path / "a.db"
    raw = np.frombuffer(whole, np.uint8).copy()
    count = len(raw) // 1024
    inner = next(i for i in range(1, count) if raw[i * 1024] == 5 and raw[i * 1024 + 4] > 1)
    raw[inner * 1024 + 8 : inner * 1024 + 12] = [0, 0, inner + 1 >> 8, inner + 1 & 255]
    place.write_bytes(raw.tobytes())

    found = pages.audit(place)

    assert "a b-tree names a page that is used elsewhere" in found.errors
    assert found.unreached >= 1
