"""The same examiner against Letheon and every peer that is installed: what stays readable.

Each system is filled through its own interface with texts that each say a token of their own, a
tenth of the victims are reworded, every victim is recalled once, and then the victims are deleted
as the system documents it; where it documents something more thorough, that comes second. After
every step the files alone are examined (`examiner.py`), while the process has them open and after
it has ended. Before anything is deleted, the examiner must find all of them.
"""

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from examiner import Examiner, Found
from forensic_texts import Text, reworded, texts
from report import Bar, finish

HERE = Path(__file__).parent
BATCH = 50
SEED = 11
# Name, distribution that must be there, build of SQLite, most rows (where one takes half a second).
SYSTEMS: tuple[tuple[str, str, str, int], ...] = (
    ("letheon", "letheon", "", 1 << 30),
    ("chroma", "chromadb", "", 1 << 30),
    ("langgraph", "langgraph-checkpoint-sqlite", "", 1 << 30),
    ("mem0", "mem0ai", "", 1 << 30),
    ("mem0", "mem0ai", "stock", 1 << 30),
    ("mcp-memory-service", "mcp-memory-service", "", 1 << 30),
    ("superlocalmemory", "superlocalmemory", "", 400),
    ("lancedb", "lancedb", "", 1 << 30),
)
_NAMES = re.compile(r"[0-9a-f][0-9a-f-]{15,}")


@dataclass(frozen=True, slots=True)
class Corpus:
    """What a system is given, and what of it must go."""

    kept: Sequence[Text]  # all, in the order of writing
    victims: Sequence[Text]
    later: Sequence[Text]  # second wordings of some victims

    @property
    def keys(self) -> list[str]:
        """The keys of the victims."""
        return [str(text.key) for text in self.victims]

    @property
    def wordings(self) -> list[Text]:
        """What the examiner looks for: every wording that a victim ever had."""
        return [*self.victims, *self.later]


@dataclass(slots=True)
class Line:
    """One system after one step."""

    system: str
    step: str
    state: str  # "open" or "closed"
    found: Found


@dataclass(slots=True)
class Outcome:
    """All that came of one system."""

    name: str
    about: dict[str, Any] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)


def corpus(rows: int, victims: int) -> Corpus:
    """Return texts in random order with random victims, the same on every run."""
    rng = random.Random(SEED)  # noqa: S311 - a sample, not a secret
    every = texts(rows)
    chosen = rng.sample(every, victims)
    return Corpus(rng.sample(every, rows), chosen, [reworded(text) for text in chosen[::10]])


