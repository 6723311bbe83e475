"""Export and import are inverse: what a store wrote is read back without loss."""

import contextlib
import json
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memory import Change, Draft, MemError, Selector, Store, UsageError, copies
from memory.clock import moment
from memory.errors import ErasedContentError
from memory.types import KINDS, OUTCOMES, SOURCE_CLASSES
from tests.support import Clock, HashedEmbedder

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "docs" / "export.schema.json").read_text("utf-8"))


def told(store: Store) -> list[dict[str, Any]]:
    """Return what a store exports, without the header's day."""
    return list(store.export_lines())[1:]


def written(store: Store, folder: Path) -> Path:
    place = folder / "out.jsonl"
    store.export_to(place)
    return place


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]


@pytest.fixture
def second(tmp_path: Path, embedder: HashedEmbedder) -> Any:
    with Store(tmp_path / "second", embedder=embedder) as opened:
        yield opened


def fill(store: Store) -> list[str]:
    at = datetime(2025, 12, 31, 23, 59, 59, 123_000, tzinfo=UTC)
    done = store.remember_many(
        [
            Draft(text="tabs", kind="preference", scope="user:ada", uri="a#1", root="os:ada"),
            Draft(text="Ünïcode \u2028 line\nsecond", title="t", root="os:ada", source="file"),
            *(
                Draft(text=word, kind="turn", scope="session:1", actor="Ada", key=f"k{word}")
                for word in ("alpha", "beta", "gamma", "delta")
            ),
            Draft(text="until then", kind="fact", at=at, valid_from=at, valid_to=at.replace(2026)),
        ]
    )
    store.remember("tabs", kind="preference", scope="user:ada", source="web", uri="b#2", key="x")
    store.edit(done[3].id, Change(scope="session:2"))
    store.edit(done[0].id, Change(text="tabs, corrected"))
    for outcome in ("useful", "useful", "wrong"):
        store.feedback(done[1].id, outcome, root="os:ada")  # type: ignore[arg-type]
    return [one.id for one in done]


def test_an_export_comes_back_equal_in_every_field(
    store: Store, second: Store, tmp_path: Path
) -> None:
    ids = fill(store)

    done = second.import_from(written(store, tmp_path))

    assert (done.reader, done.created, done.known, done.refused) == ("export", 7, 0, 0)
    assert told(second) == told(store)
    assert second.feedback_of(ids[1]) == {"useful": 2, "wrong": 1}
    assert second.get(ids[0]) == store.get(ids[0])
    assert second.recall("corrected tabs").hits[0].memory.id == ids[0]
    assert [one for one in second.check() if not one.ok] == []


def test_the_copy_behaves_like_the_original(store: Store, second: Store, tmp_path: Path) -> None:
    fill(store)
    second.import_from(written(store, tmp_path))

    for one in (store, second):
        assert not one.remember("alpha", kind="turn", scope="session:1", actor="Ada").created
        assert not one.remember("other words", key="kbeta").created
        one.remember("epsilon", kind="turn", scope="session:1")

    def texts(lines: list[dict[str, Any]]) -> list[tuple[str, str | None]]:
        names = {line["id"]: line["text"] for line in lines if "id" in line}
        return [(one["text"], names.get(one["prev"])) for one in lines if "id" in one]

    assert texts(told(store)) == texts(told(second))


def test_importing_ones_own_export_changes_nothing(store: Store, tmp_path: Path) -> None:
    fill(store)
    place = written(store, tmp_path)
    before = told(store)

    first, again = store.import_from(place), store.import_from(place)

    assert (first.created, first.known, again.created, again.known) == (0, 7, 0, 7)
    assert told(store) == before


def test_an_import_keeps_the_present_wording(store: Store, tmp_path: Path) -> None:
    ids = fill(store)
    place = written(store, tmp_path)
    store.edit(ids[1], Change(text="new words"))

    store.import_from(place)

    assert store.get(ids[1]).text == "new words"


def test_erased_memories_are_left_out_of_an_import(store: Store, tmp_path: Path) -> None:
    ids = fill(store)
    place = written(store, tmp_path)
    store.forget(store.plan_forget(Selector(ids=(ids[4], ids[1]))), tombstone=False)
    after = told(store)

    done = store.import_from(place)

    assert (done.created, done.refused) == (0, 2)
    assert told(store) == after
    assert store.stats().feedback == 0


