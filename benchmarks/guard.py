"""The re-ingest guard: what is refused after an erasure, what wrongly, and what that costs.

Notes of a JSONL file ("text" per line) are remembered and forgotten for real. Then each of them is
offered again in eight disguises, and notes that were never erased are offered as they are. For the
cost per note, 10,000 further texts of 40 words are put among the tombstones.
"""

import argparse
import json
import random
import re
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from report import Bar, finish

from memory import Draft, Selector, Store, tombstones
from memory.db import transaction
from memory.skeleton import skeleton
from memory.tombstones import Guard

SEED = 7
ITEMS, WORDS = 10_000, 40
LOOKS = str.maketrans("aceiopsxy", "асеіорѕху")  # Latin -> Cyrillic

DISGUISES: dict[str, Callable[[str], str]] = {
    "zero width": lambda text: "\u200b".join(text),
    "soft hyphen": lambda text: "\u00ad".join(text),
    "joiner": lambda text: "\u200d".join(text),
    "full width": lambda text: "".join(
        chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text
    ),
    "combining marks": lambda text: re.sub("([a-z])", "\\1\u0301", text),
    "tag characters": lambda text: "\U000e0041".join(text),
    "cyrillic": lambda text: text.translate(LOOKS),
    "bidi reversal": lambda text: "\n".join(
        f"\u202e{line[::-1]}\u202c" for line in text.split("\n")
    ),
}


def notes(file: Path) -> list[str]:
    """Return the distinct texts of a JSONL file, in an order that is the same on every run."""
    with file.open(encoding="utf-8") as lines:
        found = [json.loads(line)["text"].strip() for line in lines]
    distinct = list({skeleton(text): text for text in found if text}.values())
    random.Random(SEED).shuffle(distinct)  # noqa: S311 - a sample, not a secret
    return distinct


def erase(store: Store, texts: Sequence[str], *, tombstone: bool = True) -> None:
    """Remember texts and forget them, physically."""
    done = store.remember_many([Draft(text=text) for text in texts], keep_secrets=True)
    plan = store.plan_forget(Selector(ids=tuple(one.id for one in done)))
    receipt = store.forget(plan, tombstone=tombstone)
    if receipt.state != "verified":
        raise SystemExit(f"the erasure ended {receipt.state}: {receipt.probes}")


def timed(guard: Guard, texts: Sequence[str]) -> tuple[list[str], float]:
    """Return the texts that are refused, and the milliseconds that one text took."""
    began = time.perf_counter()
    refused = [text for text in texts if guard.refuses(text)]
    return refused, (time.perf_counter() - began) * 1000 / max(1, len(texts))


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="JSONL with a text per line")
    parser.add_argument("--erase", type=int, default=300, help="notes to erase")
    parser.add_argument("--check", type=int, default=2_000, help="other notes to offer")
    parser.add_argument("--json", type=Path, help="write the figures here")
    given = parser.parse_args()
    texts = notes(given.data)
    gone, ordinary = texts[: given.erase], texts[given.erase :][: given.check]
    print(f"{len(gone)} notes erased, {len(ordinary)} others offered")

    bars = []
    with tempfile.TemporaryDirectory() as folder:
        with Store(Path(folder) / "off", embedder="none") as store:
            erase(store, gone, tombstone=False)
            refused, _ = timed(Guard.of(store._con, store.home), gone)
            bars.append(Bar("control: refused without tombstones", len(refused), 0, at_most=True))
        with Store(Path(folder) / "on", embedder="none") as store:
            erase(store, gone)
            guard = Guard.of(store._con, store.home)
            for name, disguise in DISGUISES.items():
                refused, _ = timed(guard, [disguise(text) for text in gone])
                bars.append(Bar(f"refused share, {name}", len(refused) / len(gone), 1))
            refused, took = timed(guard, ordinary)
            for text in refused[:10]:
                print("refused wrongly:", " ".join(text.split())[:90])
            mean = sum(len(text.split()) for text in ordinary) / len(ordinary)
            print(f"ordinary notes: {mean:.0f} words and {took:.2f} ms each")
            bars.append(Bar("ordinary notes refused", len(refused), 0, at_most=True))
            bars += cost(store, texts)
    return finish(bars, given.json)


def cost(store: Store, texts: Sequence[str]) -> list[Bar]:
    """Return what one note of 40 words costs beside 10,000 erased ones of that length."""
    rng = random.Random(SEED)  # noqa: S311 - as above
    words = [word for text in texts for word in text.split()]

    def made(count: int) -> list[str]:
        return [" ".join(rng.choices(words, k=WORDS)) for _ in range(count)]

    began = time.perf_counter()
    with transaction(store._con, 5.0):
        tombstones.put(store._con, store.home, made(ITEMS))
    print(f"tombstones: {(time.perf_counter() - began) * 1000 / ITEMS:.2f} ms per erased text")
    guard = Guard.of(store._con, store.home)
    _, plain = timed(guard, made(500))
    _, cyrillic = timed(guard, [text.translate(LOOKS) for text in made(500)])
    return [
        Bar("ms per note of 40 words, 10,000 erased", plain, 1, at_most=True),
        Bar("the same in Cyrillic letters", cyrillic, 1, at_most=True),
    ]


if __name__ == "__main__":
    sys.exit(main())
