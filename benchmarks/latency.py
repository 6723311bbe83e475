"""Latency, ingestion, memory and disk of recall at several sizes, beside two peers.

A store is filled from `corpus.py` once per system, then every system is asked the same queries:
the questions of the demo conversation, whose gold turns are the first rows of the corpus, and
variants of them with other words, so that no query comes twice. The systems are long-lived
processes that take turns, block of queries by block, so that drift of the machine hits all alike.

Every system gets the same MiniLM vectors. The peers' queries are encoded by this process with
Letheon's encoder, and that time is added; Letheon encodes inside. Nobody filters by scope.

- Letheon: hybrid recall as it comes; the same with the queries' vectors at hand; without vectors.
- Chroma: persistent client, HNSW.   - LangGraph: SqliteStore with its vector index, exact.

The peers need an environment of their own, given as `--peers PYTHON`:
`pip install chromadb langgraph langgraph-checkpoint-sqlite`, and `pysqlite3-binary` where Python's
sqlite3 cannot load extensions. Figures are wall times on the machine at hand.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from corpus import corpus, demo
from report import Bar, finish
from worker import SYSTEMS

from memory.embed import load_embedder
from memory.embedder import Embedder
from memory.remember import embedded_text
from ranker.metrics import recall_at

HERE = Path(__file__).parent
NAMES = {
    "letheon": "Letheon",
    "letheon-vectors": "Letheon, vectors given",
    "letheon-lexical": "Letheon, lexical",
    "chroma": "Chroma",
    "langgraph": "LangGraph",
}
PEERS = ("chroma", "langgraph")
BLOCK = 20  # queries a system answers before the next one's turn
WARM = 20  # queries before the clock runs
MIB = 1 << 20
AIMS = ((10_000, 10.0), (100_000, 25.0))  # up to so many memories, p50 in ms
BARLESS = 1_000_000  # from here on reported only
SAMPLE = 512  # texts for the rate of the encoder


@dataclass(slots=True)
class Running:
    """A system in its process."""

    name: str
    process: "subprocess.Popen[str]"

    @classmethod
    def start(cls, name: str, python: str, data: Path, home: Path) -> "Running":
        """Start the process."""
        paths = [os.environ.get("PYTHONPATH", ""), str(HERE.parent)]
        process = subprocess.Popen(
            [python, str(HERE / "worker.py"), name, str(data), str(home)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)},
        )
        return cls(name, process)

    def do(self, **command: Any) -> dict[str, Any]:
        """Send one command and wait for its answer."""
        sent, got = self.process.stdin, self.process.stdout
        if sent is None or got is None:
            raise SystemExit("a worker has no pipes")
        print(json.dumps(command), file=sent, flush=True)
        line = got.readline()
        if not line:
            raise SystemExit(f"{NAMES[self.name]} ended with {self.process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def end(self) -> int:
        """End the process; return the most memory it held."""
        held = int(self.do(do="end")["peak"])
        self.process.communicate()
        return held


@dataclass(slots=True)
class Measured:
    """One system at one size."""

    rate: float = 0.0  # texts per second into the store
    disk: int = 0
    peak: int = 0
    first_ms: float = 0.0
    ms: list[float] = field(default_factory=list)  # per query, as the system was asked
    embedded_ms: list[float] = field(default_factory=list)  # with the query's embedding
    found: dict[int, list[int]] = field(default_factory=dict)  # query -> rows, best first


def asked(count: int, seed: int = 7) -> tuple[list[str], list[frozenset[int]]]:
    """Return `count` distinct queries, the demo's questions first, and the gold rows of those."""
    drafts, questions = demo()
    rng = np.random.default_rng(seed)
    texts = [row["query"] for row in questions]
    words = sorted({word for draft in drafts for word in draft.text.split() if len(word) > 4})
    known = set(texts)
    while len(texts) < count:
        base = texts[int(rng.integers(len(questions)))].rstrip("?").split()
        base[int(rng.integers(len(base)))] = words[int(rng.integers(len(words)))]
        text = f"{' '.join(base)} {words[int(rng.integers(len(words)))]}?"
        if text not in known:
            known.add(text)
            texts.append(text)
    return texts[:count], [frozenset(row - 1 for row in one["gold"]) for one in questions][:count]


