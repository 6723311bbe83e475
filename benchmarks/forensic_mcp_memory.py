"""mcp-memory-service as `forensics.py` examines it; imported in the peers' environment only."""

import asyncio
import os
import sqlite3
from importlib import import_module
from pathlib import Path
from typing import Any

import forensic_embeddings
import forensic_worker
from forensic_worker import Ids


class McpMemory:
    """Its SQLite storage (FTS5 and sqlite-vec), hybrid retrieval."""

    packages = ("mcp-memory-service", "sqlite-vec")
    deleting = "storage.delete(hash), each version"
    purging = "storage.purge_deleted(older_than_days=0)"
    sqlite = ""

    def __init__(self, home: Path, ids: Ids) -> None:
        """Keep where things are."""
        self.home, self.ids = home, ids
        self.subjects: frozenset[str] = frozenset()
        os.environ.update(
            MCP_EXTERNAL_EMBEDDING_URL=forensic_embeddings.serve() + "/embeddings",
            MCP_EXTERNAL_EMBEDDING_MODEL="local",
            MCP_MEMORY_STORAGE_BACKEND="sqlite_vec",
            MCP_MEMORY_BASE_DIR=str(home),
            MCP_SEMANTIC_DEDUP_ENABLED="false",
        )
        self.loop = asyncio.new_event_loop()

    def _run(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    def open(self) -> None:
        """Open the storage."""
        if not hasattr(sqlite3.Connection, "enable_load_extension"):
            forensic_worker.stock_sqlite()  # sqlite-vec is an extension
        storage = import_module("mcp_memory_service.storage.sqlite_vec")
        self.models = import_module("mcp_memory_service.models.memory")
        self.hashed = import_module("mcp_memory_service.utils.hashing").generate_content_hash
        self.home.mkdir(exist_ok=True)
        self.storage = storage.SqliteVecMemoryStorage(str(self.home / "memory.db"))
        self._run(self.storage.initialize())

    def add(self, batch: dict[str, str]) -> None:
        """Store a batch."""
        for key, text in batch.items():
            one = self.models.Memory(content=text, content_hash=self.hashed(text), tags=["note"])
            done, said = self._run(self.storage.store(one))
            if not done:
                raise SystemExit(said)
            self.ids[key] = [one.content_hash]

    def update(self, key: str, text: str) -> None:
        """Make a new version."""
        done, said, fresh = self._run(self.storage.update_memory_versioned(self.ids[key][-1], text))
        if not done:
            raise SystemExit(said)
        self.ids[key].append(fresh)

    def recall(self, text: str) -> None:
        """Retrieve by words and vectors."""
        self._run(self.storage.retrieve_hybrid(text, n_results=5))

    def delete(self, keys: list[str]) -> None:
        """Delete every version of each memory."""
        for key in keys:
            for version in self.ids[key]:
                done, said = self._run(self.storage.delete(version))
                if not done:
                    raise SystemExit(said)

    def purge(self) -> None:
        """Remove what was deleted."""
        self.open()
        self._run(self.storage.purge_deleted(older_than_days=0))
        self.close()

    def close(self) -> None:
        """Close the storage."""
        self._run(self.storage.close())
