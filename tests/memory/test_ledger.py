import os
import shutil
import stat
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory import (
    InvalidReceiptError,
    Receipt,
    Selector,
    Store,
    StoreError,
    files,
    ledger,
    signing,
    wire,
)
from memory.clock import now
from memory.db import connect, transaction
from memory.ids import new_id
from memory.receipts import canonical
from memory.types import LedgerReport
from tests.support import Clock, HashedEmbedder

KEY = signing.Key(bytes(32), b"")


def forget_one(store: Store, text: str = "") -> Receipt:
    done = store.remember(text or f"text {new_id(now())}")
    return store.forget(store.plan_forget(Selector(ids=(done.id,))))


def reasons(report: LedgerReport) -> set[str]:
    return {fault.reason for fault in report.faults}


def stranger() -> signing.Key:
    return signing._pair(bytes(range(32)))


@pytest.fixture
def place(home: Path) -> Path:
    return home / files.LEDGER


# -- the chain -----------------------------------------------------------------------------------


def test_every_receipt_follows_the_one_before(store: Store, place: Path) -> None:
    written = [forget_one(store, text) for text in ("a", "b", "c")]

    entries = [ledger.parsed(line) for line in place.read_bytes().splitlines()]

    assert [one["receipt"] for one in entries] == [wire.plain(one) for one in written]
    assert [one["prev"] for one in entries] == [ledger.START, *(e["hash"] for e in entries[:-1])]
    report = store.verify_receipts()
    assert report == LedgerReport(
        ok=True, entries=3, root=report.root, last=entries[-1]["hash"], keys=(entries[0]["key"],)
    )


def test_an_empty_ledger_holds(store: Store) -> None:
    report = store.verify_receipts()

    assert (report.ok, report.entries, report.last, report.keys) == (True, 0, ledger.START, ())
    assert store.receipts() == ()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ledger.Known, bytes]:
    """A ledger of four entries, and a folder in which a test may put an altered one."""
    home = tmp_path_factory.mktemp("written") / "store"
    with Store(home, embedder=HashedEmbedder(), clock=Clock()) as store:
        for text in ("a", "b", "c", "d"):
            forget_one(store, text)
        told = ledger.known(store._con)
    copied = tmp_path_factory.mktemp("altered")
    shutil.copytree(home / "keys", copied / "keys")
    body = (home / files.LEDGER).read_bytes()
    (copied / files.LEDGER).write_bytes(body)
    assert ledger.verify(copied, told).ok, "positive control"
    return copied, told, body


Written = tuple[Path, ledger.Known, bytes]


def altered(written: Written, body: bytes) -> LedgerReport:
    home, told, _ = written
    (home / files.LEDGER).write_bytes(body)
    return ledger.verify(home, told)


@given(st.data())
def test_any_flipped_byte_is_detected(written: Written, data: st.DataObject) -> None:
    body = bytearray(written[2])
    at = data.draw(st.integers(0, len(body) - 1))
    body[at] ^= data.draw(st.integers(1, 255))

    assert not altered(written, bytes(body)).ok


@given(st.permutations(range(4)), st.integers(0, 4))
def test_another_order_and_missing_lines_are_detected(
    written: Written, order: list[int], kept: int
) -> None:
    lines = written[2].splitlines(keepends=True)

    report = altered(written, b"".join(lines[at] for at in order[:kept]))

    assert report.ok == (order[:kept] == [0, 1, 2, 3])


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        ((1, 2, 3), {"chain", "missing"}),
        ((0, 2, 3), {"chain", "missing"}),
        ((0, 1, 2), {"missing"}),
        ((), {"missing"}),
        ((0, 1, 1, 2, 3), {"chain", "missing"}),
        ((0, 2, 1, 3), {"chain"}),
    ],
)
def test_the_reason_says_what_was_done(
    written: Written, kept: tuple[int, ...], expected: set[str]
) -> None:
    lines = written[2].splitlines(keepends=True)

    assert reasons(altered(written, b"".join(lines[at] for at in kept))) == expected


def test_one_bad_line_is_one_fault_and_names_its_line(written: Written) -> None:
    lines = written[2].splitlines(keepends=True)
    lines[1] = lines[1].replace(b'"memories":1', b'"memories":2')

    report = altered(written, b"".join(lines))

    assert [(one.line, one.reason) for one in report.faults] == [(2, "hash")]
    assert report.root == ""


