"""One receipt that proves itself: its entry, its path to a signed root, and the public keys."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from memory import ledger, merkle, signing
from memory.errors import InvalidReceiptError, NotFoundError, StoreError
from memory.receipts import ALGORITHM, FORMAT, HASH, SIGNATURE, Shape, check, check_format

SIGNED = f"letheon tree head {FORMAT} {ALGORITHM}\n".encode()
LARGEST = 1 << 20  # bytes of a proof's file

HEAD: dict[str, Shape] = {"size": int, "root": HASH, "key": HASH, "signature": SIGNATURE}
PROOF: dict[str, Shape] = {
    "format": int,
    "entry": ledger.ENTRY,
    "index": int,
    "path": [HASH],
    "head": HEAD,
    "public_keys": [HASH],  # 32 bytes each, like a hash
}
Proof = dict[str, Any]


def proof(home: Path, told: ledger.Known, erasure: str) -> Proof:
    """Return the last receipt of an erasure with all that a stranger needs to verify it.

    Raises:
        NotFoundError: There is no receipt of it.
        InvalidReceiptError: The ledger is not whole, so that no root can vouch for it.
        StoreError: The certificate key is gone.
    """
    report = ledger.verify(home, told)
    if report.faults:
        raise InvalidReceiptError(
            report.faults[0].reason,
            f"line {report.faults[0].line} of the ledger",
            hint="'mem receipt verify' examines every line",
        )
    entries = [ledger.parsed(line) for line in ledger.lines(home)[0]]
    found = [at for at, one in enumerate(entries) if one["receipt"]["erasure"] == erasure]
    if not found:
        raise NotFoundError(
            f"no receipt has id {erasure!r}", hint="'mem receipt list' shows ids", ids=(erasure,)
        )
    key = signing.load(home)
    if key is None:
        raise StoreError(
            "the certificate key is gone, so nothing can be signed",
            hint="restore the folder 'keys' from a backup; the next receipt makes a new key",
        )
    leaves = [ledger.leaf(one["hash"]) for one in entries]
    entry, root = entries[found[-1]], merkle.root(leaves)
    signer = ledger.public_key(entry["key"], (*told.keys, *signing.known(home)))
    return {
        "format": FORMAT,
        "entry": entry,
        "index": found[-1],
        "path": [step.hex() for step in merkle.path(leaves, found[-1])],
        "head": {
            "size": len(leaves),
            "root": root.hex(),
            "key": signing.fingerprint(key.public),
            "signature": key.sign(message(len(leaves), root)).hex(),
        },
        "public_keys": list(dict.fromkeys((signer.hex(), key.public.hex()))),
    }


def message(size: int, root: bytes) -> bytes:
    """Return what is signed to say that the ledger had this root at this size."""
    return SIGNED + size.to_bytes(8, "big") + root


def read(place: Path) -> Proof:
    """Return the proof that a file holds; it is not examined.

    Raises:
        InvalidReceiptError: The file holds none.
        NotFoundError: There is no such file.
    """
    try:
        with place.open("rb") as held:
            body = held.read(LARGEST + 1)
    except OSError as exc:
        raise NotFoundError(f"cannot read '{place}': {exc.strerror}") from exc
    try:
        if len(body) > LARGEST:
            raise ValueError
        found = json.loads(body, object_pairs_hook=_once)
    except (ValueError, RecursionError) as exc:
        raise InvalidReceiptError("spelling", f"'{place}'") from exc
    return found if isinstance(found, dict) else {}


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Of a key given twice, two readers may see two receipts.
    if len(dict(pairs)) != len(pairs):
        raise ValueError
    return dict(pairs)


def verify(given: Proof, trusted: Collection[str] = ()) -> dict[str, Any]:
    """Return the receipt of a proof that holds.

    Args:
        given: The proof.
        trusted: Fingerprints of keys, one of which must have signed it; if empty the proof only
            shows that whoever has its key wrote it.

    Raises:
        InvalidReceiptError: It does not hold; the reason says why.
    """
    check_format(given)
    ledger.check_entry(given.get("entry"))
    check(given, PROOF)
    entry, head, keys = given["entry"], given["head"], given["public_keys"]
    used = {entry["key"], head["key"]}
    if trusted and not used <= set(trusted):
        raise InvalidReceiptError("key")
    if sorted(used) != sorted(signing.fingerprint(bytes.fromhex(one)) for one in keys):
        raise InvalidReceiptError("key")
    ledger.examine(entry, keys)
    root = merkle.root_of(
        ledger.leaf(entry["hash"]),
        given["index"],
        head["size"],
        [bytes.fromhex(step) for step in given["path"]],
    )
    if root is None or not signing.same(root.hex(), head["root"]):
        raise InvalidReceiptError("proof")
    signing.verify(
        ledger.public_key(head["key"], keys),
        bytes.fromhex(head["signature"]),
        message(head["size"], root),
    )
    receipt: dict[str, Any] = entry["receipt"]
    return receipt
