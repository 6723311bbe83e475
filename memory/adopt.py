"""Adopt: memories that a store once wrote come back as they were, with ids, times and provenances.

Import of an export and restore of a backup both end here. What the store erased is left out before
anything is written; what it holds already stays as it is, in its present wording.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from memory import lineage, records, restriction, tombstones, vectors
from memory.clock import moment
from memory.db import Connection
from memory.remember import Prepared, trace, withheld
from memory.scope import Scope
from memory.tombstones import Guard
from memory.types import Draft, Memory, SourceClass

Fate = Literal["created", "known", "erased"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attestation:
    """One occasion on which a memory was written, with its idempotency key."""

    root: str
    source: SourceClass
    actor: str
    uri: str
    at: datetime
    recorded_at: datetime
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A memory as a store wrote it, on its way back."""

    prepared: Prepared
    id: str
    recorded_at: datetime
    provenances: tuple[Attestation, ...]
    same: bytes = b""  # the identity it had; made anew if empty
    placed: bool = True  # whether `before` is known to be what it says
    before: str | None = None  # id of the memory before it in its session
    behind: str | None = None  # and of the one behind it, where that is known


@dataclass(slots=True)
class Chain:
    """The places of left-out memories: what came behind one is put behind the one before it."""

    skipped: dict[str, str | None] = field(default_factory=dict)

    def before(self, ident: str | None) -> str | None:
        """Return the nearest memory before that was not left out."""
        while ident in self.skipped:
            ident = self.skipped[ident]
        return ident


def fates(
    con: Connection, guard: Guard, batch: Sequence[Kept], chain: Chain, barred: Iterable[str] = ()
) -> list[Fate]:
    """Say of each memory what is to become of it; reads only.

    Args:
        con: The store that adopts.
        guard: Its guard.
        batch: In order.
        chain: Told which ones are left out.
        barred: Ids that count as erased.
    """
    ids = [one.id for one in batch]
    live = records.by_ids(con, ids)
    gone = tombstones.erased_ids(con, ids) | set(barred)
    held = set(restriction.present(con, ids))  # a legal hold keeps them, and keeps them apart
    drafts = [one.prepared for one in batch]
    held |= {ids[at] for at in withheld(con, drafts, erased="skip")}
    found: list[Fate] = []
    for one in batch:
        if one.id in live:
            found.append("known")
            continue
        if one.id in gone:
            fate: Fate = "erased"
        elif one.id in held or _known(con, one):
            fate = "known"
        else:
            said = filter(None, (one.prepared.draft.title, one.prepared.draft.text))
            fate = "erased" if guard.refuses(*said) else "created"
        if fate != "created":
            chain.skipped[one.id] = chain.before(one.before)
        found.append(fate)
    return found


def _known(con: Connection, one: Kept) -> bool:
    same = one.same or records.identity(one.prepared.draft, one.prepared.scope)
    return records.find(con, same) is not None or any(
        records.find_key(con, each.root, each.key) for each in one.provenances if each.key
    )


def adopt(con: Connection, batch: Sequence[Kept], chain: Chain) -> dict[str, int]:
    """Write memories of which `fates` said "created"; return id -> seq of those it wrote.

    Inside the caller's transaction. One that repeats another of the batch is passed over.
    """
    around = _neighbourhood(con, batch, chain)
    records.unindex(con, around)
    fresh: dict[str, int] = {}
    for one in batch:
        if one.id in fresh or _known(con, one):
            chain.skipped[one.id] = chain.before(one.before)
            continue
        draft, scope = one.prepared.draft, one.prepared.scope
        seq = records.put(con, draft, scope=scope, ident=one.id, now=one.recorded_at, same=one.same)
        if one.placed and scope.session:
            _place(con, seq, chain.before(one.before), one.behind)
        for each in one.provenances:
            records.attest(con, seq, _attested(draft, each), each.recorded_at)
        fresh[one.id] = seq
    touched = sorted({*around, *fresh.values()})
    records.index(con, touched)
    vectors.touch(con, around)
    lineage.erase_children(con, around)
    trace(con, touched)
    return fresh


