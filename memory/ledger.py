"""Owner of `ledger.jsonl`: a chain of signed receipts, one a line, appended and never rewritten.

    hash = SHA-256(hash of the entry before || canonical JSON of the receipt)
    signature = Ed25519(context || hash)

The store keeps the number of entries and the last hash, so that a ledger that lost its end, or is
gone, is told from one that was never longer. docs/receipts.md has the format for strangers.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from memory import merkle, setting, signing
from memory.db import Connection
from memory.errors import InvalidReceiptError, StoreError
from memory.files import LEDGER, sync_folder
from memory.receipts import (
    ALGORITHM,
    FORMAT,
    HASH,
    RECEIPT,
    SIGNATURE,
    Shape,
    canonical,
    check,
    check_format,
)
from memory.types import Fault, LedgerReport, Receipt
from memory.wire import plain

START = "0" * 64  # what the first entry follows
SIGNED = f"letheon receipt {FORMAT} {ALGORITHM}\n".encode()  # what is signed in front of a hash

ENTRY: dict[str, Shape] = {
    "format": int,
    "hash_algorithm": frozenset({ALGORITHM}),
    "prev": HASH,
    "receipt": RECEIPT,
    "hash": HASH,
    "key": HASH,
    "signature": SIGNATURE,
}
Entry = dict[str, Any]

_STATE, _KEYS = "ledger", "certificate_keys"  # settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the store itself knows of its ledger."""

    store: str  # id of the store
    entries: int = 0
    last: str = START  # hash of the last entry
    size: int = 0  # bytes of the file
    cut: int = 0  # incomplete last lines removed after crashes
    keys: tuple[str, ...] = ()  # public keys that signed it, in hexadecimal


def known(con: Connection) -> Known:
    """Return what the store knows of its ledger."""
    told = Known(store=setting.get(con, "store_id"), keys=tuple(setting.get(con, _KEYS).split()))
    if state := setting.get(con, _STATE):
        entries, last, size, cut = state.split()
        told = replace(told, entries=int(entries), last=last, size=int(size), cut=int(cut))
    return told


def _keep(con: Connection, now: Known) -> None:
    setting.put(con, _STATE, f"{now.entries} {now.last} {now.size} {now.cut}")
    setting.put(con, _KEYS, " ".join(now.keys))


def prepare(con: Connection, home: Path) -> None:
    """Make sure that a receipt can be signed; inside the caller's transaction.

    Raises:
        StoreError: The certificate key is damaged or cannot be written.
    """
    signing.obtain(home, known(con).keys)


def append(con: Connection, home: Path, written: Receipt) -> None:
    """Append a receipt, unless the last one of its erasure says as much (`adds`).

    The caller's write transaction is what orders appenders. The line is durable before the store
    counts it: a crash in between leaves an entry that the next append counts.

    Raises:
        StoreError: It cannot be written or signed.
    """
    try:
        now = _caught_up(con, home)
        if adds(last(home, written.erasure), written):
            key = signing.obtain(home, now.keys)
            entry = sealed(plain(written), now.last, key)
            line = canonical(entry) + b"\n"
            _write(home / LEDGER, line)
            now = replace(
                now,
                entries=now.entries + 1,
                last=entry["hash"],
                size=now.size + len(line),
                keys=tuple(dict.fromkeys((*now.keys, key.public.hex()))),
            )
    except OSError as exc:
        raise StoreError(
            f"cannot append to '{home / LEDGER}': {exc.strerror}",
            hint="check the file's owner and mode, and free some space",
        ) from exc
    _keep(con, now)


def mend(con: Connection, home: Path) -> int:
    """Remove an incomplete last line and count entries a crash left uncounted.

    Inside the caller's transaction. Returns the number of lines removed, 0 or 1.
    """
    before, now = known(con), _caught_up(con, home)
    if now != before:
        _keep(con, now)
    return now.cut - before.cut


