"""Chats become turns of a session, and the MCP reference memory becomes facts."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from memory.errors import UsageError
from memory.readers import Item, read_chat, read_mcp_memory, sniff
from memory.types import Draft

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def lines(path: Path, *entries: object) -> Path:
    path.write_text("".join(f"{json.dumps(entry)}\n" for entry in entries), encoding="utf-8")
    return path


def document(path: Path, value: object, indent: int | None = None) -> Path:
    path.write_text(json.dumps(value, indent=indent), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "time",
    [
        "2026-03-02T12:00:00Z",
        "2026-03-02 13:00+01:00",
        1772452800,
        "1772452800",
        1772452800.0,
        1772452800000,
        1772452800000000,
        1772452800000000000,
    ],
)
def test_a_turn_has_its_speaker_time_and_session(tmp_path: Path, time: object) -> None:
    path = document(
        tmp_path / "chat.json",
        [{"speaker": "Ada", "timestamp": time, "text": "hi", "session": "s 1"}],
    )

    (item,) = read_chat(path)

    assert item == Item(
        1,
        Draft(
            text="hi",
            kind="turn",
            scope="session:s-1",
            actor="Ada",
            at=NOON,
            source="import",
            uri="chat.json#turn1",
        ),
    )


@pytest.mark.parametrize("write", [document, lambda path, turns: lines(path, *turns)])
def test_arrays_and_lines_of_turns_read_alike(
    tmp_path: Path, write: Callable[[Path, list[Any]], Path]
) -> None:
    turns = [
        {"role": "user", "content": [{"type": "text", "text": "one"}, {"type": "image"}]},
        {"role": "assistant", "content": ""},
        {"author": {"name": "Bob"}, "message": "three", "conversation_id": 7},
        {"type": "user", "sessionId": "x/y", "message": {"role": "user", "content": "four"}},
        {"name": "Eve", "text": "fi\ud83dve\x00", "date": "2026-03-02"},
    ]

    items = list(read_chat(write(tmp_path / "my chat.json", turns)))

    assert [(one.position, one.draft.actor, one.draft.text, one.draft.scope) for one in items] == [
        (1, "user", "one", "session:my-chat"),
        (3, "Bob", "three", "session:7"),
        (4, "user", "four", "session:x-y"),
        (5, "Eve", "fi\ufffdve", "session:my-chat"),
    ]


def chatgpt() -> dict[str, Any]:
    def node(name: str, parent: str | None, role: str, text: str, **more: object) -> dict[str, Any]:
        content = {"content_type": more.pop("content_type", "text"), "parts": [text]}
        message = {"author": {"role": role}, "create_time": 1772452800.5, "content": content}
        return {"id": name, "parent": parent, "message": message | more}

    return {
        "title": "Trip",
        "conversation_id": "c-1",
        "current_node": "e",
        "mapping": {
            "r": {"id": "r", "parent": None, "message": None},
            "s": node("s", "r", "system", "be nice"),
            "h": node(
                "h", "s", "user", "profile", metadata={"is_visually_hidden_from_conversation": True}
            ),
            "a": node("a", "h", "user", "Where to?"),
            "b": node("b", "a", "assistant", "an abandoned answer"),
            "c": node("c", "a", "assistant", "To Oslo."),
            "d": node("d", "c", "assistant", "print(1)", content_type="code"),
            "e": node("e", "d", "user", "Thanks"),
        },
    }


def test_a_chatgpt_export_gives_the_branch_that_was_kept(tmp_path: Path) -> None:
    path = document(
        tmp_path / "conversations.json", [chatgpt(), chatgpt() | {"conversation_id": "c-2"}]
    )

    items = list(read_chat(path))

    assert [(item.draft.actor, item.draft.text) for item in items[:3]] == [
        ("user", "Where to?"),
        ("assistant", "To Oslo."),
        ("user", "Thanks"),
    ]
    assert [item.position for item in items] == [1, 2, 3, 4, 5, 6]
    assert [item.draft.scope for item in items[2:4]] == ["session:c-1", "session:c-2"]
    assert items[0].draft.title == "Trip"
    assert items[0].draft.at == NOON.replace(microsecond=500_000)


def test_a_chatgpt_export_with_a_loop_ends(tmp_path: Path) -> None:
    talk = chatgpt()
    talk["mapping"]["r"]["parent"] = "e"

    assert len(list(read_chat(document(tmp_path / "c.json", [talk])))) == 3


def test_a_claude_export_gives_its_messages(tmp_path: Path) -> None:
    talk = {
        "uuid": "u-1",
        "name": "Tea",
        "chat_messages": [
            {"sender": "human", "text": "Tea?", "created_at": "2026-03-02T12:00:00Z", "uuid": "m1"},
            {"sender": "assistant", "text": "", "content": [{"type": "text", "text": "Yes."}]},
        ],
    }

    items = list(read_chat(document(tmp_path / "c.json", [talk], indent=2)))

    assert [(one.draft.actor, one.draft.text, one.draft.at) for one in items] == [
        ("human", "Tea?", NOON),
        ("assistant", "Yes.", None),
    ]
    assert {(one.draft.scope, one.draft.title) for one in items} == {("session:u-1", "Tea")}


def test_a_single_conversation_of_messages_is_read(tmp_path: Path) -> None:
    talk = {"id": "z", "messages": [{"role": "user", "content": "hi"}]}

    (item,) = read_chat(document(tmp_path / "c.json", talk, indent=1))

    assert (item.draft.scope, item.draft.text) == ("session:z", "hi")


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (["a"], "entry 1 of 'c.json' is no JSON object"),
        ([{"messages": [5]}], "entry 1 of 'c.json' is no JSON object"),
        (
            [{"text": "a"}, {"text": "b", "time": "soon"}],
            "turn 2 of 'c.json': 'soon' is not a time",
        ),
        ([{"text": "b", "time": [1]}], r"turn 1 of 'c.json': \[1\] is not a time"),
        ([{"text": "b", "time": 1e30}], r"turn 1 of 'c.json': 1e\+30 is not a time"),
    ],
)
def test_an_unreadable_turn_is_named_by_its_number(
    tmp_path: Path, value: object, says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        list(read_chat(document(tmp_path / "c.json", value)))


def test_a_chat_that_is_no_json_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text('[{"text": "a"},', encoding="utf-8")

    with pytest.raises(UsageError, match=r"'c.json' is not JSON: .* at character 15"):
        list(read_chat(path))


# The MCP reference memory server

ADA = {
    "type": "entity",
    "name": "Ada",
    "entityType": "person",
    "observations": ["likes tea", "is 36"],
}
LINK = {"type": "relation", "from": "Ada", "to": "Letheon", "relationType": "works on"}
FACTS = [
    ("Ada: likes tea", "Ada (person)", "m.json#1"),
    ("Ada: is 36", "Ada (person)", "m.json#1"),
    ("Ada works on Letheon", "", "m.json#2"),
]


@pytest.mark.parametrize(
    "write",
    [
        lambda path: lines(path, ADA, LINK),
        lambda path: document(path, {"entities": [ADA], "relations": [LINK]}),
        lambda path: document(path, {"entities": [ADA], "relations": [LINK]}, indent=2),
    ],
)
def test_observations_and_relations_become_facts(
    tmp_path: Path, write: Callable[[Path], Path]
) -> None:
    drafts = [item.draft for item in read_mcp_memory(write(tmp_path / "m.json"))]

    assert [(draft.text, draft.title, draft.uri) for draft in drafts] == FACTS
    assert {(draft.kind, draft.source) for draft in drafts} == {("fact", "import")}


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"type": "entity", "observations": []}, "entry 1 of 'm.json' has no 'name'"),
        ({"relationType": "x", "from": "a"}, "entry 1 of 'm.json' has no 'to'"),
        ({"name": "a", "observations": "b"}, "entry 1 of 'm.json': observations are no list"),
    ],
)
def test_an_entry_that_is_no_entity_or_relation_is_refused(
    tmp_path: Path, entry: object, says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        list(read_mcp_memory(lines(tmp_path / "m.json", entry)))


def test_both_exports_are_recognised(tmp_path: Path) -> None:
    whole = document(tmp_path / "a.json", [chatgpt()], indent=2)
    claude = document(tmp_path / "b.json", [{"uuid": "a", "chat_messages": []}])

    assert (sniff(whole), sniff(claude)) == ("chat", "chat")
