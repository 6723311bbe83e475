"""The examiner reads the whole folder in every state that a store can be left in."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from byte_matrix import Churned, churned, residue
from forensic_texts import Encoder

from memory import Selector, Store
from tests.forensic.conftest import BENCHMARKS

ROOT = BENCHMARKS.parent
KILLED = """
import os, signal, sys
from forensic_texts import Encoder
from memory import Selector, Store, forget, pages, seal, segments, verify

home, step, *ids = sys.argv[1:]
owner, name = {
    "cascade": (forget, "cascade"),
    "tidy": (segments, "tidy"),
    "checkpoint": (seal, "_truncate"),
    "scrub": (pages, "scrub"),
    "verify": (verify, "examine"),
}[step]
store = Store(home, embedder=Encoder())
plan = store.plan_forget(Selector(ids=tuple(ids)))
setattr(owner, name, lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
store.forget(plan)
"""
SECOND = """
import sys
from forensic_texts import Encoder
from memory import Store

with Store(sys.argv[1], embedder=Encoder()) as store:
    store.recall("berth crates of tea", limit=1000)
    print("ready", flush=True)
    sys.stdin.readline()
    store.remember("the second process goes on writing", scope="session:1")
    store.recall("berth crates of tea", limit=1000)
"""


@pytest.fixture
def copy(made: Churned, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made.home, tmp_path / "store"))


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join((str(BENCHMARKS), str(ROOT)))}


def forget(store: Store, made: Churned) -> str:
    return store.forget(store.plan_forget(Selector(ids=made.ids))).state


def test_nothing_is_left_while_the_store_is_open_nor_after(made: Churned, copy: Path) -> None:
    with Store(copy, embedder=Encoder()) as store:
        store.recall("berth")
        assert forget(store, made) == "verified"
        store.recall("berth")
        opened = made.examine(copy)

    closed = made.examine(copy)

    assert residue(opened) == opened.log == 0
    assert residue(closed) == closed.log == 0
    assert closed.files < opened.files


@pytest.mark.parametrize("step", ["cascade", "tidy", "checkpoint", "scrub", "verify"])
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_nothing_is_left_after_a_kill_and_a_new_start(made: Churned, copy: Path, step: str) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(copy), step, *made.ids],
        env=environment(),
        check=False,
    )

    assert killed.returncode == -signal.SIGKILL
    if step in ("cascade", "tidy", "checkpoint"):
        assert len(made.examine(copy).readable) == len(made.ids), "positive control"
    Store(copy, embedder=Encoder()).close()
    after = made.examine(copy)
    assert (after.readable, after.any_vector, after.separators) == (set(), set(), 0)
    assert after.slack == 0


def test_nothing_comes_back_from_a_second_process(made: Churned, copy: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SECOND), str(copy)],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as second:
        assert second.stdout is not None
        assert second.stdout.readline() == "ready\n"
        with Store(copy, embedder=Encoder()) as store:
            assert forget(store, made) == "verified"
            shared = made.examine(copy)
        second.communicate("go on\n")
    assert second.returncode == 0

    after = made.examine(copy)

    assert residue(shared) == 0
    assert (after.readable, after.any_vector, after.in_slack) == (set(), set(), set())


@pytest.mark.slow
def test_nothing_is_left_of_a_thousand_at_once(tmp_path: Path) -> None:
    made = churned(tmp_path / "store", 3_000, 1_000)
    assert len(made.examine(made.home).readable) == 1_000

    with Store(made.home, embedder=Encoder()) as store:
        assert forget(store, made) == "verified"

    after = made.examine(made.home)
    assert residue(after) == after.log == 0
