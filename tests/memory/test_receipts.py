import copy
import logging
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory import Draft, InvalidReceiptError, MemError, Selector, Store, files, receipts, wire
from memory.receipts import FORMS, RECEIPT, Shape, Tally, canonical, check
from memory.types import Probe, Receipt

EXAMPLE: dict[str, Any] = {
    "format": 1,
    "store": "01KJP1SY00BXNZQ0Q2V3Y8M6T4",
    "erasure": "01KJP1SY00PAMT4RWYQM8Y2A3X",
    "day": "2026-03-02",
    "state": "failed",
    "method": "physical",
    "memories": 2,
    "erased": {"memory": 2, "vector": 2},
    "probes": [
        {
            "name": "bytes",
            "result": "fail",
            "counts": {"windows": 51, "found": 1},
            "where": ["index"],
            "why": "",
        },
        {"name": "medium", "result": "not_claimed", "counts": {}, "where": [], "why": ""},
    ],
    "not_claimed": ["medium", "models"],
    "ground": "b",
    "request": [
        {
            "id": "01KJP1SY00F1GAJ0Y3T5N0XV7B",
            "received": "2026-03-01",
            "verified": "",
            "due": "2026-04-01",
            "extended": 0,
            "requester": "subject",
            "identity": "account",
        }
    ],
    "held": 1,
    "copies": {"export": 1, "backup": 2},
    "copies_until": "2026-06-01",
    "recipients": {"agent": 1},
    "keys_destroyed": ["01KJP1SY00KEYKEYKEYKEYKEY0"],
    "blocked_by": [4711],
    "version": "0.1.0",
    "engine": "3.51.1",
}
WORDS = ("Mireille", "quokka", "x4471", "the badge is MVK-20931", "a", "A" * 27, "0 quokka", "é")


def leaves(shape: Shape) -> Iterator[Shape]:
    if isinstance(shape, dict):
        for inner in shape.values():
            yield from leaves(inner)
    elif isinstance(shape, list):
        yield from leaves(shape[0])
    else:
        yield shape


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    yield path, value
    if isinstance(value, (dict, list)):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(inner, (*path, key))


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    made = copy.deepcopy(value)
    inner = made
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = new
    return made


def test_no_field_of_a_receipt_can_hold_free_text() -> None:
    # A new field needs a count, a closed set of words, or one of the forms below.
    for shape in leaves(RECEIPT):
        assert shape is int or isinstance(shape, (frozenset, Tally)) or shape in FORMS
    for form in FORMS:
        assert not any(form.fullmatch(word) for word in WORDS)


def test_every_field_of_a_receipt_is_in_the_schema() -> None:
    assert {field.name for field in fields(Receipt)} == RECEIPT.keys()
    assert {field.name for field in fields(Probe)} == receipts.PROBE.keys()


def test_the_example_fits_and_so_does_every_real_receipt(store: Store) -> None:
    check(EXAMPLE, RECEIPT)
    done = store.remember("x")
    check(wire.plain(store.forget(store.plan_forget(Selector(ids=(done.id,))))), RECEIPT)


@given(st.text(min_size=1), st.sampled_from([path for path, _ in places(EXAMPLE)]))
def test_text_in_any_place_is_refused(text: str, path: tuple[Any, ...]) -> None:
    closed = {word for shape in leaves(RECEIPT) if isinstance(shape, frozenset) for word in shape}
    counted = {
        name for shape in leaves(RECEIPT) if isinstance(shape, Tally) for name in shape.names
    }
    if text in closed | counted or any(form.fullmatch(text) for form in FORMS):
        return
    with pytest.raises(InvalidReceiptError) as caught:
        check(replaced(EXAMPLE, path, text), RECEIPT)
    assert caught.value.reason == "fields"
    for at, inner in places(EXAMPLE):
        if isinstance(inner, dict):
            with pytest.raises(InvalidReceiptError):
                check(replaced(EXAMPLE, at, {**inner, text: 1}), RECEIPT)


@pytest.mark.parametrize("number", [-1, True, 1.5, None, 2**53, "1"])
def test_a_count_is_a_whole_number(number: object) -> None:
    with pytest.raises(InvalidReceiptError):
        check({**EXAMPLE, "memories": number}, RECEIPT)


def test_canonical_json_has_one_spelling() -> None:
    assert canonical({"b": [1, {"é": "x"}], "a": ""}) == '{"a":"","b":[1,{"é":"x"}]}'.encode()
    with pytest.raises(ValueError, match="JSON"):
        canonical({"a": float("nan")})


