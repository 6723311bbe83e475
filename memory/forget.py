"""Forget: select, plan, then erase as a saga that a crash can interrupt but not undo.

    intent -> cascade -> artefacts -> seal -> verify -> receipt

Every step is idempotent and leaves its state in `erasure`, so `resume` goes on where a crash or a
blocking reader stopped it.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

from memory import (
    behavior,
    erasures,
    files,
    ledger,
    lineage,
    records,
    seal,
    select,
    setting,
    vectors,
    verify,
)
from memory.db import Connection, transaction
from memory.errors import NotFoundError, StoreError, UsageError
from memory.ids import new_id
from memory.needles import Needles
from memory.remember import trace
from memory.types import ForgetPlan, Memory, PlannedMemory, Probe, Receipt, Selector

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


def forget(place: Place, planned: ForgetPlan, wait: float) -> Receipt:
    """Erase exactly what a plan names, verify it, and return the receipt.

    Args:
        place: The store.
        planned: From `plan`.
        wait: Seconds to wait for readers that block the physical part.

    Raises:
        UsageError: The plan was altered, or its memories were changed or erased since.
        StoreError: The store is read-only or full; what was erased stays erased.
    """
    if not planned.ids and not planned.provenances:
        raise NotFoundError("nothing matches, nothing was erased")
    place.say("intent")
    ident = new_id(place.now)
    with transaction(place.con, place.write_wait):
        if digest(place.con, planned.ids, planned.provenances) != planned.digest:
            raise UsageError(
                "the plan was altered, or its memories have changed since", hint="make a new plan"
            )
        seqs = list(records.by_ids(place.con, planned.ids).values())
        needles = verify.needles(place.con, seqs, planned.provenances)
        detached = records.detach(place.con, planned.provenances)
        erasures.put(place.con, ident, place.now.date().isoformat(), planned.ids)
        erasures.advance(place.con, ident, "intent", {"provenance": detached})
    return finish(place, ident, needles, wait)


def resume(place: Place, wait: float) -> list[Receipt]:
    """Finish every erasure that a crash or a reader interrupted."""
    return [finish(place, ident, None, wait) for ident in erasures.unfinished(place.con)]


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
    place.say("seal")
    sealed = seal.seal(place.con, wait) and seal.seal(place.signals, wait)
    if not sealed:
        blocked = seal.holders(place.home / files.DATABASE)
        return _receipt(place, ident, "pending", verify.pending(blocked), blocked)
    with transaction(place.con, place.write_wait):
        erasures.advance(place.con, ident, "sealed", {"signal": signals, "index_file": indexes})
    place.say("verify")
    seal.empty_log(place.con, wait)
    probes = verify.probes(place.con, place.signals, place.home, targets, needles)
    failed = any(probe.result == "fail" for probe in probes)
    receipt = _receipt(place, ident, "failed" if failed else "verified", probes, "")
    # The receipt is durable before the intent is dropped; after a crash between the two, the
    # erasure is verified again and its receipt is not written twice.
    ledger.append(place.home, receipt)
    if not failed:
        with transaction(place.con, place.write_wait):
            erasures.finish(place.con, ident)
    seal.empty_log(place.con, wait)
    return receipt


def cascade(place: Place, ident: str) -> None:
    """Delete the targets of an erasure and all that was made from them, in one transaction."""
    with transaction(place.con, place.write_wait):
        state = erasures.get(place.con, ident)
        if state is None or state.state != "intent":
            return  # another process finished this step
        seqs = sorted(records.by_ids(place.con, erasures.targets(place.con, ident)).values())
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
    state: Literal["verified", "failed", "pending"],
    probes: Sequence[Probe],
    blocked: str,
) -> Receipt:
    done = erasures.get(place.con, ident)
    if done is None:
        raise StoreError(f"erasure {ident!r} vanished", hint="run 'mem doctor'")
    return ledger.receipt(done, state=state, probes=tuple(probes), blocked_by=blocked)
