"""What people may ask of a store that knows about them: Articles 15 to 21 of the GDPR."""

import numpy as np
from numpy.typing import NDArray

from memory import disclosure, holds, records, restriction, select, setting, vectors
from memory import forget as forgetting
from memory.db import snapshot, transaction
from memory.hold_types import AccessReason, Hold, HoldReport, HoldTerms, ReleasedHold
from memory.people import People
from memory.remember import embedded_text
from memory.types import Draft, Memory, Selector


class Rights(People):
    """Subjects, requests, restriction and disclosure; `Store` is the class to use."""

    def place_hold(self, selector: Selector, terms: HoldTerms, *, wait: float = 5.0) -> Hold:
        """Restrict memories (Article 18 GDPR): nothing but `read_held` gives them out any more.

        They are moved out of recall, list, search, embedding, export and training samples, and the
        file is sealed, so that their words lie in the restricted rows only. A reader that blocks
        the seal for longer than `wait` seconds delays that to the next start.

        Raises:
            UsageError: The selector or the terms are not acceptable.
            NotFoundError: Nothing matches.
            StoreBusyError: One of the memories is being erased.
        """
        said = holds.checked(terms, self._clock())
        with self._writing() as con:
            chosen = select.select(con, selector)
            live = records.fetch(con, [*chosen.erase, *chosen.keep])
            self._pin([memory.id for memory in live.values()])
            ident = holds.place(
                con,
                sorted(live),
                chosen.held,
                said=said,
                selected_by=select.used(selector),
                now=self._clock(),
            )
        with self._guard() as con:
            self._seal(wait)
            return holds.find(con, ident, self._clock())

    @property
    def sealed(self) -> bool:
        """Tell whether no bytes of what was moved or replaced are still owed a seal."""
        with self._guard() as con:
            return not setting.get(con, setting.UNSEALED)

    def holds(self) -> tuple[Hold, ...]:
        """Return every hold, those that expire first first; one that is due still holds."""
        with self._guard() as con, snapshot(con):
            return tuple(restriction.holds(con, self._clock()))

    def hold(self, hold: str) -> HoldReport:
        """Return a hold with the ids it restricts and with who read them; no content.

        Raises:
            NotFoundError: There is none with this id.
        """
        with self._guard() as con, snapshot(con):
            return holds.report(con, hold, self._clock())

    def read_held(self, memory_id: str, *, root: str, reason: AccessReason) -> Memory:
        """Return a restricted memory; that `root` read it, and why, is on record before.

        Raises:
            UsageError: The reason does not exist, or nobody says who reads.
            NotFoundError: No restricted memory has this id.
        """
        with self._writing() as con:
            return holds.read(con, memory_id, root=root, reason=reason, now=self._clock())

    def release_hold(self, hold: str, *, wait: float = 5.0) -> ReleasedHold:
        """End a hold: its memories are live again, or the erasures that waited for it resume.

        A memory that another hold needs stays restricted. What was said about the hold is erased.

        Raises:
            NotFoundError: There is no such hold.
            UsageError: A live memory says the same as one that would come back.
            StoreBusyError: An erasure that waits for it has not ended its earlier part.
        """
        with self._guard() as con, snapshot(con):
            holds.find(con, hold, self._clock())
            back = holds.returning(con, hold)
        encoded = self._encoded(back)
        model = self.embedder
        with self._writing() as con:
            space = None if model is None else vectors.intern_space(con, model.space, model.dim)
            done = holds.release(
                con, self.home, hold, space=space, encoded=encoded, now=self._clock()
            )
        with self._guard():
            self._index = None
            place = self._place()
            receipts = tuple(
                forgetting.finish(place, one, done.needles, wait) for one in done.erasures
            )
            self._seal(wait)
        return ReleasedHold(returned=done.returned, still_held=done.still_held, receipts=receipts)

    def _pin(self, ids: list[str]) -> None:
        # What is restricted is in no range of a copy any more: nothing would tell who has it.
        signals = self._behavior()
        with transaction(signals, self._wait):
            disclosure.pin(signals, disclosure.where(self._con, ids))

    def _encoded(self, back: list[Memory]) -> dict[str, NDArray[np.float32]]:
        model = self.embedder
        if model is None or not back:
            return {}
        rows = model.encode([embedded_text(Draft(text=one.text, actor=one.actor)) for one in back])
        return {one.id: row for one, row in zip(back, rows, strict=True)}
