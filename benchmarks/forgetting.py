"""What it costs to forget one memory and a batch, seal and verification included, by size.

A store is filled from `corpus.py` with vectors that are given, so that filling is fast, and is
sealed once, as a store in use is. Then single memories from all over it are forgotten one by one,
then a batch of a thousand at once, which pays one seal. Every receipt has to be verified.

The table shows where the time goes, by the steps that `mem forget` shows to a person. The first
forget of a process also opens what the later ones find open; the median of all is the figure.

`--keep FOLDER` leaves the filled stores there and takes them from there the next time; they are
copied before they are used. A million memories take a quarter of an hour to fill and 8 GB of disk.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from corpus import corpus
from report import Bar, finish

from memory import Selector, Store
from memory.embed import load_embedder

BARS = {10_000: 0.3, 100_000: 1.5, 1_000_000: 10.0}  # seconds for one memory
MILLION = 1_000_000
WRITTEN = 2_000  # memories per transaction while filling
BATCH = 1_000  # forgotten at once
STEPS = ("plan", "intent", "cascade", "artefacts", "seal", "verify", "receipt")


@dataclass(slots=True)
class Forgotten:
    """One forget and what each of its steps took."""

    seconds: float = 0.0
    steps: dict[str, float] = field(default_factory=dict)
    silent: float = 0.0  # longest time between two things said


def fill(size: int, home: Path) -> None:
    """Make a store of `size` memories and seal it once."""
    drafts, known = corpus(size, load_embedder())
    with Store(home, embedder=known) as store:
        for at in range(0, size, WRITTEN):
            store.remember_many(drafts[at : at + WRITTEN])
            _note(f"{size:,}: {at:,} written")
        store.forget(store.plan_forget(Selector(ids=(store.list(limit=1)[0].id,))))
    _note("")


def spread(store: Store, count: int, seed: int) -> list[str]:
    """Return ids of memories from all over the store."""
    rows = store._con.execute("SELECT id FROM memory").fetchall()
    picked = np.random.default_rng(seed).choice(len(rows), count, replace=False)
    return [rows[at][0] for at in picked.tolist()]


def forget(store: Store, ids: Sequence[str]) -> Forgotten:
    """Forget memories as one erasure and time its steps."""
    out = Forgotten()
    marks: list[tuple[str, float]] = [("plan", time.perf_counter())]
    plan = store.plan_forget(Selector(ids=tuple(ids)))
    spoken: list[float] = [time.perf_counter()]

    def say(step: str) -> None:
        spoken.append(time.perf_counter())
        if "," not in step:  # not the share of a step
            marks.append((step, spoken[-1]))

    receipt = store.forget(plan, say=say)
    end = time.perf_counter()
    if receipt.state != "verified":
        raise SystemExit(f"not verified: {[p for p in receipt.probes if p.result == 'fail']}")
    for (step, begun), (_, ended) in zip(marks, [*marks[1:], ("", end)], strict=True):
        out.steps[step] = out.steps.get(step, 0.0) + ended - begun
    out.seconds = end - marks[0][1]
    out.silent = max(b - a for a, b in zip(spoken, [*spoken[1:], end], strict=True))
    return out


def measure(home: Path, singles: int) -> tuple[list[Forgotten], Forgotten | None]:
    """Forget single memories, then a batch if the store has enough."""
    with Store(home, embedder="none", create=False) as store:
        ids = spread(store, singles, 1)
        alone = [forget(store, [one]) for one in ids]
        rest = len(spread(store, 1, 1)) and store.stats().memories
        batch = forget(store, spread(store, BATCH, 2)) if rest > 5 * BATCH else None
    return alone, batch


def show(name: str, found: Sequence[Forgotten]) -> None:
    """Print one line: the median of all, and of every step."""
    cells = [float(np.median([one.seconds for one in found]))]
    cells += [float(np.median([one.steps.get(step, 0.0) for one in found])) for step in STEPS]
    cells.append(max(one.silent for one in found))
    print(f"{name:24s} " + " ".join(f"{cell:9.3f}" for cell in cells))


def _note(text: str) -> None:
    print(f"\r{text:60s}", end="" if text else "\r", file=sys.stderr, flush=True)


def ready(size: int, keep: Path | None, folder: Path) -> Path:
    """Return a store of this size that may be changed."""
    home = folder / f"store-{size}"
    if keep is None:
        fill(size, home)
        return home
    kept = keep / f"store-{size}"
    if not kept.exists():
        fill(size, kept)
    shutil.copytree(kept, home)
    return home


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="*", default=[10_000, 100_000])
    parser.add_argument("--million", action="store_true", help="a store of a million, too")
    parser.add_argument("--singles", type=int, default=9, help="memories forgotten one by one")
    parser.add_argument("--keep", type=Path, help="folder of filled stores")
    parser.add_argument("--json", type=Path, help="write the bars to this file")
    chosen = parser.parse_args()
    sizes = [*chosen.sizes, *([MILLION] if chosen.million else [])]
    bars: list[Bar] = []
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    print(f"{os.cpu_count()} cores, load {load:.1f} at the start; seconds, medians")
    print(f"\n{'':24s} " + " ".join(f"{h:>9s}" for h in ("all", *STEPS, "silent")))
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            home = ready(size, chosen.keep, Path(folder))
            alone, batch = measure(home, chosen.singles)
        show(f"{size:,}, one", alone)
        one = float(np.median([found.seconds for found in alone]))
        if size in BARS:
            bars.append(Bar(f"forget one of {size:,}, s", one, BARS[size], at_most=True))
        if batch is not None:
            show(f"{size:,}, {BATCH:,} at once", [batch])
    return finish(bars, chosen.json)


if __name__ == "__main__":
    raise SystemExit(main())
