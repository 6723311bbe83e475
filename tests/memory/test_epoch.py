"""The forget epoch: a new key for every erasure, the old one destroyed, whatever interrupts it."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from memory import Receipt, Selector, Store, keyslots, medium
from memory.errors import StoreBusyError, StoreError

KEPT, GONE = "the heron keeps to the north bank", "the otter sleeps under pier seven"


def told(home: Path, **options: str) -> Store:
    store = Store(home, encrypt="file", embedder="none", **options)  # type: ignore[arg-type]
    store.remember(KEPT)
    store.remember(GONE)
    return store


def forget(store: Store, query: str = "otter") -> Receipt:
    return store.forget(store.plan_forget(Selector(query=query)), wait=0.0)


def of(receipt: Receipt) -> dict[str, tuple[str, str]]:
    return {one.name: (one.result, one.why) for one in receipt.probes}


def texts(home: Path) -> list[str]:
    with Store(home, create=False) as store:
        return sorted(memory.text for memory in store.list())


def opens(home: Path, secret: bytes) -> bool:
    """Tell whether a data key opens memory.db, in a process of its own."""
    code = (
        "import sys; from memory.db import driver, set_key\n"
        "con = driver.connect(sys.argv[1])\n"
        "set_key(con, bytes.fromhex(sys.argv[2]))\n"
        "con.execute('SELECT count(*) FROM memory')"
    )
    args = [sys.executable, "-c", code, str(home / "memory.db"), secret.hex()]
    return not subprocess.run(args, env=environment(), capture_output=True, check=False).returncode


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


@pytest.fixture
def claimable(tmp_path: Path) -> None:
    if not medium.overwrites(tmp_path):
        pytest.skip("this file system may keep what is overwritten, and receipts say so")


@pytest.mark.usefixtures("claimable")
def test_a_forget_destroys_the_key_and_claims_the_medium(home: Path) -> None:
    with told(home) as store:
        (before,) = store._vault.keys  # type: ignore[union-attr]

        receipt = forget(store)

        (after,) = store._vault.keys  # type: ignore[union-attr]
        assert receipt.state == "verified"
        assert receipt.keys_destroyed == (before.id,)
        assert of(receipt)["medium"] == ("pass", "destroyed")
        assert of(receipt)["slack"] == ("pass", "")
        assert "medium" not in receipt.not_claimed
        assert store.recall("heron").hits[0].memory.text == KEPT
        assert store.verify_receipts().ok
        assert all(finding.ok for finding in store.check(forensic=True))

    assert opens(home, after.secret), "positive control"
    assert not opens(home, before.secret)
    assert len(keyslots.read(home).whole) == 1
    assert texts(home) == [KEPT]


def test_a_plain_store_claims_no_medium(home: Path) -> None:
    with Store(home, embedder="none") as store:
        store.remember(GONE)

        receipt = forget(store)

        assert of(receipt)["medium"] == ("not_claimed", "unreachable")
        assert receipt.keys_destroyed == ()
        assert store.encryption().kept == ""
        with pytest.raises(StoreError, match="not encrypted"):
            store.rotate_key()


@pytest.mark.usefixtures("claimable")
def test_while_others_have_the_store_open_the_epoch_is_owed_and_then_said(home: Path) -> None:
    with told(home) as store:
        (before,) = store._vault.keys  # type: ignore[union-attr]
        with Store(home) as other:
            receipt = forget(store)

            assert receipt.state == "verified", "the files themselves hold nothing any more"
            assert of(receipt)["medium"] == ("pending", "rotating")
            assert receipt.keys_destroyed == ()
            assert store.encryption().owed == 1
            assert store.resume(wait=0.0) == ()
            with pytest.raises(StoreBusyError):
                store.rotate_key()
            assert other.recall("heron").hits[0].memory.text == KEPT
            assert next(one for one in store.check() if not one.ok).check == "encryption"

        (amended,) = store.resume(wait=0.0)

        assert amended.erasure == receipt.erasure
        assert amended.keys_destroyed == (before.id,)
        assert of(amended)["medium"] == ("pass", "destroyed")
        assert of(amended)["slack"] == ("pass", "")
        assert store.receipts()[-1]["keys_destroyed"] == [before.id]
        assert store.encryption().owed == 0
        assert store.resume(wait=0.0) == ()
        assert len(store.receipts()) == 2
        assert store.verify_receipts().ok


def test_one_epoch_serves_all_erasures_that_wait_for_it(home: Path) -> None:
    with told(home) as store:
        store.remember("the badger is out at night")
        with Store(home):
            first = forget(store)
            second = forget(store, "badger")

        assert [one.erasure for one in store.resume()] == [first.erasure, second.erasure]

        third = store.remember("the vole counts its seeds")
        with Store(home):
            fourth = forget(store, "vole")
        store.remember("the stoat counts its voles")
        forget(store, "stoat")

    assert third.id
    last = {one["erasure"]: one["keys_destroyed"] for one in store.receipts()}
    assert all(last.values())
    assert last[fourth.erasure]


def test_what_is_owed_is_done_by_whoever_is_alone_at_its_close(home: Path) -> None:
    store, other = told(home), Store(home)
    forget(store)
    store.close()
    assert other.encryption().owed == 1
    other.close()

    with Store(home) as store:
        assert store.encryption().owed == 0
        assert store.receipts()[-1]["keys_destroyed"]


def test_another_process_that_has_it_open_is_never_cut_off(home: Path) -> None:
    code = (
        "import sys; from memory import Store\n"
        "with Store(sys.argv[1]) as store:\n"
        "    print(len(store.list()), flush=True)\n"
        "    sys.stdin.readline()\n"
        "    store.remember('written by the other process')\n"
        "    print(len(store.list()), flush=True)\n"
    )
    with told(home) as store:
        child = subprocess.Popen(
            [sys.executable, "-c", code, str(home)],
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdin
        assert child.stdout
        assert child.stdout.readline() == "2\n"

        receipt = forget(store)
        assert of(receipt)["medium"] == ("pending", "rotating")

        out, _ = child.communicate("go\n")
        assert (child.returncode, out) == (0, "2\n")
        (amended,) = store.resume()
        assert amended.keys_destroyed
    assert len(texts(home)) == 2


def test_a_store_opens_while_the_key_is_being_changed_elsewhere(home: Path) -> None:
    told(home).close()
    child = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys; from memory import Store\n"
            "with Store(sys.argv[1]) as store:\n"
            "    for _ in range(5): store.rotate_key()\n",
            str(home),
        ],
        env=environment(),
    )
    opened = 0
    while child.poll() is None:
        try:
            with Store(home, create=False) as store:
                assert len(store.list()) == 2
        except StoreError as exc:  # two that open at once can be in each other's way for a while
            raise AssertionError(exc) from exc
        opened += 1
        time.sleep(0.05)

    assert opened
    # The child may have found this process in its way: that is an answer, no damage.
    assert len(texts(home)) == 2


# Kills itself before or after the n-th call of what an epoch is made of.
CRASH = """
import os, signal, sys
from memory import Selector, Store, cipher, custody, epoch, held, keyslots, ledger, undo
home, step, when = sys.argv[1], sys.argv[2], sys.argv[3]
owner, name, turn = {
    "new slot": (keyslots, "put", 1),
    "rekey of signals": (epoch, "set_key", 1),
    "rekey of memories": (epoch, "set_key", 2),
    "look at signals": (epoch, "_examine", 1),
    "look at memories": (epoch, "_examine", 2),
    "old slot": (keyslots, "put", 2),
    "scrub": (epoch.pages, "scrub", 1),
    "receipt": (ledger, "append", 1),
}[step]
real, calls = getattr(owner, name), [0]
def deadly(*args, **options):
    calls[0] += 1
    if calls[0] == turn and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    done = real(*args, **options)
    if calls[0] == turn:
        os.kill(os.getpid(), signal.SIGKILL)
    return done