@pytest.mark.parametrize(
    "change",
    [
        lambda line: line.replace(b'"format"', b'"Format"', 1),
        lambda line: line.replace(b":", b": ", 1),
        lambda line: line[:-1] + b',"note":"x"}',
        lambda line: b'{"format":1,' + line[1:],
        lambda line: line.replace(b'"key":"', b'"key":"F', 1),
        lambda line: b"[" * 100_000,
        lambda line: b"\xff" + line,
        lambda line: b"",
    ],
)
def test_a_line_that_is_spelled_otherwise_is_refused(
    written: Written, change: Callable[[bytes], bytes]
) -> None:
    lines = written[2].splitlines()
    lines[0] = change(lines[0])

    report = altered(written, b"".join(line + b"\n" for line in lines))

    assert [one.line for one in report.faults] == [1]
    assert reasons(report) <= {"fields", "spelling", "format"}


# -- keys ----------------------------------------------------------------------------------------


def resigned(body: bytes, key: signing.Key) -> bytes:
    """The same receipts in a ledger that somebody made up: a whole chain under their own key."""
    lines, prev = [], ledger.START
    for line in body.splitlines():
        entry = ledger.sealed(ledger.parsed(line)["receipt"], prev, key)
        prev = entry["hash"]
        lines.append(canonical(entry) + b"\n")
    return b"".join(lines)


def test_a_forged_signature_is_refused_with_its_reason(written: Written) -> None:
    forged = altered(written, resigned(written[2], stranger()))
    entry = ledger.parsed(written[2].splitlines()[0])
    mixed = {**entry, "signature": stranger().sign(b"x").hex()}
    lines = [canonical(mixed), *written[2].splitlines()[1:]]

    assert reasons(forged) == {"key"}
    assert reasons(altered(written, b"".join(line + b"\n" for line in lines))) == {"signature"}


def test_a_forger_who_also_replaces_the_key_files_is_not_who_the_store_knows(
    store: Store, place: Path, home: Path
) -> None:
    forget_one(store)
    key = stranger()
    receipt = {**ledger.parsed(place.read_bytes()[:-1])["receipt"], "memories": 7}
    place.write_bytes(canonical(ledger.sealed(receipt, ledger.START, key)) + b"\n")
    (home / "keys" / signing.PRIVATE).write_text(key.secret.hex())
    (home / "keys" / signing.PUBLIC).write_text(key.public.hex())

    assert reasons(store.verify_receipts()) == {"missing"}


def test_the_key_is_private_and_like_no_other(store: Store, home: Path) -> None:
    forget_one(store)

    keys = [place for place in (home / "keys").iterdir() if place.is_file()]
    private = home / "keys" / signing.PRIVATE
    assert private in keys
    assert len({place.read_bytes() for place in keys}) == len(keys)
    assert private.read_text()[:64] not in "".join(
        place.read_bytes().decode("latin-1") for place in files.walk(home) if place != private
    )
    assert (signing.load(home) or KEY).secret.hex() not in repr(signing.load(home))
    if os.name == "posix":
        assert {stat.S_IMODE(place.stat().st_mode) for place in keys} == {0o600}
        assert stat.S_IMODE((home / "keys").stat().st_mode) == 0o700
        assert files.open_modes(home) == []


def test_the_key_is_made_by_the_first_forget_and_never_replaced(store: Store, home: Path) -> None:
    store.remember("figs")
    store.recall("figs")
    store.plan_forget(Selector(query="figs"))
    store.check()
    assert not (home / "keys" / signing.PRIVATE).exists()

    forget_one(store)
    first = (home / "keys" / signing.PRIVATE).read_bytes()
    forget_one(store)

    assert (home / "keys" / signing.PRIVATE).read_bytes() == first


@pytest.mark.parametrize("body", [b"", b"not a key", b"\xff\xfe", b"0" * 63])
def test_a_damaged_key_is_told_before_anything_is_erased(
    store: Store, home: Path, body: bytes
) -> None:
    (home / "keys").mkdir()
    (home / "keys" / signing.PRIVATE).write_bytes(body)

    with pytest.raises(StoreError, match="not a certificate key") as caught:
        forget_one(store)

    assert "restore it" in caught.value.hint
    assert store.stats().memories == 1
    assert (home / "keys" / signing.PRIVATE).read_bytes() == body