def sealed(receipt: dict[str, Any], prev: str, key: signing.Key) -> Entry:
    """Return the entry that makes a receipt follow `prev`."""
    check(receipt, RECEIPT)
    digest = chained(prev, receipt)
    return {
        "format": FORMAT,
        "hash_algorithm": ALGORITHM,
        "prev": prev,
        "receipt": receipt,
        "hash": digest.hex(),
        "key": signing.fingerprint(key.public),
        "signature": key.sign(SIGNED + digest).hex(),
    }


def chained(prev: str, receipt: dict[str, Any]) -> bytes:
    """Return the hash of a receipt that follows `prev`."""
    return hashlib.sha256(bytes.fromhex(prev) + canonical(receipt)).digest()


def read(home: Path) -> Iterator[dict[str, Any]]:
    """Yield the receipts as they were written, oldest first.

    Raises:
        InvalidReceiptError: A line is no entry of this format.
    """
    for line in lines(home)[0]:
        yield parsed(line)["receipt"]


def words(home: Path) -> Iterator[str]:
    """Yield the lines that have the shape of an entry, whose every word is one of ours."""
    for line in lines(home)[0]:
        with contextlib.suppress(InvalidReceiptError):
            parsed(line)
            yield line.decode()


def lines(home: Path) -> tuple[list[bytes], bytes]:
    """Return the complete lines of the ledger, and what a crash left of one more."""
    try:
        return _split((home / LEDGER).read_bytes())
    except FileNotFoundError:
        return [], b""


def _split(raw: bytes) -> tuple[list[bytes], bytes]:
    *complete, torn = raw.split(b"\n")
    # A power cut may leave the end of a line and a hole before it; no entry holds a zero byte.
    if not torn and complete and b"\0" in complete[-1]:
        torn = complete.pop() + b"\n"
    return complete, torn


def parsed(line: bytes) -> Entry:
    """Return the entry of a line; its hash and its signature are not examined.

    Raises:
        InvalidReceiptError: It is no entry, or is spelled in another way.
    """
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError) as exc:
        raise InvalidReceiptError("spelling") from exc
    check_entry(entry)
    if canonical(entry) != line:
        raise InvalidReceiptError("spelling")
    return dict(entry)


def check_entry(entry: Any) -> None:
    """Return if a value has the shape of an entry.

    Raises:
        InvalidReceiptError: It has not.
    """
    check_format(entry)
    check_format(entry.get("receipt"))
    check(entry, ENTRY)


def examine(entry: Entry, keys: Collection[str]) -> None:
    """Return if hash and signature of an entry are right and its key is one of these.

    Raises:
        InvalidReceiptError: They are not.
    """
    digest = chained(entry["prev"], entry["receipt"])
    if not signing.same(digest.hex(), entry["hash"]):
        raise InvalidReceiptError("hash")
    signing.verify(
        public_key(entry["key"], keys), bytes.fromhex(entry["signature"]), SIGNED + digest
    )


def public_key(fingerprint: str, keys: Collection[str]) -> bytes:
    """Return the one of these public keys that has this fingerprint.

    Raises:
        InvalidReceiptError: None has; reason "key".
    """
    for key in map(bytes.fromhex, keys):
        if signing.same(signing.fingerprint(key), fingerprint):
            return key
    raise InvalidReceiptError("key")


def verify(home: Path, told: Known) -> LedgerReport:
    """Examine every line and compare the whole with what the store knows; changes nothing."""
    complete, torn = lines(home)
    keys = (*told.keys, *signing.known(home))
    faults: list[Fault] = []
    hashes: list[str] = []
    signers: dict[str, None] = {}
    prev: str | None = START
    for number, line in enumerate(complete, start=1):
        try:
            entry = parsed(line)
        except InvalidReceiptError as exc:
            faults.append(Fault(line=number, reason=exc.reason))
            hashes.append("")
            prev = None  # what the next one should follow is not known any more
            continue
        faults += _faults(number, entry, prev, keys, told.store)
        signers[entry["key"]] = None
        hashes.append(entry["hash"])
        prev = entry["hash"]
    if told.entries and (len(hashes) < told.entries or hashes[told.entries - 1] != told.last):
        faults.append(Fault(line=told.entries, reason="missing"))
    return LedgerReport(
        ok=not faults,
        entries=len(complete),
        root=merkle.root([leaf(one) for one in hashes]).hex() if not faults else "",
        last=hashes[-1] if hashes else START,
        keys=tuple(signers),
        faults=tuple(faults),
        torn=len(torn),
        cut=told.cut,
    )


