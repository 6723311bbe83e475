"""Exact identifiers: is a key found among thousands of texts that differ in nothing else?

Every memory is the same sentence about another key: ticket ids, config keys, paths, error codes,
hashes and so on, with keys that are prefixes of others among them. All of them go through
`Store.remember_many` with the default model, really encoded. Sampled keys are then asked for
through `Store.recall`, bare and inside a question; the first hit has to be that key's memory.

Beside it, on the same texts and vectors: recall without vectors, FTS5 in one column, MiniLM cosine,
and the reciprocal rank fusion of these two (k = 60).
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from baselines import full_text, top
from corpus import MixedEmbedder
from report import Bar, finish

from memory import Draft, Store
from memory.embed import load_embedder
from memory.embedder import Embedder
from ranker.fuse import reciprocal_rank

TEXT = "The timeout of {key} is thirty seconds; the platform team reviewed it in spring."
ASKED = {"bare": "{key}", "question": "what is the timeout of {key}?"}
SEED = 7
BATCH = 256  # texts encoded between two reports of progress
SHOWN = 3  # misses shown per family

_FIXED: dict[str, Callable[[int], str]] = {
    "ticket": lambda i: f"HRB-{10423 + i}",
    "config key": lambda i: f"cache_ttl_{i:05d}",
    "path": lambda i: f"services/edge/node_{i:04d}/conf.yaml",
    "error code": lambda i: f"E{4211 + i:05d}",
    "hex code": lambda i: f"0x{0x1F3A + 7 * i:04X}",
    "dotted key": lambda i: f"edge.tenant.t{i:05d}.ttl",
    "version": lambda i: f"1.{42 + i // 200}.{i % 200}",
    "number": lambda i: f"{730_000 + i}",
    "camel case": lambda i: f"retryLimitForTenant{i:04d}",
    "other length": lambda i: f"ENG-{i + 1}",  # ENG-7, ENG-71, ENG-718
}


def families(each: int) -> dict[str, list[str]]:
    """Return `each` distinct keys per family, the same on every run."""
    rng = np.random.default_rng(SEED)

    def hexes(length: int) -> list[str]:
        return [rng.bytes(20).hex()[:length] for _ in range(each)]

    made = {name: [key(i) for i in range(each)] for name, key in _FIXED.items()}
    made["commit"] = hexes(40)
    made["short commit"] = hexes(8)
    made["uuid"] = [f"{h[:8]}-{h[8:12]}-4{h[12:15]}-a{h[15:18]}-{h[18:30]}" for h in hexes(32)]
    nested = ("core.m{}", "core.m{}.pool", "core.m{}.pool.size")
    made["nested key"] = [nested[i % 3].format(i // 3) for i in range(each)]
    return made


@dataclass(slots=True)
class Tally:
    """Hits of one system: one 0 or 1 per query, at one and at ten."""

    first: list[bool] = field(default_factory=list)
    tenth: list[bool] = field(default_factory=list)

    def add(self, run: Sequence[int], gold: int) -> None:
        """Count one ranked list of rows."""
        self.first.append(bool(run) and run[0] == gold)
        self.tenth.append(gold in run[:10])


Table = dict[str, dict[str, Tally]]  # family -> system -> tally


def encoded(texts: Sequence[str], model: Embedder) -> MixedEmbedder:
    """Encode every text once, for the store and for the systems beside it."""
    known = {}
    start = time.perf_counter()
    for at in range(0, len(texts), BATCH):
        part = texts[at : at + BATCH]
        known.update(zip(part, model.encode(part), strict=True))
        rate = len(known) / (time.perf_counter() - start)
        print(f"\rencoded {len(known)} of {len(texts)}, {rate:.0f}/s ", end="", file=sys.stderr)
    print(file=sys.stderr)
    return MixedEmbedder(model, known)


def measure(
    store: Store, rows: Sequence[tuple[str, str]], texts: Sequence[str], samples: int
) -> tuple[Table, list[str]]:
    """Ask for sampled keys of every family; return the tallies and the misses in words.

    Args:
        store: Empty, with an embedder that knows the texts.
        rows: (family, key) per text.
        texts: What is remembered, aligned with `rows`.
        samples: Keys asked for per family.
    """
    model = store.embedder
    if model is None:
        raise SystemExit("this benchmark needs an embedding model")
    done = store.remember_many([Draft(text=text, kind="fact") for text in texts])
    changed = [one for one in done if one.redacted or not one.created]
    misses = [f"{len(changed)} texts were redacted or taken for duplicates"] if changed else []
    place = {one.id: row for row, one in enumerate(done)}
    vectors, words = model.encode(texts), full_text(texts)
    rng = np.random.default_rng(SEED)
    table: Table = {}
    for family in dict.fromkeys(name for name, _ in rows):
        own = [row for row, (name, _) in enumerate(rows) if name == family]
        chosen = sorted(rng.choice(own, min(samples, len(own)), replace=False).tolist())
        print(f"\rasking for {family:20s}", end="", file=sys.stderr)
        lost: list[str] = []
        for form, pattern in ASKED.items():
            for row in chosen:
                query = pattern.format(key=rows[row][1])
                lexical, cosine = words(query), vectors @ model.encode([query])[0]
                runs = {
                    "Letheon": _run(store, query, place),
                    "lexical": _run(store, query, place, lexical=True),
                    "FTS5": top(lexical, 10),
                    "MiniLM": top(cosine, 10),
                    "RRF": top(reciprocal_rank(lexical, cosine), 10),
                }
                for name, run in runs.items():
                    table.setdefault(f"{family}, {form}", {}).setdefault(name, Tally()).add(
                        run, row
                    )
                lost += [
                    _miss(name, query, runs[name], row, rows)
                    for name in ("Letheon", "lexical")
                    if runs[name][:1] != [row]
                ]
        misses += lost[:SHOWN] + ([f"  and {len(lost) - SHOWN} more"] if len(lost) > SHOWN else [])
    print(file=sys.stderr)
    return table, misses


def _run(store: Store, query: str, place: dict[str, int], *, lexical: bool = False) -> list[int]:
    found = store.recall(query, limit=10, lexical=lexical)
    return [place[hit.memory.id] for hit in found.hits]


def _miss(
    name: str, query: str, run: Sequence[int], row: int, rows: Sequence[tuple[str, str]]
) -> str:
    rank = f"rank {run.index(row) + 1}" if row in run else "not in ten"
    first = rows[run[0]][1] if run else "nothing"
    return f"  {name}: {query!r} found {first!r} first, the key at {rank}"


def mean(tallies: Iterable[Tally], *, at: int) -> float:
    """Return the mean hit at 1 or at 10."""
    hits = [hit for one in tallies for hit in (one.first if at == 1 else one.tenth)]
    return float(np.mean(hits))


def show(table: Table) -> None:
    """Print hit@1 of every system per family, and hit@10 of those that are compared."""
    columns = [("Letheon", 1), ("lexical", 1), ("FTS5", 1)]
    columns += [("MiniLM", 1), ("MiniLM", 10), ("RRF", 1), ("RRF", 10)]
    names = [f"{name}@{at}" for name, at in columns]
    print(f"\n{'hit':28s} " + " ".join(f"{name:>10s}" for name in names))
    for family, systems in table.items():
        values = [mean([systems[name]], at=at) for name, at in columns]
        print(f"{family:28s} " + " ".join(f"{value:10.3f}" for value in values))
    values = [mean((row[name] for row in table.values()), at=at) for name, at in columns]
    print(f"{'all':28s} " + " ".join(f"{value:10.3f}" for value in values))


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=10_000, help="memories in the store")
    parser.add_argument("--samples", type=int, default=50, help="keys asked for per family")
    parser.add_argument("--json", type=Path, help="write the bars to this file")
    chosen = parser.parse_args()
    count = len(families(1))
    each = -(-chosen.size // count)
    rows = [(name, key) for name, keys in families(each).items() for key in keys][: chosen.size]
    texts = [TEXT.format(key=key) for _, key in rows]
    model = encoded(texts, load_embedder())
    with tempfile.TemporaryDirectory() as folder, Store(folder, embedder=model) as store:
        table, misses = measure(store, rows, texts, chosen.samples)
    show(table)
    if misses:
        print("\nmisses", *misses, sep="\n")
    asked = sum(len(row["Letheon"].first) for row in table.values())
    return finish(
        [
            Bar(
                f"hit@1 of {asked} key queries among {len(texts)}",
                mean((row["Letheon"] for row in table.values()), at=1),
                1.0,
            ),
            Bar(
                "hit@1 of the same without vectors",
                mean((row["lexical"] for row in table.values()), at=1),
                1.0,
            ),
        ],
        chosen.json,
    )


if __name__ == "__main__":
    raise SystemExit(main())
