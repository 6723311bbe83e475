"""A store that opens while the handshake runs, is kept in order, and is closed once."""

import logging
import threading
from collections.abc import Callable

from memory.errors import StoreError
from memory.store import Store

UPKEEP = 60.0  # seconds between looks for unfinished erasures

_log = logging.getLogger(__name__)


class Opening:
    """Hands out one store, opened at first need. Safe to use from several threads."""

    def __init__(self, open_store: Callable[[], Store]) -> None:
        """Keep how to open the store; nothing is opened yet."""
        self._open = open_store
        # Re-entrant: a signal may close while the same thread is closing.
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._store: Store | None = None

    @classmethod
    def of(cls, store: "Store | Opening") -> "Opening":
        """Return `store` itself, or an opening that hands out an open store."""
        return store if isinstance(store, Opening) else cls(lambda: store)

    @property
    def store(self) -> Store:
        """The open store. A failure to open is tried again by the next caller.

        Raises:
            MemError: It cannot be opened, or the server is stopping.
        """
        with self._lock:
            if self._stop.is_set():
                raise StoreError("the memory server is stopping", hint="start it again")
            if self._store is None:
                self._store = self._open()
            return self._store

    def start(self, every: float = UPKEEP) -> None:
        """Open and warm the store on a thread of its own, which then retries erasures."""
        threading.Thread(
            target=self._upkeep, args=(every,), name="letheon-upkeep", daemon=True
        ).start()

    def _upkeep(self, every: float) -> None:
        self._quietly(lambda store: store.recall("warm", limit=1, strict=False))
        self._quietly(lambda store: store.notices(""))  # opens the file that recalls write to
        while not self._stop.wait(every):
            self._quietly(lambda store: store.resume(wait=0.0))

    def _quietly(self, work: Callable[[Store], object]) -> None:
        try:
            work(self.store)
        except Exception as exc:  # the thread must live to try again in a minute
            if not self._stop.is_set():
                _log.warning("upkeep: %s", type(exc).__name__)

    def close(self) -> None:
        """Close the store after the verb in progress; no later call gets it. Idempotent."""
        self._stop.set()
        with self._lock:
            store, self._store = self._store, None
        if store is not None:
            store.close()