def prepare(size: int, model: Embedder, queries: Sequence[str], data: Path) -> float:
    """Write drafts, vectors and queries for the workers; return texts per second of the encoder."""
    drafts, mixed = corpus(size, model)
    rows = [
        {
            "text": draft.text,
            "kind": draft.kind,
            "scope": draft.scope,
            "actor": draft.actor,
            "at": draft.at.isoformat() if draft.at else "",
            "source": draft.source,
        }
        for draft in drafts
    ]
    _write(data / "drafts.json", rows)
    np.save(data / "vectors.npy", mixed.encode([embedded_text(draft) for draft in drafts]))
    _write(data / "queries.json", list(queries))
    np.save(data / "queries.npy", np.stack([model.encode([query])[0] for query in queries]))
    meta = {"space": model.space, "dim": model.dim, "demo": len(demo()[0])}
    _write(data / "meta.json", meta)
    sample = [embedded_text(draft) for draft in drafts[-SAMPLE:]]
    start = time.perf_counter()
    model.encode(sample)
    return len(sample) / (time.perf_counter() - start)


def _write(place: Path, content: object) -> None:
    place.write_text(json.dumps(content), "utf-8")


def measure(
    size: int, pythons: dict[str, str], queries: Sequence[str], model: Embedder, folder: Path
) -> dict[str, Measured]:
    """Fill every system and ask it everything.

    Args:
        size: Memories per store.
        pythons: System -> the Python it runs in.
        queries: What is asked; the last `WARM` of them are for warming up only.
        model: Encodes the peers' queries.
        folder: `data` in it is prepared; the stores are made beside it.
    """
    data, out = folder / "data", {name: Measured() for name in pythons}
    homes = {name: folder / name.partition("-")[0] for name in pythons}  # Letheon has one store
    for name, home in homes.items():
        if "-" not in name:
            _note(f"{size}: filling {NAMES[name]}")
            builder = Running.start(name, pythons[name], data, home)
            out[name].rate = size / builder.do(do="build")["seconds"]
            builder.end()
            out[name].disk = sum(file.stat().st_size for file in home.rglob("*") if file.is_file())
    running = [Running.start(name, pythons[name], data, homes[name]) for name in pythons]
    counted, warm = len(queries) - WARM, list(range(len(queries) - WARM, len(queries)))
    for one in running:
        _note(f"{size}: opening {NAMES[one.name]}")
        out[one.name].first_ms = one.do(do="open", query=warm[0])["first_ms"]
        one.do(do="ask", queries=warm)
    for turn, start in enumerate(range(0, counted, BLOCK)):
        block = list(range(start, min(start + BLOCK, counted)))
        _note(f"{size}: query {start} of {counted}")
        encoding = [_encode_ms(model, queries[number]) for number in block]
        for one in running[turn % len(running) :] + running[: turn % len(running)]:
            answer, kept = one.do(do="ask", queries=block), out[one.name]
            kept.ms += answer["ms"]
            outside = encoding if one.name in PEERS else [0.0] * len(block)
            kept.embedded_ms += [a + b for a, b in zip(answer["ms"], outside, strict=True)]
            kept.found.update(zip(block, answer["rows"], strict=True))
    for one in running:
        out[one.name].peak = one.end()
    _note("")
    return out


def _encode_ms(model: Embedder, query: str) -> float:
    start = time.perf_counter()
    model.encode([query])
    return 1e3 * (time.perf_counter() - start)


def _note(text: str) -> None:
    print(f"\r{text:60s}", end="" if text else "\r", file=sys.stderr, flush=True)


