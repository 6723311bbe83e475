"""Plan: what a forget would erase, bound by a digest to the memories in their present wording."""

import hashlib
import json
from collections.abc import Sequence
from typing import Literal

from memory import census, records, related, restriction, select
from memory.db import Connection
from memory.types import Evidence, ForgetPlan, Memory, PlannedMemory, Selector

EXCERPT = 80


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
