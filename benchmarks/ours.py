"""Letheon as `latency.py` measures it: with its encoder, with vectors at hand, without vectors."""

import json
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from worker import DEPTH, Floats, Write, batches, drafts, embedded, mapped

from memory import Draft, Store
from memory.embed import load_embedder


class Vectors:
    """An embedder that looks its answers up and never encodes."""

    def __init__(self, meta: dict[str, Any], texts: Sequence[str], rows: Floats) -> None:
        """Keep the vector of each text."""
        self.space, self.dim = meta["space"], meta["dim"]
        self._place, self._rows = {text: row for row, text in enumerate(texts)}, rows

    def encode(self, texts: Sequence[str]) -> Floats:
        """Return unit rows, `(n, dim)`."""
        return np.asarray(self._rows[[self._place[text] for text in texts]], np.float32)


class Noting:
    """The real model, noting what it is asked to encode."""

    def __init__(self, model: Any) -> None:
        """Wrap a model."""
        self.space, self.dim = model.space, model.dim
        self.noted: dict[str, Floats] = {}
        self._model = model

    def encode(self, texts: Sequence[str]) -> Floats:
        """Return unit rows, `(n, dim)`."""
        rows: Floats = self._model.encode(texts)
        self.noted.update(zip(texts, rows, strict=True))
        return rows


class Letheon:
    """Letheon as it comes: hybrid recall, the query encoded inside."""

    def __init__(self, data: Path, home: Path) -> None:
        """Keep where things are."""
        self.data, self.home = data, home
        self.meta: dict[str, Any] = json.loads((data / "meta.json").read_text("utf-8"))
        self.queries: list[str] = json.loads((data / "queries.json").read_text("utf-8"))
        self.options: dict[str, Any] = {"limit": DEPTH}
        self.store: Store | None = None

    def build(self, write: Write) -> None:
        """Write every memory, then recall once, so that the index file is on disk as in use."""
        rows = drafts(self.data)
        known = Vectors(self.meta, [embedded(row) for row in rows], mapped(self.data))
        batch = [Draft(**{**row, "at": datetime.fromisoformat(row["at"])}) for row in rows]
        ids: list[str] = []
        with Store(self.home, embedder=known) as store:
            for part in batches(len(batch)):
                chosen = [batch[row] for row in part]
                write(partial(_remember, store, chosen, ids))
        (self.data / "ids.json").write_text(json.dumps(ids[: self.meta["demo"]]), "utf-8")
        noting = Noting(self.model())
        with Store(self.home, embedder=noting) as store:
            for query in self.queries:
                store.recall(query, limit=1)
        np.save(self.data / "stripped.npy", np.stack(list(noting.noted.values())))
        (self.data / "stripped.json").write_text(json.dumps(list(noting.noted)), "utf-8")

    def model(self) -> Any:
        """Return the embedder that recalls use."""
        return load_embedder()

    def open(self) -> None:
        """Open the store."""
        self.store = Store(self.home, embedder=self.model(), create=False)
        ids = json.loads((self.data / "ids.json").read_text("utf-8"))
        self.place = {ident: row for row, ident in enumerate(ids)}

    def ask(self, number: int) -> Any:
        """Recall."""
        if self.store is None:
            raise SystemExit("asked before it was opened")
        return self.store.recall(self.queries[number], **self.options)

    def rows(self, answer: Any) -> list[int]:
        """Return the rows of the hits."""
        return [self.place.get(hit.memory.id, -1) for hit in answer.hits]

    def close(self) -> None:
        """Close the store, if it was opened."""
        if self.store is not None:
            self.store.close()


class LetheonVectors(Letheon):
    """Hybrid recall with the vectors of the queries at hand: all but the encoder."""

    def model(self) -> Any:
        """Return the vectors that the building process noted."""
        texts = json.loads((self.data / "stripped.json").read_text("utf-8"))
        return Vectors(self.meta, texts, np.load(self.data / "stripped.npy"))


class LetheonLexical(Letheon):
    """Recall without vectors."""

    def __init__(self, data: Path, home: Path) -> None:
        """Keep where things are."""
        super().__init__(data, home)
        self.options["lexical"] = True

    def model(self) -> Any:
        """Return the name of no model."""
        return "none"


def _remember(store: Store, batch: Sequence[Draft], ids: list[str]) -> None:
    ids += [one.id for one in store.remember_many(batch)]
