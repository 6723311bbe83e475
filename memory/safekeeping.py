"""What a store does about its copies: exports, backups, and bringing one back."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from memory import backup, copies, export, restore, shred
from memory.scope import Scope
from memory.upkeep import Upkeep

Advance = Callable[[int], None]


class Safekeeping(Upkeep):
    """Copies of a store and what is known of them; `Store` is the class to use."""

    def export(self, scope: str = "") -> Iterator[dict[str, Any]]:
        """Yield every memory inside a scope as a plain dict, oldest first."""
        return self._each(export.export(self._con, Scope.parse(scope)))

    def export_lines(self, scope: str = "") -> Iterator[dict[str, Any]]:
        """Yield a complete export line by line: what `mem import` reads back without loss."""
        inside = Scope.parse(scope)
        with self._guard():
            signals = self._behavior()
        return self._each(export.lines(self._con, signals, inside, self._clock()))

    def _each(self, lines: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        while True:
            with self._guard():
                line = next(lines, None)
            if line is None:
                return
            yield line

    def export_to(
        self, path: str | Path, scope: str = "", *, progress: Advance = lambda _: None
    ) -> int:
        """Write a complete export into a private file and return how many memories it holds.

        The store knows of the file before its first line is written, so that receipts count it.

        Args:
            path: The file, outside the store; replaced, if it exists, when the new one is whole.
            scope: Only what lies inside it.
            progress: Called with 1 for each memory.

        Raises:
            UsageError: The place or the scope is not acceptable.
        """
        place = export.checked(self.home, Path(path))
        lines = self.export_lines(scope)
        with self._writing() as con:
            ident = export.begin(con, place, self._clock())
        try:
            count = export.write(ident, place, lines, progress)
        except BaseException:
            with self._writing() as con:
                copies.drop(con, ident)
            raise
        with self._writing() as con:
            copies.finish(con, ident)
        return count

    def register_copy(self, place: Path, role: copies.Role) -> None:
        """Remember that a copy was written outside the store, so that a receipt can say so."""
        with self._writing() as con:
            copies.finish(con, copies.begin(con, role, place.resolve(), self._clock()))

    def backup(
        self,
        path: str | Path,
        wish: backup.Wish = backup.Wish(),  # noqa: B008 - frozen
        *,
        progress: Advance = lambda _: None,
    ) -> backup.Made:
        """Write an encrypted copy of the whole store into a new file.

        It holds what is live now and nothing that was erased. Its key is its own and stays in the
        store; destroying that key is what shreds the backup.

        Args:
            path: A new file outside the store.
            wish: When it expires, and whether a person's code or passphrase opens it, too.
            progress: Called with the number of bytes written since the last call.

        Raises:
            UsageError: The place or the wish is not acceptable.
            MissingExtraError: The engine cannot encrypt.
            StoreError: It cannot be written; nothing of it is left.
        """
        place = backup.checked(self.home, Path(path), wish)
        with self._guard():
            self._behavior()
        with self._writing() as con:
            job = backup.begin(con, self.home, place, wish, self._clock())
        try:
            made = backup.write(job, progress, self._keys())
            with self._writing() as con:
                copies.finish(con, job.id)
        except BaseException:
            with self._writing() as con:
                backup.undo(con, job)
            raise
        return made

    def backups(self) -> tuple[copies.Copy, ...]:
        """Return the backups that the store knows of, oldest first."""
        with self._guard() as con:
            return tuple(copies.backups(con))

    def backup_of(self, ident: str) -> copies.Copy:
        """Return one backup that the store knows of.

        Raises:
            NotFoundError: None has this id.
        """
        with self._guard() as con:
            return backup.registered(con, ident)

    def today(self) -> str:
        """Return the day by the store's clock, by which backups expire."""
        return self._clock().date().isoformat()

    def verify_backup(
        self, path: str | Path, secret: str = "", *, progress: Advance = lambda _: None
    ) -> str:
        """Examine every byte of a backup and return its id; changes nothing.

        Raises:
            UsageError: The file is no backup, or the secret does not open it.
            CorruptStoreError: It is damaged.
        """
        with self._guard():
            return backup.verify(self.home, Path(path), secret, progress).id

    def shred_backup(self, ident: str) -> bool:
        """Destroy the key of a backup and its file; tell whether the file was where it was written.

        Raises:
            NotFoundError: No backup has this id.
            StoreError: The key cannot be destroyed.
        """
        with self._guard() as con:
            found = backup.registered(con, ident)
            return shred.shred(con, self.home, found, self._wait)

    def expire_backups(self) -> tuple[copies.Copy, ...]:
        """Shred the backups whose day has come and return them."""
        with self._guard() as con:
            return tuple(shred.expire(con, self.home, self._wait, self._clock()))

    def restore(
        self,
        path: str | Path,
        secret: str = "",
        *,
        accept_unknown: bool = False,
        say: restore.Say = lambda _: None,
    ) -> restore.Restored:
        """Bring back what a backup has and the store lacks; never what was erased.

        Into an empty store the whole backup goes. What the store holds stays as it is. It is all
        done or nothing, whenever it is interrupted.

        Args:
            path: The backup.
            secret: Recovery code or passphrase, where the store does not have the key.
            accept_unknown: Go on although the ledger has erasures of which it is not known here
                what they erased.
            say: Told the name of each step.

        Raises:
            UsageError: The file is no backup of this store, or cannot be opened.
            CorruptStoreError: It is damaged.
            SchemaTooNewError: A newer Letheon wrote it.
            StoreError: The ledger has erasures that are unknown here.
        """
        with self._guard():
            self._index = None
            place = self._place()
            done = restore.restore(
                place, Path(path), secret, accept_unknown=accept_unknown, say=say
            )
            self._reread()
            if done.memories or done.whole:
                self._seal(self._wait)
        return done
