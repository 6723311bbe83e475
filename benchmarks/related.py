"""How well a forget's plan finds copies in other words, and how many ordinary memories it offers.

    python benchmarks/related.py --data notes.jsonl [--count 200] [--model none] [--rows 100000]

`--data` names a file of public notes, one JSON object with "text" a line, such as those of
github.com/jbranchaud/til. Each chosen note gets planted copies: edited by rule, from lightly (a few
words swapped, a sentence dropped) to heavily. Then each is planned to be forgotten alone. Offered
memories that are no planted copy count against precision, although notes that repeat each other
are among them; they are listed with `--show`. With `--rows` the store is padded with invented rows
and only the time of a plan is measured.
"""

import argparse
import json
import random
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from memory import Draft, Selector, Store

SWAPS = {
    "use": "utilise", "using": "with", "get": "obtain", "show": "display", "shows": "displays",
    "make": "create", "want": "need", "file": "document", "files": "documents", "find": "locate",
    "run": "execute", "running": "executing", "see": "look at", "way": "method", "lets": "allows",
    "list": "enumerate", "change": "modify", "add": "append", "remove": "delete", "can": "may",
    "here": "below", "bit": "little", "quickly": "fast", "set": "define", "need": "have",
}  # fmt: skip
SENTENCE = re.compile(r"(?<=[.!?:])\s+")


def swapped(text: str, rng: random.Random, share: float) -> str:
    """Return a text with a share of its plain words replaced or dropped."""
    out = []
    for word in text.split(" "):
        if rng.random() < share and word.isalpha():
            if new := SWAPS.get(word.lower()):
                out.append(new)
            elif len(word) > 3:
                continue
            else:
                out.append(word)
        else:
            out.append(word)
    return " ".join(out)


def dropped(text: str, rng: random.Random, share: float) -> str:
    """Return a text without a share of its sentences, at least one less where there are three."""
    parts = SENTENCE.split(text)
    if len(parts) < 3:
        return swapped(text, rng, share)
    gone = set(rng.sample(range(len(parts)), max(1, round(share * len(parts)))))
    return " ".join(part for at, part in enumerate(parts) if at not in gone)


def mixed(text: str, rng: random.Random) -> str:
    """Return a text with its sentences in another order."""
    parts = SENTENCE.split(text)
    rng.shuffle(parts)
    return "As noted: " + " ".join(parts)


EDITS: dict[str, Callable[[str, random.Random], str]] = {
    "5 % of words": lambda text, rng: swapped(text, rng, 0.05),
    "15 % of words": lambda text, rng: swapped(text, rng, 0.15),
    "30 % of words": lambda text, rng: swapped(text, rng, 0.30),
    "20 % of sentences": lambda text, rng: dropped(text, rng, 0.2),
    "40 % of sentences": lambda text, rng: dropped(text, rng, 0.4),
    "sentences in other order": mixed,
}


def notes(place: Path) -> list[str]:
    """Return the distinct texts of a file of notes."""
    rows = (json.loads(line) for line in place.read_text("utf-8").splitlines())
    return list(dict.fromkeys(row["text"].strip() for row in rows if row["text"].strip()))


def measure(texts: list[str], count: int, model: str, *, show: bool) -> None:
    """Plant copies, plan to forget each chosen note, and print what was offered."""
    rng = random.Random(7)  # noqa: S311 - the same for everyone
    chosen = rng.sample(range(len(texts)), count)
    with (
        tempfile.TemporaryDirectory() as folder,
        Store(Path(folder) / "s", embedder=model) as store,
    ):
        ids = [one.id for one in store.remember_many(Draft(text=text) for text in texts)]
        before = offered(store, [ids[at] for at in chosen])
        planted: dict[str, dict[str, str]] = {}  # copy -> its note and kind of edit
        for number, at in enumerate(chosen):
            name = list(EDITS)[number % len(EDITS)]
            copy = EDITS[name](texts[at], rng)
            done = store.remember(copy, scope="agent:other")
            if done.created and copy != texts[at]:
                planted[done.id] = {"note": ids[at], "edit": name}
        after = offered(store, [ids[at] for at in chosen])
        report(before, after, planted, model)
        if show:
            listing(store, before)


