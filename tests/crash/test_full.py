"""A disk that is full: a small file system where mounting is permitted, and calls that fail."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.crash import cuts

# Writes until the disk is full, then takes what is left of it, like another program would.
PROGRAM = """
import json, os, random, sys
from pathlib import Path
from memory import Draft, MemError, Selector, Store, reserve
from memory.errors import StoreFullError
from tests.crash.workload import SPACES, new_token, text

home, reserved = Path(sys.argv[1]), sys.argv[2] == "reserved"
rng, tokens, said = random.Random(1), {}, {}

def swallow():
    with open(home.parent / "ballast", "ab", buffering=0) as ballast:
        size = 1 << 16
        while size:
            try:
                ballast.write(b"x" * size)
            except OSError:
                size //= 2

def forget(store, count):
    ids = [tokens.popitem()[0] for _ in range(count)]
    try:
        receipt = store.forget(store.plan_forget(Selector(ids=tuple(ids))), wait=1.0)
        return receipt.state, ids
    except MemError as exc:
        return type(exc).__name__, ids

def fill(store, at_once):
    try:
        while True:
            fresh = [new_token(rng) for _ in range(at_once)]
            done = store.remember_many([Draft(text=text(one)) for one in fresh])
            tokens.update((one.id, token) for one, token in zip(done, fresh))
    except StoreFullError as exc:
        said["full"] = exc.hint

with Store(home, embedder=SPACES[0]) as store:
    fill(store, 10)
    said["kept"] = reserve.size(home)
    if not reserved:
        reserve.release(home)
    swallow()
    fill(store, 1)
    swallow()
    said["written"] = len(tokens)
    gone = dict(tokens)
    said["first"], ids = forget(store, 1)
    if reserved:
        reserve.release(home)
        swallow()
        said["doctor"] = [one.check for one in store.check() if not one.ok]
os.unlink(home.parent / "ballast")
with Store(home, embedder=SPACES[0]) as store:
    store.resume()
    here = {line["id"] for line in store.export()}
    said["lost"] = len(set(tokens) - here)
    said["gone"] = not here & set(ids)
    # So small a disk may have no room for the reserve that a long log asks for.
    said["sound"] = [x.check for x in store.check() if not x.ok and x.check != "reserve"]
    store.remember("the disk has room again")
said["reserve"] = reserve.size(home)
whole = b"".join(place.read_bytes() for place in home.rglob("*") if place.is_file())
said["bytes"] = any(gone[one][at : at + 8].encode() in whole for one in ids for at in (0, 8))
print(json.dumps(said))
"""

linux = pytest.mark.skipif(bool(cuts.missing()), reason=cuts.missing() or "it can run")


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of four megabytes."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("needs a mount")
    place = tmp_path / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(place)]
    if subprocess.run(command, check=False).returncode:
        pytest.skip("mounting is not permitted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def ran(home: Path, reserved: str, **environment: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(home), reserved],
        cwd=cuts.ROOT,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(cuts.ROOT), *sys.path]),
            **environment,
        },
        stdout=subprocess.PIPE,
        check=True,
    )
    return dict(json.loads(done.stdout))


def test_a_forget_finishes_on_a_full_disk(small: Path) -> None:
    said = ran(small / "store", "reserved")

    assert said["full"]
    assert said["written"] > 100
    assert said["kept"]
    assert said["first"] == "verified"
    assert (said["lost"], said["gone"], said["bytes"], said["sound"]) == (0, True, False, [])
    assert said["doctor"] == ["reserve"]
    assert said["reserve"], "it is made again"


def test_without_the_reserve_it_does_not_and_loses_nothing(small: Path) -> None:
    said = ran(small / "store", "given away")

    assert said["first"] == "StoreFullError"
    assert (said["lost"], said["sound"]) == (0, [])


@linux
@pytest.mark.parametrize("reserved", ["reserved", "given away"])
def test_the_same_where_calls_fail_for_want_of_space(tmp_path: Path, reserved: str) -> None:
    (tmp_path / "root").mkdir()
    said = ran(
        tmp_path / "root" / "store",
        reserved,
        LD_PRELOAD=str(cuts.build(tmp_path)),
        RECORD_ROOT=str(tmp_path / "root"),
        RECORD_LOG=str(tmp_path / "log"),
        RECORD_SPACE="4000000",
    )

    assert said["first"] == ("verified" if reserved == "reserved" else "StoreFullError")
    assert (said["lost"], said["sound"]) == (0, [])
    assert said["bytes"] is False or reserved != "reserved"


def test_a_store_on_a_full_disk_opens_and_answers(small: Path) -> None:
    code = """
import sys
from pathlib import Path
from memory import Selector, Store, reserve
from tests.crash.workload import SPACES
home = Path(sys.argv[1])
with Store(home, embedder=SPACES[0]) as store:
    done = store.remember("the harbour gate opens at noon")
if sys.argv[2] != "reserved":
    reserve.release(home)
with open(home.parent / "ballast", "ab", buffering=0) as ballast:
    size = 1 << 16
    while size:
        try:
            ballast.write(b"x" * size)
        except OSError:
            size //= 2
try:
    with Store(home, embedder=SPACES[0]) as store:
        print(len(store.recall("harbour gate").hits))
        print(store.forget(store.plan_forget(Selector(ids=(done.id,)))).state)
except Exception as exc:
    print(type(exc).__name__)
"""
    for reserved, expected in (("reserved", ["1", "verified"]), ("not", ["StoreFullError"])):
        done = subprocess.run(
            [sys.executable, "-c", code, str(small / reserved), reserved],
            cwd=cuts.ROOT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(cuts.ROOT), *sys.path])},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.split() == expected, done.stderr
        (small / "ballast").unlink()
