"""One memory system in a process of its own, driven by lines of JSON; see `latency.py`.

    python worker.py SYSTEM DATA HOME

`DATA` is the folder that `latency.py` prepared: drafts, their vectors, queries and their vectors.
`HOME` is the folder of this system's store. Commands come on standard input, one JSON object a
line; each answer is one on standard output. Letheon and its peers live in different environments,
so nothing but numpy is imported before the system is known.
"""

import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Write = Callable[[Callable[[], object]], None]
BATCH = 1_000  # texts per write
DEPTH = 10  # texts per answer
SYSTEMS = {
    "letheon": "ours:Letheon",
    "letheon-vectors": "ours:LetheonVectors",
    "letheon-lexical": "ours:LetheonLexical",
    "chroma": "peer_chroma:Chroma",
    "langgraph": "peer_langgraph:LangGraph",
}


def drafts(data: Path) -> list[dict[str, Any]]:
    """Return the fields of every memory, in order."""
    rows: list[dict[str, Any]] = json.loads((data / "drafts.json").read_text("utf-8"))
    return rows


def embedded(row: dict[str, Any]) -> str:
    """Return the text that a memory's vector stands for: what every system is given."""
    return f"{row['actor']}: {row['text']}"


def batches(count: int) -> Iterator[range]:
    """Yield the rows of every write."""
    for start in range(0, count, BATCH):
        yield range(start, min(start + BATCH, count))


class System(Protocol):
    """What is measured: it is filled in one process and asked in another."""

    def build(self, write: Write) -> None:
        """Make the store; pass every batch through `write`, which times it."""

    def open(self) -> None:
        """Open the store."""

    def ask(self, number: int) -> Any:
        """Answer one query with its best ten texts; this is what is timed."""

    def rows(self, answer: Any) -> list[int]:
        """Return the rows of an answer, best first; -1 for those past the demo conversation."""

    def close(self) -> None:
        """Let go."""


def mapped(data: Path) -> Floats:
    """Return the vectors of the memories, aligned with the drafts."""
    rows: Floats = np.load(data / "vectors.npy", mmap_mode="r")
    return rows


def peak() -> int:
    """Return the most memory this process held, in bytes, its shared files included."""
    # Not ru_maxrss where it can be helped: it remembers the parent's memory across fork and exec.
    status = Path("/proc/self/status")
    if status.exists():
        lines = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
        return int(lines[0].split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _timed(spent: list[float], action: Callable[[], object]) -> None:
    start = time.perf_counter()
    action()
    spent.append(time.perf_counter() - start)


def serve(system: System, say: Callable[[dict[str, Any]], None]) -> None:
    """Answer commands until there are no more."""
    for line in sys.stdin:
        said = json.loads(line)
        if said["do"] == "build":
            spent: list[float] = []
            system.build(partial(_timed, spent))
            say({"seconds": sum(spent)})
        elif said["do"] == "open":
            start = time.perf_counter()
            system.open()
            system.ask(said["query"])
            say({"first_ms": 1e3 * (time.perf_counter() - start)})
        elif said["do"] == "ask":
            answers, took = [], []
            for number in said["queries"]:
                start = time.perf_counter()
                answer = system.ask(number)
                took.append(1e3 * (time.perf_counter() - start))
                answers.append(system.rows(answer))
            say({"ms": took, "rows": answers})
        elif said["do"] == "end":
            say({"peak": peak()})
            system.close()
            return


def main() -> None:
    """Be one system until standard input ends."""
    out, sys.stdout = sys.stdout, sys.stderr  # what libraries print must not mix with answers
    name, data, home = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])

    def say(answer: dict[str, Any]) -> None:
        print(json.dumps(answer), file=out, flush=True)

    module, _, kind = SYSTEMS[name].partition(":")
    serve(getattr(import_module(module), kind)(data, home), say)


if __name__ == "__main__":
    main()
