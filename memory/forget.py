"""Forget: select, plan, then erase as a saga that a crash can interrupt but not undo.

    intent -> cascade -> artefacts -> seal -> verify -> receipt

Every step is idempotent and leaves its state in `erasure`, so `resume` goes on where a crash or a
blocking reader stopped it.
"""

import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from memory import (
    behavior,
    erasures,
    files,
    ledger,
    lineage,
    receipts,
    records,
    seal,
    segments,
    select,
    setting,
    tombstones,
    vectors,
    verify,
)
from memory.db import Connection, transaction
from memory.errors import NotFoundError, StoreError, UsageError
from memory.ids import new_id
from memory.needles import Needles
from memory.remember import trace
from memory.types import ForgetPlan, Memory, PlannedMemory, Probe, Receipt, ReceiptState, Selector

if TYPE_CHECKING:
    from memory.vault import Vault

EXCERPT = 80
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The store a saga runs in."""

    home: Path
    con: Connection  # memory.db
    signals: Connection  # behavior.db
    write_wait: float  # seconds to wait for other writers
    now: datetime
    say: Progress = field(default=lambda _: None)  # told the name of each step
    vault: "Vault | None" = None  # of an encrypted store


def plan(con: Connection, selector: Selector) -> ForgetPlan:
    """Return what a forget would erase; changes nothing.

    Raises:
        UsageError: The selector names nothing.
        NotFoundError: An id does not exist.
    """
    chosen = select.select(con, selector)
    memories = records.fetch(con, chosen.erase)
    kept = records.fetch(con, chosen.keep)
    ids = tuple(memories[seq].id for seq in chosen.erase)
    return ForgetPlan(
        ids=ids,
        memories=tuple(_excerpt(memories[seq]) for seq in chosen.erase),
        kept=tuple(_excerpt(kept[seq]) for seq in chosen.keep),
        counts=select.counts(con, chosen),
        digest=digest(con, ids, chosen.provenances),
        selected_by=select.used(selector),
        provenances=chosen.provenances,
    )


def digest(con: Connection, ids: Sequence[str], provenances: Sequence[int]) -> str:
    """Return the SHA-256 that binds a confirmation to these memories in their present wording."""
    body = json.dumps([records.digests(con, ids), sorted(ids), sorted(provenances)])
    return hashlib.sha256(body.encode()).hexdigest()


def _excerpt(memory: Memory) -> PlannedMemory:
    line = " ".join(memory.text.split())
    cut = line if len(line) <= EXCERPT else line[: EXCERPT - 1] + "…"
    return PlannedMemory(id=memory.id, kind=memory.kind, scope=memory.scope, excerpt=cut)


def forget(place: Place, planned: ForgetPlan, wait: float, *, tombstone: bool = True) -> Receipt:
    """Erase exactly what a plan names, verify it, and return the receipt.

    Args:
        place: The store.
        planned: From `plan`.
        wait: Seconds to wait for readers that block the physical part.
        tombstone: Recognise the erased texts afterwards and refuse them.

    Raises:
        UsageError: The plan was altered, or its memories were changed or erased since.
        StoreError: The store is read-only or full; what was erased stays erased.
    """
    if not planned.ids and not planned.provenances:
        raise NotFoundError("nothing matches, nothing was erased")
    place.say("intent")
    # The id goes into a receipt, and a receipt knows no finer time than the day.
    ident = new_id(place.now.replace(hour=0, minute=0, second=0, microsecond=0))
    with transaction(place.con, place.write_wait):
        if digest(place.con, planned.ids, planned.provenances) != planned.digest:
            raise UsageError(
                "the plan was altered, or its memories have changed since", hint="make a new plan"
            )
        ledger.prepare(place.con, place.home)  # what cannot be signed is not begun
        if tombstone:
            tombstones.ready(place.con, place.home)
        seqs = list(records.by_ids(place.con, planned.ids).values())
        needles = verify.needles(place.con, seqs, planned.provenances)
        detached = records.detach(place.con, planned.provenances)
        day = place.now.date().isoformat()
        erasures.put(place.con, ident, day, planned.ids, tombstone=tombstone)
        erasures.advance(place.con, ident, "intent", {"provenance": detached})
    return finish(place, ident, needles, wait)


def resume(place: Place, wait: float) -> list[Receipt]:
    """Finish every erasure that a crash or a reader interrupted, and the key changes they owe."""
    done = [finish(place, ident, None, wait) for ident in erasures.unfinished(place.con)]
    if place.vault is not None:
        done += _epoch().resume(place, wait)
    return done


def finish(place: Place, ident: str, needles: Needles | None, wait: float) -> Receipt:
    """Take one erasure from its recorded state to its receipt.

    With `needles` None the erased text is no longer known, and the receipt says which probes
    could therefore not be made.
    """
    state = erasures.get(place.con, ident)
    if state is None:
        raise NotFoundError(f"no erasure has id {ident!r}")
    targets = erasures.targets(place.con, ident)
    if state.state == "intent":
        place.say("cascade")
        cascade(place, ident)
    place.say("artefacts")
    with transaction(place.signals, place.write_wait):
        signals = behavior.erase(place.signals, targets)
    indexes = files.erase_indexes(place.home)
    # Written before the seal: whatever comes after it leaves slack of its own.
    with transaction(place.con, place.write_wait):
        segments.tidy(place.con)
        erasures.advance(place.con, ident, "erased", {"signal": signals, "index_file": indexes})
    place.say("seal")
    sealed = seal.seal(place.con, wait) and seal.seal(place.signals, wait)
    if not sealed:
        blocked = seal.holders(place.home / files.DATABASE)
        return _receipt(place, ident, "pending", verify.pending(), blocked)
    place.say("verify")
    probes, decided = _examined(place, targets, needles, wait)
    if not decided:
        return _receipt(place, ident, "pending", probes)
    failed = _fails(probes)
    keys: tuple[str, ...] = ()
    if place.vault is not None and not failed:
        place.say("epoch")
        probes, keys = _epoch().claim(place, probes, wait)
    receipt = _receipt(place, ident, "failed" if failed else "verified", probes, keys=keys)
    # The receipt is durable before the intent is dropped; after a crash between the two, the
    # erasure is verified again and its receipt is not written twice.
    with transaction(place.con, place.write_wait):
        ledger.append(place.con, place.home, receipt)
        if not failed:
            erasures.finish(place.con, ident)
            if place.vault is not None:
                _epoch().note(place, receipt)
    seal.scrub(place.con, wait)
    return receipt


def _epoch() -> ModuleType:
    from memory import epoch  # noqa: PLC0415 - encrypted stores only

    return epoch


def _examined(
    place: Place, targets: Sequence[str], content: Needles | None, wait: float
) -> tuple[list[Probe], bool]:
    # What another erasure has deleted and not yet sealed can share words with this one: found
    # while one was under way, they prove nothing. Looked at again until `wait` is over.
    # Slack says nothing either when other programs have written since the seal.
    deadline = time.monotonic() + wait
    since = -1
    while True:
        before = erasures.count(place.con)
        probes = verify.probes(place.con, place.signals, place.home, targets, content)
        quiet = before[1] < 2 and erasures.count(place.con) == before
        if [probe.name for probe in probes if probe.result == "fail"] == ["slack"]:
            quiet = quiet and seal.version(place.con) == since
        decided = not _fails(probes) or quiet
        if decided or time.monotonic() >= deadline:
            return probes, decided
        since = seal.version(place.con)
        seal.seal(place.con, max(0.0, deadline - time.monotonic()))


def _fails(probes: Sequence[Probe]) -> bool:
    return any(probe.result == "fail" for probe in probes)


def cascade(place: Place, ident: str) -> None:
    """Delete the targets of an erasure and all that was made from them, in one transaction."""
    with transaction(place.con, place.write_wait):
        state = erasures.get(place.con, ident)
        if state is None or state.state != "intent":
            return  # another process finished this step
        seqs = sorted(records.by_ids(place.con, erasures.targets(place.con, ident)).values())
        if state.tombstone:
            texts = (memory.text for memory in records.fetch(place.con, seqs).values())
            # `forget` saw to the key before the intent. Should it be lost since, the erasure
            # goes on without: a promise to erase is worth more than one to recognise.
            with contextlib.suppress(StoreError):
                tombstones.put(place.con, place.home, texts)
        counts = erase(place.con, seqs)
        setting.next_epoch(place.con)
        erasures.advance(place.con, ident, "erased", counts)


def erase(con: Connection, seqs: Sequence[int]) -> dict[str, int]:
    """Erase memories through every owner; their neighbours are indexed anew without them."""
    around = records.near(con, seqs)
    left = sorted({other for near in around.values() for other in near} - set(seqs))
    records.unindex(con, [*seqs, *left])
    counts = {
        "text_index": len(seqs),
        "context_rewritten": len(left),
        "vector": vectors.erase(con, seqs),
        "lineage": lineage.erase(con, seqs),
    }
    lineage.erase_children(con, left)
    counts.update(records.erase(con, seqs))
    records.index(con, left)
    vectors.touch(con, left)
    trace(con, left)
    return counts


def _receipt(
    place: Place,
    ident: str,
    state: ReceiptState,
    probes: Sequence[Probe],
    blocked: Sequence[int] = (),
    keys: Sequence[str] = (),
) -> Receipt:
    done = erasures.get(place.con, ident)
    if done is None:
        raise StoreError(f"erasure {ident!r} vanished", hint="run 'mem doctor'")
    return receipts.receipt(
        place.con, done, state=state, probes=probes, blocked_by=blocked, keys_destroyed=keys
    )
