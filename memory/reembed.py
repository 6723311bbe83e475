"""Re-embedding: every memory gets a vector of another model, batch by batch."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from memory import records, vectors
from memory.db import Connection
from memory.embedder import Embedder
from memory.remember import embedded_text
from memory.types import Draft

BATCH = 128

Rows = Sequence[tuple[int, str, str]]  # seq, actor, text


def encode(model: Embedder, rows: Rows) -> NDArray[np.float32]:
    """Return one unit row per memory, `(len(rows), dim)`."""
    return model.encode([embedded_text(Draft(text=text, actor=actor)) for _, actor, text in rows])


def put(con: Connection, space: int, rows: Rows, encoded: NDArray[np.float32]) -> int:
    """Store the vectors of memories that are still what was encoded; return how many."""
    alive = records.fetch(con, [seq for seq, _, _ in rows])
    keep = [
        place
        for place, (seq, _, text) in enumerate(rows)
        if seq in alive and alive[seq].text == text
    ]
    vectors.put(con, space, [rows[place][0] for place in keep], encoded[keep])
    return len(keep)


def drop_others(con: Connection, space: str) -> int:
    """Erase the vectors of every other space and return how many there were."""
    others = set(vectors.counts(con)) - {space}
    return sum(vectors.erase_space(con, other) for other in others)
