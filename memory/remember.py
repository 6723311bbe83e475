"""Remember: texts become memories, with everything derived from them, in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from memory import lineage, records, restriction, vectors
from memory.clock import millis
from memory.db import Connection
from memory.embedder import Embedder
from memory.errors import ErasedContentError, HeldContentError, UsageError
from memory.ids import new_id
from memory.sanitise import validate
from memory.scope import Scope
from memory.tombstones import Guard
from memory.types import KINDS, SOURCE_CLASSES, Draft, Memory, Remembered

MAX_TEXT = 1_000_000  # bytes of UTF-8
MAX_FIELD = 2_000  # of titles, actors, uris, roots and keys


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A draft that may be stored: checked, secrets redacted, scope parsed."""

    draft: Draft
    scope: Scope
    redacted: tuple[str, ...]


def prepare(draft: Draft, *, keep_secrets: bool = False) -> Prepared:
    """Check a draft and redact its secrets; runs before any transaction begins.

    A secret that reached a rolled-back transaction would still lie in the WAL.

    Raises:
        UsageError: A field is not acceptable; the message names it.
    """
    if draft.kind not in KINDS:
        raise UsageError(f"kind {draft.kind!r} does not exist", hint=f"one of {', '.join(KINDS)}")
    if draft.source not in SOURCE_CLASSES:
        raise UsageError(
            f"source {draft.source!r} does not exist", hint=f"one of {', '.join(SOURCE_CLASSES)}"
        )
    for name in ("at", "valid_from", "valid_to"):
        at = cast("datetime | None", getattr(draft, name))
        if at is not None:
            millis(at)
    if draft.valid_from and draft.valid_to and draft.valid_from >= draft.valid_to:
        raise UsageError("valid_to is not after valid_from")
    searched = {
        "text": validate(draft.text, limit=MAX_TEXT),
        "title": _field(draft.title, "title"),
        "uri": _field(draft.uri, "uri"),
    }
    fired: tuple[str, ...] = ()
    if not keep_secrets:
        # Its hundred patterns cost 17 ms, which a recall must not pay.
        from memory.secrets import redact  # noqa: PLC0415 - see above

        for name, value in searched.items():
            searched[name], rules = redact(value)
            fired += rules
    checked = replace(
        draft,
        text=searched["text"],
        title=searched["title"],
        uri=searched["uri"],
        actor=_field(draft.actor, "actor"),
        root=_field(draft.root, "root"),
        key=None if draft.key is None else validate(draft.key, field="key", limit=MAX_FIELD),
    )
    scope = Scope.parse(_field(draft.scope, "scope"))
    return Prepared(draft=replace(checked, scope=str(scope)), scope=scope, redacted=fired)


def _field(text: str, name: str) -> str:
    return validate(text, field=name, limit=MAX_FIELD) if text.strip() else ""


def embedded_text(draft: Draft) -> str:
    """Return the text a memory is embedded as: "speaker: text" beats text alone by .01 NDCG."""
    return f"{draft.actor}: {draft.text}" if draft.actor else draft.text


def remember(
    con: Connection,
    batch: Sequence[Prepared],
    *,
    now: datetime,
    embedder: Embedder | None,
    encoded: NDArray[np.float32] | None,
) -> list[Remembered]:
    """Write a batch inside the caller's transaction and say what became of each draft.

    The same text in the same scope is one memory with several provenances; the same idempotency
    key of one root is written once, whatever the text. Neighbours in a session get their context
    columns and vectors rewritten.

    Args:
        con: In a write transaction.
        batch: Checked drafts, in order.
        now: Transaction time.
        embedder: Names the vector space; None stores no vectors.
        encoded: One unit row per draft, `(len(batch), dim)`.
    """
    scopes = {one.scope for one in batch}
    changed = sorted({seq for scope in scopes for seq in records.tail(con, scope)})
    records.unindex(con, changed)
    fresh: dict[int, int] = {}  # seq -> position in the batch
    result: list[Remembered] = []
    for position, one in enumerate(batch):
        draft = one.draft
        known = _by_key(con, draft)
        if known is None:
            known = records.find(con, records.identity(draft, one.scope))
            if known is None:
                ident = new_id(now)
                known = records.put(con, draft, scope=one.scope, ident=ident, now=now), ident
                fresh[known[0]] = position
            records.attest(con, known[0], draft, now)
        result.append(Remembered(id=known[1], created=known[0] in fresh, redacted=one.redacted))
    records.index(con, [*changed, *fresh])
    if embedder is not None and encoded is not None and fresh:
        space = vectors.intern_space(con, embedder.space, embedder.dim)
        vectors.touch(con, [seq for seq in changed if seq not in fresh])
        vectors.put(con, space, list(fresh), encoded[list(fresh.values())])
    trace(con, [*changed, *fresh])
    return result


def _by_key(con: Connection, draft: Draft) -> tuple[int, str] | None:
    return records.find_key(con, draft.root, draft.key) if draft.key else None


def refused(con: Connection, batch: Sequence[Prepared], guard: Guard) -> tuple[int, ...]:
    """Return the positions of drafts that would bring back what was erased.

    A draft that the store holds already brings nothing back: the same text was kept elsewhere, or
    a person let it in.
    """
    return tuple(
        position
        for position, one in enumerate(batch)
        if guard.refuses(*filter(None, (one.draft.title, one.draft.text)))
        and _by_key(con, one.draft) is None
        and records.find(con, records.identity(one.draft, one.scope)) is None
    )


def withheld(
    con: Connection, batch: Sequence[Prepared], *, erased: Literal["refuse", "skip", "allow"]
) -> tuple[int, ...]:
    """Return the positions of drafts that say what a legal hold restricts.

    What the store holds live besides the restricted memory may be said again.

    Raises:
        HeldContentError: There are some, and they are not to be skipped.
    """
    if not restriction.any_held(con):
        return ()
    found = tuple(
        position
        for position, one in enumerate(batch)
        if restriction.refuses(
            con,
            records.identity(one.draft, one.scope),
            filter(None, (one.draft.title, one.draft.text)),
        )
        and records.find(con, records.identity(one.draft, one.scope)) is None
    )
    if found and erased != "skip":
        raise HeldContentError(found, len(batch))
    return found


def admit_wording(before: Memory, after: Prepared, guard: Guard) -> None:
    """Return if a correction brings back nothing that was erased, or nothing it did not hold.

    Raises:
        ErasedContentError: It does.
    """
    draft = after.draft
    if guard.refuses(*filter(None, (draft.title, draft.text))) and not guard.refuses(
        *filter(None, (before.title, before.text))
    ):
        raise ErasedContentError((0,), 1)


def trace(con: Connection, seqs: Sequence[int]) -> None:
    """Write the lineage of what is derived from these memories and their neighbours."""
    around = records.near(con, seqs)
    beside = records.near(con, seqs, reach=1)
    lineage.put(
        con,
        [
            row
            for seq in seqs
            for row in (
                (lineage.TEXT_INDEX, seq, seq),
                (lineage.VECTOR, seq, seq),
                (lineage.CONTEXT, seq, seq),
                *((lineage.TEXT_INDEX, seq, other) for other in around[seq]),
                *((lineage.CONTEXT, seq, other) for other in beside[seq]),
            )
        ],
    )
