"""What an erasure erased is looked for again, later, by whoever has it at hand."""

from pathlib import Path

import pytest

from memory import Draft, NotFoundError, Selector, Store, files, ledger
from memory.db import driver
from memory.types import Receipt, Reexamined

SECRET = "Mireille's badge is MVK-20931 and her extension is x4471quokka"


@pytest.fixture
def receipt(store: Store) -> Receipt:
    store.remember_many(Draft(text=f"turn {i} about the harbour gate") for i in range(50))
    store.remember(SECRET, uri="chat:mireille", actor="Ada")
    return store.forget(store.plan_forget(Selector(source="chat:mireille")))


def results(found: Reexamined) -> dict[str, str]:
    return {probe.name: probe.result for probe in found.probes}


def test_without_the_content_all_is_looked_at_that_needs_none(
    store: Store, receipt: Receipt
) -> None:
    found = store.verify_erasure(receipt.erasure)

    assert (found.state, found.receipt, found.faults) == ("verified", "verified", ())
    assert found.day == receipt.day
    assert results(found) == {
        "rows": "pass",
        "text_index": "pass",
        "bytes": "not_claimed",
        "vectors": "not_claimed",
        "entities": "pass",
        "slack": "pass",
        "files": "pass",
        "log": "pass",
        "copies": "pass",
        "medium": "not_claimed",
    }
    assert {probe.why for probe in found.probes if probe.name == "bytes"} == {"not_given"}


def test_with_the_content_its_bytes_and_vectors_are_looked_for(
    store: Store, receipt: Receipt
) -> None:
    draft = Draft(text=SECRET, actor="Ada", uri="chat:mireille")
    clean = store.verify_erasure(receipt.erasure, [draft])
    assert clean.state == "verified"
    assert {results(clean)[name] for name in ("text_index", "bytes", "vectors")} == {"pass"}

    (store.home / "keys" / "old.token").write_text(SECRET.casefold())
    dirty = store.verify_erasure(receipt.erasure, [SECRET])
    assert dirty.state == "failed"
    assert results(dirty)["bytes"] == "fail"
    (store.home / "keys" / "old.token").unlink()

    row = store.embedder.encode([f"Ada: {SECRET}"])[0]  # type: ignore[union-attr]
    (store.home / "keys" / "old.token").write_bytes(b"xyz" + row.astype("<f2").tobytes())
    assert results(store.verify_erasure(receipt.erasure, [draft]))["vectors"] == "fail"


def test_what_a_live_memory_says_is_no_residue(store: Store, receipt: Receipt) -> None:
    store.remember(SECRET, allow_erased=True)

    found = store.verify_erasure(receipt.erasure, [SECRET])

    assert found.state == "verified"
    assert next(one for one in found.probes if one.name == "vectors").counts["near"] == 1


def test_rows_that_moved_since_are_no_failure(store: Store, receipt: Receipt) -> None:
    store.remember_many(Draft(text=f"turn {i} " + "and salt " * (i % 50)) for i in range(800))
    store._con.execute("DELETE FROM vector WHERE seq % 3 = 0")

    found = store.verify_erasure(receipt.erasure, [SECRET])

    assert next(one for one in found.probes if one.name == "slack").why == "reused"
    assert found.state == "verified"


def test_a_left_posting_is_found_without_the_content(store: Store, receipt: Receipt) -> None:
    store._con.execute("INSERT INTO memory_fts (rowid, own) VALUES (900, 'quokka')")

    found = store.verify_erasure(receipt.erasure)

    assert found.state == "failed"
    assert results(found)["text_index"] == "fail"


def test_nothing_of_what_is_brought_is_written(store: Store, receipt: Receipt) -> None:
    store.verify_erasure(receipt.erasure, ["zyzzyvaquagga and more"])
    store.close()

    assert not [place for place in files.walk(store.home) if b"zyzzyvaquagga" in place.read_bytes()]


def test_a_receipt_that_was_changed_is_said(store: Store, receipt: Receipt) -> None:
    place = store.home / files.LEDGER
    line = place.read_bytes()
    place.write_bytes(line.replace(b'"memories":1', b'"memories":2'))
    changed = store.verify_erasure(receipt.erasure)
    place.write_bytes(b"")
    gone = store.verify_erasure(receipt.erasure)

    assert (changed.state, changed.faults) == ("failed", ("hash",))
    assert (gone.state, gone.faults) == ("failed", ("missing",))
    assert ledger.lines(store.home)[0] == []


def test_an_erasure_nobody_knows_is_not_found(store: Store, receipt: Receipt) -> None:
    with pytest.raises(NotFoundError):
        store.verify_erasure("01AAAAAAAAAAAAAAAAAAAAAAAA")


def test_a_pending_erasure_is_pending(store: Store, home: Path) -> None:
    done = store.remember(SECRET)
    reader = driver.connect(str(home / files.DATABASE))
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM memory").fetchone()
    waiting = store.forget(store.plan_forget(Selector(ids=(done.id,))), wait=0.1)

    assert store.verify_erasure(waiting.erasure, [SECRET]).state == "pending"

    reader.close()
    store.resume()
    assert store.verify_erasure(waiting.erasure, [SECRET]).state == "verified"
