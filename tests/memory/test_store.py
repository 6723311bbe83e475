import asyncio
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from memory import (
    AsyncStore,
    Change,
    Draft,
    MemError,
    NotFoundError,
    Selector,
    Store,
    UsageError,
    remember,
)
from memory.db import PRAGMAS, connect, driver, migrations, statements
from memory.errors import (
    CorruptStoreError,
    MigrationError,
    SchemaTooNewError,
    StoreBusyError,
    StoreError,
    StoreFullError,
)
from tests.support import HashedEmbedder


def test_every_pragma_reads_back_as_set(store: Store) -> None:
    for con in (store._con, store._behavior()):
        for name, _, expected in PRAGMAS:
            assert con.execute(f"PRAGMA {name}").fetchone() == (expected,)
    (secure,) = store._con.execute(
        "SELECT v FROM memory_fts_config WHERE k = 'secure-delete'"
    ).fetchone()
    assert secure == 1


@pytest.mark.skipif(os.name != "posix", reason="modes are a POSIX matter")
def test_everything_in_the_folder_is_private(store: Store) -> None:
    store.remember("x")
    store.recall("x")
    store.feedback(store.list()[0].id, "useful")
    store.close()

    for place in (store.home, *store.home.rglob("*")):
        assert place.stat().st_mode & 0o077 == 0, place


def test_closing_twice_is_harmless_and_a_store_reopens(home: Path) -> None:
    with Store(home, embedder="none") as store:
        done = store.remember("x")
        store.close()

    with Store(home, embedder="none") as store:
        assert store.get(done.id).text == "x"


def test_the_model_a_store_was_made_with_is_its_default(home: Path) -> None:
    with Store(home, embedder="none"):
        pass

    with Store(home) as store:
        assert store.embedder is None


# -- bad surroundings ------------------------------------------------------------------------


def test_a_newer_schema_is_refused_untouched(home: Path) -> None:
    Store(home, embedder="none").close()
    con = driver.connect(str(home / "memory.db"))
    con.execute("PRAGMA user_version=99")
    con.close()
    before = (home / "memory.db").read_bytes()

    with pytest.raises(SchemaTooNewError, match="schema 99") as caught:
        Store(home)

    assert "upgrade" in caught.value.hint
    assert (home / "memory.db").read_bytes() == before


@pytest.mark.parametrize("content", [b"hello, I am a text file" * 100, b"\x00" * 5000])
def test_a_file_that_is_no_database_is_refused_untouched(home: Path, content: bytes) -> None:
    home.mkdir()
    (home / "memory.db").write_bytes(content)

    with pytest.raises(CorruptStoreError):
        Store(home)

    assert (home / "memory.db").read_bytes() == content


def test_the_database_of_another_program_is_refused_untouched(home: Path) -> None:
    home.mkdir()
    con = driver.connect(str(home / "memory.db"))
    con.execute("CREATE TABLE bookmark (url TEXT)")
    con.commit()
    con.close()
    before = (home / "memory.db").read_bytes()

    with pytest.raises(CorruptStoreError, match="another program"):
        Store(home)

    assert (home / "memory.db").read_bytes() == before


