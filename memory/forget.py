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
from dataclasses import replace as evolve
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

from memory import (
    answering,
    behavior,
    census,
    copies,
    disclosure,
    erasures,
    files,
    ledger,
    lineage,
    receipts,
    records,
    related,
    requests,
    reserve,
    restriction,
    seal,
    segments,
    select,
    setting,
    tombstones,
    vectors,
    verify,
)
from memory import shred as shredding
from memory.db import Connection, transaction
from memory.embedder import Embedder
from memory.errors import NotFoundError, StoreError, UsageError
from memory.ids import new_id
from memory.needles import Needles
from memory.remember import trace
from memory.types import (
    Evidence,
    ForgetPlan,
    Memory,
    PlannedMemory,
    Probe,
    Receipt,
    ReceiptState,
    Selector,
)

EXCERPT = 80
SILENT = 1.0  # seconds of a step before it tells its progress
REINDEXED = 100  # the index is made anew when one memory in so many leaves or changes in it
RECORDS = ("erasure", "erasure_target", "setting")  # what writing a receipt changes
Progress = Callable[[str], None]
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The store a saga runs in."""

    home: Path
    con: Connection  # memory.db
    signals: Connection  # behavior.db
    write_wait: float  # seconds to wait for other writers
    now: datetime
    say: Progress = field(default=lambda _: None)  # told the name of each step, long ones again
    model: Callable[[], Embedder | None] = field(default=lambda: None)  # the store's own

    def share(self, step: str) -> Callable[[float], None]:
        """Name a step, and return what tells how much of it is done."""
        self.say(step)
        told = time.monotonic() + SILENT

        def tell(share: float) -> None:
            nonlocal told
            if time.monotonic() >= told:
                told = time.monotonic() + SILENT / 10
                self.say(f"{step}, {share:.0%}")

        return tell


def plan(con: Connection, selector: Selector, also: Sequence[str] = ()) -> ForgetPlan:
    """Return what a forget would erase; changes nothing.

    Args:
        con: In a snapshot.
        selector: What to forget.
        also: Ids of related memories that go, too.

    Raises:
        UsageError: The selector names nothing.
        NotFoundError: An id does not exist.
    """
    chosen = select.select(con, selector, also)
    memories = records.fetch(con, chosen.erase)
    kept = records.fetch(con, chosen.keep)
    left = records.fetch(con, chosen.aside)
    people = chosen.people
    ids = tuple(memories[seq].id for seq in chosen.erase)
    return ForgetPlan(
        ids=ids,
        memories=tuple(_excerpt(memories[seq], chosen.why.get(seq, "")) for seq in chosen.erase),
        kept=tuple(_excerpt(kept[seq]) for seq in chosen.keep),
        counts=select.counts(con, chosen),
        digest=digest(con, ids, chosen.provenances, people=people, held=chosen.held),
        selected_by=(*select.used(selector), *(("also",) if also else ())),
        provenances=chosen.provenances,
        subject=chosen.person.name if chosen.person else "",
        people=people,
        names=chosen.person.every if chosen.person and people else (),
        aside=tuple(_excerpt(left[seq], chosen.why.get(seq, "")) for seq in chosen.aside),
        held=restriction.held(con, chosen.held),
        related=tuple(related.related(con, chosen.erase, [*chosen.keep, *chosen.aside])),
    )


def digest(
    con: Connection,
    ids: Sequence[str],
    provenances: Sequence[int],
    *,
    people: Sequence[str] = (),
    held: Sequence[str] = (),
) -> str:
    """Return the SHA-256 that binds a confirmation to these memories in their present wording."""
    kept = restriction.present(con, held)
    bound = [census.digests(con, ids), sorted(ids), sorted(provenances), sorted(people), kept]
    body = json.dumps(bound)
    return hashlib.sha256(body.encode()).hexdigest()


def _excerpt(memory: Memory, why: Evidence | Literal[""] = "") -> PlannedMemory:
    line = " ".join(memory.text.split())
    cut = line if len(line) <= EXCERPT else line[: EXCERPT - 1] + "…"
    return PlannedMemory(id=memory.id, kind=memory.kind, scope=memory.scope, excerpt=cut, why=why)


def forget(
    place: Place,
    planned: ForgetPlan,
    wait: float,
    *,
    tombstone: bool = True,
    answers: answering.Answering = answering.NOTHING,
    shred: bool = False,
) -> Receipt:
    """Erase exactly what a plan names, verify it, and return the receipt.

    Args:
        place: The store.
        planned: From `plan`.
        wait: Seconds to wait for readers that block the physical part.
        tombstone: Recognise the erased texts afterwards and refuse them.
        answers: The request it answers.
        shred: Destroy the keys of the backups that may hold them.

    Raises:
        UsageError: The plan was altered, or its memories were changed or erased since; or the
            request cannot be answered by it.
        StoreError: The store is read-only or full; what was erased stays erased.
    """
    if not (planned.ids or planned.provenances or planned.people or planned.held):
        raise NotFoundError("nothing matches, nothing was erased")
    ident, needles = _roomy(
        place, lambda: _begin(place, planned, answers, tombstone=tombstone, shred=shred)
    )
    return _roomy(place, lambda: finish(place, ident, needles, wait))


def _roomy(place: Place, action: Callable[[], Result]) -> Result:
    # What is in the logs takes room twice until it is in the files.
    def logs() -> bool:
        return seal.empty_log(place.con, 0.0) and seal.empty_log(place.signals, 0.0)

    return reserve.roomy(place.home, action, first=logs)


def _begin(
    place: Place,
    planned: ForgetPlan,
    answers: answering.Answering,
    *,
    tombstone: bool,
    shred: bool,
) -> tuple[str, Needles]:
    place.say("intent")
    # The id goes into a receipt, and a receipt knows no finer time than the day.
    ident = new_id(place.now.replace(hour=0, minute=0, second=0, microsecond=0))
    held = [one.id for one in planned.held]
    with transaction(place.con, place.write_wait):
        present = digest(
            place.con, planned.ids, planned.provenances, people=planned.people, held=held
        )
        if present != planned.digest:
            raise UsageError(
                "the plan was altered, or its memories have changed since", hint="make a new plan"
            )
        ledger.prepare(place.con, place.home)  # what cannot be signed is not begun
        if tombstone:
            tombstones.ready(place.con, place.home)
        seqs = list(records.by_ids(place.con, planned.ids).values())
        needles = verify.needles(place.con, seqs, planned.provenances)
        people = answering.names(place.con, planned, answers)
        needles = evolve(needles, names=(*needles.names, *people))
        detached = records.detach(place.con, planned.provenances)
        day = place.now.date().isoformat()
        erasures.put(place.con, ident, day, planned.ids, tombstone=tombstone, shred=shred)
        gone = answering.begin(place.con, place.home, ident, planned, answers, place.now)
        erasures.advance(place.con, ident, "intent", {"provenance": detached, **gone})
        restriction.defer(place.con, ident, held, tombstone=tombstone)
    return ident, needles


def resume(place: Place, wait: float) -> list[Receipt]:
    """Finish every erasure that a crash or a reader interrupted."""
    return [
        _roomy(place, partial(finish, place, ident, None, wait))
        for ident in erasures.unfinished(place.con)
    ]


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
        with transaction(place.signals, place.write_wait):
            disclosure.pin(place.signals, disclosure.where(place.con, targets))
        cascade(place, ident)
    place.say("artefacts")
    with transaction(place.signals, place.write_wait):
        signals = behavior.erase(place.signals, targets)
        scopes = [number for number, _ in records.scopes(place.con)]
        day = place.now.date().isoformat()
        disclosure.erase(place.signals, ident, targets, day=day, scopes=scopes)
    indexes = files.erase_indexes(place.home)
    # Written before the seal: whatever comes after it leaves slack of its own.
    with transaction(place.con, place.write_wait):
        segments.tidy(place.con)
        erasures.advance(place.con, ident, "erased", {"signal": signals, "index_file": indexes})
    if state.shred:
        place.say("backups")
        shredding.shred_all(place.con, place.home, place.write_wait, ident)
    tell = place.share("seal")
    sealed = seal.seal(place.con, wait, tell=tell) and seal.seal(place.signals, wait)
    if not sealed:
        blocked = seal.holders(place.home / files.DATABASE)
        return _receipt(place, ident, "pending", verify.pending(), blocked)
    examined, decided = _examined(place, targets, needles, wait)
    probes = examined.probes
    if not decided:
        return _receipt(place, ident, "pending", probes)
    failed = _fails(probes)
    receipt = _receipt(place, ident, "failed" if failed else "verified", probes)
    # The receipt is durable before the intent is dropped; after a crash between the two, the
    # erasure is verified again and its receipt is not written twice.
    with transaction(place.con, place.write_wait):
        ledger.append(place.con, place.home, receipt)
        if not failed:
            erasures.finish(place.con, ident)
            requests.finish_erasure(place.con, ident, place.now.date())
    seal.scrub_after(place.con, wait, examined.version, RECORDS)
    return receipt


def _examined(
    place: Place, targets: Sequence[str], content: Needles | None, wait: float
) -> tuple[verify.Examined, bool]:
    # What another erasure has deleted and not yet sealed can share words with this one: found
    # while one was under way, they prove nothing. Looked at again until `wait` is over.
    # Slack says nothing either when other programs have written since the seal.
    deadline = time.monotonic() + wait
    since = -1
    while True:
        before = erasures.count(place.con)
        examined = verify.examine(
            place.con,
            place.signals,
            place.home,
            targets,
            content,
            model=place.model,
            tell=place.share("verify"),
        )
        quiet = before[1] < 2 and erasures.count(place.con) == before
        if [probe.name for probe in examined.probes if probe.result == "fail"] == ["slack"]:
            quiet = quiet and seal.version(place.con) == since
        decided = not _fails(examined.probes) or quiet
        if decided or time.monotonic() >= deadline:
            return examined, decided
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
        targets = erasures.targets(place.con, ident)
        seqs = sorted(records.by_ids(place.con, targets).values())
        tombstones.put_ids(place.con, targets)
        copies.mark(place.con)
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
    # To take rows out of the index and put them in costs a hundred times as much a row as to make
    # all of it anew.
    (total,) = con.execute("SELECT count(*) FROM memory").fetchone()
    anew = REINDEXED * (len(seqs) + len(left)) > total
    if not anew:
        records.unindex(con, [*seqs, *left])
    counts = {
        "text_index": len(seqs),
        "context_rewritten": len(left),
        "vector": vectors.erase(con, seqs),
        "lineage": lineage.erase(con, seqs),
    }
    lineage.erase_children(con, left)
    counts.update(records.erase(con, seqs))
    if anew:
        records.reindex(con)
    else:
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
) -> Receipt:
    done = erasures.get(place.con, ident)
    if done is None:
        raise StoreError(f"erasure {ident!r} vanished", hint="run 'mem doctor'")
    made = receipts.receipt(place.con, done, state=state, probes=probes, blocked_by=blocked)
    return evolve(
        made,
        held=restriction.count_deferred(place.con, ident),
        recipients=disclosure.kinds(place.signals, ident),
    )