def offered(store: Store, ids: list[str]) -> dict[str, list[tuple[str, str, float]]]:
    """Return (id, why, score) of what the plan of each memory offers."""
    return {
        ident: [
            (one.id, one.why, one.score)
            for one in store.plan_forget(Selector(ids=(ident,))).related
        ]
        for ident in ids
    }


def report(
    before: dict[str, list[tuple[str, str, float]]],
    after: dict[str, list[tuple[str, str, float]]],
    planted: dict[str, dict[str, str]],
    model: str,
) -> None:
    """Print how many were offered, and precision and recall on the planted copies."""
    natural = sum(map(len, before.values()))
    some = sum(1 for found in before.values() if found)
    print(f"model {model}: {len(before)} plans without planted copies offer {natural} memories")
    print(f"  in {some} of the plans ({natural / len(before):.2f} per plan)")
    hits = {
        copy for copy, what in planted.items() if copy in {one[0] for one in after[what["note"]]}
    }
    total = sum(map(len, after.values()))
    print(f"  with {len(planted)} planted: {total} offered, {len(hits)} of them planted")
    print(f"  precision {len(hits) / max(total, 1):.3f}  recall {len(hits) / len(planted):.3f}")
    for name in EDITS:
        mine = [copy for copy, what in planted.items() if what["edit"] == name]
        if mine:
            found = sum(copy in hits for copy in mine)
            print(f"    {name:<26} {found:>3} of {len(mine):>3}  {found / len(mine):.2f}")


def listing(store: Store, found: dict[str, list[tuple[str, str, float]]]) -> None:
    """Print what was offered beside planted copies, for a person to judge."""
    for ident, rows in found.items():
        for other, why, score in rows:
            print(f"{why} {score:.2f}\n  {store.get(ident).text[:150]!r}")
            print(f"  {store.get(other).text[:150]!r}")


def timed(texts: list[str], rows: int, model: str) -> None:
    """Print how long a plan takes in a store of so many rows."""
    rng = random.Random(3)  # noqa: S311 - the same for everyone
    words = sorted({word for text in texts for word in text.split()})
    with (
        tempfile.TemporaryDirectory() as folder,
        Store(Path(folder) / "s", embedder="none") as store,
    ):
        ids = [one.id for one in store.remember_many(Draft(text=text) for text in texts)]
        for start in range(len(texts), rows, 2_000):
            store.remember_many(
                Draft(text=f"{n} {' '.join(rng.choices(texts, k=1)[0].split()[:20])} "
                           + " ".join(rng.choices(words, k=20)))
                for n in range(start, min(rows, start + 2_000))
            )  # fmt: skip
        took = []
        for ident in rng.sample(ids, 50):
            began = time.perf_counter()
            store.plan_forget(Selector(ids=(ident,)))
            took.append(1000 * (time.perf_counter() - began))
        began = time.perf_counter()
        store.plan_forget(Selector(ids=tuple(rng.sample(ids, 200))))
        many = time.perf_counter() - began
    took.sort()
    print(f"{rows:,} rows, lexical ({model} measured above): plan of one memory")
    print(f"  p50 {statistics.median(took):.1f} ms, p95 {took[47]:.1f} ms; of 200: {many:.2f} s")


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--model", default="default")
    parser.add_argument("--rows", type=int, default=0)
    parser.add_argument("--show", action="store_true")
    given = parser.parse_args()
    if given.data is None or not given.data.exists():
        sys.exit("skipped: --data names no file of notes (github.com/jbranchaud/til, JSON lines)")
    texts = notes(given.data)
    if given.rows:
        timed(texts, given.rows, given.model)
    else:
        measure(texts, given.count, given.model, show=given.show)


if __name__ == "__main__":
    main()