def test_after_the_key_is_lost_a_new_one_signs_and_both_are_known(store: Store, home: Path) -> None:
    forget_one(store)
    (home / "keys" / signing.PRIVATE).unlink()
    forget_one(store)

    report = store.verify_receipts()
    assert report.ok
    assert len(report.keys) == len(signing.known(home)) == 2

    for name in (signing.PRIVATE, signing.PUBLIC):
        (home / "keys" / name).unlink()
    assert store.verify_receipts().ok, "the store itself knows the public keys"


def test_neither_import_nor_recall_loads_cryptography(tmp_path: Path) -> None:
    code = (
        "import sys; from memory import Store\n"
        f"s = Store({str(tmp_path / 's')!r}, embedder='none'); s.remember('x'); s.recall('x')\n"
        "s.close(); print('cryptography' in sys.modules, 'memory.ledger' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.split() == ["False", "True"]


# -- crashes and several writers -----------------------------------------------------------------


def test_a_partial_last_line_is_reported_then_removed(store: Store, place: Path) -> None:
    forget_one(store, "a")
    whole = place.read_bytes()
    place.write_bytes(whole + whole[: len(whole) // 2])

    before = store.verify_receipts()
    (finding,) = [one for one in store.check() if one.check == "ledger"]
    assert (before.ok, before.entries, before.torn) == (True, 1, len(whole) // 2)
    assert not finding.ok
    assert "incomplete" in finding.detail
    assert len(store.receipts()) == 1

    forget_one(store, "b")

    after = store.verify_receipts()
    assert (after.ok, after.entries, after.torn, after.cut) == (True, 2, 0, 1)
    assert place.read_bytes().startswith(whole)
    (finding,) = [one for one in store.check() if one.check == "ledger"]
    assert finding.ok
    assert "1 incomplete" in finding.detail


def test_the_doctor_removes_a_partial_last_line(store: Store, place: Path) -> None:
    forget_one(store)
    whole = place.read_bytes()
    place.write_bytes(whole + b'{"format":1')

    assert any("ledger" in said for said in store.repair())

    assert place.read_bytes() == whole
    assert store.verify_receipts().ok
    assert not any("ledger" in said for said in store.repair())


def test_a_last_line_with_a_hole_in_it_is_an_incomplete_one(store: Store, place: Path) -> None:
    forget_one(store, "a")
    whole = place.read_bytes()
    # What a power cut leaves whose last sector arrived and an earlier one did not.
    place.write_bytes(whole + whole[:512] + bytes(512) + whole[1024:])

    before = store.verify_receipts()
    assert (before.ok, before.entries, before.torn) == (True, 1, len(whole))
    assert len(store.receipts()) == 1
    forget_one(store, "b")

    after = store.verify_receipts()
    assert (after.ok, after.entries, after.torn, after.cut) == (True, 2, 0, 1)


def test_a_hole_in_a_counted_line_is_never_cut_away(store: Store, place: Path) -> None:
    forget_one(store, "a")
    whole = place.read_bytes()
    place.write_bytes(whole[:512] + bytes(512) + whole[1024:])

    forget_one(store, "b")

    assert place.read_bytes().startswith(whole[:512] + bytes(512))
    assert not store.verify_receipts().ok


def test_a_whole_line_is_never_removed_even_without_its_newline(store: Store, place: Path) -> None:
    forget_one(store, "a")
    whole = place.read_bytes()
    place.write_bytes(whole[:-1])
    assert reasons(store.verify_receipts()) == {"missing"}

    forget_one(store, "b")

    assert place.read_bytes().startswith(whole)
    assert store.verify_receipts().ok


def test_what_somebody_cut_off_stays_missing(store: Store, place: Path) -> None:
    for text in ("a", "b", "c"):
        forget_one(store, text)
    lines = place.read_bytes().splitlines(keepends=True)
    place.write_bytes(lines[0] + lines[1][:40])

    forget_one(store, "d")

    kept = place.read_bytes().splitlines()
    assert (len(kept), kept[1]) == (3, lines[1][:40])
    assert {"spelling", "missing"} <= reasons(store.verify_receipts())


def test_a_ledger_that_is_gone_stays_missed(store: Store, place: Path) -> None:
    forget_one(store, "a")
    place.unlink()
    assert reasons(store.verify_receipts()) == {"missing"}

    forget_one(store, "b")

    (finding,) = [one for one in store.check() if one.check == "ledger"]
    assert not finding.ok
    assert "missing" in reasons(store.verify_receipts())


class CrashError(Exception):
    pass


def test_an_entry_that_a_crash_left_uncounted_is_counted_by_the_next(store: Store) -> None:
    written = forget_one(store, "a")
    other = replace(written, erasure=new_id(Clock()()))
    with pytest.raises(CrashError), store._writing() as con:
        ledger.append(con, store.home, other)
        raise CrashError

    assert (store.verify_receipts().ok, store.verify_receipts().entries) == (True, 2)
    with store._writing() as con:
        ledger.append(con, store.home, other)
    forget_one(store, "b")

    assert [one["erasure"] for one in store.receipts()].count(other.erasure) == 1
    assert ledger.known(store._con).entries == store.verify_receipts().entries == 3
    assert store.verify_receipts().ok


def test_a_strangers_entry_is_kept_and_never_counted(store: Store, place: Path) -> None:
    written = forget_one(store, "a")
    last = ledger.known(store._con).last
    entry = ledger.sealed(wire.plain(written), last, stranger())
    with place.open("ab") as opened:
        opened.write(canonical(entry) + b"\n")

    forget_one(store, "b")

    assert canonical(entry) in place.read_bytes().splitlines()
    assert ledger.known(store._con).entries == 2
    assert "key" in reasons(store.verify_receipts())


def test_entries_of_another_store_are_told(store: Store, place: Path, tmp_path: Path) -> None:
    with Store(tmp_path / "other", embedder="none") as other:
        forget_one(other)
        shutil.copytree(other.home / "keys", store.home / "keys")
        shutil.copy(other.home / files.LEDGER, place)

    assert "store" in reasons(store.verify_receipts())


def test_the_same_state_is_written_once(store: Store) -> None:
    written = forget_one(store)
    for again in (written, replace(written, state="failed"), replace(written, state="failed")):
        with store._writing() as con:
            ledger.append(con, store.home, again)

    assert [one["state"] for one in store.receipts()] == ["verified", "failed"]


def test_a_receipt_with_text_in_it_is_not_written(store: Store) -> None:
    written = forget_one(store)
    wrong: Any = replace(written, erasure=new_id(Clock()()), day="Mireille said so")

    with pytest.raises(InvalidReceiptError) as caught, store._writing() as con:
        ledger.append(con, store.home, wrong)

    assert caught.value.reason == "fields"
    assert "Mireille" not in str(caught.value)
    assert len(store.receipts()) == 1


APPENDER = """
import sys
from dataclasses import replace
from pathlib import Path
from memory import Receipt, ledger
from memory.clock import now
from memory.db import connect, transaction
from memory.ids import new_id
from memory.receipts import FORMAT

home = Path(sys.argv[1])
con = connect(home / "memory.db", wait=30.0, create=False)
for _ in range(int(sys.argv[3])):
    one = Receipt(
        format=FORMAT, store=sys.argv[2], erasure=new_id(now()), day="2026-03-02",
        state="verified", method="physical", memories=1, erased={}, probes=(), not_claimed=(),
        version="0.1.0", engine="3.51.1",
    )
    with transaction(con, 30.0):
        ledger.append(con, home, one)
"""


def test_six_processes_append_one_chain_under_one_key(home: Path) -> None:
    with Store(home, embedder="none") as store:
        ident = store.stats().store_id
    command = [sys.executable, "-c", textwrap.dedent(APPENDER), str(home), ident, "8"]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

    running = [subprocess.Popen(command, env=environ) for _ in range(6)]

    assert [one.wait(timeout=120) for one in running] == [0] * 6
    con = connect(home / files.DATABASE, wait=1.0, create=False)
    told = ledger.known(con)
    with transaction(con, 1.0):
        assert ledger.mend(con, home) == 0
    con.close()
    report = ledger.verify(home, told)
    assert (report.ok, report.entries, told.entries, len(report.keys)) == (True, 48, 48, 1)