setattr(owner, name, deadly)
with Store(home) as store:
    store.forget(store.plan_forget(Selector(query="otter")))
"""
STEPS = [
    ("new slot", "before"),
    ("new slot", "after"),
    ("rekey of signals", "after"),
    ("rekey of memories", "before"),
    ("rekey of memories", "after"),
    ("look at memories", "after"),
    ("old slot", "after"),
    ("receipt", "before"),
    ("receipt", "after"),
]


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
@pytest.mark.parametrize(("step", "when"), STEPS)
def test_killed_at_any_step_the_store_opens_and_the_epoch_is_done(
    home: Path, step: str, when: str
) -> None:
    with told(home) as store:
        (before,) = store._vault.keys  # type: ignore[union-attr]
    child = subprocess.run(
        [sys.executable, "-c", CRASH, str(home), step, when], env=environment(), check=False
    )
    assert child.returncode == -signal.SIGKILL, "positive control: it died there"

    with Store(home, create=False) as store:
        assert [memory.text for memory in store.list()] == [KEPT]
        assert store.encryption().owed == 0
        assert not store.encryption().interrupted
        last = store.receipts()[-1]
        assert last["state"] == "verified"
        assert before.id in last["keys_destroyed"]
        assert store.verify_receipts().ok
        assert all(finding.ok for finding in store.check())
        (after,) = store._vault.keys  # type: ignore[union-attr]

    assert after.id != before.id
    assert len(keyslots.read(home).whole) == 1
    assert not opens(home, before.secret)


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_killed_in_the_midst_of_the_writing_the_old_key_opens_the_store(home: Path) -> None:
    with told(home) as store:
        for batch in range(3):
            store.remember("\n".join(f"line {batch} {n} of a long text" for n in range(25_000)))
    code = (
        "import sys; from memory import Store\n"
        "store = Store(sys.argv[1]); print('ready', flush=True); store.rotate_key()"
    )
    journal = home / "memory.db-journal"
    killed = 0
    for share in (0.0, 0.4, 0.9):
        child = subprocess.Popen(
            [sys.executable, "-c", code, str(home)],
            env=environment(),
            stdout=subprocess.PIPE,
        )
        size = (home / "memory.db").stat().st_size
        while child.poll() is None:
            with suppress(FileNotFoundError):  # it comes and goes
                if journal.stat().st_size > share * size:
                    child.kill()
                    killed += 1
                    break
        child.communicate()

        with Store(home, create=False) as store:
            assert len(store.list()) == 5
            assert not store.encryption().interrupted
            assert all(finding.ok for finding in store.check())
    assert killed, "positive control"


FULL = """
import resource, sys
from memory import Selector, Store
from memory.errors import KeyChangeError
store = Store(sys.argv[1])
size = int(sys.argv[2])
store.list()
resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
try:
    store.rotate_key()
