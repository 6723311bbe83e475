"""LangGraph's store as `latency.py` measures it; imported in the peers' environment only."""

import json
import sqlite3
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from langgraph.store.base import PutOp
from langgraph.store.sqlite import SqliteStore
from worker import DEPTH, Floats, Write, batches, drafts, embedded, mapped


class LangGraph:
    """LangGraph's SqliteStore with its vector index (sqlite-vec): exact search."""

    def __init__(self, data: Path, home: Path) -> None:
        """Open the database."""
        home.mkdir(exist_ok=True)
        self.data = data
        self.known: dict[str, Floats] = {}
        self.texts: list[str] = json.loads((data / "queries.json").read_text("utf-8"))
        self.store = SqliteStore(
            _extensible(home / "store.db"),
            index={
                "dims": json.loads((data / "meta.json").read_text("utf-8"))["dim"],
                "embed": lambda texts: [self.known[text].tolist() for text in texts],
                "text_fields": ["text"],
            },
        )
        self.store.setup()

    def build(self, write: Write) -> None:
        """Put every text with its scope."""
        rows, vectors = drafts(self.data), mapped(self.data)
        for part in batches(len(rows)):
            self.known = {embedded(rows[row]): vectors[row] for row in part}
            puts = [
                PutOp(
                    ("memories",),
                    str(row),
                    {"text": embedded(rows[row]), "scope": rows[row]["scope"]},
                )
                for row in part
            ]
            write(partial(self.store.batch, puts))

    def open(self) -> None:
        """Take the queries' vectors."""
        self.known = dict(zip(self.texts, np.load(self.data / "queries.npy"), strict=True))

    def ask(self, number: int) -> Any:
        """Return the nearest items."""
        return self.store.search((), query=self.texts[number], limit=DEPTH)

    def rows(self, answer: Any) -> list[int]:
        """Return the rows of the answer."""
        return [int(item.key) for item in answer]

    def close(self) -> None:
        """Close the database."""
        self.store.conn.close()


def _extensible(path: Path) -> Any:
    driver: Any = sqlite3
    if not hasattr(sqlite3.Connection, "enable_load_extension"):
        # Some builds of Python leave extensions out of sqlite3, and sqlite-vec is one.
        driver = import_module("pysqlite3")
    return driver.connect(str(path), check_same_thread=False, isolation_level=None)
