"""What Letheon says and writes after a forget holds no eight bytes of what was forgotten.

Everything counts: receipts, the ledger, logs of every logger at their most talkative, messages and
tracebacks of errors, what `mem` and the MCP server print, and every file of the store.
"""

import json
import logging
import os
import subprocess
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from memory import Change, Draft, MemError, Selector, Store, erasures, files, ledger, seal
from memory.db import driver
from tests.cli.runner import Done, Mem
from tests.mcp_server.faces import call, said
from tests.mcp_server.test_process import INITIALIZE, INITIALIZED, ROOT, server
from tests.support import HashedEmbedder

WIDTH = 8
SECRET = "Mireille Okonkwo-Vaszary hid the ultramarine quokka almanac in Żółkiew, box MVK-20931"
OTHER = "the ferry from pier 7 leaves at noon"


def windows(text: str) -> set[bytes]:
    """Every eight bytes of a text in the spellings that a log or a file could have."""
    forms = {text, text.casefold(), text.upper()}
    encoded = [form.encode() for form in forms]
    encoded += [json.dumps(form).encode() for form in forms]
    short = {body[at : at + WIDTH] for body in encoded for at in range(len(body) - WIDTH + 1)}
    wide = [form.encode("utf-16-le") for form in forms]
    return short | {w[at : at + 16] for w in wide for at in range(0, len(w) - 15, 2)}


def within(heard: bytes, text: str = SECRET) -> set[bytes]:
    return {window for window in windows(text) if window in heard}


@dataclass
class Heard(logging.Handler):
    """Keeps all that is said, by where it was said."""

    places: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__(logging.DEBUG)

    def __hash__(self) -> int:
        return id(self)

    def add(self, place: str, *things: object) -> None:
        self.places.setdefault(place, []).extend(
            thing if isinstance(thing, str) else f"{thing!r} {thing}" for thing in things
        )

    def emit(self, record: logging.LogRecord) -> None:
        self.add("log", self.format(record), repr(record.args))

    def ran(self, done: Done) -> Done:
        self.add("mem", done.out, done.err)
        return done

    @contextmanager
    def failing(self, kind: type[BaseException] = MemError) -> Iterator[None]:
        with pytest.raises(kind) as caught:
            yield
        self.add("error", *traceback.format_exception(caught.value))
        self.add("error", repr(vars(caught.value)), str(caught.value))

    def leaks(self) -> dict[str, set[bytes]]:
        found = {place: within("\n".join(told).encode()) for place, told in self.places.items()}
        return {place: leaked for place, leaked in found.items() if leaked}


@pytest.fixture
def heard(capfd: pytest.CaptureFixture[str]) -> Iterator[Heard]:
    handler = Heard()
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler
    root.removeHandler(handler)
    root.setLevel(before)
    printed = capfd.readouterr()
    assert not within((printed.out + printed.err).encode())


@pytest.fixture
def erased(store: Store) -> Store:
    """A store that has forgotten the secret, verified."""
    store.remember(OTHER)
    forget(store)
    return store


def forget(store: Store, **options: Any) -> Any:
    done = store.remember(SECRET, scope="user:ada", uri="chat:mireille", allow_erased=True)
    return store.forget(store.plan_forget(Selector(ids=(done.id,))), **options)


def receipts(store: Store, heard: Heard) -> None:
    heard.add("receipts", *store.receipts(), store.verify_receipts())
    heard.add("ledger", (store.home / files.LEDGER).read_text("utf-8"))


def test_the_search_sees_a_planted_text(erased: Store, heard: Heard) -> None:
    logging.getLogger("anything.deep").debug("forgot %s", SECRET[20:31])
    heard.add("receipts", {"note": f"...{SECRET[5:13].upper()}..."})
    heard.add("ledger", json.dumps(SECRET[-27:-18]))
    try:
        raise driver.IntegrityError(f"failed: {SECRET[:9]}")
    except driver.IntegrityError as exc:
        wrong = MemError("cannot")
        wrong.__cause__ = exc
    with heard.failing():
        raise wrong

    assert heard.leaks().keys() == {"log", "receipts", "ledger", "error"}
    assert within(SECRET[3:12].encode("utf-16-le"))
    heard.places.clear()