except KeyChangeError:
    print("refused", len(store.list()))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
store.remember("written after the failure")
store.rotate_key()
print(len(store.list()))
store.close()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs setrlimit")
def test_a_change_of_key_that_the_disk_refuses_leaves_everything_as_it_was(home: Path) -> None:
    with told(home) as store:
        (before,) = store._vault.keys  # type: ignore[union-attr]
    size = (home / "memory.db").stat().st_size

    done = subprocess.run(
        [sys.executable, "-c", FULL, str(home), str(size // 2)],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout.split("\n")[:2]) == (0, ["refused 2", "3"]), done.stderr
    assert len(texts(home)) == 3
    assert not opens(home, before.secret)
    with Store(home) as store:
        assert all(finding.ok for finding in store.check())


def test_the_engine_calls_a_failed_change_of_key_ok(tmp_path: Path) -> None:
    # Why every page is looked at before the old key goes, and why the connection is closed.
    if sys.platform == "win32":
        pytest.skip("needs setrlimit")
    code = (
        "import resource, sys\n"
        "from memory.db import driver, set_key\n"
        "con = driver.connect(sys.argv[1], isolation_level=None)\n"
        "set_key(con, bytes(31) + b'1')\n"
        "con.execute('CREATE TABLE t (x)')\n"
        "con.execute('INSERT INTO t VALUES (zeroblob(400000))')\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100000, resource.RLIM_INFINITY))\n"
        'said = con.execute("PRAGMA rekey = \\"x\'" + (bytes(31) + b"2").hex() + "\'\\"")\n'
        "print(said.fetchall())\n"
        "con.close()\n"
        "con = driver.connect(sys.argv[1])\n"
        "set_key(con, bytes(31) + b'1')\n"
        "print(con.execute('SELECT count(*) FROM t').fetchall())\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "t.db")],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == "[('ok',)]\n[(1,)]\n"


def test_a_session_finds_the_key_that_another_process_has_set_since(home: Path) -> None:
    told(home).close()
    late = Store.__new__(Store)
    late.home, late._wait = home, 1.0
    late._vault = late._unlocked("", None)
    assert late._vault
    with Store(home) as store:
        store.rotate_key()

    con = late._connect("memory.db", "store")

    assert con.execute("SELECT count(*) FROM memory").fetchone() == (2,)
    con.close()


@pytest.fixture(autouse=True)
def no_passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LETHEON_PASSPHRASE", raising=False)