def test_what_the_guard_refuses_is_left_out_in_another_store(
    store: Store, second: Store, tmp_path: Path
) -> None:
    fill(store)
    second.forget(second.plan_forget(Selector(ids=(second.remember("gamma").id,))))
    with pytest.raises(ErasedContentError):
        second.remember("gamma")

    done = second.import_from(written(store, tmp_path))

    assert (done.created, done.refused) == (6, 1)
    rows = {line["text"]: line for line in told(second) if "text" in line}
    assert rows["delta"]["prev"] == rows["alpha"]["id"], "the gap is closed"


def test_with_a_scope_they_become_other_memories(
    store: Store, second: Store, tmp_path: Path
) -> None:
    ids = fill(store)

    done = second.import_from(written(store, tmp_path), scope="project:x")

    assert done.created == 7
    assert all("project:x" in line["scope"] for line in second.export())
    assert not {line["id"] for line in second.export()} & set(ids)


def test_a_scope_limits_an_export(store: Store, second: Store, tmp_path: Path) -> None:
    ids = fill(store)
    store.feedback(ids[0], "useful")
    place = tmp_path / "ada.jsonl"

    assert store.export_to(place, "user:ada") == 1
    second.import_from(place)

    header, memory, signal, end = read(place)
    assert header["scope"] == "user:ada"
    assert memory["id"] == ids[0]
    assert signal["signal"]["memory"] == ids[0]
    assert end == {"end": {"memories": 1, "signals": 1}}
    assert second.feedback_of(ids[0]) == {"useful": 1}


def test_every_line_is_as_the_schema_says(store: Store, tmp_path: Path) -> None:
    fill(store)
    check = jsonschema.Draft202012Validator(SCHEMA)

    lines = read(written(store, tmp_path))

    assert len(lines) == 11
    for line in lines:
        check.validate(line)
        assert not check.is_valid({**line, "more": 1})


@pytest.mark.parametrize(
    "damage",
    [
        lambda lines: lines[:-1],
        lambda lines: [*lines[:3], *lines[4:]],
        lambda lines: [*lines, lines[1]],
        lambda lines: [{**lines[0], "format": 2}, *lines[1:]],
        lambda lines: [lines[0], {**lines[1], "id": "x"}, *lines[2:]],
        lambda lines: [lines[0], {**lines[1], "kind": "x"}, *lines[2:]],
        lambda lines: [lines[0], {**lines[1], "recorded_at": "x"}, *lines[2:]],
        lambda lines: [lines[0], {**lines[1], "identity": "zz"}, *lines[2:]],
        lambda lines: [lines[0], {**lines[1], "provenances": [{}]}, *lines[2:]],
        lambda lines: [lines[0], {**lines[1], "provenances": 3}, *lines[2:]],
        lambda lines: [*lines[:-3], {"signal": {"memory": 1}}, *lines[-2:]],
        lambda lines: [*lines[:-3], {"signal": 1}, *lines[-2:]],
    ],
)
def test_a_file_that_is_no_whole_export_is_refused(
    store: Store, second: Store, tmp_path: Path, damage: Callable[[list[Any]], list[Any]]
) -> None:
    fill(store)
    place = written(store, tmp_path)
    lines = damage(read(place))
    place.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")

    with pytest.raises(UsageError, match=r"out\.jsonl"):
        second.import_from(place)


def test_without_its_header_an_export_is_a_list_of_memories(
    store: Store, second: Store, tmp_path: Path
) -> None:
    """Exports of earlier versions look like that, too."""
    fill(store)
    place = tmp_path / "old.jsonl"
    rows = [line for line in told(store) if "text" in line]
    place.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")

    done = second.import_from(place)

    assert (done.reader, done.created) == ("jsonl", 7)


def test_secrets_in_an_export_are_redacted_unless_they_are_kept(
    store: Store, second: Store, tmp_path: Path
) -> None:
    text = "the key is AKIA" + "QYLPMN5HHHFPZAM2"
    store.remember(text, keep_secrets=True)
    place = written(store, tmp_path)

    assert second.import_from(place).redacted == 1
    assert "AKIA" not in second.list()[0].text
    with Store(tmp_path / "third", embedder="none") as third:
        third.import_from(place, keep_secrets=True)
        assert third.list()[0].text == text


