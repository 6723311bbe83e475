"""All disguises of an erased text, at every door of a store."""

import json
from pathlib import Path

import pytest

from memory import Change, Selector, Store
from memory.errors import ErasedContentError
from tests.mcp_server.faces import call, said
from tests.memory.test_tombstones import DISGUISES, SAID

SPELLINGS = {"plain": SAID, **{name: disguise(SAID) for name, disguise in DISGUISES.items()}}


@pytest.fixture
def guarded(store: Store) -> Store:
    store.remember(SAID)
    store.forget(store.plan_forget(Selector(query="bakery")))
    return store


def exported(folder: Path) -> Path:
    place = folder / "notes.jsonl"
    texts = ("the ferry leaves at noon", *SPELLINGS.values())
    place.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return place


def test_an_import_leaves_every_disguise_out(guarded: Store, tmp_path: Path) -> None:
    done = guarded.import_from(exported(tmp_path))

    assert (done.refused, done.created) == (len(SPELLINGS), 1)
    assert [memory.text for memory in guarded.list()] == ["the ferry leaves at noon"]


def test_an_import_takes_them_all_where_nothing_was_erased(store: Store, tmp_path: Path) -> None:
    done = store.import_from(exported(tmp_path))

    assert (done.refused, done.created) == (0, len(SPELLINGS) + 1)


@pytest.mark.parametrize("name", SPELLINGS)
def test_no_agent_and_no_edit_brings_a_disguise_back(guarded: Store, name: str) -> None:
    kept = guarded.remember("the ferry leaves at noon")

    result = call(guarded, "remember", text=SPELLINGS[name])
    with pytest.raises(ErasedContentError):
        guarded.edit(kept.id, Change(text=SPELLINGS[name]))
    with pytest.raises(ErasedContentError):
        guarded.edit(kept.id, Change(text=f"{SPELLINGS[name]}\nand the ferry leaves at noon"))

    assert result.is_error
    assert "erased on request" in said(result)
    assert [memory.text for memory in guarded.list()] == ["the ferry leaves at noon"]


@pytest.mark.parametrize("name", SPELLINGS)
def test_agents_and_edits_may_say_it_where_nothing_was_erased(store: Store, name: str) -> None:
    kept = store.remember("the ferry leaves at noon")

    assert not call(store, "remember", text=SPELLINGS[name]).is_error
    assert store.edit(kept.id, Change(text=f"{SPELLINGS[name]}, they say"))
