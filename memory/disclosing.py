"""What a store tells of its recipients, and how it records them without slowing a recall."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from memory import backup, copies, disclosure, export, records, setting
from memory.db import Connection, DriverError, snapshot, transaction
from memory.errors import StoreError, UsageError
from memory.export import Advance
from memory.hold_types import Notice, Notification, Outcome19, Recipient
from memory.lexical import last
from memory.safekeeping import Safekeeping
from memory.scope import Scope
from memory.types import Finding, RecipientKind

PATIENCE = 0.01  # seconds that a recall waits for another writer of behavior.db
MOST_OWED = 10_000  # ids kept in memory while behavior.db cannot be written
Batch = tuple[RecipientKind, str, str, tuple[str, ...]]  # kind, name, day, ids


class Disclosing(Safekeeping):
    """The ledger of recipients of a store; `Store` is the class to use."""

    _owed: tuple[Batch, ...] = ()  # disclosures that could not be written yet
    _lost = 0  # ids of disclosures that never will be

    def disclosed(self, ids: Sequence[str], recipient: str, kind: RecipientKind = "agent") -> None:
        """Record that a recipient was given these memories.

        Raises:
            UsageError: There is no such kind, or the recipient has no name.
        """
        name = _named(recipient)
        with self._guard():
            signals = self._behavior()
            with transaction(signals, self._wait):
                disclosure.put(signals, ids, kind, name, self._day())

    def disclosed_copy(self, name: str, kind: RecipientKind = "export", *, scope: str = "") -> None:
        """Record that a copy of all that a scope holds was made; one row, however large it is.

        Raises:
            UsageError: There is no such kind, or the copy has no name.
        """
        wanted = Scope.parse(scope)
        with self._guard() as con:
            with snapshot(con):
                until = last(con)
                inside = [ident for ident, one in records.scopes(con) if wanted.contains(one)]
            signals = self._behavior()
            with transaction(signals, self._wait):
                disclosure.put_range(
                    signals,
                    kind,
                    _named(name),
                    inside if wanted.values else [disclosure.WHOLE],
                    until=until,
                    day=self._day(),
                )

    def recipients(self, ids: Sequence[str] | None = None) -> tuple[Recipient, ...]:
        """Return who was given some of these memories, or all recipients if None."""
        with self._guard() as con:
            signals = self._behavior()
            self._write_owed(PATIENCE)
            if ids is None:
                return tuple(disclosure.known(signals))
            live = disclosure.where(con, ids)
            return tuple(disclosure.recipients(signals, ids, live))

    def notifications(self, erasure: str = "") -> tuple[Notification, ...]:
        """Return whom erasures have to be told to (Article 19), of one or of all."""
        with self._guard():
            return tuple(disclosure.notifications(self._behavior(), erasure))

    def notified(
        self, erasure: str, recipient: str, outcome: Outcome19 = "notified"
    ) -> Notification:
        """Record what became of telling a recipient about an erasure.

        Raises:
            NotFoundError: The erasure has no such recipient.
            UsageError: There is no such outcome, or the name is that of two recipients.
        """
        if outcome not in get_args(Outcome19):
            raise UsageError(
                f"outcome {outcome!r} does not exist",
                hint=f"one of {', '.join(get_args(Outcome19))}",
            )
        with self._guard():
            signals = self._behavior()
            with transaction(signals, self._wait):
                return disclosure.settle(signals, erasure, recipient, outcome, self._day())

    def notices(self, recipient: str) -> tuple[Notice, ...]:
        """Return what an agent has to be told now; asking counts as having told it.

        Never fails for want of a file: what cannot be marked as told is told again.
        """
        with self._lock:
            try:
                signals = self._behavior()
                found = tuple(disclosure.owed(signals, recipient))
                if found:
                    with transaction(signals, PATIENCE):
                        disclosure.told(signals, recipient, self._day())
            except (DriverError, StoreError):
                return ()
            return found

    def given(self, ids: Sequence[str], recipient: str) -> None:
        """Record what an agent was given; an answer never waits for it, and never fails by it."""
        if not recipient or not ids:
            return
        with self._lock:
            batch: Batch = ("agent", recipient, self._day(), tuple(ids))
            self._owed = (*self._owed, batch)
            self._write_owed(PATIENCE)
            while sum(len(one[3]) for one in self._owed) > MOST_OWED:
                self._lost += len(self._owed[0][3])
                self._owed = self._owed[1:]

    def _write_owed(self, wait: float) -> None:
        if not self._owed:
            return
        with contextlib.suppress(DriverError, StoreError):
            signals = self._behavior()
            # A power cut may cost the last few rows; a recall that waits for the disk costs each.
            signals.execute("PRAGMA synchronous=NORMAL")
            try:
                with transaction(signals, wait):
                    for kind, name, day, ids in self._owed:
                        disclosure.put(signals, ids, kind, name, day)
                self._owed = ()
            finally:
                signals.execute("PRAGMA synchronous=FULL")

    def _count_lost(self) -> None:
        """Leave the number of disclosures that could not be recorded where the doctor sees it."""
        lost = self._lost + sum(len(one[3]) for one in self._owed)
        if lost:
            with contextlib.suppress(StoreError), self._writing() as con:
                before = int(setting.get(con, setting.UNDISCLOSED, "0"))
                setting.put(con, setting.UNDISCLOSED, str(before + lost))
                self._lost, self._owed = 0, ()

    def close(self) -> None:
        """Finish what can be finished and let go of the files. Idempotent."""
        with self._lock:
            if not self._closed:
                self._write_owed(1.0)
                self._count_lost()
        super().close()

    def check(self, *, forensic: bool = False) -> tuple[Finding, ...]:
        """Examine pages, indexes, digests, files and permissions; changes nothing.

        Args:
            forensic: Also account for every byte of the databases and decode the full-text
                index from its blocks: is anything there that no live memory says?
        """
        with self._guard() as con:
            told = _recorded(con, self._lost + sum(len(one[3]) for one in self._owed))
        return (*super().check(forensic=forensic), told)

    def export_to(
        self, path: str | Path, scope: str = "", *, progress: Advance = lambda _: None
    ) -> int:
        """Write a complete export into a private file and return how many memories it holds.

        The store knows of the file, and of whom it has to tell about erasures, before its first
        line is written.

        Args:
            path: The file, outside the store; replaced, if it exists, when the new one is whole.
            scope: Only what lies inside it.
            progress: Called with 1 for each memory.

        Raises:
            UsageError: The place or the scope is not acceptable.
        """
        place = export.checked(self.home, Path(path))
        self.disclosed_copy(str(place), "export", scope=scope)
        return super().export_to(place, scope, progress=progress)

    def backup(
        self,
        path: str | Path,
        wish: backup.Wish = backup.Wish(),  # noqa: B008 - frozen
        *,
        progress: Advance = lambda _: None,
    ) -> backup.Made:
        """Write an encrypted copy of the whole store into a new file; see `Safekeeping.backup`."""
        place = backup.checked(self.home, Path(path), wish)
        self.disclosed_copy(str(place), "backup")
        return super().backup(place, wish, progress=progress)

    def register_copy(self, place: Path, role: copies.Role, *, scope: str = "") -> None:
        """Remember that a copy was written outside the store, and of which scope it is."""
        super().register_copy(place, role)
        self.disclosed_copy(str(place.resolve()), role, scope=scope)

    def _day(self) -> str:
        return self._clock().date().isoformat()


def _recorded(con: Connection, waiting: int) -> Finding:
    missing = int(setting.get(con, setting.UNDISCLOSED, "0")) + waiting
    return Finding(
        check="recipients",
        ok=not missing,
        detail=(
            f"{missing} memories were given to agents without a record of it"
            if missing
            else "every disclosure is recorded"
        ),
        repair="see that behavior.db can be written; ask all agents to drop erased memories",
    )


def _named(name: str) -> str:
    if not name.strip():
        raise UsageError("a recipient needs a name")
    return name.strip()
