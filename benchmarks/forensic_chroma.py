"""Chroma as `forensics.py` examines it; imported in the peers' environment only."""

import subprocess
import sys
from pathlib import Path

import chromadb
from forensic_texts import encode
from forensic_worker import Ids


class Chroma:
    """Chroma's persistent client, one collection, vectors given with the texts."""

    packages = ("chromadb",)
    deleting = "Collection.delete(ids)"
    purging = "chroma vacuum --path HOME --force"
    sqlite = "bundled"

    def __init__(self, home: Path, ids: Ids) -> None:
        """Keep where things are."""
        self.home, self.ids = home, ids
        self.subjects: frozenset[str] = frozenset()

    def open(self) -> None:
        """Open the client."""
        settings = chromadb.Settings(anonymized_telemetry=False)
        self.client = chromadb.PersistentClient(str(self.home), settings=settings)
        self.held = self.client.get_or_create_collection("memories", embedding_function=None)

    def add(self, batch: dict[str, str]) -> None:
        """Add a batch."""
        texts = list(batch.values())
        self.held.add(ids=list(batch), documents=texts, embeddings=encode(texts))
        self.ids.update({key: key for key in batch})

    def update(self, key: str, text: str) -> None:
        """Update one."""
        self.held.update(ids=[key], documents=[text], embeddings=encode([text]))

    def recall(self, text: str) -> None:
        """Query by vector and by a word."""
        self.held.query(query_embeddings=encode([text]), n_results=5)
        self.held.get(where_document={"$contains": text.split()[0]}, limit=5)

    def delete(self, keys: list[str]) -> None:
        """Delete by id."""
        self.held.delete(ids=keys)

    def purge(self) -> None:
        """Run the documented command, with no client open."""
        command = Path(sys.executable).with_name("chroma")
        subprocess.run([command, "vacuum", "--path", self.home, "--force"], check=True, stdout=2)

    def close(self) -> None:
        """Close the client where this version can."""
        close = getattr(self.client, "close", None)
        if close is not None:
            close()
