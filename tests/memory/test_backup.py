"""Backups: what is in one, who can open it, what shredding it means, and interruptions."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from memory import Draft, Receipt, Selector, Store, UsageError, container, copies, datakey
from memory.backup import Wish
from memory.db import APPLICATION_ID, driver, migrations, statements
from memory.errors import CorruptStoreError, NotFoundError, SchemaTooNewError, StoreError
from memory.types import Probe
from tests.support import Clock, HashedEmbedder

SECRET = "Mireille's badge is MVK-20931 and her extension is x4471quokka"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "elsewhere").mkdir()
    return tmp_path / "elsewhere" / "monday.mem"


def fill(store: Store, count: int = 40) -> list[str]:
    done = store.remember_many(
        Draft(
            text=f"turn {i} about the harbour gate and berth {i * 13}",
            kind="turn",
            scope=f"project:harbor/session:{i // 20}",
            actor="Ada",
        )
        for i in range(count)
    )
    return [one.id for one in done]


def forget(store: Store, *ids: str, shred: bool = False, tombstone: bool = True) -> Receipt:
    plan = store.plan_forget(Selector(ids=ids))
    return store.forget(plan, shred_backups=shred, tombstone=tombstone)


def copies_probe(receipt: Receipt) -> Probe:
    return next(probe for probe in receipt.probes if probe.name == "copies")


# -- the file ------------------------------------------------------------------------------------


def test_a_backup_is_private_whole_and_holds_no_plain_text(store: Store, target: Path) -> None:
    fill(store)
    store.remember(SECRET, uri="chat:mireille")

    made = store.backup(target)

    raw = target.read_bytes()
    assert b"quokka" in (store.home / "memory.db-wal").read_bytes(), "positive control"
    assert not any(word in raw for word in (b"quokka", b"harbour", b"SQLite format", b"mireille"))
    assert target.stat().st_mode & 0o777 == 0o600
    assert (made.bytes, made.memories) == (len(raw), 41)
    assert store.verify_backup(target) == made.id
    assert list(target.parent.iterdir()) == [target]
    assert [one for one in store.check() if not one.ok] == []


def test_no_plain_text_is_on_disk_while_a_backup_is_made(store: Store, target: Path) -> None:
    fill(store, 400)
    store.remember(SECRET)
    seen: list[bytes] = []

    def look(_: int) -> None:
        if len(seen) < 20:
            seen.append(b"".join(place.read_bytes() for place in target.parent.iterdir()))

    store.backup(target, progress=look)

    assert seen
    assert any(seen)
    assert not any(word in b"".join(seen) for word in (b"quokka", b"harbour", b"SQLite format"))


def test_a_backup_holds_nothing_that_was_erased(store: Store, target: Path) -> None:
    ids = fill(store)
    done = store.remember(SECRET)
    before = store.backup(target.with_name("before.mem"))
    forget(store, done.id, *ids[:5])

    after = store.backup(target)

    def inside(ident: str, place: Path) -> bytes:
        key = datakey.load(store.home, ident)
        assert key is not None
        with container.unpacked(place, container.read_trailer(place), store.home / "t") as found:
            con = driver.connect(str(found["memory.db"]), isolation_level=None)
            raw = datakey.purpose(key, "memory.db").hex()
            con.execute(f"PRAGMA key = \"x'{raw}'\"").fetchall()
            con.execute("ATTACH ? AS plain KEY ''", (str(place) + ".plain",))
            con.execute("SELECT sqlcipher_export('plain')").fetchall()
            con.close()
        return Path(f"{place}.plain").read_bytes().lower()

    assert b"quokka" in inside(before.id, target.with_name("before.mem")), "positive control"
    assert b"quokka" not in inside(after.id, target)
    assert b"harbour" in Path(f"{target}.plain").read_bytes()


@pytest.mark.parametrize("at", [0, 5_000, -5, -60, -200])
def test_any_changed_byte_is_noticed(store: Store, target: Path, at: int) -> None:
    fill(store)
    store.backup(target)
    raw = bytearray(target.read_bytes())
    raw[at] ^= 1
    target.write_bytes(raw)

    with pytest.raises((CorruptStoreError, UsageError)):
        store.verify_backup(target)
    with pytest.raises((CorruptStoreError, UsageError)):
        store.restore(target)


@pytest.mark.parametrize("size", [0, 10, 100, 50_000])
def test_a_cut_backup_is_refused(store: Store, target: Path, size: int) -> None:
    fill(store)
    store.backup(target)
    target.write_bytes(target.read_bytes()[:size])

    with pytest.raises(UsageError, match="is not a whole backup"):
        store.verify_backup(target)


def test_another_key_does_not_open_a_backup(store: Store, target: Path) -> None:
    fill(store)
    made = store.backup(target)
    other = store.backup(target.with_name("other.mem"))
    keys = store.home / "keys" / "backup"
    shutil.copy(keys / f"{other.id}.key", keys / f"{made.id}.key")

    with pytest.raises(CorruptStoreError):
        store.verify_backup(target)


def test_a_backup_of_a_newer_schema_or_format_is_refused(store: Store, target: Path) -> None:
    made = store.backup(target)
    key = datakey.load(store.home, made.id)
    assert key is not None
    trailer = container.read_trailer(target)
    size = sum(size for _, size in trailer.members)

    def rewritten(**change: int) -> None:
        with target.open("r+b") as out:
            out.truncate(size)
            fields = {name: getattr(trailer, name) for name in container.Trailer.__slots__}
            container.write_trailer(out, container.Trailer(**{**fields, **change}), key)

    rewritten(schema=99)
    with pytest.raises(SchemaTooNewError):
        store.verify_backup(target)
    with pytest.raises(SchemaTooNewError):
        store.restore(target)
    rewritten(format=2)
    with pytest.raises(SchemaTooNewError, match="has format 2"):
        store.restore(target)
    rewritten()
    assert store.verify_backup(target) == made.id


def test_a_trailer_cannot_ask_for_more_memory_than_there_is(store: Store, target: Path) -> None:
    made = store.backup(target, Wish(passphrase="correct horse"))
    raw = target.read_bytes()
    assert raw.count(b'"iterations":3,"lanes":4,') == 1
    target.write_bytes(raw.replace(b'"iterations":3,"lanes":4,', b'"iterations":99,"lanes":4'))
    datakey.destroy(store.home, made.id)

    with pytest.raises(UsageError):
        store.verify_backup(target, "correct horse")


# -- where it may lie ----------------------------------------------------------------------------


def test_a_backup_goes_into_a_new_file_outside_the_store(store: Store, target: Path) -> None:
    target.write_text("mine")

    for place in (store.home / "x.mem", target, target.parent / "absent" / "x.mem"):
        with pytest.raises(UsageError):
            store.backup(place)

    assert target.read_text() == "mine"
    assert store.backups() == ()
    assert datakey.held(store.home) == []


# -- who can open it -----------------------------------------------------------------------------


def test_a_recovery_code_opens_a_backup_without_the_store(
    store: Store, target: Path, tmp_path: Path
) -> None:
    fill(store)
    made = store.backup(target, Wish(recovery=True))
    assert re.fullmatch(r"(?:[0-9A-HJKMNP-TV-Z]{4}-){7}[0-9A-HJKMNP-TV-Z]{4}", made.recovery_code)
    wrong = made.recovery_code[::-1]

    with Store(tmp_path / "other", embedder="none") as other:
        with pytest.raises(UsageError, match="opens with its recovery code"):
            other.verify_backup(target)
        with pytest.raises(UsageError, match="not the recovery code"):
            other.verify_backup(target, wrong)
        assert other.verify_backup(target, f" {made.recovery_code.lower()} ") == made.id
    assert made.recovery_code not in repr(made)


def test_a_passphrase_opens_a_backup_without_the_store(
    store: Store, target: Path, tmp_path: Path
) -> None:
    made = store.backup(target, Wish(passphrase="correct horse"))

    with Store(tmp_path / "other", embedder="none") as other:
        with pytest.raises(UsageError, match="not the passphrase"):
            other.verify_backup(target, "wrong horse")
        assert other.verify_backup(target, "correct horse") == made.id


def test_without_either_the_store_alone_opens_it(
    store: Store, target: Path, tmp_path: Path
) -> None:
    store.backup(target)

    with Store(tmp_path / "other", embedder="none") as other:
        with pytest.raises(UsageError, match="key of this backup is not in the store"):
            other.restore(target, "anything")


def test_no_secret_of_the_store_leaves_it_in_the_clear(store: Store, target: Path) -> None:
    forget(store, store.remember(SECRET).id)
    store.backup(target)
    store.backup(target.with_name("keys.mem"), Wish(with_keys=True))

    raw = target.read_bytes() + target.with_name("keys.mem").read_bytes()
    for key in (store.home / "keys").rglob("*.key"):
        text = key.read_text().strip()
        assert text.encode() not in raw, key.name
        assert bytes.fromhex(text) not in raw, key.name


# -- receipts ------------------------------------------------------------------------------------


def test_a_receipt_counts_the_backups_made_before(store: Store, target: Path, clock: Clock) -> None:
    ids = fill(store)
    store.backup(target)
    clock.tick(days=3)
    store.backup(target.with_name("b.mem"), Wish(days=90))

    receipt = forget(store, ids[0])

    assert receipt.copies == {"backup": 2}
    assert receipt.copies_until == "2026-06-03"
    assert copies_probe(receipt).result == "not_claimed"
    assert copies_probe(receipt).counts == {"copies": 2}


def test_a_backup_made_after_an_erasure_does_not_count_for_it(store: Store, target: Path) -> None:
    ids = fill(store)
    first = forget(store, ids[0])
    store.backup(target)

    assert first.copies == {}
    assert [one.erased for one in store.backups()] == [False]
    assert copies.probe(store._con, store.home).result == "pass"

    forget(store, ids[1])
    assert [one.erased for one in store.backups()] == [True]


def test_with_every_backup_shredded_the_probe_passes(store: Store, target: Path) -> None:
    ids = fill(store)
    made = store.backup(target)
    elsewhere = shutil.copy(target, target.with_name("copy.mem"))
    assert store.verify_backup(elsewhere) == made.id, "positive control"

    receipt = forget(store, ids[0], shred=True)

    assert receipt.state == "verified"
    assert receipt.copies == {"shredded": 1}
    assert receipt.copies_until == ""
    assert receipt.keys_destroyed == (made.id,)
    assert copies_probe(receipt).result == "pass"
    assert not target.exists()
    assert datakey.held(store.home) == []
    with pytest.raises(UsageError, match="key of this backup is not in the store"):
        store.verify_backup(elsewhere)
    assert store.verify_receipts().ok


def test_who_holds_the_code_can_open_a_shredded_backup_and_the_receipt_says_so(
    store: Store, target: Path
) -> None:
    ids = fill(store)
    made = store.backup(target, Wish(recovery=True))
    elsewhere = shutil.copy(target, target.with_name("copy.mem"))

    receipt = forget(store, ids[0], shred=True)

    assert receipt.copies == {"backup": 1}
    assert copies_probe(receipt).result == "not_claimed"
    assert store.verify_backup(elsewhere, made.recovery_code) == made.id


def test_an_export_is_never_shredded(store: Store, target: Path) -> None:
    ids = fill(store)
    store.export_to(target.with_name("out.jsonl"))
    store.backup(target)

    receipt = forget(store, ids[0], shred=True)

    assert receipt.copies == {"export": 1, "shredded": 1}
    assert copies_probe(receipt).result == "not_claimed"


def test_a_key_that_is_back_after_shredding_fails_the_probe(store: Store, target: Path) -> None:
    ids = fill(store)
    made = store.backup(target)
    place = store.home / "keys" / "backup" / f"{made.id}.key"
    kept = place.read_bytes()
    forget(store, ids[0], shred=True)
    place.write_bytes(kept)
    place.chmod(0o600)

    receipt = forget(store, ids[1])

    assert copies_probe(receipt).result == "fail"
    assert receipt.state == "failed"


# -- expiry --------------------------------------------------------------------------------------


def test_backups_expire_are_told_and_then_shredded(
    store: Store, target: Path, clock: Clock
) -> None:
    made = store.backup(target)
    keeps = store.backup(target.with_name("keeps.mem"), Wish(days=None))
    clock.tick(days=29)
    assert store.expire_backups() == ()
    clock.tick(days=1)

    (told,) = [one for one in store.check() if one.check == "backups"]
    gone = store.expire_backups()

    assert not told.ok
    assert made.id in told.detail
    assert [one.id for one in gone] == [made.id]
    assert not target.exists()
    assert datakey.held(store.home) == [keeps.id]
    assert [one.id for one in store.backups()] == [keeps.id]
    assert [one for one in store.check() if not one.ok] == []


def test_shredding_leaves_a_file_alone_that_is_not_the_backup(store: Store, target: Path) -> None:
    made = store.backup(target)
    target.write_text("something else")

    assert not store.shred_backup(made.id)

    assert target.read_text() == "something else"
    assert datakey.held(store.home) == []
    assert [one.state for one in store.backups()] == ["shredded"]
    with pytest.raises(NotFoundError):
        store.shred_backup("0" * 26)


def test_a_destroyed_key_is_overwritten_where_it_lay(store: Store, target: Path) -> None:
    made = store.backup(target)
    place = store.home / "keys" / "backup" / f"{made.id}.key"
    with place.open("rb") as held:
        store.shred_backup(made.id)

        assert not place.exists()
        assert held.read() == bytes(65)


# -- interruptions -------------------------------------------------------------------------------


def test_an_interrupted_backup_leaves_nothing(store: Store, target: Path) -> None:
    fill(store, 400)

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.backup(target, progress=interrupt)

    assert list(target.parent.iterdir()) == []
    assert store.backups() == ()
    assert datakey.held(store.home) == []
    assert store.stats().memories == 400


KILLED = """
import os, signal, sys
from memory import Store, backup, container, copies, files
from tests.support import HashedEmbedder

