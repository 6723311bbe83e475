"""Legal hold: restrict memories, look at them on the record, release them.

    place:   one transaction moves the rows  ->  seal
    release: one transaction moves them back, or erases what was asked to be erased  ->  seal, and
             the erasures that waited go on to their receipts

Each transaction is all or nothing, and a seal that a crash or a reader kept from running is owed
like that of an edit: it runs at the next start.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from memory import (
    copies,
    erasures,
    ledger,
    lineage,
    records,
    restriction,
    setting,
    tombstones,
    vectors,
    verify,
)
from memory.db import Connection
from memory.errors import NotFoundError, StoreBusyError, UsageError
from memory.forget import erase
from memory.hold_types import HOLD_GROUNDS, AccessReason, Hold, HoldReport, HoldTerms
from memory.ids import new_id
from memory.needles import Needles
from memory.remember import trace
from memory.sanitise import validate
from memory.scope import Scope
from memory.types import Memory

LONGEST = 500  # bytes of an authority or a reviewer


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """What the end of a hold did."""

    returned: tuple[str, ...]  # ids that are live again
    still_held: int  # memories that another hold needs
    erasures: tuple[str, ...]  # those that resume now
    needles: Needles  # what they erased


def checked(said: HoldTerms, now: datetime) -> HoldTerms:
    """Return the terms of a hold as they may be kept.

    Raises:
        UsageError: One is missing or malformed, or the day of expiry is past.
    """
    if said.ground not in HOLD_GROUNDS:
        raise UsageError(
            f"ground {said.ground!r} does not exist", hint=f"one of {', '.join(HOLD_GROUNDS)}"
        )
    try:
        expires = date.fromisoformat(said.expires)
    except ValueError as exc:
        raise UsageError(f"expiry {said.expires!r} is not a day", hint="write 2027-03-31") from exc
    if expires <= now.date():
        raise UsageError(
            f"a hold cannot expire on {expires.isoformat()}, which is not to come",
            hint="give the day on which somebody has to look at it again",
        )
    return HoldTerms(
        ground=said.ground,
        authority=validate(said.authority, field="authority", limit=LONGEST),
        reviewer=validate(said.reviewer, field="reviewer", limit=LONGEST),
        expires=expires.isoformat(),
    )


def place(
    con: Connection,
    live: Sequence[int],
    restricted: Sequence[str],
    *,
    said: HoldTerms,
    selected_by: Sequence[str],
    now: datetime,
) -> str:
    """Move memories under a new hold inside the caller's transaction and return its id.

    The caller seals the file afterwards, so that the texts lie in the restricted rows only.

    Args:
        con: In a write transaction.
        live: Memories by seq.
        restricted: Ids of memories that another hold keeps already and this one needs, too.
        said: Checked.
        selected_by: Names of the selector fields used.
        now: Its day is kept.

    Raises:
        NotFoundError: There is nothing to restrict.
        StoreBusyError: One of the memories is being erased.
    """
    if not live and not restricted:
        raise NotFoundError("nothing matches, nothing was restricted")
    going = [memory.id for memory in records.fetch(con, live).values()]
    if erasures.wanted(con, going):
        raise StoreBusyError(
            "one of these memories is being erased", hint="try again when that has ended"
        )
    ident = new_id(now.replace(hour=0, minute=0, second=0, microsecond=0))
    restriction.put_hold(con, ident, said, selected_by, now.date().isoformat())
    restriction.put(con, ident, live)
    restriction.attach(con, ident, restricted)
    erase(con, live)
    setting.next_epoch(con)
    setting.put(con, setting.UNSEALED, "restricted texts")
    return ident


def find(con: Connection, hold: str, now: datetime) -> Hold:
    """Return one hold.

    Raises:
        NotFoundError: There is none with this id.
    """
    for one in restriction.holds(con, now):
        if one.id == hold:
            return one
    raise NotFoundError(f"no hold has id {hold!r}", hint="'mem hold list' shows ids", ids=(hold,))


def report(con: Connection, hold: str, now: datetime) -> HoldReport:
    """Return a hold with its memories and with who read them.

    Raises:
        NotFoundError: There is none with this id.
    """
    kept, accesses = restriction.details(con, hold)
    return HoldReport(hold=find(con, hold, now), memories=kept, accesses=accesses)


def read(
    con: Connection, memory_id: str, *, root: str, reason: AccessReason, now: datetime
) -> Memory:
    """Return a restricted memory, after recording in the caller's transaction who reads it.

    Raises:
        UsageError: The reason does not exist, or nobody says who reads.
        NotFoundError: No restricted memory has this id.
    """
    if reason not in get_args(AccessReason):
        raise UsageError(
            f"reason {reason!r} does not exist", hint=f"one of {', '.join(get_args(AccessReason))}"
        )
    root = validate(root, field="root", limit=LONGEST)
    found = restriction.memories(con, [memory_id])
    if not found:
        raise NotFoundError(
            f"no restricted memory has id {memory_id!r}",
            hint="'mem hold show HOLD' lists ids",
            ids=(memory_id,),
        )
    restriction.log_access(con, memory_id, root, now.date().isoformat(), reason)
    return found[0]


def returning(con: Connection, hold: str) -> list[Memory]:
    """Return the memories that would be live again if this hold ended now."""
    free = restriction.free(con, hold)
    going = {one for ids, _ in restriction.deferrals(con, free).values() for one in ids}
    return restriction.memories(con, [one for one in free if one not in going])


def release(
    con: Connection,
    home: Path,
    hold: str,
    *,
    space: int | None,
    encoded: Mapping[str, NDArray[np.float32]],
    now: datetime,
) -> Released:
    """End a hold inside the caller's transaction.

    What no other hold needs is live again, with its id, times, provenances and place, or is erased
    if that was asked for meanwhile: then from here, so that no recall sees it in between.

    Args:
        con: In a write transaction.
        home: The store's folder.
        hold: Id.
        space: Vector space of the store; None stores no vectors.
        encoded: Vectors of the memories that come back, by id.
        now: Current time.

    Raises:
        NotFoundError: There is none with this id.
        StoreBusyError: An erasure that waits for it has not ended its earlier part, or others came
            to wait since the vectors were made.
        UsageError: A live memory says the same as one that would come back.
    """
    kept = find(con, hold, now)
    free = restriction.drop_hold(con, hold)
    waiting = restriction.deferrals(con, free)
    going = {one for ids, _ in waiting.values() for one in ids}
    back = restriction.memories(con, [one for one in free if one not in going])
    if space is not None and any(memory.id not in encoded for memory in back):
        raise StoreBusyError("others changed this hold meanwhile", hint="try again")
    needles = _resume(con, home, waiting, sorted(going))
    _put_back(con, [memory.id for memory in back], space, encoded)
    setting.next_epoch(con)
    setting.put(con, setting.UNSEALED, "words about a hold")
    return Released(
        returned=tuple(memory.id for memory in back),
        still_held=kept.memories - len(free),
        erasures=tuple(waiting),
        needles=needles,
    )


def _resume(
    con: Connection, home: Path, waiting: Mapping[str, tuple[list[str], bool]], ids: Sequence[str]
) -> Needles:
    # The cascade of a forget, from the restricted rows; what follows it is `forget.finish`.
    written = restriction.texts(con, ids)
    if waiting:
        ledger.prepare(con, home)  # what cannot be signed is not begun
    for erasure, (targets, tombstone) in waiting.items():
        state = erasures.get(con, erasure)
        if state is None or state.state != "done":
            raise StoreBusyError(
                f"erasure {erasure!r} waits for this hold and has not ended its earlier part",
                hint="close other programs that use the store, and try again",
            )
        if tombstone:
            tombstones.put(con, home, [written[one][0] for one in targets])
        tombstones.put_ids(con, targets)
        copies.mark(con)
    for erasure, (targets, _) in waiting.items():
        erasures.reopen(con, erasure, targets, restriction.erase(con, targets))
    return verify.content([text for parts in written.values() for text in parts], ())


def _put_back(
    con: Connection,
    ids: Sequence[str],
    space: int | None,
    encoded: Mapping[str, NDArray[np.float32]],
) -> None:
    if twin := restriction.twin(con, ids):
        raise UsageError(
            f"memory {twin!r} already says the same", hint="forget one of the two", ids=(twin,)
        )
    around = _around(con, ids)
    records.unindex(con, around)
    seqs = [records.put_back(con, one) for one in ids]
    restriction.erase(con, ids)
    records.index(con, sorted({*around, *seqs}))
    vectors.touch(con, around)
    if space is not None and ids:
        vectors.put(con, space, seqs, np.stack([encoded[one] for one in ids]))
    lineage.erase_children(con, around)
    trace(con, [*around, *seqs])


def _around(con: Connection, ids: Sequence[str]) -> list[int]:
    # Two on each side of the gap: those whose context the memory that comes back changes.
    found: set[int] = set()
    for path, seq in restriction.places(con, ids):
        if Scope.parse(path).session:
            near = [one for one in records.beside(con, path, seq) if one is not None]
            found.update(near, *records.near(con, near, reach=1).values())
    return sorted(found)
