"""Import: what others wrote, and what a store of one's own exported, comes in in batches."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from memory import adopt as adopting
from memory import behavior, importing, records, vectors
from memory.clock import millis
from memory.db import transaction
from memory.session import Session
from memory.tombstones import Guard
from memory.types import Remembered

if TYPE_CHECKING:
    from memory.exported import Signal


class Intake(Session):
    """The verb that reads files; `Store` is the class to use."""

    def import_from(
        self,
        path: str | Path,
        *,
        reader: str = "",
        scope: str = "",
        keep_secrets: bool = False,
        progress: importing.Progress = lambda _: None,
    ) -> importing.Imported:
        """Import a file or folder in batches; an interrupted import of it goes on where it was.

        Items whose content was erased on request are left out and counted.

        Args:
            path: JSONL, a folder of Markdown, a chat export, or an MCP memory file.
            reader: Name of the format; recognised by content if empty.
            scope: Levels added to the scope of every item.
            keep_secrets: Store secrets as they are.
            progress: Called with the number of items after each batch.

        Raises:
            UsageError: The source is not readable or an item is not acceptable; the batches
                before it stay.
        """
        place = Path(path)
        name = importing.reader_of(place, reader)
        source = importing.source_key(place, name)
        with self._guard() as con:
            start = importing.point(con, source)
        tally = importing.Tally(reader=name, resumed_at=start)
        if name == "export":
            self._import_export(place, source, scope, tally, progress, keep_secrets=keep_secrets)
            return tally.imported()
        with self._synced_after():
            for batch in importing.batches(importing.items(place, name, start)):
                ready = importing.prepared(batch, scope, keep_secrets=keep_secrets)
                mark = importing.marker(source, batch)
                written = self._write(ready, mark, erased="skip", durable=False)
                tally.add(written, len(ready))
                progress(len(batch))
        with self._writing() as con:
            importing.done(con, source)
        return tally.imported()

    def _import_export(
        self,
        place: Path,
        source: str,
        scope: str,
        tally: importing.Tally,
        progress: importing.Progress,
        *,
        keep_secrets: bool,
    ) -> None:
        chain = adopting.Chain()
        lines = importing.exported(place, tally.resumed_at, keep_secrets=keep_secrets)
        with self._synced_after():
            for batch in importing.batches(lines):
                kept, signals = importing.split(batch)
                ready = importing.moved(kept, scope, self._clock())
                tally.add(self._adopt(ready, chain), len(ready))
                self._hear(signals)
                with self._writing() as con:
                    importing.marker(source, batch)(con)
                progress(len(batch))
        with self._writing() as con:
            importing.done(con, source)

    def _adopt(
        self, kept: Sequence[adopting.Kept], chain: adopting.Chain
    ) -> tuple[Remembered, ...]:
        """Write memories that are neither here nor erased, under their own ids."""
        with self._guard() as con:
            fates = adopting.fates(con, Guard.of(con, self.home), kept, chain)
        new = [one for one, fate in zip(kept, fates, strict=True) if fate == "created"]
        model, encoded = self._encode([one.prepared.draft for one in new])
        with self._writing() as con:
            # Again, now that nobody else writes: what was erased meanwhile stays out.
            fates = adopting.fates(con, Guard.of(con, self.home), kept, chain)
            still = {one.id for one, fate in zip(kept, fates, strict=True) if fate == "created"}
            fresh = adopting.adopt(con, [one for one in new if one.id in still], chain)
            if model is not None and encoded is not None and fresh:
                space = vectors.intern_space(con, model.space, model.dim)
                rows = [at for at, one in enumerate(new) if one.id in fresh]
                vectors.put(con, space, [fresh[new[at].id] for at in rows], encoded[rows])
        return tuple(
            Remembered(id=one.id, created=one.id in fresh, redacted=one.prepared.redacted)
            for one, fate in zip(kept, fates, strict=True)
            if fate != "erased"
        )

    def _hear(self, signals: Sequence["Signal"]) -> None:
        """Add the signals of an export that are about memories of this store and are not here."""
        if not signals:
            return
        with self._guard() as con:
            live = records.by_ids(con, [one.memory for one in signals])
            heard = self._behavior()
            with transaction(heard, self._wait):
                for one in signals:
                    if one.memory in live:
                        at = millis(one.at)
                        behavior.ensure(heard, one.memory, one.outcome, one.root, at, one.count)

    @contextlib.contextmanager
    def _synced_after(self) -> Iterator[None]:
        # Imports can be repeated: their batches skip the sync, one full checkpoint ends them.
        try:
            yield
        finally:
            with self._guard() as con:
                con.execute("PRAGMA wal_checkpoint(FULL)").fetchall()