def test_a_verified_forget_says_nothing(erased: Store, heard: Heard) -> None:
    receipt = forget(erased)
    receipts(erased, heard)
    heard.add("receipts", receipt, erased.receipt_proof(receipt.erasure))
    heard.add("health", erased.stats(), *erased.check(forensic=True), *erased.repair())

    assert receipt.state == "verified"
    assert heard.leaks() == {}


def test_a_pending_forget_says_nothing(erased: Store, heard: Heard) -> None:
    reader = driver.connect(str(erased.home / files.DATABASE))
    erased.remember("so that there is something to read")
    done = erased.remember(SECRET, allow_erased=True)
    plan = erased.plan_forget(Selector(ids=(done.id,)))
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM memory").fetchone()

    receipt = erased.forget(plan, wait=0.0)

    assert receipt.state == "pending"
    heard.add("receipts", receipt, erased.stats(), *erased.check())
    with heard.failing():
        erased.get(done.id)
    with heard.failing():
        erased.remember(SECRET)
    reader.close()
    heard.add("receipts", *erased.resume())
    receipts(erased, heard)
    assert heard.leaks() == {}


def test_a_failed_forget_says_nothing(erased: Store, heard: Heard) -> None:
    stray = erased.home / files.KEYS / "old.token"
    stray.write_text(SECRET)

    receipt = forget(erased)

    assert receipt.state == "failed"
    heard.add("receipts", receipt, *erased.check(forensic=True), *erased.resume(wait=0.0))
    receipts(erased, heard)
    assert heard.leaks() == {}
    stray.unlink()


