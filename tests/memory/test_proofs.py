import copy
import json
from pathlib import Path
from typing import Any

import pytest

from memory import (
    InvalidReceiptError,
    NotFoundError,
    Selector,
    Store,
    StoreError,
    files,
    proofs,
    signing,
)
from memory.proofs import Proof
from tests.memory.test_receipts import places, replaced


def forget_one(store: Store, text: str) -> str:
    done = store.remember(text)
    return store.forget(store.plan_forget(Selector(ids=(done.id,)))).erasure


@pytest.fixture
def erasures(store: Store) -> list[str]:
    return [forget_one(store, text) for text in "abcde"]


def test_each_receipt_verifies_alone(store: Store, erasures: list[str]) -> None:
    key = store.verify_receipts().keys[0]
    for at, erasure in enumerate(erasures):
        given: Proof = json.loads(json.dumps(store.receipt_proof(erasure)))

        receipt = proofs.verify(given, [key])

        assert receipt == store.receipts()[at]
        assert given["head"]["root"] == store.verify_receipts().root


def changed(value: Any) -> list[Any]:
    """What an attacker may write in place of a value."""
    if isinstance(value, bool) or value is None:
        return [1]
    if isinstance(value, int):
        return [value + 1, value - 1, float(value) + 0.5]
    if isinstance(value, str):
        return [value + "0", value[:-1], ("0" if value[:1] != "0" else "1") + value[1:]]
    if isinstance(value, list):
        return [[*value, value[0] if value else 0], value[:-1] if value else [0]]
    return [{**value, "more": 1}, {name: value[name] for name in list(value)[1:]} or [1]]


def test_any_change_is_refused(store: Store, erasures: list[str]) -> None:
    given = store.receipt_proof(erasures[2])
    tried = 0
    for path, value in list(places(given)):
        for new in changed(value):
            if new == value:
                continue
            tried += 1
            with pytest.raises(InvalidReceiptError):
                proofs.verify(replaced(given, path, new))
    assert tried > 200


def test_the_proof_of_another_receipt_does_not_serve(store: Store, erasures: list[str]) -> None:
    one, other = (store.receipt_proof(erasure) for erasure in erasures[:2])

    with pytest.raises(InvalidReceiptError) as caught:
        proofs.verify({**other, "entry": one["entry"]})
    assert caught.value.reason == "proof"


def test_another_key_is_refused_with_its_reason(
    store: Store, erasures: list[str], tmp_path: Path
) -> None:
    with Store(tmp_path / "forger", embedder="none") as forger:
        forged = forger.receipt_proof(forget_one(forger, "x"))

    assert proofs.verify(forged), "whole in itself"
    with pytest.raises(InvalidReceiptError, match="not the store's") as caught:
        proofs.verify(forged, store.verify_receipts().keys)
    assert caught.value.reason == "key"

    mixed = copy.deepcopy(store.receipt_proof(erasures[0]))
    mixed["entry"]["signature"] = forged["entry"]["signature"]
    with pytest.raises(InvalidReceiptError) as caught:
        proofs.verify(mixed)
    assert caught.value.reason == "signature"


def test_receipts_of_an_older_key_are_proved_under_both(store: Store, erasures: list[str]) -> None:
    (store.home / "keys" / signing.PRIVATE).unlink()
    forget_one(store, "f")

    given = store.receipt_proof(erasures[0])

    assert len(given["public_keys"]) == 2
    assert proofs.verify(given, store.verify_receipts().keys)


def test_no_root_is_signed_over_a_damaged_ledger(store: Store, erasures: list[str]) -> None:
    place = store.home / files.LEDGER
    place.write_bytes(place.read_bytes().replace(b'"memories":1', b'"memories":9', 1))

    with pytest.raises(InvalidReceiptError, match="line 1 of the ledger") as caught:
        store.receipt_proof(erasures[4])
    assert caught.value.reason == "hash"


def test_what_is_not_there_is_named(store: Store, erasures: list[str]) -> None:
    with pytest.raises(NotFoundError):
        store.receipt_proof("01ARZ3NDEKTSV4RRFFQ69G5FAV")
    (store.home / "keys" / signing.PRIVATE).unlink()
    with pytest.raises(StoreError, match="key is gone"):
        store.receipt_proof(erasures[0])


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "spelling"),
        ("[]", "format"),
        ("{}", "format"),
        ('{"format":2}', "format"),
        ('{"format":1,"format":1}', "spelling"),
        ('{"format":1,"entry":null}', "format"),
        ("[" * 100_000, "spelling"),
        (" " * (proofs.LARGEST + 1), "spelling"),
    ],
)
def test_a_file_that_is_no_proof_is_refused(tmp_path: Path, body: str, reason: str) -> None:
    place = tmp_path / "proof.json"
    place.write_text(body)

    with pytest.raises(InvalidReceiptError) as caught:
        proofs.verify(proofs.read(place))
    assert caught.value.reason == reason


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"proof\.json"):
        proofs.read(tmp_path / "proof.json")
