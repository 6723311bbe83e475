import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory import text
from memory.db import scratch_database


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("When did Ada move to Berlin?", ["ada", "move", "berlin"]),
        ("what is it", ["what", "is", "it"]),  # nothing else is left
        ("HRB-142 again", ["hrb-142", "hrb", "142", "again"]),
        ("max_tokens", ["max_tokens"]),
        ("src/app/main.py", ["src/app/main.py", "src", "app", "main", "py"]),
        ("ＦＵＬＬ width", ["full", "width"]),
        ("", []),
    ],
)
def test_terms_keep_identifiers_whole_beside_their_parts(query: str, expected: list[str]) -> None:
    assert text.terms(query) == expected


@given(st.text(max_size=300))
def test_every_text_gives_a_valid_match_expression(query: str) -> None:
    con = scratch_database()
    con.execute("CREATE VIRTUAL TABLE f USING fts5 (x)")
    expression = text.match_expression(text.terms(query))
    try:
        if expression and "\0" not in expression:
            con.execute("SELECT * FROM f WHERE f MATCH ?", (expression,)).fetchall()
    except UnicodeEncodeError:
        assert any("\ud800" <= c <= "\udfff" for c in query)
    finally:
        con.close()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("what about HRB-142?", ["hrb-142"]),
        ("open src/app/main.py please", ["src/app/main.py"]),
        ("the max_tokens setting", ["max_tokens"]),
        ("error E4021 in fooBar", ["e4021", "foobar"]),
        ("commit 9f3c2ab", ["9f3c2ab"]),
        ("order 481516", ["481516"]),
        ("std::vector::at", ["std::vector::at"]),
        ("in May 2023 on the 7th of June", []),
        ("a well-known self-care habit", []),
        ("the 12 people", []),
    ],
)
def test_identifiers_are_what_must_match_to_the_letter(query: str, expected: list[str]) -> None:
    assert text.identifiers(query) == expected


@pytest.mark.parametrize(
    ("query", "names", "expected"),
    [
        ("When did Ada move to Berlin?", ["Ada"], "move to Berlin?"),
        ("What is Ada's favourite port?", ["Ada"], "favourite port?"),
        ("Who?", [], "Who?"),
        ("Ada", ["Ada"], "Ada"),
        ("adapters of Ada", ["Ada"], "adapters of"),
    ],
)
def test_the_embedded_form_has_no_names_and_no_opening(
    query: str, names: list[str], expected: str
) -> None:
    assert text.dense_form(query, names) == expected


@pytest.mark.parametrize(
    ("query", "months", "days", "years"),
    [
        ("what happened on 14 April 2026", {4}, {14}, {2026}),
        ("in May", {5}, set(), set()),
        ("I may come on 3 June", {6}, {3}, set()),
        ("it may rain on the 7th", set(), set(), set()),
        ("in sept", {9}, set(), set()),
        ("the 12 people", set(), set(), set()),
    ],
)
def test_dates_are_read_beside_a_month(
    query: str, months: set[int], days: set[int], years: set[int]
) -> None:
    found = text.dates(query)
    assert (set(found.months), set(found.days), set(found.years)) == (months, days, years)


def test_a_question_is_told_by_its_end_in_any_script() -> None:
    assert text.is_question("Really? ")
    assert text.is_question('He asked "why?"')
    assert text.is_question("本当？")
    assert not text.is_question("Why? Because.")


def test_token_estimates_grow_with_the_text_and_count_wide_signs_one_by_one() -> None:
    assert text.tokens("a") == 1
    assert text.tokens("word " * 100) == 125
    assert text.tokens("漢字" * 10) == 20
