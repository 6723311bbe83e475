"""Unlearning: every method beside a model that was never told, on a small model made here.

A small Llama is trained to recite synthetic people, and once more without those to be forgotten:
the oracle. For one, five and twenty people each method proposes an edit, and one audit reads the
model before, after each edit, and the oracle. Nothing is downloaded.

The file is not called `unlearn.py`: run as a script, it would shadow the package it measures.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from report import Bar, finish

from memory.wire import plain
from tests.unlearn.tiny import ATTRIBUTES, World, every, recite, world
from unlearn.audit.asking import exact
from unlearn.audit.report import Audit, audit
from unlearn.distill import Distill
from unlearn.edit import WeightEdit, applied
from unlearn.model import LocalModel
from unlearn.probes import Probe, ProbeSets, build
from unlearn.ssd import Ssd
from unlearn.stamp import Stamp

METHODS: Mapping[str, Callable[[int], Any]] = {
    "stamp": lambda seed: Stamp(seed=seed),
    "stamp cf": lambda seed: Stamp(target="counterfactual", seed=seed),
    "ssd": lambda seed: Ssd(seed=seed),
    "ssd batch": lambda seed: Ssd(kind="batch", against="all", guard=False, seed=seed),
    "cfd": lambda seed: Distill(seed=seed),
}
COLUMNS = {
    "f": "forget", "held": "held_out", "stmt": "statements", "cloze": "clozes", "part": "partial",
    "shots": "few_shot", "prefix": "forced_prefix", "leak": "leak", "mia": "membership",
    "q4": "four_bit", "ret": "retain", "r-held": "retain_held_out", "ngh": "neighbours",
    "gen": "general",
}  # fmt: skip
# k -> most that may be left (issue: leak ranking, relearning)
LEAK = {1: 0.65, 5: 0.65, 20: 0.75}
RELEARN = {1: 0.05, 5: 0.12, 20: 0.25}


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    seed: int
    k: int
    method: str
    cpu: float  # seconds to propose, search and acceptance test included
    public: float  # public facts of which no edit saw anything
    audit: Audit | None  # none where the method did not converge
    why: str = ""
    change: float = 0.0  # largest relative change of a matrix
    flagged: int = 0

    def line(self) -> str:
        """Return the line as text."""
        head = f"{self.k:3d} {self.method:10s}"
        if self.audit is None:
            return f"{head} {'not converged':60s} {self.cpu:7.1f} s"
        cells = [getattr(self.audit, name).value for name in COLUMNS.values()]
        cells[9:9] = [self.audit.relearned_best]
        figures = " ".join(f"{one:6.3f}" for one in [*cells, self.public])
        return f"{head} {figures} {self.cpu:7.1f} s"


@dataclass(frozen=True)
class Scene:
    """One request against one model."""

    sets: ProbeSets
    values: Mapping[str, list[str]]
    public: tuple[Probe, ...]
    seed: int

    def row(self, k: int, name: str, model: LocalModel, cpu: float) -> Row:
        """Audit the model as it is."""
        found = audit(model, self.sets, self.values, seed=self.seed)
        return Row(self.seed, k, name, cpu, exact(model, self.public).value, found)


def scene(around: World, k: int, seed: int) -> Scene:
    """Return the request to forget the first k people."""
    gone = [fact for one in around.people[:k] for fact in one]
    stay = [fact for one in around.people[k:] for fact in one]
    half = len(around.public) // 2
    shown, unseen = (
        tuple(probe for one in part for fact in one for probe in every(fact))
        for part in (around.public[:half], around.public[half:])
    )
    sets = build(gone, stay, general=(*around.general, *shown), names=around.strangers)
    return Scene(sets, {name: around.values(name) for name in ATTRIBUTES}, unseen, seed)


def attempt(model: LocalModel, request: Scene, k: int, name: str) -> Row:
    """Let a method propose and audit what it proposes."""
    began = time.process_time()
    change: WeightEdit = METHODS[name](request.seed).propose(model, request.sets.edit)
    cpu = time.process_time() - began
    if not change.converged:
        return Row(request.seed, k, name, cpu, 0.0, None, change.why)
    with applied(model.net, change):
        row = request.row(k, name, model, cpu)
    return replace(row, change=max(change.change.values()), flagged=len(change.flagged))


def trained(folder: Path, around: World, given: argparse.Namespace, seed: int) -> Any:
    """Return the model that was told all, the oracle, and the CPU seconds the oracle took."""
    made = []
    for without in (0, max(given.k)):
        began = time.process_time()
        model = recite(
            folder, around, without=without, steps=given.steps, share=given.share, seed=seed
        )
        note = folder / f"cpu-{len(around.people)}-{without}-{given.steps}-{seed}.json"
        if not note.exists():
            note.write_text(json.dumps(time.process_time() - began))
        made.append((model, float(json.loads(note.read_text()))))
    return made[0][0], made[1][0], made[1][1]


def bars(rows: list[Row], retraining: float) -> list[Bar]:
    """Return the bars of CFD and STAMP that these rows can be held to; the worst seed counts."""
    found = []

    def worst(name: str, bar: float, figures: list[float]) -> None:
        if figures:
            found.append(Bar(name, max(figures), bar, at_most=True))

    for k in sorted({row.k for row in rows}):
        base = {row.seed: row for row in rows if row.k == k and row.method == "base"}
        cfd = [row for row in rows if row.k == k and row.method == "cfd"]
        done = [(row.audit, base[row.seed].audit, row) for row in cfd if row.audit]
        worst(f"k={k} cfd: runs that did not converge", 0, [sum(not row.audit for row in cfd)])
        for label, field, most in (
            ("forget", "forget", 0.02), ("held-out", "held_out", 0.02),
            ("partial answer", "partial", 0.05), ("statement", "statements", 0.05),
            ("few-shot", "few_shot", 0.05), ("forced prefix", "forced_prefix", 0.05),
            ("4-bit", "four_bit", 0.05), ("leak ranking", "leak", LEAK.get(k, 0.75)),
        ):  # fmt: skip
            worst(f"k={k} cfd: {label}", most, [getattr(a, field).value for a, _, _ in done])
        for label, field, most in (
            ("kept", "retain", 0.03), ("neighbours", "neighbours", 0.05),
            ("general", "general", 0.02),
        ):  # fmt: skip
            drops = [getattr(b, field).value - getattr(a, field).value for a, b, _ in done]
            worst(f"k={k} cfd: {label}, drop", most, drops)
        worst(
            f"k={k} cfd: public, drop", 0.05, [base[r.seed].public - r.public for _, _, r in done]
        )
        worst(f"k={k} cfd: relearned", RELEARN.get(k, 0.25), [a.relearned_best for a, _, _ in done])
        worst(f"k={k} cfd: cost over retraining", 0.4, [r.cpu / retraining for _, _, r in done])
    return found + stamp_bars(rows)


def stamp_bars(rows: list[Row]) -> list[Bar]:
    """Return the bars of STAMP alone."""
    found = []
    for row in rows:
        if row.method != "stamp" or row.k not in (1, 5, 20):
            continue
        tag = f"k={row.k} stamp, seed {row.seed}"
        if row.k == 20:
            found.append(Bar(f"{tag}: says 'not converged'", float(row.audit is None), 1))
        elif row.audit is None:
            found.append(Bar(f"{tag}: converged", 0, 1))
        else:
            base = next(
                r for r in rows if (r.seed, r.k, r.method) == (row.seed, row.k, "base") and r.audit
            )
            drop = base.audit.retain.value - row.audit.retain.value if base.audit else 1.0
            most = 0.0 if row.k == 1 else 0.02
            found.append(Bar(f"{tag}: forget", row.audit.forget.value, most, at_most=True))
            allowed = 0.03 if row.k == 1 else 0.06
            found.append(Bar(f"{tag}: kept, drop", drop, allowed, at_most=True))
            if row.k == 1:
                found.append(Bar(f"{tag}: CPU seconds", row.cpu, 1.0, at_most=True))
    return found


def main() -> int:
    """Train, edit, audit, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=60, help="private people in the model")
    parser.add_argument("--public", type=int, default=20, help="public people in the model")
    parser.add_argument("--k", type=int, nargs="+", default=[1, 5, 20], help="people to forget")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--steps", type=int, default=700, help="of training")
    parser.add_argument("--share", type=int, default=2, help="private examples of a step, in 16")
    parser.add_argument("--cache", type=Path, help="folder to keep the trained models in")
    parser.add_argument("--json", type=Path, help="write the figures here")
    given = parser.parse_args()
    torch.set_num_threads(1)
    folder = given.cache or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    costs = []
    print("  k method    ", " ".join(f"{name:>6s}" for name in heads()), "    CPU")
    for seed in given.seeds:
        around = world(given.people, given.public, seed)
        model, oracle, cost = trained(folder, around, given, seed)
        costs.append(cost)
        for k in given.k:
            request = scene(around, k, seed)
            for name, one in (("base", model), ("oracle", oracle)):
                rows.append(request.row(k, name, one, cost if name == "oracle" else 0.0))
                print(rows[-1].line(), flush=True)
            for name in given.methods:
                rows.append(attempt(model, request, k, name))
                print(rows[-1].line(), flush=True)
    if given.json:
        given.json.with_suffix(".rows.json").write_text(json.dumps(plain(rows), indent=1))
    return finish(bars(rows, min(costs)), given.json)


def heads() -> list[str]:
    """Return the heads of the columns in the order of `Row.line`."""
    names = list(COLUMNS)
    return [*names[:9], "relrn", *names[9:], "pub"]


if __name__ == "__main__":
    raise SystemExit(main())
