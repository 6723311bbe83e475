import os
import shutil
from pathlib import Path

import pytest

from memory import Draft, Store, reserve
from memory.db import driver
from memory.errors import StoreError, StoreFullError
from tests.support import HashedEmbedder

FULL = driver.OperationalError("database or disk is full")


def test_the_first_write_makes_it_and_no_recall_does(home: Path, embedder: HashedEmbedder) -> None:
    with Store(home, embedder=embedder) as store:
        store.recall("anything")
        assert reserve.size(home) == 0
        store.remember("x")
        assert reserve.size(home) == reserve.SMALLEST
    (home / "reserve.bin").unlink()

    with Store(home, embedder=embedder) as store:
        store.recall("x")

    assert reserve.size(home) == 0


def test_it_is_private_zeros_and_known_to_the_doctor(store: Store) -> None:
    store.remember("x")

    place = store.home / "reserve.bin"
    assert not any(place.read_bytes())
    assert os.name != "posix" or place.stat().st_mode & 0o777 == 0o600
    assert all(finding.ok for finding in store.check())


def test_it_grows_with_the_store_up_to_a_limit(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store(home, embedder="none") as store:
        store.remember("x")
        assert reserve.size(home) == reserve.SMALLEST
        store.remember_many(Draft(text=f"{i} " + "words " * 2000) for i in range(250))

    # Made while the log still held the rows, too, it may be larger than what is wanted now.
    assert reserve.size(home) >= reserve.wanted(home) > reserve.SMALLEST
    monkeypatch.setattr(reserve, "LARGEST", 1 << 20)
    assert reserve.wanted(home) == 1 << 20


def test_a_full_disk_gets_it_back_and_the_action_is_tried_again(home: Path, store: Store) -> None:
    store.remember("x")
    seen = []

    def action() -> str:
        seen.append(reserve.size(home))
        if len(seen) == 1:
            raise FULL
        return "done"

    assert reserve.roomy(home, action) == "done"
    assert seen == [reserve.SMALLEST, 0]


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (FULL, True),
        (OSError(28, "No space left on device"), True),
        (StoreFullError("no space"), True),
        (driver.OperationalError("database is locked"), False),
        (OSError(13, "Permission denied"), False),
        (StoreError("anything"), False),
    ],
)
def test_only_a_full_disk_is_an_occasion(
    home: Path, store: Store, error: Exception, *, full: bool
) -> None:
    store.remember("x")

    def action() -> None:
        raise error

    with pytest.raises(type(error)):
        reserve.roomy(home, action)
    assert reserve.size(home) == (0 if full else reserve.SMALLEST)


def test_an_error_that_a_full_disk_caused_counts_as_well(home: Path) -> None:
    wrapped = StoreError("cannot append to the ledger")
    wrapped.__cause__ = OSError(28, "No space left on device")

    assert reserve.is_full(wrapped, home)
    wrapped.__cause__ = OSError(13, "Permission denied")
    assert not reserve.is_full(wrapped, home)


def test_without_a_reserve_the_error_is_the_first_one(home: Path, store: Store) -> None:
    def action() -> None:
        raise FULL

    with pytest.raises(driver.OperationalError, match="full"):
        reserve.roomy(home, action)


def test_the_doctor_tells_of_a_disk_too_full_for_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.remember("x")
    (store.home / "reserve.bin").unlink()
    (before,) = [one for one in store.check() if one.check == "reserve"]
    usage = shutil.disk_usage(store.home)._replace(free=100_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)

    assert not reserve.keep(store.home)
    (finding,) = [one for one in store.check() if one.check == "reserve"]

    assert (before.ok, finding.ok) == (True, False)
    assert "no room" in finding.detail
    assert "free some space" in finding.repair
