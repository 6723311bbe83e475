"""Reading a store's own files must not take away the locks that SQLite holds on them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from memory import Selector, Store, held

OPEN_AND_LEAVE = """
import sys
from memory import Store
with Store(sys.argv[1], embedder="none") as store:
    store.list()
"""


def another_process_opens_and_leaves(home: Path) -> None:
    subprocess.run(
        [sys.executable, "-c", OPEN_AND_LEAVE, str(home)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
    )


@pytest.mark.skipif(os.name != "posix", reason="only POSIX drops locks with a descriptor")
def test_what_is_remembered_after_a_verification_is_seen_by_everybody(home: Path) -> None:
    with Store(home, embedder="none") as store:
        gone = store.remember("erase me")
        store.forget(store.plan_forget(Selector(ids=(gone.id,))))  # reads memory.db

        another_process_opens_and_leaves(home)
        kept = store.remember("written afterwards")

        with Store(home, embedder="none") as second:
            assert [memory.id for memory in second.list()] == [kept.id]
        done = subprocess.run(
            [sys.executable, "-m", "cli", "list", "--json", "--store", str(home)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert kept.id in done.stdout


@pytest.mark.skipif(os.name != "posix", reason="only POSIX drops locks with a descriptor")
def test_reading_the_plain_way_would_lose_what_is_written_afterwards(home: Path) -> None:
    # The positive control: why `held` exists.
    with Store(home, embedder="none") as store:
        store.remember("first")
        (home / "memory.db").read_bytes()
        (home / "memory.db-shm").read_bytes()

        another_process_opens_and_leaves(home)

        assert not (home / "memory.db-wal").exists()


def test_a_file_that_has_gone_yields_nothing(tmp_path: Path) -> None:
    assert list(held.chunks(tmp_path / "gone")) == []


def test_descriptors_are_let_go_with_the_last_session(home: Path) -> None:
    first, second = Store(home, embedder="none"), Store(home, embedder="none")
    b"".join(held.chunks(home / "memory.db"))
    assert held._kept

    first.close()
    assert held._kept
    second.close()

    assert home.resolve() not in held._kept