def quality(one: Measured, gold: Sequence[frozenset[int]]) -> float:
    """Return the mean R@10 over the questions whose gold rows are known."""
    return float(
        np.mean(
            [recall_at(one.found[n], rows, 10) for n, rows in enumerate(gold) if n in one.found]
        )
    )


def show(size: int, got: dict[str, Measured], gold: Sequence[frozenset[int]]) -> None:
    """Print the table of one size."""
    heads = ("ingest/s", "disk MB", "peak MB", "first ms", "p50", "p95", "p50+emb", "p95+emb")
    print(f"\n{f'{size} memories':24s} " + " ".join(f"{h:>9s}" for h in (*heads, "R@10")))
    for name, one in got.items():
        bare, full = np.percentile(one.ms, (50, 95)), np.percentile(one.embedded_ms, (50, 95))
        cells = [
            f"{one.rate:.0f}" if one.rate else "",
            f"{one.disk / MIB:.1f}" if one.disk else "",
            f"{one.peak / MIB:.0f}",
            f"{one.first_ms:.0f}",
            *("" if name == "letheon" else f"{value:.1f}" for value in bare),
            *("" if "-" in name else f"{value:.1f}" for value in full),
            f"{quality(one, gold):.3f}",
        ]
        print(f"{NAMES[name]:24s} " + " ".join(f"{cell:>9s}" for cell in cells))


def bars(size: int, got: dict[str, Measured], gold: Sequence[frozenset[int]]) -> list[Bar]:
    """Return the bars of one size."""
    if size >= BARLESS:
        return []
    ours = float(np.median(got["letheon"].embedded_ms))
    aim = next((ms for limit, ms in AIMS if size <= limit), None)
    made = (
        [Bar(f"{size}: p50 in ms, query embedding included", ours, aim, at_most=True)]
        if aim
        else []
    )
    for name in PEERS:
        if name in got:
            theirs = float(np.median(got[name].embedded_ms))
            made += [
                Bar(f"{size}: p50 as a share of {NAMES[name]}'s", ours / theirs, 1.0, at_most=True),
                Bar(
                    f"{size}: R@10, {NAMES[name]}'s is the bar",
                    quality(got["letheon"], gold),
                    quality(got[name], gold),
                ),
            ]
    return made


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="*", default=[10_000, 100_000])
    parser.add_argument("--million", action="store_true", help="a million as well, without bars")
    parser.add_argument("--queries", type=int, default=240, help="asked of every system")
    parser.add_argument("--peers", type=Path, help="Python of the peers' environment")
    parser.add_argument("--folder", type=Path, help="where the stores go, if not the system's")
    parser.add_argument("--json", type=Path, help="write the bars to this file")
    chosen = parser.parse_args()
    pythons = {name: sys.executable for name in SYSTEMS if name not in PEERS}
    if chosen.peers is not None and chosen.peers.exists():
        pythons |= dict.fromkeys(PEERS, str(chosen.peers))
    else:
        print("peers left out: give the Python of their environment with --peers", file=sys.stderr)
    model = load_embedder()
    queries, gold = asked(chosen.queries + WARM)
    made: list[Bar] = []
    for size in [*chosen.sizes, *([BARLESS] if chosen.million else [])]:
        with tempfile.TemporaryDirectory(dir=chosen.folder) as name:
            (Path(name) / "data").mkdir()
            rate = prepare(size, model, queries, Path(name) / "data")
            got = measure(size, pythons, queries, model, Path(name))
        show(size, got, gold)
        print(f"the encoder alone: {rate:.0f} texts/s in batches")
        made += bars(size, got, gold)
    print(
        "\np50 and p95 in ms; first ms: open and first answer; peak: of the asking process, which"
    )
    print("holds the encoder in the first row and no encoder in the others")
    return finish(made, chosen.json)


if __name__ == "__main__":
    raise SystemExit(main())
