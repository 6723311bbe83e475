"""Cold starts: what one command line costs, and how soon the MCP server answers.

A store is filled from `corpus.py` and asked once, as a store in use is. Then every command runs in
a process of its own, in turns, after one run that is not counted: CPU time (user + system, of the
process and its children) and wall time. The figures of the bars are medians; the minimum stands
beside them, because other work on the machine only adds.

The MCP server is started by the client of the official SDK: the time runs from the spawn until the
first answer to `recall` is there. Then the same questions go to the running server and to a store
opened in this process, alternately; the overhead is the median of the differences.
"""

import argparse
import asyncio
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from corpus import corpus, demo
from mcp import Client, StdioServerParameters
from report import Bar, finish

from memory import Store
from memory.embed import load_embedder

ROOT = Path(__file__).parent.parent
BATCH = 1_000
BUDGET = 1_500  # tokens; what the server's recall packs into when nothing else is said
HELP, HYBRID, LEXICAL = "mem --help", "mem recall", "mem recall --lexical"


@dataclass(slots=True)
class Runs:
    """Seconds of one command, a value per run."""

    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)


def environment() -> dict[str, str]:
    """Return the environment of the commands: this checkout first, no store but the one given."""
    paths = [os.environ.get("PYTHONPATH", ""), str(ROOT)]
    left = {name: value for name, value in os.environ.items() if not name.startswith("LETHEON_")}
    return {**left, "PYTHONPATH": os.pathsep.join(path for path in paths if path)}


def commands(mem: Sequence[str], home: Path, query: str) -> dict[str, list[str]]:
    """Return what is measured, by name."""
    store = ["--store", str(home)]
    return {
        "python -c pass": [sys.executable, "-c", "pass"],
        HELP: [*mem, "--help"],
        HYBRID: [*mem, "recall", query, *store],
        LEXICAL: [*mem, "recall", query, "--lexical", *store],
        "mem list": [*mem, "list", *store],
    }


def fill(home: Path, size: int) -> list[str]:
    """Make the store and return the questions of the demo conversation."""
    drafts, model = corpus(size, load_embedder())
    queries = [row["query"] for row in demo()[1]]
    with Store(home, embedder=model) as store:
        for start in range(0, size, BATCH):
            store.remember_many(drafts[start : start + BATCH])
        store.recall(queries[0])  # closing then leaves the index file that later starts read
    return queries


def timed(command: Sequence[str]) -> tuple[float, float]:
    """Run one command to its end; return the seconds of CPU and of the clock."""
    before, start = _cpu(), time.perf_counter()
    done = subprocess.run(command, capture_output=True, env=environment(), check=False)
    wall, spent = time.perf_counter() - start, _cpu() - before
    if done.returncode or (command[-1] != "pass" and not done.stdout):
        raise SystemExit(f"{' '.join(command)} failed: {done.stderr.decode()}")
    return spent, wall


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(listed: dict[str, list[str]], runs: int) -> dict[str, Runs]:
    """Run every command `runs` times in turns, once before that to warm up."""
    out = {name: Runs() for name in listed}
    for turn in range(runs + 1):
        for name, command in listed.items():
            cpu, wall = timed(command)
            if turn:
                out[name].cpu.append(cpu)
                out[name].wall.append(wall)
    return out


@dataclass(slots=True)
class Served:
    """Seconds of the MCP server."""

    first: list[float] = field(default_factory=list)  # spawn to first answer
    over: list[float] = field(default_factory=list)  # per question: MCP less in-process
    inside: list[float] = field(default_factory=list)
    served: list[float] = field(default_factory=list)


def server(home: Path) -> StdioServerParameters:
    """Return how the client starts the server."""
    return StdioServerParameters(
        command=sys.executable,
        args=["-m", "mcp_server", "--store", str(home)],
        env=environment(),
    )


async def starts(home: Path, query: str, runs: int) -> list[float]:
    """Return seconds from the spawn of the server to its first answer."""
    out = []
    for _ in range(runs + 1):
        start = time.perf_counter()
        async with Client(server(home)) as client:
            await _ask(client, query)
            out.append(time.perf_counter() - start)
    return out[1:]


async def _ask(client: Client, query: str) -> None:
    answer = await client.call_tool("recall", {"query": query})
    if answer.is_error or not (answer.structured_content or {}).get("hits"):
        raise SystemExit(f"the server answered {answer.content}")


async def overhead(home: Path, queries: Sequence[str], count: int) -> Served:
    """Ask the server and an open store in turns."""
    out = Served()
    chosen = [queries[number % len(queries)] for number in range(count)]
    async with Client(server(home)) as client:
        with Store(home, create=False) as store:
            for query in queries[:20]:
                await _ask(client, query)
                store.recall(query, budget=BUDGET)
            for number, query in enumerate(chosen):
                first_inside = number % 2 == 0  # who comes second finds the files warmer
                inside = _recall_s(store, query) if first_inside else 0.0
                start = time.perf_counter()
                await _ask(client, query)
                served = time.perf_counter() - start
                inside = inside or _recall_s(store, query)
                out.inside.append(inside)
                out.served.append(served)
                out.over.append(served - inside)
    return out


def _recall_s(store: Store, query: str) -> float:
    start = time.perf_counter()
    store.recall(query, budget=BUDGET)
    return time.perf_counter() - start


def row(name: str, cpu: Sequence[float], wall: Sequence[float]) -> None:
    """Print one line: median and minimum of both."""
    shown: list[Callable[[Sequence[float]], float]] = [lambda s: float(np.median(s)), min]
    cells = [
        f"{pick(values):9.3f}" if values else 9 * " " for values in (cpu, wall) for pick in shown
    ]
    print(f"{name:28s} " + " ".join(cells))


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=10_000, help="memories in the store")
    parser.add_argument("--runs", type=int, default=9, help="of every command, one more to warm up")
    parser.add_argument("--queries", type=int, default=100, help="asked over MCP and in-process")
    parser.add_argument("--mem", help="the installed command; this checkout's if not given")
    parser.add_argument("--json", type=Path, help="write the bars to this file")
    chosen = parser.parse_args()
    mem = [chosen.mem] if chosen.mem else [sys.executable, "-m", "cli"]
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "store"
        queries = fill(home, chosen.size)
        got = measure(commands(mem, home, queries[0]), chosen.runs)
        first = asyncio.run(starts(home, queries[0], max(3, chosen.runs // 2)))
        served = asyncio.run(overhead(home, queries, chosen.queries))
    heads = ("CPU s", "min", "wall s", "min")
    print(f"{f'{chosen.size} memories':28s} " + " ".join(f"{head:>9s}" for head in heads))
    for name, runs in got.items():
        row(name, runs.cpu, runs.wall)
    row("MCP, start to first answer", [], first)
    row("recall over MCP, warm", [], served.served)
    row("recall in-process, warm", [], served.inside)
    over = 1e3 * float(np.median(served.over))
    return finish(
        [
            Bar("mem --help, CPU s", float(np.median(got[HELP].cpu)), 0.15, at_most=True),
            Bar("mem recall, hybrid, CPU s", float(np.median(got[HYBRID].cpu)), 0.5, at_most=True),
            Bar(
                "mem recall --lexical, CPU s", float(np.median(got[LEXICAL].cpu)), 0.2, at_most=True
            ),
            Bar("MCP start to first answer, s", float(np.median(first)), 2.0, at_most=True),
            Bar("recall over MCP less in-process, warm, ms", over, 5.0, at_most=True),
        ],
        chosen.json,
    )


if __name__ == "__main__":
    raise SystemExit(main())
