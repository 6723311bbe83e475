"""Readers that stay, stale pages, clocks, media and bits: nothing lost, nothing back, said so."""

import os
import random
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from memory import Change, Draft, MemError, Selector, Store, StoreError, pages, seal
from memory.db import driver, migrations
from memory.files import walk
from tests.crash.workload import new_token, text
from tests.support import Clock, HashedEmbedder

ROOT = Path(__file__).resolve().parent.parent.parent
SECRET = "the badge of Mireille is x4471quokka since spring"


@contextmanager
def beside(code: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Another process; it goes on when it is sent a line."""
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        try:
            yield child
        finally:
            child.kill()


def hear(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


def tell(child: subprocess.Popen[str]) -> None:
    assert child.stdin is not None
    child.stdin.write("\n")
    child.stdin.flush()


def holds(home: Path, needle: bytes) -> list[str]:
    return [place.name for place in walk(home) if needle in place.read_bytes()]


# -- a reader that holds a snapshot ----------------------------------------------------------------

READER = """
import sys
from memory.db import driver
con = driver.connect(sys.argv[1])
con.execute("BEGIN")
print(con.execute("SELECT count(*) FROM memory").fetchone()[0], flush=True)
input()
print(con.execute("SELECT count(*) FROM memory").fetchone()[0], flush=True)
con.execute("COMMIT")
con.close()
print("gone", flush=True)
input()
"""


def test_a_reader_in_another_process_is_named_and_the_erasure_ends_without_it(
    store: Store, home: Path
) -> None:
    done = store.remember(SECRET)
    store.remember("the harbour gate opens at noon")
    with beside(READER, str(home / "memory.db")) as reader:
        assert hear(reader) == "2"

        receipt = store.forget(store.plan_forget(Selector(ids=(done.id,))), wait=0.1)

        assert receipt.state == "pending"
        if sys.platform == "linux":
            assert reader.pid in receipt.blocked_by
        assert {probe.result for probe in receipt.probes if probe.name != "rows"} == {"pending"}
        assert [memory.text for memory in store.list()] == ["the harbour gate opens at noon"]
        assert store.recall("quokka badge").hits[0].memory.id != done.id
        assert store.stats().pending_erasures == 1
        assert holds(home, b"quokka"), "positive control: the reader still needs the old pages"
        assert [one.check for one in store.check() if not one.ok] == ["erasures"]
        assert store.receipts() == (), "a pending erasure has no receipt in the ledger"

        tell(reader)
        assert hear(reader) == "2", "its snapshot was kept whole"
        assert hear(reader) == "gone"
        (finished,) = store.resume()

    assert finished.state == "verified"
    assert holds(home, b"quokka") == []
    assert all(one.ok for one in store.check())


def test_a_forget_waits_for_a_reader_that_leaves_in_time(store: Store, home: Path) -> None:
    done = store.remember(SECRET)
    with beside(READER, str(home / "memory.db")) as reader:
        hear(reader)
        said: list[str] = []

        def step(name: str) -> None:
            said.append(name)
            if name == "seal":
                tell(reader)  # it leaves while the seal waits

        receipt = store.forget(store.plan_forget(Selector(ids=(done.id,))), wait=30.0, say=step)

    assert "seal" in said
    assert receipt.state == "verified"
    assert holds(home, b"quokka") == []


# -- a second process with cached pages ------------------------------------------------------------

STALE = """
import sys
from memory.db import driver
con = driver.connect(sys.argv[1], isolation_level=None)
con.execute("PRAGMA cache_size=-64000")
con.execute("SELECT sum(length(body)) FROM plain").fetchone()
print("cached", flush=True)
input()
con.execute("UPDATE plain SET body = body || 'x' WHERE id % 9 = 1")
con.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
con.close()
print("written", flush=True)
input()
"""


@pytest.mark.parametrize("bumped", [True, False])
def test_pages_that_another_process_cached_bring_nothing_back(
    tmp_path: Path, *, bumped: bool
) -> None:
    place = tmp_path / "a.db"
    con = driver.connect(str(place), isolation_level=None)
    con.execute("PRAGMA journal_mode=WAL").fetchall()
    con.execute("PRAGMA secure_delete=OFF").fetchall()
    con.execute("CREATE TABLE plain (id INTEGER PRIMARY KEY, body TEXT)")
    rng = random.Random(3)
    words = {number: new_token(rng) for number in range(1, 900)}
    con.execute("BEGIN")
    con.executemany(
        "INSERT INTO plain VALUES (?, ?)", [(n, f"{word} " * 9) for n, word in words.items()]
    )
    con.execute("DELETE FROM plain WHERE id % 3 = 0")
    con.execute("COMMIT")
    con.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    gone = [word.encode() for number, word in words.items() if number % 3 == 0]
    with beside(STALE, str(place)) as other:
        assert hear(other) == "cached"
        if bumped:
            assert seal.scrub(con, 5.0)
        else:  # positive control: without the change that makes others read anew
            pages.scrub(place)
        assert pages.audit(place).clean

        tell(other)
        assert hear(other) == "written"

    body = place.read_bytes()
    back = [word for word in gone if word in body]
    assert (back == []) is bumped
    con.close()


WORKER = """
import sys
from memory import Store
from tests.support import HashedEmbedder
with Store(sys.argv[1], embedder=HashedEmbedder()) as store:
    print(len(store.recall("harbour badge").hits), flush=True)
    input()
    store.remember("written after the erasure, by who had seen it all", scope="session:1")
    print(any("quokka" in one.text for one in store.list()), flush=True)
    print(any("quokka" in hit.memory.text for hit in store.recall("quokka badge").hits), flush=True)
    input()
"""


def test_a_second_process_that_had_read_everything_resurrects_nothing(
    home: Path, embedder: HashedEmbedder
) -> None:
    with Store(home, embedder=embedder) as store:
        store.remember_many(
            Draft(text=f"harbour berth {n} " + "tide " * (n % 7), scope="session:1", kind="turn")
            for n in range(60)
        )
        done = store.remember(SECRET, scope="session:1")
        with beside(WORKER, str(home)) as other:
            assert int(hear(other)) > 0
            receipt = store.forget(store.plan_forget(Selector(ids=(done.id,))), wait=5.0)
            tell(other)
            assert (hear(other), hear(other)) == ("False", "False")

            assert receipt.state == "verified"
            assert holds(home, b"quokka") == []
            assert store.stats().memories == 61
            assert all(one.ok for one in store.check())
        assert holds(home, b"quokka") == []


# -- clocks ----------------------------------------------------------------------------------------

JUMPS = (
    timedelta(0),
    timedelta(days=-400),
    timedelta(days=3650),
    timedelta(hours=-1),
    timedelta(milliseconds=-1),
    timedelta(days=-9000),
)


def test_a_clock_that_jumps_loses_nothing_and_keeps_the_order(
    store: Store, clock: Clock, tmp_path: Path
) -> None:
    written = []
    for number, jump in enumerate(JUMPS):
        clock.at += jump
        drafts = [Draft(text=f"turn {number}-{n}", scope="session:1", kind="turn") for n in (0, 1)]
        written += [one.id for one in store.remember_many(drafts)]
        store.feedback(written[-1], "useful")
        file = tmp_path / f"{number}.jsonl"
        file.write_text(f'{{"text": "imported {number}", "scope": "session:1"}}\n')
        assert store.import_from(file).created == 1
    assert len(set(written)) == 2 * len(JUMPS)

    seen, before = [], ""
    while page := store.list(limit=5, before=before):
        seen += [memory.text for memory in page]
        before = page[-1].id
    assert len(seen) == len(set(seen)) == 3 * len(JUMPS)
    assert seen[0].endswith(f"{len(JUMPS) - 1}"), "newest by writing, whatever the clock said"
    assert all(one.ok for one in store.check())
    assert store.edit(written[0], Change(text="turn 0-0 corrected")).id == written[0]


def test_receipts_chain_whatever_day_the_clock_says(store: Store, clock: Clock) -> None:
    for number, jump in enumerate(JUMPS):
        clock.at += jump
        done = store.remember(f"{SECRET} {number}")
        receipt = store.forget(store.plan_forget(Selector(ids=(done.id,))), tombstone=False)
        assert receipt.state == "verified"
        assert receipt.day == clock.at.date().isoformat()

    assert store.verify_receipts().ok
    assert len(store.receipts()) == len(JUMPS)
    assert store.stats().pending_erasures == 0


def test_an_erasure_that_waits_is_finished_after_the_clock_went_back(
    home: Path, embedder: HashedEmbedder, clock: Clock
) -> None:
    with Store(home, embedder=embedder, clock=clock) as store:
        done = store.remember(SECRET)
        reader = driver.connect(str(home / "memory.db"))
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM memory").fetchone()
        store.forget(store.plan_forget(Selector(ids=(done.id,))), wait=0.0)
        clock.at = datetime(1970, 1, 1, 0, 1, tzinfo=UTC)  # a machine without a battery
        reader.close()

    with Store(home, embedder=embedder, clock=clock) as store:
        assert store.stats().pending_erasures == 0
        assert holds(home, b"quokka") == []
        assert store.verify_receipts().ok
        fresh = store.remember("written in 1970")
        assert store.get(fresh.id).at == clock.at
        erased = store.forget(store.plan_forget(Selector(ids=(fresh.id,))))
        assert (erased.state, erased.day) == ("verified", "1970-01-01")


def test_as_of_answers_by_what_was_said_then_not_by_the_order_of_writing(
    store: Store, clock: Clock
) -> None:
    store.remember("the gate code is amber")
    clock.tick(days=-30)
    store.remember("the gate code was birch")

    then = store.recall("gate code", as_of=clock.at + timedelta(days=1))

    assert [hit.memory.text for hit in then.hits] == ["the gate code was birch"]
    assert len(store.recall("gate code").hits) == 2


# -- media that cannot be written ------------------------------------------------------------------


@pytest.fixture
def medium(tmp_path: Path) -> Iterator[Path]:
    """A small file system; whoever uses it may make it read-only."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("needs a mount")
    place = tmp_path / "medium"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=16m", "none", str(place)]
    if subprocess.run(command, check=False).returncode:
        pytest.skip("mounting is not permitted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_medium_that_became_read_only_says_so_and_loses_nothing(
    medium: Path, embedder: HashedEmbedder
) -> None:
    home = medium / "store"
    with Store(home, embedder=embedder) as store:
        done = store.remember(SECRET)
    before = {place: place.read_bytes() for place in walk(home)}
    subprocess.run(["mount", "-o", "remount,ro", str(medium)], check=True)

    with pytest.raises(StoreError, match="cannot be written") as caught:
        Store(home, embedder=embedder)

    assert caught.value.hint
    assert {place: place.read_bytes() for place in walk(home)} == before
    subprocess.run(["mount", "-o", "remount,rw", str(medium)], check=True)
    with Store(home, embedder=embedder) as store:
        assert store.get(done.id).text == SECRET
        assert store.forget(store.plan_forget(Selector(ids=(done.id,)))).state == "verified"


FROZEN = """
import os, sys
from pathlib import Path
from memory import MemError, Selector, Store
from tests.support import HashedEmbedder
folder = Path(sys.argv[1])

def run(home):
    with Store(home, embedder=HashedEmbedder()) as store:
        done = store.remember("the badge is x4471quokka")
        store.feedback(done.id, "useful")
        home.chmod(0o500)
        yield len(store.recall("badge").hits)
        try:
            store.forget(store.plan_forget(Selector(ids=(done.id,))))
        except MemError as exc:
            yield type(exc).__name__, bool(exc.hint), store.stats().memories, store.stats().erasures
            home.chmod(0o700)
            yield store.forget(store.plan_forget(Selector(ids=(done.id,)))).state

list(run(folder / "warm"))  # loads all it needs, and stops root at nothing
os.chown(folder, 65534, 65534)
os.setgid(65534)
os.setuid(65534)
print(*run(folder / "store"))
"""


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root to drop")
def test_a_forget_in_a_folder_that_cannot_be_written_begins_nothing() -> None:
    # Not below the test's own folder, which no other user may enter.
    folder = Path("/var/tmp") / f"letheon-frozen-{os.getpid()}"
    folder.mkdir()
    try:
        with beside(FROZEN, str(folder)) as child:
            said = hear(child)
    finally:
        shutil.rmtree(folder)

    assert said == "1 ('StoreError', True, 1, 0) verified"


# -- bits that flip --------------------------------------------------------------------------------


def test_a_flipped_bit_is_found_or_harms_nothing(
    home: Path, tmp_path: Path, embedder: HashedEmbedder
) -> None:
    rng = random.Random(11)
    with Store(home, embedder=embedder) as store:
        store.remember_many(
            Draft(text=text(new_token(rng)), scope=f"session:{n // 10}", kind="turn", actor="Ada")
            for n in range(60)
        )
        said = {line["id"]: line["text"] for line in store.export()}
    whole = (home / "memory.db").read_bytes()
    found = silent = 0
    for number in range(40):
        body = bytearray(whole)
        at = rng.randrange(100, len(body))
        body[at] ^= 1 << rng.randrange(8)
        copy = tmp_path / f"flip-{number}"
        shutil.copytree(home, copy)
        (copy / "memory.db").write_bytes(body)
        try:
            with Store(copy, embedder=embedder) as store:
                bad = [one.check for one in store.check(forensic=True) if not one.ok]
                same = {line["id"]: line["text"] for line in store.export()} == said
        except MemError:
            bad, same = ["opening"], False
        found += bool(bad)
        silent += not bad and not same
        shutil.rmtree(copy)

    assert silent == 0, "a text changed and nobody noticed"
    assert found >= 20


@pytest.mark.parametrize("bit", range(8))
def test_every_bit_of_a_text_is_guarded_by_its_digest(
    home: Path, embedder: HashedEmbedder, bit: int
) -> None:
    with Store(home, embedder=embedder) as store:
        store.remember("the harbour gate opens at noon")
    body = bytearray((home / "memory.db").read_bytes())
    at = body.rindex(b"harbour gate opens")
    body[at + bit] ^= 1 << bit
    (home / "memory.db").write_bytes(body)

    with Store(home, embedder=embedder) as store:
        bad = {one.check for one in store.check() if not one.ok}

    assert "digests of texts" in bad


# -- killed at awkward moments ---------------------------------------------------------------------

MIDDLE = """
import os, signal, sys
from memory import Store, db
from tests.support import HashedEmbedder
home, what, count = sys.argv[1], sys.argv[2], int(sys.argv[3])

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

if what == "vacuum":
    store = Store(home, embedder=HashedEmbedder())
    store._con.set_progress_handler(die, count)
    store._con.execute("VACUUM")
else:
    done, real = [], db.statements
    def counted(sql):
        for one in real(sql):
            done.append(one)
            if len(done) > count:
                die()
            yield one
    db.statements = counted
    Store(home, embedder=HashedEmbedder())
print("not killed")
"""


def interrupted(home: Path, what: str, count: int) -> bool:
    with beside(MIDDLE, str(home), what, str(count)) as child:
        said = hear(child)
        child.wait()
    return said == ""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
@pytest.mark.parametrize("count", [200, 1500, 4000])
def test_a_process_killed_while_it_rebuilds_the_file_loses_nothing(
    home: Path, embedder: HashedEmbedder, count: int
) -> None:
    with Store(home, embedder=embedder) as store:
        store.remember_many(Draft(text=f"berth {n} " + "tide " * 40) for n in range(300))

    assert interrupted(home, "vacuum", count)

    with Store(home, embedder=embedder) as store:
        assert store.stats().memories == 300
        assert all(one.ok for one in store.check())


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
@pytest.mark.parametrize("count", [0, 5, 15])
def test_a_process_killed_while_it_makes_the_store_leaves_one_that_can_be_made(
    home: Path, embedder: HashedEmbedder, count: int
) -> None:
    assert interrupted(home, "migration", count)

    with Store(home, embedder=embedder) as store:
        assert store.stats().schema == len(migrations())
        done = store.remember(SECRET)
        assert store.forget(store.plan_forget(Selector(ids=(done.id,)))).state == "verified"
        assert all(one.ok for one in store.check())


INITIALISING = """
import os, random, signal, sys, time
from pathlib import Path
from memory import Store
from tests.support import HashedEmbedder
folder, rng = Path(sys.argv[1]), random.Random(1)
with Store(folder / "warm", embedder=HashedEmbedder()) as store:
    store.remember("warm")
for number in range(12):
    home, pids = folder / str(number), []
    for _ in range(2):
        pid = os.fork()
        if not pid:
            with Store(home, embedder=HashedEmbedder()) as store:
                store.remember("begun")
                while True:
                    pass
        pids.append(pid)
    time.sleep(rng.uniform(0, 0.08))
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    with Store(home, embedder=HashedEmbedder()) as store:
        store.remember("after")
        bad = [one.check for one in store.check() if not one.ok]
        texts = {line["text"] for line in store.export()}
    if bad or not texts <= {"begun", "after"} or "after" not in texts:
        print(number, bad, texts)
print("done", flush=True)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="forks and kills")
def test_two_processes_killed_while_both_make_the_store_leave_a_sound_one(tmp_path: Path) -> None:
    with beside(INITIALISING, str(tmp_path)) as child:
        assert hear(child) == "done"


def test_threads_that_write_during_an_import_are_durable_at_once(
    store: Store, tmp_path: Path
) -> None:
    file = tmp_path / "in.jsonl"
    file.write_text("".join(f'{{"text": "note {n}"}}\n' for n in range(600)))
    levels: list[int] = []
    going = threading.Event()

    def write() -> None:
        going.wait()
        for number in range(5):
            store.remember(f"beside {number}")
            with store._lock:
                levels.append(store._con.execute("PRAGMA synchronous").fetchone()[0])

    thread = threading.Thread(target=write)
    thread.start()
    store.import_from(file, progress=lambda _: going.set())
    thread.join()

    assert levels == [2] * 5
    assert store.stats().memories == 605
