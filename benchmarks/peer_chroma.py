"""Chroma as `latency.py` measures it; imported in the peers' environment only."""

from functools import partial
from pathlib import Path
from typing import Any

import chromadb
import numpy as np
from worker import DEPTH, Floats, Write, batches, drafts, embedded, mapped


class Chroma:
    """Chroma's persistent client: approximate search (HNSW) over the same vectors."""

    def __init__(self, data: Path, home: Path) -> None:
        """Open the client."""
        self.data = data
        settings = chromadb.Settings(anonymized_telemetry=False)
        self.client = chromadb.PersistentClient(str(home), settings=settings)
        self.queries: Floats = np.load(data / "queries.npy")

    def build(self, write: Write) -> None:
        """Add every text with its vector and scope."""
        made = self.client.create_collection(
            "memories", embedding_function=None, configuration={"hnsw": {"space": "cosine"}}
        )
        rows, vectors = drafts(self.data), mapped(self.data)
        for part in batches(len(rows)):
            batch = {
                "ids": [str(row) for row in part],
                "embeddings": np.asarray(vectors[part.start : part.stop]),
                "documents": [embedded(rows[row]) for row in part],
                "metadatas": [{"scope": rows[row]["scope"]} for row in part],
            }
            write(partial(made.add, **batch))

    def open(self) -> None:
        """Find the collection."""
        self.found = self.client.get_collection("memories", embedding_function=None)

    def ask(self, number: int) -> Any:
        """Return the nearest texts."""
        return self.found.query(
            query_embeddings=self.queries[number : number + 1],
            n_results=DEPTH,
            include=["documents", "metadatas", "distances"],
        )

    def rows(self, answer: Any) -> list[int]:
        """Return the rows of the answer."""
        return [int(ident) for ident in answer["ids"][0]]

    def close(self) -> None:
        """Nothing to do: the process ends."""
