"""Letheon: a memory for agents that can also forget.

from memory import Store

with Store("my-memory") as store:
    store.remember("Ada prefers tabs", kind="preference", scope="user:ada")
    for hit in store.recall("what does Ada prefer?").hits:
        print(hit.memory.text)
"""

from typing import TYPE_CHECKING, Any

from memory.correct import Change
from memory.errors import (
    InvalidReceiptError,
    MemError,
    NotFoundError,
    StoreError,
    UsageError,
)
from memory.hold_types import Hold, HoldTerms
from memory.store import Store
from memory.types import (
    Draft,
    Fault,
    Finding,
    ForgetPlan,
    Hit,
    LedgerReport,
    Memory,
    Probe,
    Provenance,
    Reason,
    Recalled,
    Receipt,
    Remembered,
    Selector,
    Stats,
)

if TYPE_CHECKING:
    from memory.aio import AsyncStore

__all__ = [
    "AsyncStore",
    "Change",
    "Draft",
    "Fault",
    "Finding",
    "ForgetPlan",
    "Hit",
    "Hold",
    "HoldTerms",
    "InvalidReceiptError",
    "LedgerReport",
    "MemError",
    "Memory",
    "NotFoundError",
    "Probe",
    "Provenance",
    "Reason",
    "Recalled",
    "Receipt",
    "Remembered",
    "Selector",
    "Stats",
    "Store",
    "StoreError",
    "UsageError",
]


def __getattr__(name: str) -> Any:
    # asyncio costs 20 ms, a tenth of a cold lexical recall.
    if name == "AsyncStore":
        from memory.aio import AsyncStore  # noqa: PLC0415

        return AsyncStore
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
