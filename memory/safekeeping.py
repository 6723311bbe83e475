"""What a store does about its copies: exports, backups, and bringing one back."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from memory import export, files
from memory.scope import Scope
from memory.upkeep import Upkeep


class Safekeeping(Upkeep):
    """Copies of a store and what is known of them; `Store` is the class to use."""

    def export(self, scope: str = "") -> Iterator[dict[str, Any]]:
        """Yield every memory inside a scope as a plain dict, oldest first."""
        lines = export.export(self._con, Scope.parse(scope))
        while True:
            with self._guard():
                line = next(lines, None)
            if line is None:
                return
            yield line

    def register_copy(self, place: Path, role: files.CopyRole) -> None:
        """Remember that a copy was written outside the store, so that a receipt can say so."""
        with self._writing() as con:
            files.register(con, place.resolve(), role, self._clock())
