"""Every error Letheon raises on purpose, in one tree.

MemError                                                                  exit 1
├─ UsageError (ValueError)      bad scope, empty text, bad selector            2
├─ NotFoundError (LookupError)  memory, scope, erasure                         3
├─ StoreError                   the file, its engine or its folder             4
│  ├─ StoreBusyError            another process holds the store
│  ├─ SchemaTooNewError         written by a newer Letheon
│  ├─ MigrationError            a schema step failed and was rolled back
│  ├─ CorruptStoreError         the file is damaged or is no store
│  └─ StoreFullError            no space left on the device
├─ MissingExtraError (ImportError)  names what to install                      5
└─ UnlearnError                 a local model could not be edited              6
"""

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


class MissingExtraError(MemError, ImportError):
    """An optional package is needed; the hint names it."""

    exit_code = 5


class UnlearnError(MemError):
    """A local model could not be edited or audited."""

    exit_code = 6