home, target, step = sys.argv[1:]

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

store = Store(home, embedder=HashedEmbedder())
owner, name = {
    "begin": (backup, "write"),
    "copy": (container, "append"),
    "seal": (container, "write_trailer"),
    "move": (files, "sync_folder"),
    "finish": (copies, "finish"),
}[step]
real = getattr(owner, name)
if step == "move":
    def die(folder):
        if str(folder) == os.path.dirname(target):
            os.kill(os.getpid(), signal.SIGKILL)
        return real(folder)
setattr(owner, name, die)
store.backup(target)
"""


@pytest.mark.parametrize("step", ["begin", "copy", "seal", "move", "finish"])
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_killed_backup_is_there_or_not_and_leaves_nothing(
    home: Path, embedder: HashedEmbedder, target: Path, step: str
) -> None:
    with Store(home, embedder=embedder) as store:
        fill(store)

    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(home), str(target), step],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )

    assert killed.returncode == -signal.SIGKILL
    with Store(home, embedder=embedder) as store:
        whole = step in ("move", "finish")
        assert list(target.parent.iterdir()) == ([target] if whole else [])
        assert [one.state for one in store.backups()] == (["live"] if whole else [])
        assert len(datakey.held(home)) == whole
        assert [one for one in store.check() if not one.ok] == []
        if whole:
            store.verify_backup(target)


SHREDDING = """
import os, signal, sys
from memory import Selector, Store, container, copies
from tests.support import HashedEmbedder

