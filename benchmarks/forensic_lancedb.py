"""LanceDB as `forensics.py` examines it; imported in the peers' environment only."""

from datetime import timedelta
from pathlib import Path

import lancedb
from forensic_texts import encode
from forensic_worker import Ids


class LanceDB:
    """One table with a vector column and a full-text index."""

    packages = ("lancedb",)
    deleting = "Table.delete(where)"
    purging = "Table.optimize(cleanup_older_than=timedelta(0), delete_unverified=True)"
    sqlite = "none"

    def __init__(self, home: Path, ids: Ids) -> None:
        """Keep where things are."""
        self.home, self.ids = home, ids
        self.subjects: frozenset[str] = frozenset()

    def open(self) -> None:
        """Open the table, if it is there."""
        self.db = lancedb.connect(str(self.home))
        names = self.db.table_names()
        self.table = self.db.open_table("memories") if "memories" in names else None

    def add(self, batch: dict[str, str]) -> None:
        """Add a batch; the text is indexed with the first."""
        vectors = encode(list(batch.values()))
        rows = [
            {"id": key, "text": text, "vector": row.tolist()}
            for (key, text), row in zip(batch.items(), vectors, strict=True)
        ]
        if self.table is None:
            self.table = self.db.create_table("memories", rows)
            self.table.create_fts_index("text")
        else:
            self.table.add(rows)
        self.ids.update({key: key for key in batch})

    def update(self, key: str, text: str) -> None:
        """Update one row."""
        values = {"text": text, "vector": encode([text])[0].tolist()}
        self.table.update(where=f"id = '{key}'", values=values)

    def recall(self, text: str) -> None:
        """Search by vector."""
        self.table.search(encode([text])[0]).limit(5).to_list()

    def delete(self, keys: list[str]) -> None:
        """Delete rows."""
        listed = ", ".join(f"'{key}'" for key in keys)
        self.table.delete(f"id IN ({listed})")

    def purge(self) -> None:
        """Compact and remove every older version."""
        self.open()
        self.table.optimize(cleanup_older_than=timedelta(0), delete_unverified=True)

    def close(self) -> None:
        """Nothing to close."""
