"""The same store for asyncio programs: each verb runs on a worker thread."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

from memory.store import Store
from memory.types import ForgetPlan, Memory, Recalled, Receipt, Remembered, Selector, Stats

P = ParamSpec("P")
R = TypeVar("R")


class AsyncStore:
    """Awaitable verbs over one `Store`; arguments, results and errors are the same.

    The event loop is never blocked: SQLite and numpy release the interpreter while they work.
    """

    def __init__(self, store: Store) -> None:
        """Wrap an open store, which is closed with this object."""
        self.store = store

    @classmethod
    async def open(cls, home: str | Path | None = None, **options: Any) -> Self:
        """Open a store; the options are those of `Store`."""
        return cls(await asyncio.to_thread(Store, home, **options))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def call(self, verb: Callable[P, R], *args: P.args, **options: P.kwargs) -> R:
        """Run any method of the store: ``await memory.call(memory.store.list, limit=5)``."""
        return await asyncio.to_thread(verb, *args, **options)

    async def remember(self, text: str, **fields: Any) -> Remembered:
        """See `Store.remember`."""
        return await asyncio.to_thread(self.store.remember, text, **fields)

    async def recall(self, query: str, **options: Any) -> Recalled:
        """See `Store.recall`."""
        return await asyncio.to_thread(self.store.recall, query, **options)

    async def get(self, memory_id: str) -> Memory:
        """See `Store.get`."""
        return await asyncio.to_thread(self.store.get, memory_id)

    async def plan_forget(self, selector: Selector, **options: Any) -> ForgetPlan:
        """See `Store.plan_forget`."""
        return await asyncio.to_thread(self.store.plan_forget, selector, **options)

    async def forget(self, plan: ForgetPlan, **options: Any) -> Receipt:
        """See `Store.forget`."""
        return await asyncio.to_thread(self.store.forget, plan, **options)

    async def stats(self) -> Stats:
        """See `Store.stats`."""
        return await asyncio.to_thread(self.store.stats)

    async def close(self) -> None:
        """See `Store.close`."""
        await asyncio.to_thread(self.store.close)
