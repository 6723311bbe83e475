"""Who keeps the key: keyring, passphrase or file. What is missing or wrong is told, no more."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from memory import Selector, Store, custody, keyslots
from memory.errors import StoreError, StoreLockedError, UsageError
from tests.support import HashedEmbedder

WORDS = "correct horse battery"

# The optional package, as far as it is used: entries in a file, as some of its back ends do.
KEYRING = """
import json, os, pathlib
_place = pathlib.Path(os.environ["FAKE_KEYRING"])
def _read(): return json.loads(_place.read_text()) if _place.exists() else {}
class _Backend:
    priority = float(os.environ.get("FAKE_PRIORITY", "5"))
def get_keyring(): return _Backend()
def get_password(service, name): return _read().get(f"{service} {name}")
def set_password(service, name, secret):
    _place.write_text(json.dumps({**_read(), f"{service} {name}": secret}))
def delete_password(service, name):
    left = _read(); del left[f"{service} {name}"]; _place.write_text(json.dumps(left))
"""


@pytest.fixture(autouse=True)
def no_passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(custody.PASSPHRASE, raising=False)
    monkeypatch.setitem(sys.modules, "keyring", None)  # as where it is not installed


@pytest.fixture
def ring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the package 'keyring' importable, and return where it keeps its entries."""
    place = tmp_path / "ring.json"
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "keyring.py").write_text(KEYRING)
    monkeypatch.setenv("FAKE_KEYRING", str(place))
    monkeypatch.syspath_prepend(str(tmp_path / "package"))
    monkeypatch.delitem(sys.modules, "keyring", raising=False)
    return place


def made(home: Path, kind: str, key: str | None = None) -> None:
    with Store(home, encrypt=kind, key=key, embedder="none") as store:  # type: ignore[arg-type]
        store.remember("a text")


def locked(home: Path, key: str | None = None) -> StoreLockedError:
    before = {place: place.read_bytes() for place in home.rglob("*") if place.is_file()}
    with pytest.raises(StoreLockedError) as caught:
        Store(home, key=key)
    after = {place: place.read_bytes() for place in home.rglob("*") if place.is_file()}
    assert after == before, "the store is untouched"
    return caught.value


