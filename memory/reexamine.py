"""Looking again, any time later, for what an erasure erased."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from memory import erasures, ledger, proofs, segments, vectors, verify
from memory.db import Connection
from memory.embedder import Embedder
from memory.errors import InvalidReceiptError, NotFoundError
from memory.needles import Needles
from memory.remember import embedded_text
from memory.types import Draft, Probe, ReceiptState, Reexamined


def reexamine(  # noqa: PLR0913 - a store, what is looked for in it, and two ways to call back
    con: Connection,
    signals: Connection,
    home: Path,
    erasure: str,
    content: Needles | None,
    *,
    model: Callable[[], Embedder | None] = lambda: None,
    tell: verify.Tell = lambda _: None,
) -> Reexamined:
    """Examine the receipt of an erasure and run the probes again; changes nothing.

    Args:
        con: `memory.db`.
        signals: `behavior.db`.
        home: The store's folder.
        erasure: Id of the erasure.
        content: What was erased, if somebody has brought it; else what needs it is not claimed.
        model: Returns the embedder.
        tell: Told which share of the search is done.

    Raises:
        NotFoundError: The store knows no such erasure.
    """
    known = erasures.get(con, erasure)
    receipt, faults = _receipt(con, home, erasure)
    if known is None and not receipt and not faults:
        raise NotFoundError(
            f"no erasure has id {erasure!r}", hint="'mem receipt list' shows ids", ids=(erasure,)
        )
    unfinished = known is not None and known.state != "done"
    day = str(receipt.get("day", known.day if known else ""))
    if unfinished and not receipt:
        waiting = tuple(verify.pending())
        return Reexamined(erasure=erasure, day=day, state="pending", faults=faults, probes=waiting)
    if not receipt and not faults:
        faults = ("missing",)
    found = verify.examine(con, signals, home, (), content, model=model, tell=tell)
    probes = tuple(_later(con, probe, content) for probe in found.probes)
    bad = bool(faults) or any(probe.result == "fail" for probe in probes)
    state: ReceiptState = "failed" if bad else "pending" if unfinished else "verified"
    return Reexamined(
        erasure=erasure,
        day=day,
        state=state,
        receipt=str(receipt.get("state", "")),
        faults=faults,
        probes=probes,
    )


def content(
    con: Connection, texts: Iterable[str | Draft], model: Callable[[], Embedder | None]
) -> Needles | None:
    """Return what to look for; None if no text is given. It is kept in memory only."""
    drafts = [Draft(text=one) if isinstance(one, str) else one for one in texts]
    if not drafts:
        return None
    embedder = model()
    blobs: list[bytes] = []
    if embedder is not None and vectors.find_space(con, embedder.space) is not None:
        rows = embedder.encode([embedded_text(draft) for draft in drafts])
        blobs = [row.tobytes() for row in rows.astype(vectors.STORED)]
    return verify.content(
        [part for draft in drafts for part in (draft.text, draft.title, draft.uri)],
        blobs,
        named=[name for draft in drafts for name in (draft.actor, draft.scope) if name],
    )


def _receipt(con: Connection, home: Path, erasure: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the receipt, and why it, or the ledger it stands in, is not what was signed."""
    told = ledger.known(con)
    try:
        return proofs.verify(proofs.proof(home, told, erasure)), ()
    except InvalidReceiptError as exc:
        return {}, (exc.reason,)
    except NotFoundError:
        return {}, ()


def _later(con: Connection, probe: Probe, content: Needles | None) -> Probe:
    """Return a probe as it counts when other things have been written since the erasure."""
    if probe.name == "text_index":
        return _text_index(con, probe)
    if probe.name == "slack" and probe.counts["found"] and not probe.counts["unknown"]:
        # Rows that moved left copies there. What it says is looked at by the probe `bytes`.
        return replace(probe, result="not_claimed", why="reused")
    if probe.why == "interrupted":
        return replace(probe, why="not_given")
    if probe.name == "vectors" and content is not None and not content.vectors:
        empty = not any(vectors.counts(con).values())
        return probe if empty else replace(probe, result="not_claimed", why="not_given")
    return probe


def _text_index(con: Connection, probe: Probe) -> Probe:
    """Decode every block, which needs no content: does any say what no live memory has?"""
    found = segments.examine(con)
    bad = found.deleted + found.orphaned + found.stray + found.separators + len(found.errors)
    bad += probe.counts.get("found", 0)
    return Probe(
        name="text_index",
        result="fail" if bad else "pass",
        counts={"terms": found.terms, "found": bad},
    )