def _neighbourhood(con: Connection, batch: Sequence[Kept], chain: Chain) -> list[int]:
    """Return the live memories whose context changes: what is indexed of them has to go first."""
    scopes = {one.prepared.scope for one in batch}
    ends = {seq for scope in scopes for seq in records.tail(con, scope)}
    named = {chain.before(one.before) for one in batch} | {one.behind for one in batch}
    anchors = list(records.by_ids(con, [one for one in named if one is not None]).values())
    near = records.near(con, anchors)
    return sorted(ends.union(anchors, *near.values()))


def _place(con: Connection, seq: int, before: str | None, behind: str | None) -> None:
    """Move a memory, which is the last of its session now, to where it was in that session."""
    ahead, after = _beside(con, before, seq), _beside(con, behind, seq)
    if ahead is not None:
        following = ahead[2] if ahead[2] != seq else None
        if following is None and after is not None and after[1] is None:
            following = after[0]
        if following is not None or ahead[2] != seq:
            records.splice(con, seq, ahead[0], following)
    elif after is not None and after[0] != seq:
        records.splice(con, seq, after[1], after[0])
    elif before is None:
        records.unlink(con, [seq])


def _beside(
    con: Connection, ident: str | None, seq: int
) -> tuple[int, int | None, int | None] | None:
    """Return seq, previous and next of a memory if it is of the same scope as another."""
    row = con.execute(
        "SELECT seq, prev_seq, next_seq FROM memory WHERE id = ?"
        " AND scope_id = (SELECT scope_id FROM memory WHERE seq = ?)",
        (ident, seq),
    ).fetchone()
    return None if row is None else (row[0], row[1], row[2])


def _attested(draft: Draft, one: Attestation) -> Draft:
    return replace(
        draft,
        root=one.root,
        source=one.source,
        actor=one.actor,
        uri=one.uri,
        at=one.at,
        key=one.key,
    )


def kept(con: Connection, after: int, limit: int) -> list[tuple[int, Kept]]:
    """Return (seq, memory) of those behind a seq, in order, as a store holds them."""
    rows = con.execute(
        "SELECT m.seq, m.identity, p.id, n.id FROM memory m"
        " LEFT JOIN memory p ON p.seq = m.prev_seq LEFT JOIN memory n ON n.seq = m.next_seq"
        " WHERE m.seq > ? ORDER BY m.seq LIMIT ?",
        (after, limit),
    ).fetchall()
    memories = records.fetch(con, [row[0] for row in rows])
    attested = attestations(con, list(memories))
    return [
        (
            seq,
            Kept(
                prepared=_prepared(memories[seq]),
                id=memories[seq].id,
                recorded_at=memories[seq].recorded_at,
                provenances=tuple(attested.get(seq, ())),
                same=same,
                before=before,
                behind=behind,
            ),
        )
        for seq, same, before, behind in rows
    ]


def attestations(con: Connection, seqs: Sequence[int]) -> dict[int, list[Attestation]]:
    """Return the provenances of memories by seq, oldest first."""
    found: dict[int, list[Attestation]] = {}
    for seq, root, source, actor, uri, at, recorded, key in con.execute(
        "SELECT p.seq, p.root, p.source, a.name, p.uri, p.at, p.recorded_at, p.key"
        " FROM provenance p JOIN actor a ON a.id = p.actor_id"
        " WHERE p.seq IN (SELECT value FROM json_each(?)) ORDER BY p.id",
        (json.dumps(list(seqs)),),
    ):
        found.setdefault(seq, []).append(
            Attestation(
                root=root,
                source=source,
                actor=actor,
                uri=uri,
                at=moment(at),
                recorded_at=moment(recorded),
                key=key,
            )
        )
    return found


def _prepared(memory: Memory) -> Prepared:
    """Return a memory that a store held as a draft that needs no more checks."""
    draft = Draft(
        text=memory.text,
        kind=memory.kind,
        scope=memory.scope,
        title=memory.title,
        actor=memory.actor,
        at=memory.at,
        valid_from=memory.valid_from,
        valid_to=memory.valid_to,
    )
    return Prepared(draft=draft, scope=Scope.parse(draft.scope), redacted=())