@pytest.mark.parametrize(
    ("version", "kept"),
    [
        ("0.1.0", "0.1.0"),
        ("1.2rc3.post4.dev5", "1.2rc3.post4.dev5"),
        ("0.1.0+ada.laptop", "0.1.0"),
        ("0+source", "0+source"),
        ("ada", "0"),
    ],
)
def test_a_version_loses_what_somebody_worded(version: str, kept: str) -> None:
    assert receipts.number(version) == kept


def test_a_receipt_knows_the_day_and_no_finer_time(store: Store) -> None:
    done = store.remember("x")
    receipt = store.forget(store.plan_forget(Selector(ids=(done.id,))))

    alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    millis = sum(alphabet.index(sign) * 32**at for at, sign in enumerate(receipt.erasure[9::-1]))
    assert receipt.day == "2026-03-02"
    assert millis % 86_400_000 == 0


TEXT = "Mireille's badge is MVK-20931 and her extension is x4471quokka"
NEEDLES = re.compile(r"mireille|quokka|20931|badge|zebrawood|okapi", re.IGNORECASE)
SELECTORS = {
    "query": Selector(query="badge MVK-20931"),
    "phrase": Selector(query="her extension is"),
    "scope": Selector(scope="user:zebrawood"),
    "uri": Selector(source="chat:okapi/7"),
    "prefix": Selector(source="chat:okapi*"),
    "class": Selector(source="class:web"),
    "root": Selector(source="root:zebrawood"),
    "several": Selector(query="badge", scope="user:zebrawood", source="chat:okapi*"),
}


@pytest.mark.parametrize("kind", ["ids", *SELECTORS])
def test_no_receipt_ledger_log_or_error_holds_erased_text(
    store: Store, kind: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    draft = Draft(
        text=TEXT, title="badge", scope="user:zebrawood", actor="Mireille", source="web",
        root="zebrawood", uri="chat:okapi/7",
    )  # fmt: skip
    store.remember("the harbour gate opens at noon", scope="user:ada")
    (done,) = store.remember_many([draft])
    selector = SELECTORS.get(kind, Selector(ids=(done.id,)))
    plan = store.plan_forget(selector)
    assert NEEDLES.search(str(plan)), "positive control: the plan shows it to the person"

    receipt = store.forget(plan)

    said = [str(receipt), wire.dumps(receipt), str(store.receipts()), str(store.check())]
    said += [str(store.receipt_proof(receipt.erasure)), str(store.verify_receipts())]
    for again in (
        lambda: store.forget(plan),
        lambda: store.get(done.id),
        lambda: store.forget(store.plan_forget(selector)),
    ):
        with pytest.raises(MemError) as caught:
            again()
        said += [str(caught.value), repr(caught.value), caught.value.hint]
    said += [record.getMessage() for record in caplog.records]
    said += capfd.readouterr()
    # A scope that has no memory any more is named back to the person who named it.
    said = [text.replace("'user:zebrawood'", "") for text in said]
    said += [place.read_bytes().decode("latin-1") for place in files.walk(store.home)]
    assert receipt.state == "verified"
    assert [text for text in said if NEEDLES.search(text)] == []
    assert done.id not in (store.home / files.LEDGER).read_text()


def test_a_text_that_speaks_like_a_receipt_is_erased_all_the_same(store: Store) -> None:
    first = store.remember("x")
    store.forget(store.plan_forget(Selector(ids=(first.id,))))
    done = store.remember(
        "verified on 2026-03-02: untracked_copies, context_rewritten, text_index, physical"
    )

    receipt = store.forget(store.plan_forget(Selector(ids=(done.id,))))

    assert receipt.state == "verified"


def test_a_copy_planted_in_the_ledger_is_found(store: Store) -> None:
    first, done = store.remember("x"), store.remember(TEXT)
    store.forget(store.plan_forget(Selector(ids=(first.id,))))
    with (store.home / files.LEDGER).open("a") as ledger:
        ledger.write(f'{{"format":1,"note":"{TEXT}"}}\n')

    receipt = store.forget(store.plan_forget(Selector(ids=(done.id,))))

    (found,) = [probe for probe in receipt.probes if probe.name == "bytes"]
    assert (found.result, found.where) == ("fail", ("ledger",))


def test_an_unknown_format_is_refused_by_name(store: Store, home: Path) -> None:
    for line in ('{"format":2}', '{"format":true}', '{"erasure":"x"}', "[]"):
        (home / files.LEDGER).write_text(line + "\n")

        with pytest.raises(InvalidReceiptError, match="format") as caught:
            store.receipts()
        assert caught.value.reason == "format"
        assert "format 1" in caught.value.hint