def test_a_passphrase_opens_the_store_and_no_other_does(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(home, "passphrase", WORDS)

    assert "wrong" in locked(home, "correct horse batterY").message
    assert custody.PASSPHRASE in locked(home).hint
    with Store(home, key=WORDS) as store:
        assert len(store.list()) == 1
    with Store(home, key=lambda: WORDS) as store:
        assert store.encryption().kept == "passphrase"
    monkeypatch.setenv(custody.PASSPHRASE, WORDS)
    with Store(home) as store:
        assert store.stats().encryption == "passphrase"


def test_the_passphrase_is_asked_for_once_and_survives_every_epoch(home: Path) -> None:
    asked = []

    def ask() -> str:
        asked.append(1)
        return WORDS

    with Store(home, encrypt="passphrase", key=ask, embedder="none") as store:
        for number in range(3):
            done = store.remember(f"text number {number}")
            store.forget(store.plan_forget(Selector(ids=(done.id,))))
    assert len(asked) == 1

    with Store(home, key=ask) as store:
        store.rotate_key()
    assert len(asked) == 2
    with Store(home, key=WORDS) as store:
        assert store.list() == ()


def test_a_passphrase_spelled_in_another_unicode_form_is_the_same(home: Path) -> None:
    made(home, "passphrase", "schl\u00fcssel bund")

    with Store(home, key="schlu\u0308ssel bund") as store:
        assert len(store.list()) == 1


def test_a_short_passphrase_is_refused_and_leaves_nothing(home: Path) -> None:
    with pytest.raises(UsageError, match="at least"):
        Store(home, encrypt="passphrase", key="short")
    assert not home.exists()


def test_a_key_file_that_is_gone_or_foreign_is_told(home: Path, tmp_path: Path) -> None:
    made(home, "file")
    made(tmp_path / "other", "file")
    place = home / "keys" / custody.KEY_FILE
    kept = place.read_text()
    if os.name == "posix":
        assert place.stat().st_mode & 0o777 == 0o600

    place.unlink()
    assert "is gone" in locked(home).message
    place.write_text((tmp_path / "other" / "keys" / custody.KEY_FILE).read_text())
    assert "does not open" in locked(home).message
    place.write_text("no key")
    assert "is no key" in locked(home).message

    place.write_text(kept)
    with Store(home) as store:
        assert len(store.list()) == 1


def test_damaged_slots_and_a_missing_slot_file_are_told(home: Path) -> None:
    made(home, "file")
    place = keyslots.place_of(home)
    kept = place.read_bytes()

    place.write_bytes(bytes(len(kept)))
    assert "no whole key" in locked(home).message
    place.write_bytes(kept[:100] + b"x" + kept[101:])
    assert "no whole key" in locked(home).message
    place.write_bytes(b"")
    assert "no whole key" in locked(home).message
    place.unlink()
    with pytest.raises(StoreError, match="encrypted"):
        Store(home)

    place.write_bytes(kept)
    with Store(home) as store:
        assert len(store.list()) == 1


def test_a_torn_slot_is_no_key_and_is_cleared(home: Path) -> None:
    made(home, "file")
    place = keyslots.place_of(home)
    half = place.read_bytes()
    torn = half[: keyslots.SIZE] + half[:700] + bytes(keyslots.SIZE - 700)
    place.write_bytes(torn)
    assert keyslots.read(home).torn == 1

    with Store(home) as store:
        assert len(store.list()) == 1

    found = keyslots.read(home)
    assert (len(found.whole), found.torn) == (1, 0)


def test_slots_stay_where_they_are_and_the_old_one_is_zeros(home: Path) -> None:
    made(home, "file")
    place = keyslots.place_of(home)
    entry = place.stat()

    for number in range(1, 4):
        with Store(home) as store:
            store.rotate_key()
        data = place.read_bytes()
        parts = [data[: keyslots.SIZE], data[keyslots.SIZE :]]
        assert not any(parts[(number + 1) % 2]), "the old slot"
        assert any(parts[number % 2])
    assert (place.stat().st_ino, place.stat().st_size) == (entry.st_ino, entry.st_size)


def test_a_keyring_keeps_the_key_and_its_entry_goes_with_the_old_one(
    home: Path, ring: Path
) -> None:
    made(home, "auto")
    before = ring.read_text()

    with Store(home) as store:
        assert store.encryption().kept == "keyring"
        done = store.remember("forget me")
        receipt = store.forget(store.plan_forget(Selector(ids=(done.id,))))

    (medium,) = [one for one in receipt.probes if one.name == "medium"]
    assert (medium.result, medium.why) == ("pass", "destroyed")
    after = ring.read_text()
    assert after.count("letheon") == 1
    assert after != before
    assert not (home / "keys" / custody.KEY_FILE).exists()

    ring.write_text("{}")
    assert "no entry" in locked(home).message
    ring.write_text(after)
    with Store(home) as store:
        assert len(store.list()) == 1


def test_a_keyring_that_only_pretends_is_not_used(
    home: Path, ring: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_PRIORITY", "0")

    with pytest.raises(StoreError, match="keyring"):
        made(home, "keyring")
    made(home, "auto")

    with Store(home) as store:
        assert store.encryption().kept == "file"


def test_without_a_keyring_a_passphrase_comes_before_a_file(home: Path, tmp_path: Path) -> None:
    made(home, "auto", WORDS)
    made(tmp_path / "other", "auto")

    with Store(home, key=WORDS) as store, Store(tmp_path / "other") as other:
        assert store.encryption().kept == "passphrase"
        assert other.encryption().kept == "file"


def test_the_way_the_key_is_kept_can_be_changed(home: Path, ring: Path) -> None:
    made(home, "file")
    key_file = home / "keys" / custody.KEY_FILE

    with Store(home) as store:
        store.rotate_key(keep="passphrase", key=WORDS)
        assert store.encryption().kept == "passphrase"
    assert not key_file.exists()
    locked(home)
    with Store(home, key=WORDS) as store:
        store.rotate_key(keep="passphrase", key="another set of words")
    locked(home, WORDS)
    with Store(home, key="another set of words") as store:
        store.rotate_key(keep="keyring")
        store.rotate_key(keep="file")
    assert ring.read_text() == "{}"
    with Store(home) as store:
        assert len(store.list()) == 1


def test_a_plain_store_is_not_converted(home: Path) -> None:
    with Store(home, embedder="none") as store:
        store.remember("plain")

    with pytest.raises(StoreError, match="unencrypted") as caught:
        Store(home, encrypt="file")

    assert "export" in caught.value.hint
    assert not keyslots.place_of(home).exists()
    with Store(home) as store:
        assert len(store.list()) == 1


def test_a_store_that_was_only_begun_is_begun_again(home: Path) -> None:
    made(home, "file")
    for name in ("memory.db", "memory.db-wal", "memory.db-shm"):
        (home / name).unlink(missing_ok=True)

    with Store(home, embedder=HashedEmbedder()) as store:
        store.remember("x")
        assert store.encryption().kept == "file"


def test_an_engine_that_cannot_encrypt_is_refused(home: Path) -> None:
    code = (
        "import sys; sys.modules['sqlcipher3'] = None\n"
        "import sqlite3; sqlite3.sqlite_version_info = (3, 50, 0)\n"
        "from memory import Store\n"
        "from memory.errors import StoreError\n"
        "try:\n    Store(sys.argv[1], encrypt='file')\n"
        "except StoreError as exc:\n    print(exc.message)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", code, str(home)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert "cannot encrypt" in done.stdout
    database = home / "memory.db"
    assert not database.exists() or not database.stat().st_size
