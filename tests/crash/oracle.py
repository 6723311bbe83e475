"""What must hold after a crash, whatever was interrupted (research: invariants I1 to I7).

Three states: what was not tried may not have happened, what was acknowledged has happened, and what
was tried without an answer has happened in whole or not at all.

I1 an acknowledged memory is there unless its erasure was tried. I2 an erasure is complete or has
not begun. I3 none is left unfinished. I4 pages, indexes, vectors, links and digests agree. I5 files
beside the database can be read, and what is erased is found in none. I6 no byte of an erased text
or vector is in any file. I7 the ledger verifies; an acknowledged receipt is in it, and none says
"verified" over probes that do not.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from memory import Draft, Store, files
from memory.errors import ErasedContentError, MemError
from memory.remember import embedded_text
from memory.vectors import STORED
from tests.crash.workload import SPACES, Event, opened, text


@dataclass(slots=True)
class Oracle:
    """What was said so far."""

    there: dict[str, bool] = field(default_factory=dict)  # token -> whether it is remembered
    open: dict[int, Event] = field(default_factory=dict)  # tried, not answered
    gone: set[str] = field(default_factory=set)  # tokens of which no byte may be left
    refused: set[str] = field(default_factory=set)  # tokens whose texts may not come back
    receipts: dict[str, str] = field(default_factory=dict)  # erasure -> acknowledged state
    signals: dict[str, int] = field(default_factory=dict)  # token -> acknowledged feedback
    spaces: list[str] = field(default_factory=lambda: [SPACES[0].space])  # that may be current

    def take(self, event: Event) -> None:
        """Take in what was said next."""
        if not event.done:
            self.open[event.number] = event
            if event.verb == "rotate":
                self.refused.clear()
            return
        tried = self.open.pop(event.number)
        match event.verb:
            case "remember":
                self.there |= dict.fromkeys(tried.tokens, True)
            case "edit":
                self._edited(tried.tokens)
            case "forget":
                self._forgotten(tried)
                self.receipts[event.erasure] = event.says
            case "feedback":
                (token,) = tried.tokens
                self.signals[token] = self.signals.get(token, 0) + 1
            case "reembed":
                # Who acknowledges before the act does not know yet.
                self.spaces = [event.says] if event.says else [space.space for space in SPACES]

    def _edited(self, tokens: tuple[str, ...]) -> None:
        old, new = tokens
        self.there |= {old: False, new: True}
        self.gone.add(old)
        if old in self.signals:
            self.signals[new] = self.signals.pop(old)

    def _forgotten(self, tried: Event) -> None:
        self.there |= dict.fromkeys(tried.tokens, False)
        self.gone |= set(tried.tokens)
        for token in tried.tokens:
            self.signals.pop(token, None)
        if tried.says:
            self.refused |= set(tried.tokens)

    def settle(self, found: Iterable[str]) -> list[str]:
        """Decide what was open by what is found; returns what is neither done nor undone."""
        here, wrong = set(found), []
        for tried in sorted(self.open.values(), key=lambda one: one.number, reverse=True):
            present = [token in here for token in tried.tokens]
            if tried.verb == "edit":
                if present.count(True) != 1:
                    wrong.append(f"I2: of an edit {present.count(True)} wordings are there")
                elif present[1]:
                    self._edited(tried.tokens)
            elif tried.verb in ("remember", "forget") and len(set(present)) > 1:
                wrong.append(f"I2: {tried.verb} of {len(present)} did {present.count(True)}")
            elif tried.verb == "remember":
                self.there |= dict.fromkeys(tried.tokens, present[0])
            elif tried.verb == "forget" and not present[0]:
                refused = self.refused.copy()
                self._forgotten(tried)
                self.refused = refused  # its tombstones are checked when it was acknowledged
            elif tried.verb == "reembed":
                self.spaces = [space.space for space in SPACES]
        self.open = {}
        return wrong


def examine(home: Path, said: Oracle, *, further: bool = True) -> list[str]:
    """Open what a crash left, as the next program would, and return every violation.

    Args:
        home: The store's folder; it is changed.
        said: What was tried and acknowledged; open attempts are decided.
        further: Also try that the store goes on: it remembers, recalls and refuses.
    """
    verified = {
        token for token in said.gone if all(s == "verified" for s in said.receipts.values())
    }
    wrong = [f"before recovery, {one}" for one in _left(home, verified)]
    if not home.exists() and not said.there:
        said.settle(())
        return wrong
    try:
        with opened(home, said.spaces[-1]) as store:
            store.resume()
            wrong += _content(store, said)
            wrong += _receipts(store, said)
            wrong += _health(store, said)
            if further:
                wrong += _further(store, said)
    except MemError as exc:
        return [*wrong, f"the store does not open: {type(exc).__name__}: {exc}"]
    wrong += _left(home, said.gone)
    if strange := files.unknown(home):
        wrong.append(f"I5: unknown files {strange}")
    return wrong


def _content(store: Store, said: Oracle) -> list[str]:
    found = {line["text"].split()[1]: line for line in store.export()}
    wrong = said.settle(found)
    lost = [token for token, there in said.there.items() if there and token not in found]
    back = [token for token, there in said.there.items() if not there and token in found]
    wrong += [f"I1: {len(lost)} acknowledged memories are lost"] if lost else []
    wrong += [f"I2: {len(back)} erased or replaced memories are there"] if back else []
    wrong += ["a text has changed" for token in found if found[token]["text"] != text(token)]
    if strange := [token for token in found if token not in said.there]:
        wrong.append(f"{len(strange)} memories that nobody tried to write")
    ids = {token: line["id"] for token, line in found.items()}
    for token, count in said.signals.items():
        if token in ids and sum(store.feedback_of(ids[token]).values()) < count:
            wrong.append("I1: acknowledged feedback is lost")
    signals = store._behavior().execute("SELECT DISTINCT memory_id FROM signal").fetchall()
    if {ident for (ident,) in signals} - set(ids.values()):
        wrong.append("I2: feedback about an erased memory is left")
    return wrong


def _receipts(store: Store, said: Oracle) -> list[str]:
    wrong = []
    report = store.verify_receipts()
    if not report.ok or report.torn:
        wrong.append(f"I7: the ledger has {report.faults or 'an incomplete line'}")
    states: dict[str, list[str]] = {}
    for receipt in store.receipts():
        states.setdefault(receipt["erasure"], []).append(receipt["state"])
        results = {probe["name"]: probe["result"] for probe in receipt["probes"]}
        if receipt["state"] == "verified" and {"fail", "pending"} & set(results.values()):
            wrong.append(f"I7: a receipt says verified over {results}")
        if receipt["state"] == "failed":
            wrong.append(f"I6: a receipt says failed over {results}")
    for erasure, state in said.receipts.items():
        if state == "verified" and state not in states.get(erasure, []):
            wrong.append("I7: an acknowledged receipt is not in the ledger")
        if state == "pending" and "verified" not in states.get(erasure, []):
            wrong.append("I3: a pending erasure was not finished")
    if store.stats().pending_erasures:
        wrong.append("I3: an erasure is left unfinished")
    return wrong


def _health(store: Store, said: Oracle) -> list[str]:
    # An interrupted re-embedding says so, and is done by being called again.
    excused = {"vectors"} if len(said.spaces) > 1 else set()
    return [
        f"I4: {one.check}: {one.detail}"
        for one in store.check()
        if not one.ok and one.check not in excused
    ]


def _further(store: Store, said: Oracle) -> list[str]:
    wrong = []
    live = sorted(token for token, there in said.there.items() if there)
    for token in live[:1]:
        hits = store.recall(token).hits
        if not hits or token not in hits[0].memory.text:
            wrong.append("I5: a memory is not found by its own word")
    for token in sorted(said.gone)[:2]:
        if any(token in hit.memory.text for hit in store.recall(token).hits):
            wrong.append("I5: an erased text is recalled")
    for token in sorted(said.refused)[:2]:
        try:
            store.remember(text(token))
        except ErasedContentError:
            continue
        wrong.append("an erased text is not refused")
        said.gone.discard(token)
    fresh = "bdfhjlnprtvxzbdf"
    store.remember(text(fresh))
    return wrong


@cache
def _needles(token: str) -> tuple[bytes, ...]:
    blobs = [
        space.encode([embedded_text(Draft(text=text(token), actor="Ada"))]).astype(STORED).tobytes()
        for space in SPACES
    ]
    windows = [token[at : at + 8].encode() for at in (0, 4, 8)]
    return (*windows, *(blob[at : at + 16] for blob in blobs for at in (0, len(blob) - 16)))


def bodies(home: Path) -> Mapping[str, bytes]:
    """Return the content of every file of a store."""
    return {
        place.relative_to(home).as_posix(): place.read_bytes()
        for place in (files.walk(home) if home.exists() else ())
    }


def _left(home: Path, gone: Iterable[str]) -> list[str]:
    found = bodies(home)
    whole = b"\n".join(found.values())
    wrong = []
    for token in gone:
        if any(needle in whole for needle in _needles(token)):
            where = [n for n, body in found.items() if any(x in body for x in _needles(token))]
            wrong.append(f"I6: bytes of an erased text in {', '.join(where)}")
    return wrong
