"""The store: one folder, one connection, and a method for each verb."""

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from memory import (
    behavior,
    correct,
    erasures,
    export,
    files,
    importing,
    ledger,
    records,
    seal,
    setting,
    vectors,
)
from memory import check as checking
from memory import forget as forgetting
from memory import recall as recalling
from memory import remember as remembering
from memory.clock import Clock, now
from memory.db import Connection, connect, identity, mapped_errors, snapshot, transaction
from memory.directory import Directory
from memory.embed import Embedder, load_embedder
from memory.errors import NotFoundError, StoreBusyError, UsageError
from memory.ids import new_id
from memory.lexical import Lexical
from memory.scope import Scope
from memory.settings import Settings
from memory.types import (
    OUTCOMES,
    Draft,
    Finding,
    ForgetPlan,
    Kind,
    Memory,
    Outcome,
    Recalled,
    Receipt,
    Remembered,
    Selector,
    SourceClass,
    Stats,
)
from memory.vector_index import VectorIndex

WAIT = 30.0  # seconds to wait for other writers, and for readers that block a seal
REEMBED_BATCH = 128


class Store:
    """A memory in one folder: remember, recall, forget.

    Safe to use from several threads, and from several processes at once. Every verb is one
    transaction; what it returned is on disk. Use as a context manager, or call `close`.
    """

    def __init__(
        self,
        home: str | Path | None = None,
        *,
        create: bool = True,
        embedder: Embedder | Literal["default", "none"] | str | None = None,
        clock: Clock = now,
        wait: float = WAIT,
    ) -> None:
        """Open the store in folder `home`, making it when `create` is true.

        Args:
            home: The folder; `$LETHEON_HOME` or the platform's data folder if None.
            create: Make the store if it does not exist.
            embedder: An object with `space`, `dim` and `encode`; a model's name or folder; "none"
                for lexical recall only; None for the model the store was made with.
            clock: Returns the current aware UTC datetime.
            wait: Seconds to wait for other processes before `StoreBusyError`.

        Raises:
            StoreError: The folder cannot be used; subclasses say why.
        """
        self.home = Path(home) if home is not None else Settings.from_env().home
        self._clock = clock
        self._wait = wait
        self._lock = threading.RLock()
        self._signals: Connection | None = None
        self._index: VectorIndex | None = None
        self._directory = Directory()
        self._lexical = Lexical(self.home / files.DATABASE)
        self._con = connect(self.home / files.DATABASE, wait=wait, create=create)
        with self._guard():
            self._begin(embedder)

    def _begin(self, embedder: Embedder | str | None) -> None:
        if not setting.get(self._con, "store_id"):
            with transaction(self._con, self._wait):
                if not setting.get(self._con, "store_id"):
                    setting.put(self._con, "store_id", new_id(self._clock()))
                    chosen = embedder if isinstance(embedder, str) else "default"
                    setting.put(self._con, "model", chosen)
        self._model = setting.get(self._con, "model", "default")
        if isinstance(embedder, str):
            self._model = embedder
        self._embedder = None if embedder is None or isinstance(embedder, str) else embedder
        if erasures.unfinished(self._con):
            self.resume(wait=0.0)

    # -- life -----------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Finish what can be finished and let go of the files. Idempotent."""
        with self._lock:
            if self._index is not None:
                with contextlib.suppress(OSError):  # the sidecar is a cache
                    self._index.save()
                self._index = None
            self._lexical.close()
            for con in (self._signals, self._con):
                if con is not None:
                    con.close()
            self._signals = None

    @contextlib.contextmanager
    def _guard(self) -> Iterator[Connection]:
        with self._lock, mapped_errors(self.home / files.DATABASE):
            yield self._con

    @contextlib.contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._guard() as con, transaction(con, self._wait):
            yield con

    def _behavior(self) -> Connection:
        if self._signals is None:
            self._signals = connect(
                self.home / files.BEHAVIOR, wait=self._wait, create=True, schema="behavior"
            )
        return self._signals

    @property
    def embedder(self) -> Embedder | None:
        """The embedding model, loaded when first needed; None for a lexical store."""
        with self._lock:
            if self._embedder is None and self._model != "none":
                self._embedder = load_embedder(self._model, cache=self.home / files.INDEX)
            return self._embedder

    def _encode(
        self, drafts: Sequence[Draft]
    ) -> tuple[Embedder | None, NDArray[np.float32] | None]:
        model = self.embedder
        if model is None or not drafts:
            return model, None
        return model, model.encode([remembering.embedded_text(draft) for draft in drafts])

    # -- remember -------------------------------------------------------------------------------

    def remember(
        self,
        text: str,
        *,
        kind: Kind = "note",
        scope: str = "",
        title: str = "",
        actor: str = "",
        at: datetime | None = None,
        valid_from: datetime | None = None,
        valid_to: datetime | None = None,
        source: SourceClass = "user",
        root: str = "",
        uri: str = "",
        key: str | None = None,
        keep_secrets: bool = False,
    ) -> Remembered:
        """Store one text durably and say which memory it is; see `Draft` for the fields.

        Secrets are replaced by ``[redacted:RULE]`` before anything is written, unless
        `keep_secrets`. The same text in the same scope gains a provenance instead of a copy.

        Raises:
            UsageError: A field is not acceptable; nothing was written.
        """
        draft = Draft(
            text=text,
            kind=kind,
            scope=scope,
            title=title,
            actor=actor,
            at=at,
            valid_from=valid_from,
            valid_to=valid_to,
            source=source,
            root=root,
            uri=uri,
            key=key,
        )
        return self.remember_many([draft], keep_secrets=keep_secrets)[0]

    def remember_many(
        self, drafts: Iterable[Draft], *, keep_secrets: bool = False
    ) -> tuple[Remembered, ...]:
        """Store several texts in one transaction: all of them or none.

        Raises:
            UsageError: A draft is not acceptable; nothing was written.
        """
        batch = [remembering.prepare(draft, keep_secrets=keep_secrets) for draft in drafts]
        return self._write(batch)

    def _write(
        self,
        batch: Sequence[remembering.Prepared],
        after: Callable[[Connection], None] = lambda _: None,
    ) -> tuple[Remembered, ...]:
        model, encoded = self._encode([one.draft for one in batch])
        with self._writing() as con:
            done = remembering.remember(
                con, batch, now=self._clock(), embedder=model, encoded=encoded
            )
            after(con)
        return tuple(done)

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
        with self._relaxed():
            for batch in importing.batches(importing.items(place, name, start)):
                ready = importing.prepared(batch, scope, keep_secrets=keep_secrets)
                tally.add(self._write(ready, importing.marker(source, batch)))
                progress(len(batch))
        with self._writing() as con:
            importing.done(con, source)
        return tally.imported()

    @contextlib.contextmanager
    def _relaxed(self) -> Iterator[None]:
        # Imports can be repeated: their batches skip the sync, one full checkpoint ends them.
        with self._guard() as con:
            con.execute("PRAGMA synchronous=NORMAL")
        try:
            yield
        finally:
            with self._guard() as con:
                con.execute("PRAGMA synchronous=FULL")
                con.execute("PRAGMA wal_checkpoint(FULL)").fetchall()

    # -- recall ---------------------------------------------------------------------------------

    def recall(
        self,
        query: str,
        *,
        scope: str = "",
        limit: int = 10,
        kinds: Sequence[Kind] = (),
        as_of: datetime | None = None,
        budget: int | None = None,
        lexical: bool = False,
        strict: bool = True,
    ) -> Recalled:
        """Return the memories that best answer `query`, with the reasons of each.

        A scope shows what lies inside it and what holds more broadly: a project's recall sees the
        user's memories, never another project's. The query is not kept anywhere.

        Args:
            query: A question or keywords, any language.
            scope: Where the asker stands.
            limit: At most so many hits, 1 to 1000.
            kinds: Only these kinds; all if empty.
            as_of: Answer as of that time: what was said and valid then.
            budget: At most so many estimated tokens of text in all.
            lexical: Leave the vectors out.
            strict: Refuse a scope that no memory has; else broader memories answer alone.

        Raises:
            UsageError: An argument is not acceptable.
            NotFoundError: Strict, and no memory has this scope.
        """
        asked = recalling.checked(
            recalling.Query(
                text=query,
                scope=Scope.parse(scope),
                limit=limit,
                kinds=tuple(kinds),
                as_of=as_of,
                budget=budget,
                strict=strict,
            )
        )
        model = None if lexical else self.embedder
        with self._guard() as con:
            if model is not None and (self._index is None or self._index.space != model.space):
                self._index = VectorIndex(model.space, model.dim, self.home / files.INDEX)
            channels = recalling.Channels(
                directory=self._directory, lexical=self._lexical, embedder=model, index=self._index
            )
            return recalling.recall(con, asked, channels, self._clock())

    def get(self, memory_id: str) -> Memory:
        """Return one memory with all its provenances.

        Raises:
            NotFoundError: There is none with this id.
        """
        with self._guard() as con, snapshot(con):
            seq = self._seq(con, memory_id)
            memory = records.fetch(con, [seq])[seq]
            return records.with_provenances(memory, records.provenances(con, seq))

    def _seq(self, con: Connection, memory_id: str) -> int:
        found = records.by_ids(con, [memory_id])
        if memory_id not in found:
            raise NotFoundError(
                f"no memory has id {memory_id!r}", hint="'mem list' shows ids", ids=(memory_id,)
            )
        return found[memory_id]

    def list(
        self, *, scope: str = "", kinds: Sequence[Kind] = (), limit: int = 50, before: str = ""
    ) -> tuple[Memory, ...]:
        """Return the memories inside a scope, newest first, older than the id `before`."""
        with self._guard() as con, snapshot(con):
            inside = None
            if scope:
                wanted = Scope.parse(scope)
                inside = [i for i, other in records.scopes(con) if wanted.contains(other)]
                if not inside:
                    raise NotFoundError(
                        f"no memory has scope '{wanted}'", hint="'mem stats' lists scopes"
                    )
            found = records.page(con, scopes=inside, kinds=kinds, limit=limit, before=before)
            return tuple(found)

    def sample(self, count: int) -> tuple[str, ...]:
        """Return up to `count` texts spread over the store, the same for the same content."""
        with self._guard() as con:
            return records.sample(con, count)

    def export(self, scope: str = "") -> Iterator[dict[str, Any]]:
        """Yield every memory inside a scope as a plain dict, oldest first."""
        lines = export.export(self._con, Scope.parse(scope))
        while True:
            with self._guard():
                line = next(lines, None)
            if line is None:
                return
            yield line

    def register_copy(self, place: Path, role: Literal["export", "backup"]) -> None:
        """Remember that a copy was written outside the store, so that a receipt can say so."""
        with self._writing() as con:
            files.register(con, place.resolve(), role, self._clock())

    # -- correct and forget ---------------------------------------------------------------------

    def edit(self, memory_id: str, change: correct.Change, *, wait: float = 5.0) -> Memory:
        """Correct a memory in place and seal the file, so that the old wording is gone from it.

        Raises:
            NotFoundError: There is no such memory.
            UsageError: A field is not acceptable, or another memory says the same.
        """
        before = self.get(memory_id)
        given = {
            name: value
            for name in ("text", "kind", "scope", "title", "actor", "at", "valid_from", "valid_to")
            if (value := getattr(change, name)) is not None
        }
        kept = {
            name: getattr(before, name)
            for name in ("text", "kind", "scope", "title", "actor", "at", "valid_from", "valid_to")
        }
        after = remembering.prepare(Draft(**{**kept, **given}))
        model, encoded = self._encode([after.draft])
        with self._writing() as con:
            correct.correct(con, self._seq(con, memory_id), after, embedder=model, encoded=encoded)
        with self._guard() as con:
            files.erase_indexes(self.home)
            seal.seal(con, wait)
        return self.get(memory_id)

    def plan_forget(self, selector: Selector) -> ForgetPlan:
        """Return what a forget would erase; changes nothing.

        Raises:
            UsageError: The selector is empty or malformed.
            NotFoundError: An id or scope does not exist.
        """
        with self._guard() as con, snapshot(con):
            return forgetting.plan(con, selector)

    def forget(
        self,
        plan: ForgetPlan,
        *,
        wait: float | None = None,
        say: forgetting.Progress = lambda _: None,
    ) -> Receipt:
        """Erase exactly what `plan` names, physically, verify it and return the receipt.

        A reader that holds the file makes the receipt "pending": the memories are gone for every
        recall at once, their bytes at the latest when the reader lets go and the store is next
        opened.

        Args:
            plan: From `plan_forget`.
            wait: Seconds to wait for blocking readers; the store's own by default.
            say: Told the name of each step.

        Raises:
            NotFoundError: The plan names nothing.
            UsageError: The plan was altered.
        """
        with self._guard():
            place = self._place(say)
            return forgetting.forget(place, plan, self._wait if wait is None else wait)

    def resume(self, *, wait: float | None = None) -> tuple[Receipt, ...]:
        """Finish erasures that a crash or a reader interrupted; () when there are none."""
        with self._guard():
            try:
                limit = self._wait if wait is None else wait
                return tuple(forgetting.resume(self._place(), limit))
            except StoreBusyError:
                return ()

    def _place(self, say: forgetting.Progress = lambda _: None) -> forgetting.Place:
        return forgetting.Place(
            home=self.home,
            con=self._con,
            signals=self._behavior(),
            write_wait=self._wait,
            now=self._clock(),
            say=say,
        )

    def receipts(self) -> tuple[dict[str, Any], ...]:
        """Return the receipts of every erasure, oldest first."""
        return tuple(ledger.read(self.home))

    # -- learning, models, health ---------------------------------------------------------------

    def feedback(self, memory_id: str, outcome: Outcome, *, root: str = "") -> None:
        """Record what became of a recalled memory: an id, an outcome, a time, nothing else.

        Raises:
            NotFoundError: There is no such memory.
            UsageError: The outcome does not exist.
        """
        if outcome not in OUTCOMES:
            raise UsageError(
                f"outcome {outcome!r} does not exist", hint=f"one of {', '.join(OUTCOMES)}"
            )
        with self._guard() as con:
            self._seq(con, memory_id)
            signals = self._behavior()
            with transaction(signals, self._wait):
                behavior.put(signals, memory_id, outcome, root, self._clock())

    def feedback_of(self, memory_id: str) -> dict[str, int]:
        """Return the number of signals per outcome about one memory."""
        with self._guard():
            return behavior.counts(self._behavior(), memory_id)

    def reembed(self, model: str = "", *, progress: importing.Progress = lambda _: None) -> int:
        """Give every memory a vector of `model` and return how many were made.

        Each batch is its own transaction and the old space serves until the last one, so the work
        can be interrupted and called again. Vectors of other models are erased at the end.

        Args:
            model: Name or folder; the store's own if empty.
            progress: Called with the number of memories after each batch.
        """
        chosen = model or setting.get(self._con, "model", "default")
        target = (
            self._embedder
            if not model and self._embedder
            else load_embedder(chosen, cache=self.home / files.INDEX)
        )
        done = 0
        with self._writing() as con:
            space = vectors.intern_space(con, target.space, target.dim)
        for rows in vectors.missing(self._con, space, REEMBED_BATCH):
            texts = [f"{actor}: {text}" if actor else text for _, actor, text in rows]
            encoded = target.encode(texts)
            with self._writing() as con:
                alive = records.fetch(con, [row[0] for row in rows])
                keep = [i for i, row in enumerate(rows) if row[0] in alive]
                vectors.put(con, space, [rows[i][0] for i in keep], encoded[keep])
            done += len(keep)
            progress(len(keep))
        with self._writing() as con:
            setting.put(con, "model", chosen)
            for other in set(vectors.counts(con)) - {target.space}:
                vectors.erase_space(con, other)
            setting.next_epoch(con)
        with self._guard():
            files.erase_indexes(self.home)
            self._model, self._embedder, self._index = chosen, target, None
        return done

    def unembedded(self) -> int:
        """Return how many memories have no vector in the store's own space."""
        model = self.embedder
        with self._guard() as con:
            space = None if model is None else vectors.find_space(con, model.space)
            return vectors.count_missing(con, space)

    def stats(self) -> Stats:
        """Return counts; no content."""
        with self._guard() as con:
            signals = self._behavior()
            with snapshot(con):
                memories, attested, kinds, paths = records.totals(con)
                done, pending = erasures.count(con)
                spaces = vectors.counts(con)
                return Stats(
                    path=str(self.home),
                    store_id=setting.get(con, "store_id"),
                    schema=identity(con)[1],
                    memories=memories,
                    by_kind=kinds,
                    by_scope=paths,
                    provenances=attested,
                    vectors=spaces,
                    unembedded=memories - max(spaces.values(), default=0),
                    erasures=done,
                    pending_erasures=pending,
                    feedback=behavior.total(signals),
                    bytes=files.size(self.home),
                )

    def check(self) -> tuple[Finding, ...]:
        """Examine pages, indexes, digests, files and permissions; changes nothing."""
        model = self.embedder
        with self._guard() as con:
            space = None if model is None else model.space
            return tuple(checking.check(con, self._behavior(), self.home, space))

    def repair(self) -> tuple[str, ...]:
        """Rebuild what is derived, close permissions, finish erasures; returns what was done."""
        with self._writing() as con:
            done = tuple(checking.repair(con, self.home))
            setting.next_epoch(con)
        return done + tuple(f"erasure {one.erasure}: {one.state}" for one in self.resume())
