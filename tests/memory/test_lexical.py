from pathlib import Path

import pytest

from memory import Draft, Store, lexical
from memory.lexical import Filter, Lexical, expression
from tests.support import HashedEmbedder

EVERYTHING = Filter(scopes=None)


@pytest.fixture
def filled(home: Path) -> Store:
    store = Store(home, embedder=HashedEmbedder())
    store.remember_many(
        Draft(
            text=f"note {i} on berth {i % 17} and gate {i % 5}" + " deploy" * (i % 3),
            kind="turn",
            scope=f"project:p{i % 2}/session:{i // 20}",
        )
        for i in range(600)
    )
    return store


@pytest.mark.parametrize("threads", [2, 3, 5])
def test_splitting_the_work_over_threads_changes_nothing(
    filled: Store, monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    scopes = frozenset({1, 3, 5})
    whole, split = Lexical(filled.home / "memory.db", 1), None
    monkeypatch.setattr(lexical, "SPLIT", 10)
    split = Lexical(filled.home / "memory.db", threads)
    for allowed in (EVERYTHING, Filter(scopes=scopes), Filter(scopes=None, kinds=("turn",))):
        for searched in (["berth", "deploy"], ["gate"], ["nothing"], ["599"], []):
            one = whole.begin(filled._con, searched, allowed).result()
            two = split.begin(filled._con, searched, allowed).result()
            # bm25 counts over the whole index whatever the range, so scores agree exactly; which
            # of equal scores stand last is open.
            assert sorted(one.values()) == sorted(two.values())
            assert {s for s, v in one.items() if v > min(one.values(), default=0)} == {
                s for s, v in two.items() if v > min(two.values(), default=0)
            }
    split.close()
    filled.close()


def test_a_very_common_word_is_looked_for_in_a_memorys_own_text_only(
    filled: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert expression(filled._con, ["note", "599"]) == '"note" OR "599"'

    monkeypatch.setattr(lexical, "SPLIT", 10)

    assert expression(filled._con, ["note", "599"]) == '{own header} : "note" OR "599"'
    filled.close()


def test_closing_ends_the_threads_and_a_new_search_starts_them_again(
    filled: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lexical, "SPLIT", 10)
    search = Lexical(filled.home / "memory.db", 2)
    first = search.begin(filled._con, ["berth"], EVERYTHING).result()
    search.close()

    assert search.begin(filled._con, ["berth"], EVERYTHING).result() == first
    search.close()
    filled.close()
