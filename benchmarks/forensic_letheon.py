"""Letheon as `forensics.py` examines it."""

from itertools import count
from pathlib import Path

from forensic_texts import Encoder
from forensic_worker import Ids

from memory import Change, Draft, Selector, Store
from memory.db import engine_version


class Letheon:
    """Turns of sessions, so that every text also lies in its neighbours' columns and vectors."""

    packages = ("letheon", "sqlcipher3-wheels")
    deleting = "Store.forget(Store.plan_forget(Selector(ids)))"
    purging = ""
    sqlite = f"{engine_version()}, secure_delete set on"

    def __init__(self, home: Path, ids: Ids) -> None:
        """Keep where things are."""
        self.home, self.ids = home, ids
        self.subjects: frozenset[str] = frozenset()
        self.number = count(len(ids))

    def open(self) -> None:
        """Open the store."""
        self.store = Store(self.home, embedder=Encoder())

    def add(self, batch: dict[str, str]) -> None:
        """Remember a batch."""
        drafts = [
            Draft(
                text=text,
                kind="turn",
                scope=f"project:p{n % 3}/session:s{n // 20}",
                uri=f"chat:{n}",
            )
            for n, text in zip(self.number, batch.values(), strict=False)
        ]
        done = self.store.remember_many(drafts)
        self.ids.update(zip(batch, (one.id for one in done), strict=True))

    def update(self, key: str, text: str) -> None:
        """Correct one."""
        self.store.edit(self.ids[key], Change(text=text))

    def recall(self, text: str) -> None:
        """Recall."""
        self.store.recall(text)

    def delete(self, keys: list[str]) -> None:
        """Forget."""
        plan = self.store.plan_forget(Selector(ids=tuple(self.ids.pop(key) for key in keys)))
        receipt = self.store.forget(plan)
        if receipt.state != "verified":
            raise SystemExit(f"the erasure ended {receipt.state}: {receipt.probes}")

    def purge(self) -> None:
        """Nothing: the erasure is complete."""

    def close(self) -> None:
        """Close."""
        self.store.close()
