"""Texts that can be found again: each says a token and a vector that nothing else says.

Used by the driver and by the workers in other environments, so it needs nothing but numpy.
"""

import hashlib
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
DIM = 384
PLAIN = "bcdfghjklmnpqrtvwxz"  # no "s" and no vowel: a stemmer leaves the token alone
ACCENTED = "áäãèéêïíóöõùúüñçýč"
TOKEN = re.compile(f"[{PLAIN}]{{16}}")
FILLER = (
    1,
    5,
    30,
)  # words after the token, so that rows differ in size; some fill pages of their own


@dataclass(frozen=True, slots=True)
class Text:
    """One wording of one memory."""

    key: int
    token: str
    accented: str
    filler: int

    def __str__(self) -> str:
        return (
            f"berth {self.key % 40} holds {self.token} for {self.accented}"
            + " crates of tea" * self.filler
        )


def texts(count: int, seed: int = 7) -> list[Text]:
    """Return the texts of `count` memories, the same for the same seed."""
    rng = random.Random(seed)  # noqa: S311 - a corpus, not a secret
    return [_text(rng, key) for key in range(count)]


def _text(rng: random.Random, key: int) -> Text:
    return Text(
        key=key,
        token="".join(rng.choices(PLAIN, k=16)),
        accented="".join(rng.choices(ACCENTED, k=12)),
        filler=400 if key % 100 == 0 else rng.choice(FILLER),
    )


def reworded(text: Text, seed: int = 8) -> Text:
    """Return a later wording of the same memory: another token, another vector."""
    rng = random.Random(f"{seed} {text.key}")  # noqa: S311 - as above
    return replace(_text(rng, text.key), filler=text.filler)


def vector(token: str) -> Floats:
    """Return the unit vector that stands for whatever says this token, `(384,)`."""
    seed = int.from_bytes(hashlib.sha256(token.encode()).digest()[:8], "little")
    row = np.random.default_rng(seed).normal(size=DIM)
    return np.asarray(row / np.linalg.norm(row), np.float32)


def encode(batch: Sequence[str]) -> Floats:
    """Return a unit vector per text, `(n, 384)`: that of the token it says, else that of itself.

    In place of a model: it needs no download, and no two vectors resemble each other, so that a
    vector found in a file is that of one text.
    """
    said = [TOKEN.search(text) for text in batch]
    rows = [
        vector(match.group() if match else text) for match, text in zip(said, batch, strict=True)
    ]
    return np.stack(rows) if rows else np.zeros((0, DIM), np.float32)


class Encoder:
    """`encode` as an object: what Letheon and others take for an embedder."""

    space = "forensic-tokens@1"
    dim = DIM

    def encode(self, batch: Sequence[str]) -> Floats:
        """Return unit rows, `(n, 384)`."""
        return encode(batch)