home, ident, step = sys.argv[1:]

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

store = Store(home, embedder=HashedEmbedder())
setattr(*{"key": (copies, "shredded"), "file": (container, "read_trailer")}[step], die)
store.forget(store.plan_forget(Selector(ids=(ident,))), shred_backups=True)
"""


@pytest.mark.parametrize("step", ["key", "file"])
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_killed_shredding_is_completed_by_the_next_start(
    home: Path, embedder: HashedEmbedder, target: Path, step: str
) -> None:
    with Store(home, embedder=embedder) as store:
        (ident, *_) = fill(store)
        made = store.backup(target)

    subprocess.run(
        [sys.executable, "-c", SHREDDING, str(home), ident, step],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )

    with Store(home, embedder=embedder) as store:
        (receipt,) = store.receipts()
        assert receipt["state"] == "verified"
        assert receipt["keys_destroyed"] == [made.id]
        assert receipt["copies"] == {"shredded": 1}
        assert datakey.held(home) == []


def test_a_backup_reads_one_state_while_others_write(
    store: Store, target: Path, tmp_path: Path, clock: Clock
) -> None:
    ids = fill(store, 400)
    with Store(store.home, embedder=HashedEmbedder()) as other:

        def write(_: int) -> None:
            other.remember("written while the backup is made")

        made = store.backup(target, Wish(recovery=True), progress=write)

    with Store(tmp_path / "copy", embedder=HashedEmbedder(), clock=clock) as copy:
        copy.restore(target, made.recovery_code)
        assert copy.stats().memories in (len(ids), len(ids) + 1)
        assert [one for one in copy.check(forensic=True) if not one.ok] == []


def test_a_key_that_cannot_be_kept_ends_the_backup_before_it_begins(
    store: Store, target: Path
) -> None:
    (store.home / "keys").mkdir(exist_ok=True)
    (store.home / "keys" / "backup").write_text("in the way")

    with pytest.raises(StoreError, match="cannot write a key"):
        store.backup(target)

    assert store.backups() == ()
    assert not target.exists()


def test_an_older_register_of_copies_is_taken_over(home: Path, embedder: HashedEmbedder) -> None:
    home.mkdir()
    con = driver.connect(str(home / "memory.db"), isolation_level=None)
    older = [sql for name, sql in migrations() if name < "0004"]
    for sql in older:
        for statement in statements(sql):
            con.execute(statement)
    con.execute("INSERT INTO file (path, role, day) VALUES ('/old.jsonl', 'export', '2026-01-02')")
    con.execute(f"PRAGMA application_id={APPLICATION_ID}")
    con.execute(f"PRAGMA user_version={len(older)}")
    con.close()

    with Store(home, embedder=embedder) as store:
        (known,) = copies.listed(store._con)
        receipt = forget(store, store.remember("x").id)

    assert re.fullmatch("[0-7][0-9A-HJKMNP-TV-Z]{25}", known.id)
    assert (known.path, known.role, known.day, known.erased) == (
        "/old.jsonl", "export", "2026-01-02", True,
    )  # fmt: skip
    assert receipt.copies == {"export": 1}