def _faults(
    number: int, entry: Entry, prev: str | None, keys: Collection[str], store: str
) -> Iterator[Fault]:
    try:
        examine(entry, keys)
    except InvalidReceiptError as exc:
        yield Fault(line=number, reason=exc.reason)
    if prev is not None and entry["prev"] != prev:
        yield Fault(line=number, reason="chain")
    if entry["receipt"]["store"] != store:
        yield Fault(line=number, reason="store")


def leaf(digest: str) -> bytes:
    """Return the leaf of the Merkle tree that stands for an entry, by the entry's hash."""
    return merkle.leaf(bytes.fromhex(digest))


def _caught_up(con: Connection, home: Path) -> Known:
    """Return what the store knows after looking at what a crash, or somebody, left at the end."""
    told, place = known(con), home / LEDGER
    if not place.exists():
        return replace(told, size=0)
    with place.open("r+b") as held:
        size = held.seek(0, os.SEEK_END)
        if size < told.size:
            return replace(told, size=size + _ended(held, size))
        held.seek(told.size)
        tail = held.read()
        complete, torn = _split(tail)
        if torn:  # an append that a crash interrupted: never a whole entry
            held.truncate(size - len(torn))
            held.flush()
            os.fsync(held.fileno())
    told = replace(told, size=size - len(torn), cut=told.cut + bool(torn))
    for line in complete:
        told = _counted(told, line, signing.known(home))
    return told


def _ended(held: Any, size: int) -> int:
    """End the last line of a file that somebody shortened, which keeps what is left of it."""
    held.seek(max(0, size - 1))
    if not size or held.read(1) == b"\n":
        return 0
    held.write(b"\n")
    held.flush()
    os.fsync(held.fileno())
    return 1


def _counted(told: Known, line: bytes, local: Collection[str]) -> Known:
    """Count a line the store did not, if it is the entry that a crash left uncounted."""
    try:
        entry = parsed(line)
        examine(entry, (*told.keys, *local))
    except InvalidReceiptError:
        return told  # somebody's line: it stays where it is, and no verification passes over it
    if entry["prev"] != told.last or entry["receipt"]["store"] != told.store:
        return told
    keys = dict.fromkeys((*told.keys, public_key(entry["key"], (*told.keys, *local)).hex()))
    return replace(told, entries=told.entries + 1, last=entry["hash"], keys=tuple(keys))


def last(home: Path, erasure: str) -> dict[str, Any] | None:
    """Return the last receipt of an erasure; None if there is none."""
    receipt = None
    for line in lines(home)[0]:
        if erasure.encode() in line:
            with contextlib.suppress(InvalidReceiptError):
                found = parsed(line)["receipt"]
                receipt = found if found["erasure"] == erasure else receipt
    return receipt


def adds(before: Mapping[str, Any] | None, after: Receipt) -> bool:
    """Tell whether a receipt says what the one before it does not.

    That is another state, another number of memories or of those held, or what became of the key
    that the claim on the medium waited for. An erasure verified again after a crash knows less than
    the first time, and adds nothing.
    """
    says = (after.state, after.memories, after.held)
    if before is None or (before["state"], before["memories"], before["held"]) != says:
        return True
    claimed = [one["result"] for one in before["probes"] if one["name"] == "medium"]
    claims = [one.result for one in after.probes if one.name == "medium"]
    return claimed == ["pending"] != claims


def _write(place: Path, line: bytes) -> None:
    new = not place.exists()
    fd = os.open(place, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    try:
        rest = line
        while rest:
            rest = rest[os.write(fd, rest) :]
        os.fsync(fd)
    finally:
        os.close(fd)
    if new:
        sync_folder(place.parent)
