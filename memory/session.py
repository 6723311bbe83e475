"""An open store: its connections, its lock, its model, and what it owes after a crash."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
from numpy.typing import NDArray

from memory import (
    backup,
    erasures,
    files,
    held,
    records,
    reserve,
    returning,
    seal,
    segments,
    setting,
    shred,
)
from memory import forget as forgetting
from memory import remember as remembering
from memory.clock import Clock, now
from memory.db import (
    OPENING,
    Connection,
    DriverError,
    connect,
    is_busy,
    is_open,
    mapped_errors,
    transaction,
)
from memory.directory import Directory
from memory.embedder import Embedder
from memory.errors import (
    CorruptStoreError,
    ErasedContentError,
    KeyChangeError,
    NotFoundError,
    StoreBusyError,
    StoreError,
    StoreLockedError,
)
from memory.ids import new_id
from memory.lexical import Lexical
from memory.settings import Settings
from memory.tombstones import Guard
from memory.types import Draft, Receipt, Remembered
from memory.vector_index import VectorIndex

if TYPE_CHECKING:
    from memory.custody import Ask
    from memory.vault import Vault, Wanted

WAIT = 30.0  # seconds to wait for other writers, and for readers that block a seal


def keyless(place: Path) -> bool:
    """Tell whether a file looks like an encrypted database; plain ones repeat themselves."""
    with held.opened(place) as descriptor:
        first = held.raw_at(descriptor, 4096, 0)
    return len(set(first)) > 200 and not first.startswith(b"SQLite format 3")


class Session:
    """What every verb of a store stands on; `Store` is the class to use."""

    def __init__(
        self,
        home: str | Path | None = None,
        *,
        create: bool = True,
        embedder: Embedder | Literal["default", "none"] | str | None = None,
        clock: Clock = now,
        wait: float = WAIT,
        encrypt: "Wanted | Literal['']" = "",
        key: "str | Ask | None" = None,
    ) -> None:
        """Open the store in folder `home`, making it when `create` is true.

        Args:
            home: The folder; `$LETHEON_HOME` or the platform's data folder if None.
            create: Make the store if it does not exist.
            embedder: An object with `space`, `dim` and `encode`; a model's name or folder; "none"
                for lexical recall only; None for the model the store was made with.
            clock: Returns the current aware UTC datetime.
            wait: Seconds to wait for other processes before `StoreBusyError`.
            encrypt: Encrypt a new store, and where its key is kept: "keyring", "passphrase",
                "file", or "auto" for the first of these that works here. A store that is there
                already must be encrypted.
            key: Passphrase of the store, or what asks for it; `$LETHEON_PASSPHRASE` if None.

        Raises:
            StoreLockedError: The store is encrypted and nothing at hand opens it.
            StoreError: The folder cannot be used; subclasses say why.
        """
        self.home = Path(home) if home is not None else Settings.from_env().home
        self._clock = clock
        self._wait = wait
        self._lock = threading.RLock()
        self._closed = False
        self._wrote = False
        self._signals: Connection | None = None
        self._index: VectorIndex | None = None
        self._directory = Directory()
        self._vault = self._unlocked(encrypt if create else "", key)
        self._lexical = Lexical(self.home / files.DATABASE, keys=self._keys)
        held.begin(self.home)
        try:
            self._con = self._connect(files.DATABASE, "store", create=create)
            try:
                with self._guard():
                    self._begin(embedder)
            except BaseException:
                self._con.close()
                raise
        except BaseException:
            held.end(self.home)
            raise

    def _unlocked(self, encrypt: "Wanted | Literal['']", key: "str | Ask | None") -> "Vault | None":
        if not encrypt and not (self.home / files.KEYS / files.DATA_KEY).exists():
            return None
        from memory.vault import Vault  # noqa: PLC0415 - encrypted stores only

        found = Vault.of(self.home, key)
        if found is None and encrypt:
            found = Vault.create(self.home, encrypt, key, self._clock())
        return found

    def _keys(self) -> tuple[bytes, ...]:
        return () if self._vault is None else self._vault.secrets

    def _connect(self, name: str, schema: str, *, create: bool = True) -> Connection:
        while True:
            try:
                open_ = partial(
                    connect,
                    self.home / name,
                    wait=self._wait,
                    create=create,
                    schema=schema,
                    keys=self._keys(),
                )
                made = reserve.roomy(self.home, open_, part=OPENING)
            except CorruptStoreError as exc:
                if self._vault is not None or not keyless(self.home / name):
                    raise
                raise StoreLockedError(
                    f"'{self.home / name}' is encrypted and its key is gone, or it is damaged",
                    hint=f"put '{self.home / files.KEYS / files.DATA_KEY}' back from a backup",
                ) from exc
            except StoreLockedError:
                # Another process may have changed the key since it was read.
                if self._vault is None or not self._vault.reload():
                    raise
            else:
                if self._vault is not None:
                    held.unlock(self.home, self._vault.secrets)
                return made

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
        self._settle()

    def _reread(self) -> None:
        """Let go of everything that was read before the store became another one."""
        self._model = setting.get(self._con, "model", self._model)
        self._index = None
        self._directory = Directory()

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
            if self._closed:
                return
            self._closed = True
            with contextlib.suppress(StoreError):  # owed work is taken up at the next start
                self._settle()
                self._save_index()
            self._index = None
            self._lexical.close()
            for con in (self._signals, self._con):
                if con is not None:
                    con.close()
            self._signals = None
            held.end(self.home)
            if self._wrote:  # it may have outgrown its reserve, or given it away
                reserve.keep(self.home)

    def _save_index(self) -> None:
        # Under the write lock, so that an erasure either comes later and removes the sidecar or
        # came before and has made this index void: an erased vector must not be written back.
        if self._index is not None and self._index.worth_saving():
            with self._writing() as con:
                if setting.epoch(con) == self._index.epoch:
                    with contextlib.suppress(OSError):  # the sidecar is a cache
                        self._index.save()

    def _settle(self) -> None:
        """Do what is owed: what a crash or a reader interrupted."""
        returning.settle(self._con, self.home, self._wait)
        if (self.home / backup.STAGING).exists():
            returning.clear(self._con, self._behavior(), self.home, self._wait)
        shred.clear(self._con, self.home, self._wait)
        if erasures.unfinished(self._con) or (
            self._vault is not None and (self._vault.torn or setting.get(self._con, setting.EPOCH))
        ):
            with contextlib.suppress(KeyChangeError):  # the old key opens it still
                self.resume(wait=0.0)
        if setting.get(self._con, setting.UNSEALED):
            self._seal(0.0)

    def _seal(self, wait: float, *, rebuild: bool = False) -> bool:
        """Seal the file; False, and still owed, while others block it."""
        return reserve.roomy(
            self.home,
            lambda: self._sealed(wait, rebuild=rebuild),
            first=lambda: seal.empty_log(self._con, 0.0),
        )

    def _sealed(self, wait: float, *, rebuild: bool) -> bool:
        self._index = None  # let go of the mapped sidecar
        if self._vault is not None:
            self._lexical.close()  # its connections would be others
        files.erase_indexes(self.home)
        try:
            with transaction(self._con, wait):
                segments.tidy(self._con)
        except DriverError as exc:
            if is_busy(exc):
                return False
            raise
        if not seal.seal(self._con, wait, rebuild=rebuild):
            return False
        with self._writing() as con:
            setting.drop(con, setting.UNSEALED)
        return seal.scrub(self._con, wait)

    @contextlib.contextmanager
    def _guard(self) -> Iterator[Connection]:
        with self._lock, mapped_errors(self.home / files.DATABASE):
            try:
                yield self._con
            finally:
                if self._vault is not None and not self._closed:
                    self._reopen()

    def _reopen(self) -> None:
        """Open again what a failed change of key closed."""
        if self._signals is not None and not is_open(self._signals):
            self._signals = None
        if not is_open(self._con):
            self._con = self._connect(files.DATABASE, "store")

    @contextlib.contextmanager
    def _writing(self, *, durable: bool = True) -> Iterator[Connection]:
        with self._guard() as con:
            if durable:
                with transaction(con, self._wait):
                    yield con
                return
            # Under the lock: another thread's write must not go without its sync.
            con.execute("PRAGMA synchronous=NORMAL")
            try:
                with transaction(con, self._wait):
                    yield con
            finally:
                con.execute("PRAGMA synchronous=FULL")

    def _behavior(self) -> Connection:
        if self._signals is None:
            self._signals = self._connect(files.BEHAVIOR, "behavior")
        return self._signals

    @property
    def embedder(self) -> Embedder | None:
        """The embedding model, loaded when first needed; None for a lexical store."""
        with self._lock:
            if self._embedder is None and self._model != "none":
                # The tokenizer costs 8 ms, which a lexical recall must not pay.
                from memory.embed import load_embedder  # noqa: PLC0415 - see above

                self._embedder = load_embedder(self._model, cache=self.home / files.INDEX)
            return self._embedder

    def _encode(
        self, drafts: Sequence[Draft]
    ) -> tuple[Embedder | None, NDArray[np.float32] | None]:
        model = self.embedder
        if model is None or not drafts:
            return model, None
        return model, model.encode([remembering.embedded_text(draft) for draft in drafts])

    def _write(
        self,
        batch: Sequence[remembering.Prepared],
        after: Callable[[Connection], None] = lambda _: None,
        *,
        erased: Literal["refuse", "skip", "allow"] = "refuse",
        durable: bool = True,
    ) -> tuple[Remembered, ...]:
        model, encoded = self._encode([one.draft for one in batch])
        with self._writing(durable=durable) as con:
            # Looked up before the first write: a rolled-back text would still lie in the WAL.
            guard = Guard.of(con, self.home)
            out = () if erased == "allow" else remembering.refused(con, batch, guard)
            if out and erased == "refuse":
                raise ErasedContentError(out, len(batch))
            out += remembering.withheld(con, batch, erased=erased)
            if out:
                kept = [at for at in range(len(batch)) if at not in set(out)]
                batch = [batch[at] for at in kept]
                encoded = None if encoded is None else encoded[kept]
            done = remembering.remember(
                con, batch, now=self._clock(), embedder=model, encoded=encoded
            )
            after(con)
        self._wrote = True
        reserve.keep(self.home)
        return tuple(done)

    def _seq(self, con: Connection, memory_id: str) -> int:
        found = records.by_ids(con, [memory_id])
        if memory_id not in found:
            raise NotFoundError(
                f"no memory has id {memory_id!r}", hint="'mem list' shows ids", ids=(memory_id,)
            )
        return found[memory_id]

    def resume(self, *, wait: float | None = None) -> tuple[Receipt, ...]:
        """Finish erasures that a crash or a reader interrupted; () when there are none."""
        with self._guard():
            try:
                limit = self._wait if wait is None else wait
                return tuple(forgetting.resume(self._place(), limit))
            except StoreBusyError:
                return ()

    def _place(self, say: forgetting.Progress = lambda _: None) -> forgetting.Place:
        if self._vault is not None:
            self._lexical.close()  # its connections would be others that hold the file
        return forgetting.Place(
            home=self.home,
            con=self._con,
            signals=self._behavior(),
            write_wait=self._wait,
            now=self._clock(),
            say=say,
            model=lambda: self.embedder,
            vault=self._vault,
        )
