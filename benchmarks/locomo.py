"""LoCoMo: does recall find the turns that hold the evidence? No LLM anywhere.

Each conversation goes into a store of its own through `Store.remember_many`, one memory per turn;
each question goes through `Store.recall` and the ranked ids are compared with the evidence turns.
Beside it, on the same texts with the speaker before them: FTS5 in one column, MiniLM cosine with
the raw question, and their reciprocal rank fusion (k = 60), the usual recipe.

LoCoMo (Maharana et al. 2024, CC BY-NC 4.0) is for evaluation only and is not part of this project;
give the path of `locomo10.json` from `snap-research/LoCoMo` 3eb6f2c.
"""

import argparse
import json
import re
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from baselines import full_text, top
from report import Bar, finish

from memory import Draft, Store
from memory.embed import load_embedder
from ranker.fuse import reciprocal_rank
from ranker.metrics import hit_at, ndcg_at, recall_at
from ranker.metrics import reciprocal_rank as mrr

CATEGORIES = {
    1: "multi-hop",
    2: "temporal",
    3: "open-domain",
    4: "single-hop",
    5: "adversarial",
}
DEPTH = 20


@dataclass(frozen=True, slots=True)
class Question:
    """One question with its gold turns, by index."""

    text: str
    category: int
    evidence: frozenset[int]


@dataclass(frozen=True, slots=True)
class Conversation:
    """Turns in order with their session numbers, and the questions about them."""

    name: str
    drafts: list[Draft]
    sessions: list[int]
    questions: list[Question]


def load(path: Path) -> list[Conversation]:
    """Read the data set; questions whose evidence names no turn are left out."""
    return [_conversation(item) for item in json.loads(path.read_text("utf-8"))]


def _conversation(item: dict[str, Any]) -> Conversation:
    talk, drafts, sessions, places = item["conversation"], [], [], {}
    numbers = sorted(int(key[8:]) for key in talk if re.fullmatch(r"session_\d+", key))
    for number in numbers:
        said = talk[f"session_{number}_date_time"].replace(",", "")
        at = datetime.strptime(said, "%I:%M %p on %d %B %Y").replace(tzinfo=UTC)
        for place, turn in enumerate(talk[f"session_{number}"]):
            caption = turn.get("blip_caption")
            places[turn["dia_id"]] = len(drafts)
            drafts.append(
                Draft(
                    text=turn["text"] + (f" [{caption}]" if caption else ""),
                    kind="turn",
                    scope=f"project:{item['sample_id']}/session:{number}",
                    actor=turn["speaker"],
                    at=at + timedelta(seconds=place),
                    uri=turn["dia_id"],
                    source="import",
                )
            )
            sessions.append(number)
    questions = []
    for asked in item["qa"]:
        named = re.findall(r"D:?(\d+):0*(\d+)", " ".join(asked["evidence"]))
        evidence = {places[k] for a, b in named if (k := f"D{a}:{b}") in places}
        if evidence:
            questions.append(Question(asked["question"], asked["category"], frozenset(evidence)))
    return Conversation(item["sample_id"], drafts, sessions, questions)


Run = dict[str, list[tuple[Question, list[int], list[int]]]]


def measure(talk: Conversation, folder: Path, runs: Run) -> float:
    """Add the ranked turns of every system for every question; return seconds in recall."""
    model = load_embedder()
    spent = 0.0
    with Store(folder / talk.name, embedder=model) as store:
        done = store.remember_many(talk.drafts)
        place = {one.id: i for i, one in enumerate(done)}
        texts = [f"{draft.actor}: {draft.text}" for draft in talk.drafts]
        turns = model.encode(texts)
        words = full_text(texts)
        for question in talk.questions:
            start = time.perf_counter()
            found = store.recall(question.text, scope=f"project:{talk.name}", limit=DEPTH)
            spent += time.perf_counter() - start
            lexical = words(question.text)
            cosine = turns @ model.encode([question.text])[0]
            ranked = {
                "Letheon": [place[hit.memory.id] for hit in found.hits],
                "FTS5 alone": top(lexical, DEPTH),
                "MiniLM alone": top(cosine, DEPTH),
                "naive RRF (k=60)": top(reciprocal_rank(lexical, cosine), DEPTH),
            }
            for name, run in ranked.items():
                runs.setdefault(name, []).append((question, run, talk.sessions))
    return spent


METRICS: dict[str, Callable[[list[int], frozenset[int]], float]] = {
    "R@1": lambda run, gold: recall_at(run, gold, 1),
    "R@5": lambda run, gold: recall_at(run, gold, 5),
    "R@10": lambda run, gold: recall_at(run, gold, 10),
    "R@20": lambda run, gold: recall_at(run, gold, 20),
    "hit@10": lambda run, gold: hit_at(run, gold, 10),
    "MRR": mrr,
    "NDCG@10": lambda run, gold: ndcg_at(run, gold, 10),
}


def means(rows: Sequence[tuple[Question, list[int], list[int]]]) -> dict[str, float]:
    """Return the mean of every metric, and the session hit at 10."""
    out = {
        name: float(np.mean([metric(run, q.evidence) for q, run, _ in rows]))
        for name, metric in METRICS.items()
    }
    out["session@10"] = float(
        np.mean([bool({s[i] for i in run[:10]} & {s[i] for i in q.evidence}) for q, run, s in rows])
    )
    return out


def show(title: str, table: dict[str, dict[str, float]]) -> None:
    """Print one table."""
    names = list(next(iter(table.values())))
    print(f"\n{title:30s} " + " ".join(f"{name:>10s}" for name in names))
    for label, values in table.items():
        print(f"{label:30s} " + " ".join(f"{values[name]:10.3f}" for name in names))


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="locomo10.json")
    parser.add_argument("--json", type=Path, help="write the bars to this file")
    parser.add_argument("--only", type=int, help="first N conversations")
    chosen = parser.parse_args()
    if not chosen.data.exists():
        print(f"{chosen.data} is missing: locomo10.json of snap-research/LoCoMo", file=sys.stderr)
        return 2
    runs: Run = {}
    with tempfile.TemporaryDirectory() as folder:
        talks = load(chosen.data)[: chosen.only]
        spent = sum(measure(talk, Path(folder), runs) for talk in talks)
    answerable = {n: [r for r in rows if r[0].category != 5] for n, rows in runs.items()}
    asked = len(answerable["Letheon"])
    show(f"categories 1-4, n={asked}", {name: means(rows) for name, rows in answerable.items()})
    ours = runs["Letheon"]
    show(
        "Letheon, by category",
        {
            f"{CATEGORIES[c]}, n={sum(r[0].category == c for r in ours)}": means(
                [r for r in ours if r[0].category == c]
            )
            for c in sorted({r[0].category for r in ours})
        },
    )
    show(f"all, n={len(ours)}", {name: means(rows) for name, rows in runs.items()})
    print(f"\n{1e3 * spent / len(ours):.1f} ms per recall, query embedding included")
    got = means(answerable["Letheon"])
    return finish(
        [
            Bar("LoCoMo R@10, categories 1-4", got["R@10"], 0.80),
            Bar("LoCoMo NDCG@10, categories 1-4", got["NDCG@10"], 0.63),
            Bar("LoCoMo MRR, categories 1-4", got["MRR"], 0.61),
        ],
        chosen.json,
    )


if __name__ == "__main__":
    raise SystemExit(main())
