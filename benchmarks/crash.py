"""Killed processes and power cuts: is anything lost, left behind, or not as it was said?

Worker processes remember, edit, import, re-embed and forget; they are killed at any moment, alone
or several on one store. For the power cuts the product is recorded once per seed, every call with
its bytes, and what a cut could have left at a point of the recording is made anew and opened. What
is checked and what is modelled: `tests/crash/README.md`.
"""

import argparse
import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from report import Bar, finish

from tests.crash import cuts, kills
from tests.crash.replay import MODES

STEPS = 60  # verbs in a recording
PER_RECORDING = 1_000  # cuts


def kill(wanted: int, seed: int, folder: Path | None, *, early: bool) -> list[Bar]:
    """Kill so many processes."""
    with cuts.room(folder) as place:
        done = kills.run(wanted, seed, place, early=early)
    print(
        f"{done.kills} kills: {done.said} acknowledgements, {done.tried} attempts cut short,"
        f" {done.pending} pending receipts, {done.cpu:.0f} s of CPU"
    )
    again = f"--cuts 0 --kills {wanted} --seed {seed}"
    report([(said, f"round {number} of {again}") for number, said in done.wrong])
    return [
        Bar("processes killed", done.kills, wanted),
        Bar("violations after a kill", len(done.wrong), 0, at_most=True),
    ]


def cut(wanted: int, seed: int) -> list[Bar]:
    """Cut the power so often, in as many recordings as that takes."""
    made, points, cpu = 0, 0, 0.0
    wrong: list[tuple[str, str]] = []
    while made < wanted:
        most = min(PER_RECORDING, wanted - made)
        done, log = cuts.run(seed, max(10, STEPS * most // PER_RECORDING), most)
        wrong += [
            (said, f"--log {log} --seed {seed} --at {at.at} --mode {at.mode}")
            for at, said in done.wrong
        ]
        made, points, cpu = made + done.cuts, points + len(done.points), cpu + done.cpu
        print(f"recording {seed}: {done.cuts} power cuts at {len(done.points)} points", flush=True)
        seed += 1
    print(f"{made} power cuts at {points} points: {cpu:.0f} s of CPU")
    report(wrong)
    return [
        Bar("power cuts replayed", made, wanted),
        Bar("violations after a power cut", len(wrong), 0, at_most=True),
    ]


def report(wrong: Sequence[tuple[str, str]]) -> None:
    """Say what was violated, how often, and how to see the first of it again."""
    first: dict[str, str] = {}
    for said, how in wrong:
        first.setdefault(said, how)
    for said, times in Counter(said for said, _ in wrong).most_common(30):
        print(f"{times} x {said}; again: {first[said]}", file=sys.stderr)


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=1_000)
    parser.add_argument("--cuts", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="for killed stores; in memory if not given")
    parser.add_argument("--early", action="store_true", help="control: acknowledge before the act")
    parser.add_argument("--log", type=Path, help="a kept recording: one cut of it, no others")
    parser.add_argument("--at", type=int, default=0)
    parser.add_argument("--mode", choices=MODES, default="none")
    parser.add_argument("--json", type=Path, help="write the bars to this file")
    chosen = parser.parse_args()
    if chosen.log:
        done = cuts.again(chosen.log, cuts.Cut(chosen.at, chosen.mode), chosen.seed)
        print(*(said for _, said in done.wrong), sep="\n")
        return 1 if done.wrong else 0
    bars = []
    if chosen.kills:
        bars += kill(chosen.kills, chosen.seed, chosen.folder, early=chosen.early)
    if chosen.cuts and (why := cuts.missing()):
        print(f"no power cuts: {why}", file=sys.stderr)
    elif chosen.cuts:
        bars += cut(chosen.cuts, chosen.seed)
    return finish(bars, chosen.json)


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    raise SystemExit(main())
