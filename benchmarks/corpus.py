"""A store of any size from the bundled demo conversation, the same for the same seed.

The first rows are the conversation itself. The rest are word chains drawn from its bigrams, with a
Zipf tail of invented words, so that posting lists and vocabulary grow as in a real store. Encoding
a hundred thousand texts takes half an hour and says nothing about search, so the vectors of those
rows are mixed from two of the conversation's sentences, plus noise; queries are always encoded.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib import resources
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memory import Draft
from memory.embedder import Embedder

Floats = NDArray[np.float32]
SYLLABLES = "ka lo mi ren ta vu sel dor pin gra hest um bel tro fi nax ol wen zu qui".split()


@dataclass(slots=True)
class MixedEmbedder:
    """The real model for what it has not seen, prepared vectors for the corpus."""

    model: Embedder
    known: dict[str, Floats] = field(default_factory=dict)

    @property
    def space(self) -> str:
        """Name of the vector space."""
        return self.model.space

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self.model.dim

    def encode(self, texts: Sequence[str]) -> Floats:
        """Return unit rows, `(n, dim)`; what is not known is encoded."""
        unknown = [text for text in texts if text not in self.known]
        made = dict(zip(unknown, self.model.encode(unknown), strict=True)) if unknown else {}
        rows = [made[text] if text in made else self.known[text] for text in texts]
        return np.stack(rows) if rows else np.zeros((0, self.dim), np.float32)


def demo() -> tuple[list[Draft], list[dict[str, Any]]]:
    """Return the bundled conversation and its questions with gold line numbers."""
    folder = resources.files("cli") / "data"
    lines = (folder / "demo.jsonl").read_text("utf-8").splitlines()
    drafts = [
        Draft(**{**row, "at": datetime.fromisoformat(row["at"])}) for row in map(json.loads, lines)
    ]
    asked = json.loads((folder / "demo_questions.json").read_text("utf-8"))["questions"]
    return drafts, asked


def corpus(n: int, model: Embedder, seed: int = 7) -> tuple[list[Draft], MixedEmbedder]:
    """Return `n` drafts, the demo conversation first, and an embedder that knows their vectors."""
    rng = np.random.default_rng(seed)
    real, _ = demo()
    real = real[:n]
    sentences = [(d.actor, s) for d in real for s in re.split(r"(?<=[.!?])\s+", d.text) if s]
    base = model.encode([s for _, s in sentences])
    mixed = MixedEmbedder(model)
    for draft, row in zip(real, model.encode([f"{d.actor}: {d.text}" for d in real]), strict=True):
        mixed.known[f"{draft.actor}: {draft.text}"] = row
    drafts = list(real)
    start = datetime(2025, 1, 6, 9, 0, tzinfo=UTC)
    chain = _chain([d.text for d in real])
    for i in range(n - len(real)):
        one, two = rng.integers(0, len(sentences), 2)
        tail = " ".join(_word(rank) for rank in rng.zipf(1.3, 4) % 200_000)
        text = f"{_walk(chain, int(rng.integers(12, 30)), rng)} {tail} {i}"
        noise = rng.normal(size=model.dim).astype(np.float32)
        row = 0.8 * base[one] + 0.45 * base[two] + 0.35 * noise / np.linalg.norm(noise)
        actor = sentences[one][0]
        mixed.known[f"{actor}: {text}"] = row / np.linalg.norm(row)
        drafts.append(
            Draft(
                text=text,
                kind="turn",
                scope=f"user:ada/project:p{i // 5000}/session:s{i // 20}",
                actor=actor,
                at=start + timedelta(minutes=i),
                source="import",
            )
        )
    return drafts, mixed


def _chain(texts: Sequence[str]) -> dict[str, list[str]]:
    following: dict[str, list[str]] = {}
    for text in texts:
        words = ["", *text.split(), ""]
        for word, after in pairwise(words):
            following.setdefault(word, []).append(after)
    return following


def _walk(chain: dict[str, list[str]], length: int, rng: np.random.Generator) -> str:
    word, out = "", []
    while len(out) < length:
        after = chain[word]
        word = after[int(rng.integers(len(after)))]
        if word:
            out.append(word)
    return " ".join(out)


def _word(rank: int) -> str:
    parts = []
    while rank:
        rank, at = divmod(int(rank), len(SYLLABLES))
        parts.append(SYLLABLES[at])
    return "".join(parts) or "ka"
