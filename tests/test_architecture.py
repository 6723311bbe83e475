"""What linters do not check: one writer per table, every table with an eraser, limits, no print."""

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import memory
from memory import Selector, Store, files, refill
from memory.db import migrations

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("memory", "ranker", "unlearn", "cli", "mcp_server")
SOURCES = sorted(place for name in PACKAGES for place in (ROOT / name).rglob("*.py"))

# Table -> the only module that may write it, and how an erasure reaches it.
OWNERS = {
    "setting": ("setting", "holds nothing made from memories"),
    "scope": ("records", "records.erase_unused_names"),
    "actor": ("records", "records.erase_unused_names"),
    "memory": ("records", "records.erase"),
    "provenance": ("records", "records.erase, records.detach"),
    "memory_fts": ("records", "records.unindex"),
    "space": ("vectors", "holds names of models"),
    "vector": ("vectors", "vectors.erase"),
    "lineage": ("lineage", "lineage.erase"),
    "file": ("copies", "holds paths of copies"),
    "import_point": ("importing", "holds digests of paths"),
    "erasure": ("erasures", "holds counts"),
    "erasure_target": ("erasures", "erasures.finish"),
    "subject": ("subjects", "subjects.erase"),
    "subject_alias": ("subjects", "subjects.erase"),
    "request": ("requests", "holds days, fixed words and a keyed MAC; requests.unlink"),
    "tombstone": ("tombstones", "holds keyed MACs, no content; tombstones.rotate drops them"),
    "erased_id": ("tombstones", "holds keyed MACs of ids, which are no content"),
    "signal": ("behavior", "behavior.erase"),
    "hold": ("restriction", "restriction.drop_hold"),
    "hold_memory": ("restriction", "restriction.drop_hold"),
    "restricted": ("restriction", "restriction.drop_hold, then what waited for it"),
    "restricted_reading": ("restriction", "with restricted"),
    "deferred": ("restriction", "with restricted"),
    "hold_access": ("restriction", "with restricted"),
    "recipient": ("disclosure", "holds names of programs and files that were given memories"),
    "disclosure": ("disclosure", "disclosure.erase"),
    "disclosed_range": ("disclosure", "holds keys of scopes, never reused"),
    "notification": ("disclosure", "holds counts per recipient"),
}
# The doctor rebuilds the index, which writes no row of its own. A restore into an empty store takes
# over the rows of every table as their owners wrote them.
REBUILDS = {("check", "memory_fts"), *(("refill", table) for table in OWNERS)}
WRITE = re.compile(r"\b(?:INSERT INTO|UPDATE|DELETE FROM)\s+(\w+)", re.IGNORECASE)


def tables() -> set[str]:
    sql = "\n".join(text for schema in ("store", "behavior") for _, text in migrations(schema))
    return set(re.findall(r"CREATE (?:VIRTUAL )?TABLE (\w+)", sql))


def test_every_table_has_an_owner_that_can_erase_it() -> None:
    assert tables() == set(OWNERS)


def test_each_table_is_written_by_its_owner_only() -> None:
    for place in sorted((ROOT / "memory").glob("*.py")):
        strings = [
            node.value
            for node in ast.walk(ast.parse(place.read_text("utf-8")))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]
        written = {table for text in strings for table in WRITE.findall(text)} & set(OWNERS)
        foreign = {
            table
            for table in written
            if OWNERS[table][0] != place.stem and (place.stem, table) not in REBUILDS
        }
        assert foreign == set(), place.name


def test_a_restore_into_an_empty_store_brings_every_table() -> None:
    assert {*refill.TABLES, *refill.SIGNALS} == set(OWNERS)


def test_an_erasure_empties_every_table_that_is_made_from_memories(store: Store) -> None:
    done = store.remember("x", scope="user:ada/session:1", actor="Ada", uri="chat:1")
    store.remember("y", scope="user:ada/session:1", actor="Ada", uri="chat:1")
    store.feedback(done.id, "useful")
    store.add_subject("Ada", ["ada@example.org"])
    store.get(done.id, recipient="mcp:agent")
    derived = sorted(
        table for table, (_, how) in OWNERS.items() if "erase" in how or "unindex" in how
    )

    def rows(table: str) -> int:
        con = store._behavior() if table in ("signal", "disclosure") else store._con
        sql = f"SELECT count(*) FROM {table}"
        return int(con.execute(sql).fetchone()[0])

    assert all(rows(table) for table in derived if table != "erasure_target"), "positive control"

    store.forget(store.plan_forget(Selector(subject="Ada")))

    assert {table: rows(table) for table in derived} == dict.fromkeys(derived, 0)


def test_every_file_a_store_makes_is_in_the_registry(store: Store) -> None:
    store.remember("x")
    store.recall("x")
    store.feedback(store.list()[0].id, "useful")
    store._index.save()  # type: ignore[union-attr]
    store.forget(store.plan_forget(Selector(query="x")))

    assert files.unknown(store.home) == []
    (store.home / "stray.txt").write_text("x")
    assert files.unknown(store.home) == ["stray.txt"]


@pytest.mark.parametrize("place", SOURCES, ids=lambda place: place.relative_to(ROOT).as_posix())
def test_files_and_functions_stay_short(place: Path) -> None:
    text = place.read_text("utf-8")
    assert text.count("\n") <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            documented = node.body[0].end_lineno if ast.get_docstring(node) else node.lineno
            assert (node.end_lineno or 0) - (documented or 0) <= 50, node.name


def test_library_code_never_prints() -> None:
    for place in SOURCES:
        if place.relative_to(ROOT).parts[0] in ("memory", "ranker", "unlearn", "mcp_server"):
            calls = [
                node
                for node in ast.walk(ast.parse(place.read_text("utf-8")))
                if isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id == "print"
            ]
            assert calls == [], place


def test_nothing_loads_a_pickle() -> None:
    for place in SOURCES:
        text = place.read_text("utf-8")
        assert not re.search(r"\b(?:pickle|joblib|torch\.load|allow_pickle=True)\b", text), place


def test_the_public_names_are_these_and_documented() -> None:
    assert memory.__all__ == sorted(memory.__all__)
    for name in memory.__all__:
        thing = getattr(memory, name)
        assert inspect.getdoc(thing), name
        if name in ("Store", "AsyncStore"):
            for method, value in inspect.getmembers(thing, inspect.isfunction):
                assert method.startswith("_") or inspect.getdoc(value), f"{name}.{method}"


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import memory", {"torch", "sklearn", "mcp", "sqlite_utils", "rich", "typer"}),
        (
            "from memory import Store; import tempfile;"
            "s = Store(tempfile.mkdtemp() + '/s'); s.remember('x'); s.recall('x'); s.close()",
            {"torch", "transformers", "sentence_transformers", "sklearn", "mcp", "rich"},
        ),
    ],
)
def test_a_query_never_imports_what_it_does_not_need(code: str, absent: set[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; import sys; print(*sys.modules)"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert not absent & set(done.stdout.split())