@pytest.mark.parametrize(
    ("owner", "name", "said"),
    [
        (seal, "_truncate", "database or disk is full"),
        (seal, "_scrub", "disk I/O error"),
        (erasures, "advance", "database is locked"),
        (ledger, "append", "attempt to write a readonly database"),
    ],
)
def test_an_interrupted_forget_says_nothing(
    erased: Store,
    heard: Heard,
    monkeypatch: pytest.MonkeyPatch,
    owner: object,
    name: str,
    said: str,
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise driver.OperationalError(said)

    with monkeypatch.context() as patched:
        patched.setattr(owner, name, broken)
        with heard.failing():
            forget(erased)

    heard.add("receipts", *erased.resume())
    receipts(erased, heard)
    assert erased.stats().pending_erasures == 0
    assert heard.leaks() == {}


def test_refusing_what_comes_back_says_nothing(erased: Store, heard: Heard, tmp_path: Path) -> None:
    kept = erased.remember("her badge was returned")
    source = tmp_path / "notes.jsonl"
    source.write_text(json.dumps({"text": SECRET}) + "\n" + json.dumps({"text": "snow"}) + "\n")

    with heard.failing():
        erased.remember(SECRET)
    with heard.failing():
        erased.remember_many([Draft(text="rain"), Draft(text=f"PS: {SECRET.upper()}")])
    with heard.failing():
        erased.edit(kept.id, Change(text=SECRET))
    with heard.failing():
        erased.edit(kept.id, Change(title=SECRET))
    imported = erased.import_from(source)
    heard.add("import", imported)
    heard.add("mcp", said(call(erased, "remember", text=SECRET)))

    assert imported.refused == 1
    assert heard.leaks() == {}


def test_asking_for_what_is_gone_says_nothing(erased: Store, heard: Heard) -> None:
    done = erased.remember(SECRET, allow_erased=True)
    erased.forget(erased.plan_forget(Selector(ids=(done.id,))))
    asked: tuple[Callable[[], object], ...] = (
        lambda: erased.get(done.id),
        lambda: erased.edit(done.id, Change(text="x")),
        lambda: erased.feedback(done.id, "useful"),
        lambda: erased.plan_forget(Selector(ids=(done.id,))),
        lambda: erased.plan_forget(Selector(scope="user:ada")),
    )
    for ask in asked:
        with heard.failing():
            ask()
    for tool in ("show", "feedback", "forget_plan"):
        arguments = {"ids": [done.id]} if tool == "forget_plan" else {"id": done.id}
        more = {"outcome": "useful"} if tool == "feedback" else {}
        result = call(erased, tool, **arguments, **more)
        assert result.is_error
        heard.add("mcp", said(result))
    heard.add("recall", erased.recall("badge").hits, *erased.list(), *erased.export())

    assert heard.leaks() == {}


def test_a_damaged_store_says_nothing(erased: Store, heard: Heard) -> None:
    erased.remember("one more")
    erased.close()
    place = erased.home / files.DATABASE
    whole = place.read_bytes()

    for damage in (
        whole[: len(whole) // 2],
        whole[:4096] + os.urandom(len(whole) - 4096),
        whole[:100].replace(b"SQLite", b"SQLITE") + whole[100:],
    ):
        place.write_bytes(damage)
        for suffix in ("-wal", "-shm"):
            place.with_name(place.name + suffix).unlink(missing_ok=True)
        try:
            with Store(erased.home, embedder=HashedEmbedder()) as store:
                heard.add("health", *store.check(forensic=True))
                with heard.failing():
                    forget(store)
        except MemError as exc:
            heard.add("error", *traceback.format_exception(exc), exc.hint)

    assert heard.places.get("error") or heard.places.get("health")
    assert heard.leaks() == {}


def test_the_commands_say_nothing(mem: Mem, heard: Heard) -> None:
    kept = mem.ok("remember", "her badge was returned", "--json").json["id"]
    done = mem.ok("remember", SECRET, "--scope", "user:ada", "--json").json["id"]
    plan = mem.ok("forget", done, "--dry-run")
    assert within((plan.out + plan.err).encode()), "the plan shows it, before anything is erased"

    erasing = mem.ok("forget", done, "--yes")

    after = erasing.out[erasing.out.index("\n\n") :] if "\n\n" in erasing.out else ""
    assert "verified" in after
    heard.add("mem", after, erasing.err)
    (receipt,) = mem.ok("receipt", "list", "--json").json["receipts"]
    for words in (
        ("receipt", "show", receipt["erasure"]),
        ("receipt", "verify"),
        ("doctor", "--forensic"),
        ("guard", "status"),
        ("list",),
        ("export",),
        ("recall", "badge"),
    ):
        heard.ran(mem.ok(*words))
    for words in (
        ("remember", SECRET),
        ("edit", kept, "--text", SECRET),
        ("show", done),
        ("forget", done, "--yes"),
        ("forget", "--scope", "user:ada", "--yes", "--json"),
    ):
        assert heard.ran(mem(*words)).code != 0
    assert heard.leaks() == {}


def test_the_server_says_nothing(mem: Mem, heard: Heard) -> None:
    done = mem.ok("remember", SECRET, "--json").json["id"]
    mem.ok("forget", done, "--yes", "--json")
    calls = [
        {"name": "remember", "arguments": {"text": SECRET}},
        {"name": "remember", "arguments": {"text": SECRET, "no_such": SECRET}},
        {"name": "show", "arguments": {"id": done}},
        {"name": "forget_plan", "arguments": {"ids": [done]}},
    ]
    lines: list[dict[str, Any]] = [INITIALIZE, INITIALIZED]
    lines += [
        {"jsonrpc": "2.0", "id": 2 + at, "method": "tools/call", "params": one}
        for at, one in enumerate(calls)
    ]

    with subprocess.Popen(
        server(mem.home),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=mem.env(),
    ) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        running.stdin.write("".join(json.dumps(one) + "\n" for one in lines))
        running.stdin.flush()
        answers = [running.stdout.readline() for _ in range(1 + len(calls))]
        out, err = running.communicate()

    assert all(json.loads(answer)["result"] for answer in answers)
    heard.add("server", *answers, out, err)
    assert heard.leaks() == {}


def test_no_file_of_the_store_keeps_a_word(erased: Store) -> None:
    everything = b"\0".join(place.read_bytes() for place in files.walk(erased.home))

    assert len(everything) > 100_000
    assert within(everything, OTHER), "positive control"
    assert within(everything) == set()
