"""LangGraph's SQLite store as `forensics.py` examines it; imported in the peers' environment."""

import sqlite3
from importlib import import_module
from pathlib import Path
from typing import Any

from forensic_texts import DIM, encode
from forensic_worker import Ids, described
from langgraph.store.base import PutOp
from langgraph.store.sqlite import SqliteStore


class LangGraph:
    """SqliteStore with its vector index (sqlite-vec)."""

    packages = ("langgraph", "langgraph-checkpoint-sqlite", "sqlite-vec")
    deleting = "SqliteStore.delete(namespace, key)"
    purging = "VACUUM by hand (the store documents nothing)"
    sqlite = ""

    def __init__(self, home: Path, ids: Ids) -> None:
        """Keep where things are."""
        self.home, self.ids = home, ids
        self.subjects: frozenset[str] = frozenset()

    def open(self) -> None:
        """Open the database."""
        self.home.mkdir(exist_ok=True)
        driver: Any = sqlite3
        if not hasattr(sqlite3.Connection, "enable_load_extension"):
            driver = import_module("pysqlite3")  # sqlite-vec is an extension
        self.sqlite = described(driver)
        con = driver.connect(
            str(self.home / "store.db"), check_same_thread=False, isolation_level=None
        )
        self.store = SqliteStore(
            con,
            index={
                "dims": DIM,
                "embed": lambda texts: encode(list(texts)).tolist(),
                "text_fields": ["text"],
            },
        )
        self.store.setup()

    def add(self, batch: dict[str, str]) -> None:
        """Put a batch."""
        self.store.batch([PutOp(("memories",), key, {"text": batch[key]}) for key in batch])
        self.ids.update({key: key for key in batch})

    def update(self, key: str, text: str) -> None:
        """Put under the same key."""
        self.store.put(("memories",), key, {"text": text})

    def recall(self, text: str) -> None:
        """Search."""
        self.store.search(("memories",), query=text, limit=5)

    def delete(self, keys: list[str]) -> None:
        """Delete by key."""
        for key in keys:
            self.store.delete(("memories",), key)

    def purge(self) -> None:
        """VACUUM, which a user may know of."""
        self.open()
        self.store.conn.execute("VACUUM")
        self.close()

    def close(self) -> None:
        """Close the database."""
        self.store.conn.close()