def test_a_damaged_page_is_reported_by_the_check_or_at_opening(home: Path) -> None:
    with Store(home, embedder="none") as store:
        store.remember_many(Draft(text=f"note number {i} " * 20) for i in range(300))
    place = home / "memory.db"
    data = bytearray(place.read_bytes())
    for page in range(20, len(data) // 4096 - 1, 3):
        data[page * 4096 : page * 4096 + 64] = b"\xa5" * 64
    place.write_bytes(data)

    try:
        with Store(home, embedder="none") as store:
            findings = {finding.check: finding for finding in store.check()}
    except StoreError as exc:
        assert exc.hint  # noqa: PT017 - either of the two is right
    else:
        assert not findings["pages of memory.db"].ok
        assert findings["pages of memory.db"].repair


def test_a_text_changed_behind_our_back_is_noticed(store: Store) -> None:
    done = store.remember("the port is 5544")
    store._con.execute("UPDATE memory SET text = 'the port is 5545'")

    findings = {finding.check: finding for finding in store.check()}

    assert not findings["digests of texts"].ok
    assert done.id in findings["digests of texts"].detail


def test_a_text_that_is_none_is_damage_and_is_not_repeated_in_the_error(
    home: Path, embedder: HashedEmbedder
) -> None:
    with Store(home, embedder=embedder) as store:
        store.remember("her badge is x4471quokka")
    place = home / "memory.db"
    body = bytearray(place.read_bytes())
    body[body.rindex(b"badge is x4471quokka") + 8] = 0xFF
    place.write_bytes(body)

    with Store(home, embedder=embedder) as store:
        with pytest.raises(CorruptStoreError) as caught:
            store.list()
        assert "quokka" not in str(caught.value)
        bad = {finding.check for finding in store.check() if not finding.ok}

    assert "digests of texts" in bad


def test_repair_rebuilds_a_broken_text_index(store: Store) -> None:
    store.remember("zebrawood shelf")
    store._con.execute("INSERT INTO memory_fts (memory_fts) VALUES ('delete-all')")
    assert store.recall("zebrawood", lexical=True).hits == ()
    assert not all(finding.ok for finding in store.check())

    store.repair()

    assert len(store.recall("zebrawood", lexical=True).hits) == 1
    assert all(finding.ok for finding in store.check())


def test_a_symbolic_link_as_store_is_refused(home: Path, tmp_path: Path) -> None:
    Store(home, embedder="none").close()
    link = tmp_path / "link"
    link.symlink_to(home, target_is_directory=True)
    other = tmp_path / "other"
    other.mkdir()
    (other / "memory.db").symlink_to(home / "memory.db")

    for place in (link, other):
        with pytest.raises(StoreError, match="symbolic link"):
            Store(place)


def test_a_missing_store_is_an_error_when_it_may_not_be_made(home: Path) -> None:
    with pytest.raises(StoreError, match="no store") as caught:
        Store(home, create=False)
    assert "mem init" in caught.value.hint
    assert not home.exists()


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.write_text("x")
    with pytest.raises(StoreError):
        Store(place)
    assert place.read_text() == "x"


READ_ONLY = """
import os, sys
from memory import Store
from memory.errors import StoreError
os.setuid(65534)
try:
    with Store(sys.argv[1], embedder="none", wait=0.2) as store:
        store.remember("y")
except StoreError as exc:
    assert exc.hint
    print(type(exc).__name__, exc.exit_code)
"""


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root to drop")
def test_a_store_that_may_not_be_written_is_refused_with_a_hint() -> None:
    # As another user, in a folder everybody may enter and nobody but root may write.
    home = Path("/var/tmp") / f"letheon-{os.getpid()}"
    Store(home, embedder="none").close()
    home.chmod(0o755)
    (home / "memory.db").chmod(0o444)
    try:
        done = subprocess.run(
            [sys.executable, "-c", READ_ONLY, str(home)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout.split() == ["StoreError", "4"], done.stderr
    finally:
        shutil.rmtree(home)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs a mount")
def test_a_full_disk_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "none", str(place)], check=False
    )
    if mounted.returncode:
        pytest.skip("mounting is not permitted here")
    try:
        (place / "ballast").write_bytes(bytes(400_000))
        acknowledged = []
        with Store(place / "store", embedder="none") as store:
            with pytest.raises(StoreFullError) as caught:
                for i in range(100_000):
                    acknowledged.append(store.remember(f"note {i} " + "words " * 200).id)
            assert caught.value.hint
        (place / "ballast").unlink()
        with Store(place / "store", embedder="none") as store:
            assert {memory.id for memory in store.list(limit=100_000)} >= set(acknowledged)
            bad = [f.check for f in store.check() if not f.ok]
            assert [name for name in bad if name != "reserve"] == []
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_store_locked_for_longer_than_the_wait_says_so(home: Path) -> None:
    with Store(home, embedder="none", wait=0.05) as store:
        other = driver.connect(str(home / "memory.db"), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")

        with pytest.raises(StoreBusyError) as caught:
            store.remember("x")

        other.execute("ROLLBACK")
        other.close()
        assert caught.value.hint
        assert store.remember("x").created


def test_vectors_of_the_wrong_dimension_are_refused(home: Path) -> None:
    class Wrong(HashedEmbedder):
        dim = 64

    with Store(home, embedder=HashedEmbedder()) as store:
        store.remember("x")
    with Store(home, embedder=Wrong()) as store:
        with pytest.raises(UsageError, match="64"):
            store.remember("y")
        with pytest.raises(UsageError, match="64"):
            store.recall("x")
        assert store.stats().memories == 1


# -- schema ----------------------------------------------------------------------------------


def test_a_migration_that_fails_leaves_the_old_schema(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "memory.db"
    good = migrations()
    connect(place, wait=1, create=True).close()
    broken = [*good, ("0099_broken.sql", "CREATE TABLE extra (x);\nCREATE TABLE extra (x);")]
    monkeypatch.setattr("memory.db.migrations", lambda schema="store": broken)

    with pytest.raises(MigrationError, match="0099_broken"):
        connect(place, wait=1, create=True)

    con = driver.connect(str(place))
    assert con.execute("PRAGMA user_version").fetchone() == (len(good),)
    assert con.execute("SELECT 1 FROM sqlite_schema WHERE name = 'extra'").fetchone() is None


def test_statements_are_split_at_line_ends_only() -> None:
    sql = "-- a; b\nCREATE TABLE a (x TEXT DEFAULT ';x');\n\nSELECT 1;\n"
    assert statements(sql) == ["CREATE TABLE a (x TEXT DEFAULT ';x')", "SELECT 1"]


# -- together --------------------------------------------------------------------------------


def _open_and_write(home: str, number: int) -> None:
    with Store(home, embedder="none") as store:
        for i in range(20):
            store.remember(f"process {number} note {i}", scope=f"session:{number}")
            if i % 5 == 0:
                store.recall(f"note {i}")
        mine = store.list(scope=f"session:{number}", limit=1)
        store.forget(store.plan_forget(Selector(ids=(mine[0].id,))), wait=0.2)


def test_processes_that_create_write_recall_and_forget_at_once_lose_nothing(home: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [
        context.Process(target=_open_and_write, args=(str(home), number)) for number in range(6)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert [worker.exitcode for worker in workers] == [0] * 6
    with Store(home, embedder="none") as store:
        assert store.stats().memories == 6 * 19
        assert store.stats().pending_erasures == 0
        assert [f for f in store.check() if not f.ok] == []


def test_threads_share_one_store(store: Store) -> None:
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for i in range(20):
                store.remember(f"thread {number} note {i}")
                store.recall(f"note {i}")
        except BaseException as exc:
            failures.append(exc)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert store.stats().memories == 120


def test_another_process_sees_what_was_written_and_what_was_erased(
    home: Path, embedder: HashedEmbedder
) -> None:
    with Store(home, embedder=embedder) as one, Store(home, embedder=embedder) as two:
        done = one.remember("zebrawood shelf")
        assert [hit.memory.id for hit in two.recall("zebrawood shelf").hits] == [done.id]

        one.forget(one.plan_forget(Selector(ids=(done.id,))), wait=0.5)

        assert two.recall("zebrawood shelf").hits == ()


def test_the_async_store_has_the_same_verbs(home: Path) -> None:
    async def walk() -> tuple[str, int]:
        async with await AsyncStore.open(home, embedder="none") as store:
            done = await store.remember("zebrawood shelf")
            found = await asyncio.gather(*(store.recall("zebrawood") for _ in range(5)))
            assert all(one.hits[0].memory.id == done.id for one in found)
            receipt = await store.forget(await store.plan_forget(Selector(ids=(done.id,))))
            with pytest.raises(NotFoundError):
                await store.get(done.id)
            return receipt.state, (await store.stats()).memories

    assert asyncio.run(walk()) == ("verified", 0)


# -- edit, export, import, reembed ------------------------------------------------------------


def test_an_edit_replaces_the_wording_everywhere(store: Store) -> None:
    done = store.remember("the quaggaport is 5544", kind="fact", scope="project:x", uri="notes#1")

    changed = store.edit(done.id, Change(text="the port is 6000"))

    assert (changed.id, changed.text, changed.kind) == (done.id, "the port is 6000", "fact")
    assert changed.provenances[0].uri == "notes#1"
    assert store.recall("quaggaport", lexical=True).hits == ()
    assert store.recall("port 6000").hits[0].memory.id == done.id
    for place in store.home.rglob("*"):
        assert not place.is_file() or b"quaggaport" not in place.read_bytes(), place.name
    assert all(finding.ok for finding in store.check())


def test_an_edit_into_an_existing_memory_is_refused(store: Store) -> None:
    one, two = store.remember("one"), store.remember("two")

    with pytest.raises(UsageError) as caught:
        store.edit(two.id, Change(text="one"))

    assert caught.value.ids == (one.id,)
    assert store.get(two.id).text == "two"


def test_moving_a_turn_to_another_session_takes_it_out_of_its_old_one(store: Store) -> None:
    done = store.remember_many(
        Draft(text=word, kind="turn", scope="session:1", actor="Ada")
        for word in ("alpha", "beta", "gamma")
    )

    store.edit(done[1].id, Change(scope="session:2"))

    assert store.get(done[1].id).scope == "session:2"
    assert [f for f in store.check() if not f.ok] == []


def test_an_export_is_imported_again_without_loss(
    store: Store, tmp_path: Path, embedder: HashedEmbedder
) -> None:
    store.remember_many(
        [
            Draft(text="tabs", kind="preference", scope="user:ada", actor="Ada", uri="a#1"),
            Draft(text="Ünïcode \u2028 line", title="t", root="os:ada", source="file"),
        ]
    )
    lines = list(store.export())
    file = tmp_path / "out.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")

    with Store(tmp_path / "second", embedder=embedder) as second:
        done = second.import_from(file)
        copied = list(second.export())

    assert (done.created, done.known) == (2, 0)
    ours = ("text", "kind", "scope", "title", "actor", "at")
    assert [[line[k] for k in ours] for line in copied] == [
        [line[k] for k in ours] for line in lines
    ]


def test_an_interrupted_import_goes_on_where_it_was(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "in.jsonl"
    file.write_text("".join(json.dumps({"text": f"note {i}"}) + "\n" for i in range(700)))

    def interrupt(_: int, seen: list[int] = []) -> None:  # noqa: B006 - counts calls
        seen.append(1)
        if len(seen) == 2:
            raise KeyboardInterrupt

    with Store(home, embedder="none") as store:
        with pytest.raises(KeyboardInterrupt):
            store.import_from(file, progress=interrupt)
        assert store.stats().memories == 512

    with Store(home, embedder="none") as store:
        done = store.import_from(file)

        assert (done.read, done.created, done.known) == (188, 188, 0)
        assert done.resumed_at > 0
        assert store.stats().memories == 700
        again = store.import_from(file)
        assert (again.created, again.known, again.resumed_at) == (0, 700, 0)


def test_only_the_batches_of_an_import_go_without_their_own_sync(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "in.jsonl"
    file.write_text("".join(json.dumps({"text": f"note {i}"}) + "\n" for i in range(300)))
    levels = []

    def level() -> int:
        return int(store._con.execute("PRAGMA synchronous").fetchone()[0])

    put = remember.remember
    monkeypatch.setattr(
        "memory.remember.remember", lambda *a, **k: (levels.append(level()), put(*a, **k))[1]
    )

    # Between two batches other threads write, and are told that it is on disk.
    store.import_from(file, progress=lambda _: levels.append(level()))

    assert levels == [1, 2, 1, 2]
    assert level() == 2


def test_reembedding_can_be_interrupted_and_leaves_no_old_vectors(home: Path) -> None:
    class Second(HashedEmbedder):
        space = "hashed-words@2"
        dim = 64

    with Store(home, embedder=HashedEmbedder()) as store:
        store.remember_many(Draft(text=f"note {i}") for i in range(300))

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    with Store(home, embedder=Second()) as store:
        with pytest.raises(KeyboardInterrupt):
            store.reembed(progress=interrupt)
    with Store(home, embedder=HashedEmbedder()) as store:
        assert store.recall("note 7").mode == "hybrid"

    with Store(home, embedder=Second()) as store:
        assert store.unembedded() == 172
        assert store.reembed() == 172
        assert store.stats().vectors == {"hashed-words@2": 300}
        assert store.recall("note 7").hits[0].memory.text == "note 7"


def test_memories_written_without_a_model_get_their_vectors_later(home: Path) -> None:
    with Store(home, embedder="none") as store:
        store.remember("zebrawood shelf")
    with Store(home, embedder=HashedEmbedder()) as store:
        assert store.unembedded() == 1
        assert store.reembed() == 1
        assert store.unembedded() == 0


def test_listing_pages_through_everything_newest_first(store: Store) -> None:
    done = store.remember_many(Draft(text=f"note {i}") for i in range(25))
    seen: list[str] = []
    while page := store.list(limit=10, before=seen[-1] if seen else ""):
        seen += [memory.id for memory in page]

    assert seen == [one.id for one in reversed(done)]


def test_every_error_is_a_mem_error_with_its_stdlib_parent(store: Store) -> None:
    with pytest.raises(LookupError) as caught:
        store.get("01AAAAAAAAAAAAAAAAAAAAAAAA")
    assert isinstance(caught.value, MemError)
    with pytest.raises(ValueError, match="outcome"):
        store.feedback(store.remember("x").id, "splendid")  # type: ignore[arg-type]


def test_a_closed_store_says_that_it_is_closed(store: Store) -> None:
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.remember("x")


def test_an_import_scope_fills_the_levels_an_item_does_not_name(
    store: Store, tmp_path: Path
) -> None:
    file = tmp_path / "in.jsonl"
    file.write_text('{"text": "a", "scope": "project:own"}\n{"text": "b"}\n')

    store.import_from(file, scope="user:ada/project:given")

    assert {m.text: m.scope for m in store.list()} == {
        "a": "user:ada/project:own",
        "b": "user:ada/project:given",
    }


def test_an_edit_under_a_reader_says_that_a_seal_is_owed(store: Store) -> None:
    done = store.remember("the quaggaport is 5544")
    reader = driver.connect(str(store.home / "memory.db"))
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM memory").fetchone()

    store.edit(done.id, Change(text="the port is 6000"), wait=0.0)
    owed = {finding.check: finding for finding in store.check()}["seal"]
    reader.close()

    assert not owed.ok
    assert "wording" in owed.detail
    store.resume()
    store.close()
    assert not any(b"quaggaport" in place.read_bytes() for place in store.home.glob("memory.db*"))


def test_stats_list_the_copies_that_were_made(store: Store, tmp_path: Path) -> None:
    store.register_copy(tmp_path / "out.jsonl", "export")

    assert store.stats().copies == (str((tmp_path / "out.jsonl").resolve()),)
