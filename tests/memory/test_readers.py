"""Every foreign format becomes drafts with a place to trace them to and a point to resume from."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory import sources, wire
from memory.errors import UsageError
from memory.readers import (
    READERS,
    Item,
    read_jsonl,
    read_markdown,
    scope_value,
    sniff,
)
from memory.scope import Scope
from memory.types import Draft, Memory, Provenance

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def lines(path: Path, *entries: object) -> Path:
    path.write_text("".join(f"{json.dumps(entry)}\n" for entry in entries), encoding="utf-8")
    return path


def document(path: Path, value: object, indent: int | None = None) -> Path:
    path.write_text(json.dumps(value, indent=indent), encoding="utf-8")
    return path


# JSON lines


def test_a_line_gives_every_field_of_a_draft(tmp_path: Path) -> None:
    entry = {
        "text": "Ada likes tea",
        "kind": "preference",
        "scope": "user:ada",
        "title": "drinks",
        "actor": "Ada",
        "at": "2026-03-02T12:00:00Z",
        "valid_from": "2026-03-02T13:00:00+01:00",
        "valid_to": None,
        "source": "tool",
        "root": "agent-7",
        "uri": "mail:1",
        "key": "k1",
    }

    (item,) = read_jsonl(lines(tmp_path / "x.jsonl", entry))

    expected = entry | {"at": NOON, "valid_from": NOON}
    assert item == Item(1, Draft(**expected))  # type: ignore[arg-type]


def test_a_bare_line_counts_as_imported_and_is_traced_to_its_number(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('\n{"text": " one "}\r\n\n{"text": "two"}', encoding="utf-8-sig")

    items = list(read_jsonl(path))

    assert [(item.position, item.draft.text, item.draft.uri) for item in items] == [
        (2, "one", "x.jsonl#L2"),
        (4, "two", "x.jsonl#L4"),
    ]
    assert {item.draft.source for item in items} == {"import"}


def test_an_exported_memory_comes_back_with_its_origin(tmp_path: Path) -> None:
    origin = Provenance(
        root="ada", source="tool", actor="cli", uri="mail:1", at=NOON, recorded_at=NOON
    )
    memory = Memory(
        id="01HZZZZZZZZZZZZZZZZZZZZZZZ",
        text="Ada likes tea",
        kind="fact",
        scope="user:ada",
        title="",
        actor="Ada",
        at=NOON,
        recorded_at=NOON,
        valid_from=None,
        valid_to=None,
        provenances=(origin,),
    )

    (item,) = read_jsonl(lines(tmp_path / "x.jsonl", wire.plain(memory)))

    assert item.draft == Draft(
        text="Ada likes tea",
        kind="fact",
        scope="user:ada",
        actor="Ada",
        at=NOON,
        source="tool",
        root="ada",
        uri="mail:1",
    )


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "is not JSON: Expecting property name enclosed in double quotes at character 1"),
        ("[1]", "is no JSON object"),
        ("[" * 100_000, "is not JSON"),
        ('{"kind": "fact"}', "has no text"),
        ('{"text": 5}', ": text is of type 'int', not a string"),
        ('{"text": ""}', ": text is empty"),
        ('{"text": "a\\u0000b"}', ": text has a NUL character at 1"),
        ('{"text": "a\\ud800"}', ": text has a lone surrogate at 1"),
        ('{"text": "a", "colour": "red"}', ": field 'colour' does not exist"),
        ('{"text": "a", "kind": "joke"}', ": kind 'joke' does not exist"),
        ('{"text": "a", "source": "moon"}', ": source 'moon' does not exist"),
        ('{"text": "a", "title": ["b"]}', ": title is of type 'list', not a string"),
        ('{"text": "a", "at": "yesterday"}', ": 'yesterday' is not a time"),
    ],
)
def test_an_unacceptable_line_is_named_by_its_number(tmp_path: Path, line: str, says: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(f'{{"text": "fine"}}\n\n{line}\n', encoding="utf-8")
    items = read_jsonl(path)

    assert next(items).draft.text == "fine"
    with pytest.raises(UsageError) as caught:
        next(items)

    assert caught.value.message.startswith("line 3 of 'x.jsonl'")
    assert says in caught.value.message


def test_reading_is_lazy(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"text": "fine"}\n\xff\n')

    assert next(read_jsonl(path)).draft.text == "fine"


def test_an_overlong_line_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MAX_LINE", 100)
    path = lines(tmp_path / "x.jsonl", {"text": "a" * 200})

    with pytest.raises(UsageError, match=r"line 1 of 'x.jsonl' has more than 100 bytes"):
        list(read_jsonl(path))


# All of them

ADA = {
    "type": "entity",
    "name": "Ada",
    "entityType": "person",
    "observations": ["likes tea", "is 36"],
}
LINK = {"type": "relation", "from": "Ada", "to": "Letheon", "relationType": "works on"}


def sample(name: str, folder: Path) -> Path:
    if name == "jsonl":
        return lines(folder / "x.jsonl", *({"text": f"text {n}"} for n in range(5)))
    if name == "chat":
        talks = [{"role": "user", "content": f"turn {n}"} for n in range(5)]
        return document(folder / "x.json", talks)
    if name == "mcp-memory":
        return lines(folder / "x.json", ADA, LINK, ADA | {"name": "Bob"})
    for n in range(3):
        (folder / f"{n}.md").write_text(f"# A\n\none {n}\n\n# B\n\ntwo {n}", encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", READERS)
def test_an_import_resumes_behind_any_item_without_loss_or_repetition(
    tmp_path: Path, name: str
) -> None:
    path = sample(name, tmp_path)

    items = list(READERS[name](path))

    positions = [item.position for item in items]
    assert positions == sorted(set(positions))
    for done, item in enumerate(items, start=1):
        assert list(READERS[name](path, start=item.position + 1)) == items[done:]


@pytest.mark.parametrize("name", READERS)
def test_each_sample_is_recognised_by_its_content(tmp_path: Path, name: str) -> None:
    assert sniff(sample(name, tmp_path)) == name


def test_pages_that_are_done_are_not_opened_again(tmp_path: Path) -> None:
    path = sample("markdown", tmp_path)
    items = list(read_markdown(path))
    (path / "0.md").write_bytes(b"\xff")

    assert list(read_markdown(path, start=items[2].position)) == items[2:]


@pytest.mark.parametrize("name", READERS)
def test_bad_utf8_is_refused_with_file_and_offset(tmp_path: Path, name: str) -> None:
    path = tmp_path / "x.md"
    path.write_bytes(b'{"text": "\xff"}\n')

    with pytest.raises(UsageError, match=r"'x.md' is not UTF-8: byte 0xff at 10"):
        list(READERS[name](path))


def test_the_offset_of_a_bad_byte_counts_from_the_start_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"text": "a"}\n{"text": "\xff"}\n')

    with pytest.raises(UsageError, match=r"'x.jsonl' is not UTF-8: byte 0xff at 24"):
        list(read_jsonl(path))


@pytest.mark.parametrize("name", READERS)
def test_nothing_is_read_through_a_link_or_from_a_pipe(tmp_path: Path, name: str) -> None:
    lines(tmp_path / "x.jsonl", {"text": "a"})
    link, pipe = tmp_path / "link.md", tmp_path / "pipe.md"
    link.symlink_to(tmp_path / "x.jsonl")
    os.mkfifo(pipe)

    with pytest.raises(UsageError, match=r"'link.md' is a symbolic link"):
        list(READERS[name](link))
    with pytest.raises(UsageError, match=r"'pipe.md' is no regular file"):
        list(READERS[name](pipe))


@pytest.mark.parametrize("name", [name for name in READERS if name != "markdown"])
def test_a_folder_or_missing_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="is no regular file"):
        list(READERS[name](tmp_path))
    with pytest.raises(UsageError, match="'gone' cannot be read: No such file"):
        list(READERS[name](tmp_path / "gone"))


@pytest.mark.parametrize(
    ("name", "text", "reader"),
    [
        ("a.txt", "just text", "markdown"),
        ("a.md", "", "markdown"),
        ("a.jsonl", '{"text": "a", "typo": 1}\n', "jsonl"),
        ("a.jsonl", '{"text": "a", "timestamp": 1}\n', "chat"),
        ("a.json", '[\n {"role": "user", "content": "a"}\n]', "chat"),
        ("a.json", '{\n "entities": [],\n "relations": []\n}', "mcp-memory"),
    ],
)
def test_a_format_is_chosen_by_content(tmp_path: Path, name: str, text: str, reader: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")

    assert sniff(tmp_path / name) == reader


@pytest.mark.parametrize(
    ("name", "text"), [("a.bin", "\x7fELF"), ("a.json", '{"version": 1}'), ("a.csv", "a,b")]
)
def test_a_file_of_no_known_form_is_refused(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")

    with pytest.raises(UsageError, match="is of no known form"):
        sniff(tmp_path / name)


@pytest.mark.parametrize("name", ["jsonl", "chat", "mcp-memory"])
def test_an_empty_file_gives_nothing(tmp_path: Path, name: str) -> None:
    (tmp_path / "x").write_text("\n \n", encoding="utf-8")

    assert list(READERS[name](tmp_path / "x")) == []


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_becomes_a_valid_scope_value(text: str) -> None:
    value = scope_value(text)

    assert str(Scope.parse(f"session:{value}")) == f"session:{value}"


def test_a_scope_value_stays_readable() -> None:
    assert scope_value("Team / weekly\tsync\x07 3") == "Team-weekly-sync-3"
    assert scope_value(" / ") == "unnamed"