def test_an_interrupted_import_of_an_export_goes_on_without_loss(
    store: Store, second: Store, tmp_path: Path
) -> None:
    done = store.remember_many(
        Draft(text=f"note {i}", kind="turn", scope="session:1") for i in range(600)
    )
    for one in done[::3]:
        store.feedback(one.id, "useful")
    place = written(store, tmp_path)

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    runs = 0
    while True:
        try:
            second.import_from(place, progress=interrupt)
        except KeyboardInterrupt:
            runs += 1
        else:
            break

    assert runs > 2
    assert told(second) == told(store)


def test_an_export_that_is_interrupted_leaves_nothing(store: Store, tmp_path: Path) -> None:
    fill(store)
    place = tmp_path / "x" / "out.jsonl"
    place.parent.mkdir()
    place.write_text("old")

    def interrupt(_: int) -> None:
        assert [one.state for one in copies.listed(store._con)] == ["making"]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.export_to(place, progress=interrupt)

    assert list(place.parent.iterdir()) == [place]
    assert place.read_text() == "old"
    assert copies.listed(store._con) == []


def test_an_erasure_during_an_export_counts_it(store: Store, tmp_path: Path) -> None:
    ids = fill(store)
    seen: list[Any] = []

    def erase(_: int) -> None:
        if not seen:
            seen.append(store.forget(store.plan_forget(Selector(ids=(ids[0],)))))

    store.export_to(tmp_path / "out.jsonl", progress=erase)

    assert seen[0].copies == {"export": 1}


def test_a_new_export_takes_the_place_of_the_one_it_replaced(store: Store, tmp_path: Path) -> None:
    ids = fill(store)
    place = written(store, tmp_path)
    store.forget(store.plan_forget(Selector(ids=(ids[0],))))
    assert [one.erased for one in copies.listed(store._con)] == [True]

    store.export_to(place)

    assert [one.erased for one in copies.listed(store._con)] == [False]


TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=30)
NAMES = st.sampled_from(["", "Ada", "os:ada", "chat:1", "Ünï", "a b"])
TIMES = st.none() | st.integers(-(10**13), 10**13).map(moment)
STEPS = st.one_of(
    st.builds(
        Draft,
        text=st.sampled_from(["alpha", "beta", "Gamma\n\ndelta"]) | TEXTS,
        kind=st.sampled_from(KINDS),
        scope=st.sampled_from(["", "user:ada", "session:1", "user:ada/session:2"]),
        title=NAMES,
        actor=NAMES,
        at=TIMES,
        source=st.sampled_from(SOURCE_CLASSES),
        root=NAMES,
        uri=NAMES,
        key=st.none() | st.sampled_from(["k1", "k2", "k3"]),
    ),
    st.tuples(st.just("feedback"), st.integers(0, 9), st.sampled_from(OUTCOMES)),
    st.tuples(st.just("forget"), st.integers(0, 9), st.just("")),
    st.tuples(st.just("move"), st.integers(0, 9), st.sampled_from(["session:1", "session:3"])),
    st.tuples(st.just("reword"), st.integers(0, 9), st.sampled_from(["alpha", "omega"])),
)


def play(store: Store, step: Any) -> None:
    if isinstance(step, Draft):
        store.remember_many([step], allow_erased=True)
        return
    verb, number, what = step
    listed = store.list()
    if number < len(listed):
        ident = listed[number].id
        if verb == "feedback":
            store.feedback(ident, what)
        elif verb == "forget":
            store.forget(store.plan_forget(Selector(ids=(ident,))), tombstone=False)
        else:
            store.edit(ident, Change(**{"move": {"scope": what}, "reword": {"text": what}}[verb]))


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(STEPS, max_size=12))
def test_export_then_import_is_the_identity(steps: list[Any]) -> None:
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        with Store(Path(folder, "a"), embedder="none", clock=clock) as store:
            for step in steps:
                clock.at += timedelta(seconds=61)
                with contextlib.suppress(MemError):
                    play(store, step)
            place = written(store, Path(folder))
            before = told(store)
        with Store(Path(folder, "b"), embedder="none") as copy:
            copy.import_from(place, keep_secrets=True)
            assert told(copy) == before
            assert [one for one in copy.check() if not one.ok] == []
