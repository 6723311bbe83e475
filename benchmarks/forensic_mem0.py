"""mem0 as `forensics.py` examines it; imported in the peers' environment only."""

import os
from importlib import import_module
from pathlib import Path
from typing import Any

import forensic_embeddings
from forensic_texts import DIM
from forensic_worker import Ids


class Mem0:
    """The open-source `Memory` with its default local vector store (Qdrant), without a model."""

    packages = ("mem0ai", "qdrant-client")
    deleting = "Memory.delete(id)"
    purging = ""
    sqlite = ""

    def __init__(self, home: Path, ids: Ids) -> None:
        """Keep where things are; what mem0 writes beside its store goes there, too."""
        self.home, self.ids = home, ids
        self.subjects: frozenset[str] = frozenset()
        os.environ.update(MEM0_DIR=str(home / "mem0"), MEM0_TELEMETRY="False")

    def open(self) -> None:
        """Open the memory."""
        address = forensic_embeddings.serve()
        unused: dict[str, Any] = {"api_key": "unused", "openai_base_url": address}
        self.memory = import_module("mem0").Memory.from_config(
            {
                "vector_store": {
                    "provider": "qdrant",
                    "config": {
                        "path": str(self.home / "qdrant"),
                        "on_disk": True,
                        "embedding_model_dims": DIM,
                        "collection_name": "memories",
                    },
                },
                "embedder": {
                    "provider": "openai",
                    "config": {**unused, "model": "local", "embedding_dims": DIM},
                },
                "llm": {"provider": "openai", "config": unused},
                "history_db_path": str(self.home / "history.db"),
            }
        )

    def add(self, batch: dict[str, str]) -> None:
        """Add one by one, as the interface has it, without inference."""
        for key, text in batch.items():
            done = self.memory.add(text, user_id="ada", infer=False)
            self.ids[key] = done["results"][0]["id"]

    def update(self, key: str, text: str) -> None:
        """Update one."""
        self.memory.update(self.ids[key], text)

    def recall(self, text: str) -> None:
        """Search."""
        self.memory.search(text, filters={"user_id": "ada"})

    def delete(self, keys: list[str]) -> None:
        """Delete by id."""
        for key in keys:
            self.memory.delete(self.ids[key])

    def purge(self) -> None:
        """Nothing is documented short of `reset`, which deletes everything."""

    def close(self) -> None:
        """Close both stores."""
        self.memory.vector_store.client.close()
        self.memory.close()