class Process:
    """A system in a process of its own."""

    def __init__(self, python: str, system: str, folder: Path, build: str) -> None:
        self.log = (folder / "worker.log").open("a")
        self.name = system
        paths = [str(HERE.parent), os.environ.get("PYTHONPATH", "")]
        self.running = subprocess.Popen(
            [python, HERE / "forensic_worker.py", system, folder / "store", folder / "ids.json"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            cwd=folder,
            env={
                **os.environ,
                "FORENSIC_SQLITE": build,
                "PYTHONPATH": os.pathsep.join(filter(None, paths)),
                "HOME": str(folder / "person"),  # nothing of this user's is read or written
            },
        )

    def __call__(self, do: str, **more: Any) -> dict[str, Any]:
        """Give one command and wait for its answer."""
        if self.running.stdin is None or self.running.stdout is None:
            raise SystemExit("no pipes")
        self.running.stdin.write(json.dumps({"do": do, **more}) + "\n")
        self.running.stdin.flush()
        answer = self.running.stdout.readline()
        if not answer:
            said = Path(self.log.name).read_text("utf-8", "replace")[-2000:]
            raise SystemExit(f"{self.name}: {do} failed\n{said}")
        told: dict[str, Any] = json.loads(answer)
        return told

    def end(self) -> None:
        """End the process."""
        if self.running.stdin is not None:
            self.running.stdin.close()
        self.running.wait(60)
        self.log.close()


def run(python: str, system: str, build: str, given: Corpus, folder: Path) -> Outcome:
    """Fill, control, delete, purge; examine after each."""
    (folder / "person").mkdir(parents=True)
    home = folder / "store"
    label = f"{system} ({build} SQLite)" if build else system
    out = Outcome(label)
    examine = Examiner(given.wordings)

    def look(step: str, state: str) -> None:
        out.lines.append(Line(label, step, state, examine(home)))

    worker = Process(python, system, folder, build)
    out.about = worker("open", subjects=given.keys)
    for at in range(0, len(given.kept), BATCH):
        worker("add", texts={str(text.key): str(text) for text in given.kept[at : at + BATCH]})
    worker("update", texts={str(text.key): str(text) for text in given.later})
    worker("recall", texts=[f"berth {text.token}" for text in given.victims])
    look("before", "open")
    worker("close")
    worker.end()
    look("before", "closed")

    worker = Process(python, system, folder, build)
    worker("open", subjects=given.keys)
    worker("delete", keys=given.keys)
    look("deleted", "open")
    worker("close")
    worker.end()
    look("deleted", "closed")

    if out.about["purging"]:
        worker = Process(python, system, folder, build)
        worker("purge")
        worker.end()
        look("purged", "closed")
    return out


def holder(pythons: Sequence[str], distribution: str) -> str:
    """Return the Python that has a distribution; "" if none does."""
    code = f"from importlib.metadata import version; version({distribution!r})"
    for python in pythons:
        if subprocess.run([python, "-c", code], capture_output=True, check=False).returncode == 0:
            return python
    return ""


def places(found: Found) -> str:
    """Return where the victims are, most first, without names made of digits."""
    merged: dict[str, set[int]] = {}
    for place, keys in found.where.items():
        merged.setdefault(_NAMES.sub("*", place), set()).update(keys)
    ordered = sorted(merged.items(), key=lambda entry: -len(entry[1]))
    return "; ".join(f"{place} {len(keys)}" for place, keys in ordered)


def rows(outcomes: Sequence[Outcome]) -> Iterator[dict[str, Any]]:
    """Yield the figures of every examination."""
    for outcome in outcomes:
        for line in outcome.lines:
            found = line.found
            yield {
                "system": line.system,
                "step": line.step,
                "state": line.state,
                "text": len(found.readable),
                "raw": len(found.raw),
                "index": len(found.index),
                "vector": len(found.any_vector),
                "forms": {form: len(keys) for form, keys in sorted(found.vectors.items())},
                "slack": len(found.in_slack),
                "nonzero": found.slack,
                "log": found.log,
                "files": found.files,
                "size": found.size,
                "where": places(found),
                "errors": found.errors,
            }


def show(outcome: Outcome) -> None:
    """Print what became of one system."""
    told = outcome.about
    versions = ", ".join(f"{name} {version}" for name, version in told["versions"].items())
    print(f"\n{outcome.name}: {versions}; SQLite {told['sqlite']}")
    print(f"  deleted: {told['deleting']}")
    print(f"  purged:  {told['purging'] or 'nothing further documented'}")
    heads = "text", "index", "vector", "slack", " nonzero", "     log"
    print(" " * 19 + " ".join(f"{head:>6s}" for head in heads))
    for row in rows([outcome]):
        print(
            f"  {row['step']:8s} {row['state']:7s} {row['text']:6d} {row['index']:6d}"
            f" {row['vector']:6d} {row['slack']:6d} {row['nonzero']:8d} {row['log']:8d}"
            f"  {row['where'][:300] if row['step'] != 'before' else ''}"
        )


def bars(outcomes: Sequence[Outcome], victims: dict[str, int]) -> list[Bar]:
    """Return what must hold: the examiner sees everything before; of Letheon nothing after."""
    out = []
    for outcome in outcomes:
        for line in outcome.lines:
            count, name = victims[outcome.name], f"{outcome.name}, {line.step}, {line.state}"
            if line.step == "before":
                out.append(Bar(f"control: {name}: text", len(line.found.readable), count))
                if line.state == "closed":
                    out.append(Bar(f"control: {name}: vector", len(line.found.any_vector), count))
            elif outcome.name == "letheon":
                out += [
                    Bar(f"{name}: text", len(line.found.readable), 0, at_most=True),
                    Bar(f"{name}: vector", len(line.found.any_vector), 0, at_most=True),
                    Bar(f"{name}: bytes not live", line.found.slack, 0, at_most=True),
                    Bar(f"{name}: old separators", line.found.separators, 0, at_most=True),
                ]
    return out


def main() -> int:
    """Examine and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", nargs="*", default=[], help="Pythons that have the peers")
    parser.add_argument("--only", nargs="*", default=[], help="names of systems")
    parser.add_argument("--rows", type=int, default=2_000, help="texts written")
    parser.add_argument("--victims", type=int, default=100, help="texts deleted")
    parser.add_argument("--json", type=Path, help="write the figures here")
    given = parser.parse_args()
    outcomes: list[Outcome] = []
    counts: dict[str, int] = {}
    for system, distribution, build, most in SYSTEMS:
        if given.only and system not in given.only:
            continue
        python = holder([sys.executable] if system == "letheon" else given.peers, distribution)
        if not python:
            print(f"\n{system}: not installed, left out")
            continue
        size = min(given.rows, most)
        asked = corpus(size, min(given.victims, size // 4))
        print(f"\n{size} texts, {len(asked.victims)} deleted, {len(asked.later)} reworded", end="")
        with tempfile.TemporaryDirectory() as folder:
            outcomes.append(run(python, system, build, asked, Path(folder)))
        counts[outcomes[-1].name] = len(asked.victims)
        show(outcomes[-1])
    status = finish(bars(outcomes, counts), given.json)
    if given.json:
        told = json.loads(given.json.read_text("utf-8"))
        told["systems"] = [{"name": one.name, **one.about} for one in outcomes]
        told["examinations"] = list(rows(outcomes))
        given.json.write_text(json.dumps(told, indent=2) + "\n", "utf-8")
    return status


if __name__ == "__main__":
    sys.exit(main())
