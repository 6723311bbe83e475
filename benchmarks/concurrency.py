"""Many processes on one store: is anything lost, does anything fail, how long does a write wait?

The store does not exist when the processes start; all open it at once. Each writes its memories one
by one through `Store.remember` (every write durable when it returns), recalls after every tenth
and forgets one of its own after every fiftieth. Three quarters of the writes go into a session of
the process, the rest into one session that all share, so that neighbours are rewritten across
processes. Vectors come from hashed words: a real model would only slow the contention down.

Afterwards the store is opened once more, owed erasures are finished, and everything is compared
with what the processes were told: every acknowledged memory is there with its text, every forgotten
one is gone, and no file of the folder holds the word that only it had.
"""

import argparse
import hashlib
import json
import multiprocessing
import re
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from multiprocessing.synchronize import Barrier
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from report import Bar, finish

from memory import Selector, Store
from memory.files import walk

RECALL_EVERY, FORGET_EVERY, SHARED_EVERY = 10, 50, 4
FORGET_WAIT = 0.2  # seconds a forget waits for readers; its receipt may then be "pending"
DIM = 64
START_WAIT = 600.0  # seconds until all processes must have been started
WORDS = "harbor dock cable retry queue lease crane berth tide cache token shard".split()


class HashedEmbedder:
    """Sums of pseudo-random word vectors: deterministic, and costs nothing to speak of."""

    space = f"hashed-words-{DIM}"
    dim = DIM

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit rows, `(n, dim)`."""
        rows = np.stack(
            [sum((_word(word) for word in text.split()), np.zeros(DIM)) for text in texts]
        )
        norm = np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
        return np.asarray(rows / norm, np.float32)


def _word(word: str) -> NDArray[np.float64]:
    raw = hashlib.blake2b(word.encode(), digest_size=DIM).digest()
    return np.frombuffer(raw, np.uint8).astype(np.float64) - 127.5


def nonce(process: int, number: int) -> str:
    """Return the word that only this memory holds."""
    return "w" + hashlib.blake2b(f"{process}/{number}".encode(), digest_size=12).hexdigest()


def text(process: int, number: int) -> str:
    """Return the text of one memory.

    Its own word stands in every run of five, because what was forgotten is refused when it comes
    back in large part.
    """
    own = nonce(process, number)
    some = [WORDS[(number * 5 + step * process) % len(WORDS)] for step in range(1, 7)]
    head, tail = " ".join(some[:4]), " ".join(some[4:])
    return f"Note {number} of writer {process}: {own} {head} {own} {tail}"


@dataclass(slots=True)
class Work:
    """What one process did: seconds per verb, what it was told, and what went wrong."""

    process: int
    seconds: dict[str, list[float]] = field(default_factory=dict)
    kept: dict[str, int] = field(default_factory=dict)  # id -> number, acknowledged
    forgotten: dict[str, int] = field(default_factory=dict)
    receipts: dict[str, int] = field(default_factory=dict)  # state -> count
    errors: list[str] = field(default_factory=list)

    def timed(self, verb: str, action: Callable[[], None]) -> None:
        """Run one verb, keep its duration, and write down what it raised."""
        start = time.perf_counter()
        try:
            action()
        except Exception as exc:  # every failure counts, whatever it is
            self.errors.append(f"{verb}: {type(exc).__name__}: {exc} <- {exc.__cause__!r}")
        self.seconds.setdefault(verb, []).append(time.perf_counter() - start)


def work(home: Path, process: int, writes: int, ready: Barrier, out: Path) -> None:
    """Be one process: open the store with all others at once, do the verbs, report."""
    done = Work(process)
    stores: list[Store] = []
    ready.wait(START_WAIT)
    done.timed("open", lambda: stores.append(Store(home, embedder=HashedEmbedder())))
    for store in stores:
        for number in range(writes):
            _turn(store, done, number)
        done.timed("close", store.close)
    out.write_text(json.dumps(asdict(done)), "utf-8")


def _turn(store: Store, done: Work, number: int) -> None:
    done.timed("write", lambda: _write(store, done, number))
    if (number + 1) % RECALL_EVERY == 0:
        done.timed("recall", lambda: _recall(store, done, number))
    if (number + 1) % FORGET_EVERY == 0:
        done.timed("forget", lambda: _forget(store, done, number))


def _write(store: Store, done: Work, number: int) -> None:
    session = "all" if number % SHARED_EVERY == 0 else f"p{done.process}"
    told = store.remember(
        text(done.process, number), kind="turn", scope=f"project:bench/session:{session}"
    )
    if not told.created:
        raise AssertionError(f"{told.id} was taken for a duplicate")
    done.kept[told.id] = number


def _recall(store: Store, done: Work, number: int) -> None:
    found = store.recall(nonce(done.process, number), limit=5)
    if not found.hits or nonce(done.process, number) not in found.hits[0].memory.text:
        raise AssertionError("a memory just written is not the first hit for its own word")


def _forget(store: Store, done: Work, number: int) -> None:
    # Alternately one of the process's own session and one of the shared session.
    wanted = number - 19 if (number + 1) // FORGET_EVERY % 2 else number - 21
    memory = next((ident for ident, n in done.kept.items() if n == wanted), None)
    if memory is None:
        return  # its write failed and was counted
    receipt = store.forget(store.plan_forget(Selector(ids=(memory,))), wait=FORGET_WAIT)
    done.forgotten[memory] = done.kept.pop(memory)
    done.receipts[receipt.state] = done.receipts.get(receipt.state, 0) + 1
    if receipt.state == "failed":
        failed = [f"{p.name}: {p.detail}" for p in receipt.probes if p.result == "fail"]
        raise AssertionError(f"a receipt says failed: {failed}")


def run(home: Path, processes: int, writes: int, folder: Path) -> tuple[list[Work], list[str]]:
    """Start the processes, wait for them, return what they report and who died."""
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(processes)
    outs = [folder / f"{number}.json" for number in range(processes)]
    started = [
        context.Process(target=work, args=(home, number, writes, ready, out))
        for number, out in enumerate(outs)
    ]
    for one in started:
        one.start()
    for one in started:
        one.join()
    dead = [
        f"a process ended with status {_status(one.exitcode)}"
        for number, one in enumerate(started)
        if one.exitcode or not outs[number].exists()
    ]
    return [Work(**json.loads(out.read_text("utf-8"))) for out in outs if out.exists()], dead


def _status(code: int | None) -> str:
    return signal.Signals(-code).name if code is not None and code < 0 else f"'{code}'"


def compare(home: Path, works: Sequence[Work]) -> tuple[list[str], list[str]]:
    """Return what is lost or still there that should not be, and what the store itself finds."""
    wrong: list[str] = []
    with Store(home, embedder=HashedEmbedder()) as store:
        states = Counter(receipt.state for receipt in store.resume())
        stats = store.stats()
        found = {line["id"]: line["text"] for line in store.export()}
        bad = [f"{one.check}: {one.detail}" for one in store.check() if not one.ok]
        ledger = Counter(receipt["state"] for receipt in store.receipts())
    print(f"finished at the end: {dict(states) or 'nothing owed'}; ledger: {dict(ledger)}")
    if stats.pending_erasures:
        bad.append(f"{stats.pending_erasures} erasures still pending after the last resume")
    kept = {ident: text(one.process, n) for one in works for ident, n in one.kept.items()}
    gone = {ident: nonce(one.process, n) for one in works for ident, n in one.forgotten.items()}
    wrong += [f"{ident} is lost" for ident in kept if ident not in found]
    wrong += [f"{i} has another text" for i in kept if i in found and found[i] != kept[i]]
    wrong += [f"{ident} was forgotten and is there" for ident in gone if ident in found]
    wrong += [f"{ident} was never acknowledged" for ident in found if ident not in {*kept, *gone}]
    for place in walk(home):
        body = place.read_bytes()
        # FTS5 shares the start of a term with the one before it; the end is always there.
        left = [ident for ident, word in gone.items() if word[8:].encode() in body]
        wrong += [f"bytes of {ident} are left in {place.name}" for ident in left]
    return wrong, bad


def _alike(line: str) -> str:
    # Ids and counts differ from one occurrence to the next; what happened does not.
    return re.sub(r"[0-9A-Z]{26}|\b\d+\b", "N", line)


def show(works: Sequence[Work], took: float) -> float:
    """Print the times of every verb; return the slowest write in seconds."""
    print(f"\n{'verb':10s} {'count':>8s} {'p50 ms':>10s} {'p95 ms':>10s} {'max ms':>10s}")
    slowest = 0.0
    for verb in ("open", "write", "recall", "forget", "close"):
        took_ms = 1e3 * np.array([s for one in works for s in one.seconds.get(verb, [])])
        if len(took_ms):
            middle, high = np.percentile(took_ms, (50, 95))
            print(f"{verb:10s} {len(took_ms):8d} {middle:10.1f} {high:10.1f} {took_ms.max():10.1f}")
        if verb == "write" and len(took_ms):
            slowest = float(took_ms.max()) / 1e3
    writes = sum(len(one.seconds.get("write", [])) for one in works)
    states = sum((Counter(one.receipts) for one in works), Counter[str]())
    print(f"{writes / took:.0f} writes/s over all; receipts: {dict(states)}")
    return slowest


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, nargs="+", default=[10, 50])
    parser.add_argument("--writes", type=int, default=200, help="per process")
    parser.add_argument(
        "--folder", type=Path, help="where the stores go; the system's if not given"
    )
    parser.add_argument("--json", type=Path, help="write the bars to this file")
    chosen = parser.parse_args()
    bars: list[Bar] = []
    for count in chosen.processes:
        with tempfile.TemporaryDirectory(dir=chosen.folder) as name:
            home, folder = Path(name) / "store", Path(name) / "reports"
            folder.mkdir()
            start = time.perf_counter()
            works, dead = run(home, count, chosen.writes, folder)
            took = time.perf_counter() - start
            print(f"\n{count} processes, {chosen.writes} writes each, {took:.1f} s")
            wrong, bad = compare(home, works)
        slowest = show(works, took)
        errors = [line for one in works for line in one.errors] + dead
        for title, lines in (("errors", errors), ("lost", wrong), ("unsound", bad)):
            for line, times in Counter(_alike(line) for line in lines).most_common(20):
                print(f"{title}: {times} x {line}", file=sys.stderr)
        bars += [
            Bar(f"errors, {count} processes", len(errors), 0, at_most=True),
            Bar(f"lost or left behind, {count} processes", len(wrong), 0, at_most=True),
            Bar(f"checks that fail afterwards, {count} processes", len(bad), 0, at_most=True),
        ]
        print(f"slowest write {slowest:.2f} s")
    return finish(bars, chosen.json)


if __name__ == "__main__":
    raise SystemExit(main())
