"""Every error Letheon raises on purpose, in one tree.

MemError                                                                  exit 1
├─ UsageError (ValueError)      bad scope, empty text, bad selector            2
│  ├─ ErasedContentError        the content was erased on request
│  ├─ AmbiguousNameError        several people go by the name
│  └─ HeldContentError          a legal hold restricts the content
├─ NotFoundError (LookupError)  memory, scope, erasure                         3
├─ StoreError                   the file, its engine or its folder             4
│  ├─ StoreBusyError            another process holds the store
│  ├─ SchemaTooNewError         written by a newer Letheon
│  ├─ MigrationError            a schema step failed and was rolled back
│  ├─ CorruptStoreError         the file is damaged or is no store
│  ├─ StoreFullError            no space left on the device
│  ├─ KeyChangeError            the files could not be rewritten under a new key
│  └─ StoreLockedError          encrypted, and its key is not to be had
├─ InvalidReceiptError          a receipt or the ledger is not what was written 4
├─ MissingExtraError (ImportError)  names what to install                      5
└─ UnlearnError                 a local model could not be edited              6
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar


class MemError(Exception):
    """Root of every error raised on purpose; `hint` says what to do next."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "", ids: tuple[str, ...] = ()) -> None:
        """Keep the sentence, the advice and the ids the caller may want to act on."""
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.ids = ids


class UsageError(MemError, ValueError):
    """An argument is not acceptable; nothing was written."""

    exit_code = 2


class ErasedContentError(UsageError):
    """The content was erased on request and is refused; `positions` are those in the batch."""

    def __init__(self, positions: tuple[int, ...], of: int) -> None:
        """Say which texts of a batch are refused, never what was erased."""
        where = f"text {positions[0] + 1} of {of}" if of > 1 else "this content"
        super().__init__(
            f"{where} was erased on request and is refused",
            hint="a person may let it in with 'mem remember --allow-erased'",
        )
        self.positions = positions


class AmbiguousNameError(UsageError):
    """Several people go by a name; `ids` are their whole names, which somebody wrote."""

    def __init__(self, name: str, names: Sequence[str]) -> None:
        """Say how many they are; their names are for the face to show as data."""
        super().__init__(
            f"{name!r} is the name of {len(names)} people",
            hint="give the whole name; if they are one person, 'mem subject alias' says so",
            ids=tuple(names),
        )


class HeldContentError(UsageError):
    """A legal hold restricts the content; `positions` are those in the batch."""

    def __init__(self, positions: tuple[int, ...], of: int) -> None:
        """Say which texts of a batch are refused, never what is held."""
        where = f"text {positions[0] + 1} of {of}" if of > 1 else "this content"
        super().__init__(
            f"{where} is restricted by a legal hold and is refused",
            hint="a person may see it with 'mem hold list' and end the hold",
        )
        self.positions = positions


class NotFoundError(MemError, LookupError):
    """The named memory, scope or erasure does not exist."""

    exit_code = 3


class StoreError(MemError):
    """The store's file, folder or SQLite engine does not permit the operation."""

    exit_code = 4


class StoreBusyError(StoreError):
    """Another process held the store for longer than the caller was willing to wait."""


class SchemaTooNewError(StoreError):
    """The store was written by a newer version of Letheon."""


class MigrationError(StoreError):
    """A schema migration failed; the file was left at its old version."""


class CorruptStoreError(StoreError):
    """The file is not a Letheon store, or its pages are damaged."""


class StoreFullError(StoreError):
    """The device or quota that holds the store is full."""


class KeyChangeError(StoreError):
    """The files could not be rewritten under a new key; the old one opens them still."""


class StoreLockedError(StoreError):
    """The store is encrypted and what was given, or found, does not open it; it is untouched."""


# Why a receipt is refused, as the predicate of a sentence about it.
FAULTS: Mapping[str, str] = {
    "format": "is of a format that this Letheon does not know",
    "fields": "has a field or a value that no receipt has",
    "spelling": "is not spelled as receipts are",
    "hash": "does not have the hash it states",
    "chain": "does not follow the one before it",
    "key": "is signed by a key that is not the store's",
    "signature": "has a signature that does not fit its key and content",
    "store": "is of another store",
    "missing": "is not in the ledger any more, or was replaced",
    "proof": "is not in the tree that its proof names",
}


class InvalidReceiptError(MemError):
    """A receipt is not what a store wrote and signed; `reason` is a key of `FAULTS`."""

    exit_code = 4

    def __init__(
        self,
        reason: str,
        subject: str = "the receipt",
        *,
        hint: str = "",
        ids: tuple[str, ...] = (),
    ) -> None:
        """Say what is wrong with the subject; nothing it holds is repeated."""
        super().__init__(f"{subject} {FAULTS[reason]}", hint=hint, ids=ids)
        self.reason = reason


class MissingExtraError(MemError, ImportError):
    """An optional package is needed; the hint names it."""

    exit_code = 5


class UnlearnError(MemError):
    """A local model could not be edited or audited."""

    exit_code = 6
