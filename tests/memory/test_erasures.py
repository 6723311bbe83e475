import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from memory import Store, erasures
from memory.db import transaction

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux says when processes began")


@pytest.fixture
def other() -> Iterator[subprocess.Popen[bytes]]:
    """Another program, which is alive."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as started:
        yield started
        if started.stdin is not None:
            started.stdin.close()


def owned_by(store: Store, worker: int) -> list[str]:
    with transaction(store._con, 1.0):
        erasures.put(store._con, "01AAAAAAAAAAAAAAAAAAAAAAAA", "2026-03-02", ["x"])
        store._con.execute("UPDATE erasure SET pid = ?", (worker,))
    return erasures.unfinished(store._con)


def test_an_erasure_is_left_to_the_living_process_that_works_on_it(
    store: Store, other: subprocess.Popen[bytes]
) -> None:
    assert owned_by(store, erasures._worker(other.pid)) == []


def test_an_erasure_of_a_dead_process_is_taken_up(
    store: Store, other: subprocess.Popen[bytes]
) -> None:
    worker = erasures._worker(other.pid)
    other.kill()
    other.wait()

    assert len(owned_by(store, worker)) == 1


@linux
def test_another_program_with_the_number_of_a_dead_one_holds_no_erasure_up(
    store: Store, other: subprocess.Popen[bytes]
) -> None:
    earlier = erasures._worker(other.pid) ^ 1 << erasures._PID_BITS  # began at another time

    assert len(owned_by(store, earlier)) == 1


@linux
def test_a_killed_process_that_nobody_waited_for_is_dead(
    store: Store, other: subprocess.Popen[bytes]
) -> None:
    worker = erasures._worker(other.pid)
    other.kill()
    os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)  # it ended, and is still there

    assert len(owned_by(store, worker)) == 1


def test_its_own_erasures_are_taken_up_by_a_process(store: Store) -> None:
    assert len(owned_by(store, erasures._worker(os.getpid()))) == 1
