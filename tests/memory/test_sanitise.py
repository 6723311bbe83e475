"""What is shown holds nothing invisible; what is compared ignores how it was typed."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.errors import UsageError
from memory.sanitise import canonical, clean, validate

ANY_TEXT = st.text(
    st.characters(exclude_categories=()) | st.sampled_from("\x1b\x9b]\\[m\u200d\ufe0f❤👩")
)
HIDDEN = {
    "a control": "a\x07b",
    "a backspace": "a\x08b",
    "delete": "a\x7fb",
    "a C1 control": "a\x85b",
    "a colour": "a\x1b[1;31mb",
    "a colour with colons": "a\x1b[38:5:1mb",
    "a one-byte control sequence": "a\x9b31mb",
    "a window title": "a\x1b]0;title\x07b",
    "the start of a link": "a\x1b]8;;https://evil.example\x1b\\b",
    "a device control string": "a\x1bPq#0\x1b\\b",
    "a reset": "a\x1bcb",
    "a character set": "a\x1b(Bb",
    "a bidi override": "a\u202eb",
    "a bidi isolate": "a\u2066b\u2069",
    "a direction mark": "a\u200e\u200f\u061cb",
    "zero width spaces": "a\u200b\u200c\u2060\ufeffb",
    "a soft hyphen": "a\u00adb",
    "a mongolian separator": "a\u180eb",
    "tag characters": "a\U000e0049\U000e0067b",
    "smuggled selectors": "a\U000e0101\U000e01eeb",
    "small selectors": "a\ufe00\ufe0ab",
    "an annotation": "a\ufff9\ufffa\ufffbb",
    "an invisible operator": "a\u2062b",
    "a filler": "a\u3164b",
    "a lone surrogate": "a\ud83db",
    "a joiner between letters": "a\u200db",
    "a null": "a\x00b",
}


@pytest.mark.parametrize("what", HIDDEN)
def test_shown_text_loses(what: str) -> None:
    assert clean(HIDDEN[what]) == "ab"


@pytest.mark.parametrize(
    "text",
    [
        "plain text\n\twith lines",
        "naïve café, Grüße, 漢字, हिन्दी, ไทย",
        "a family \U0001f468\u200d\U0001f469\u200d\U0001f467 and a \u2764\ufe0f\u200d\U0001f525",
        "a doctor \U0001f469\U0001f3fd\u200d\u2695\ufe0f",
        "1\ufe0f\u20e3 and \u2602\ufe0e",
    ],
)
def test_shown_text_keeps_letters_lines_and_emoji(text: str) -> None:
    assert clean(text) == text


def test_line_separators_become_newlines() -> None:
    assert clean("a\r\nb\rc\u2028d\u2029e") == "a\nb\nc\nd\ne"


def test_an_escape_sequence_without_end_hides_nothing_that_follows() -> None:
    assert clean("a\x1b]0;title\nsecond line").endswith("\nsecond line")


def test_a_run_of_selectors_cannot_carry_bits() -> None:
    assert clean("\u2602" + "\ufe0e\ufe0f\ufe0f\ufe0e" * 9) == "\u2602\ufe0e"


@given(ANY_TEXT)
def test_cleaning_is_idempotent_and_leaves_no_control(text: str) -> None:
    cleaned = clean(text)

    assert clean(cleaned) == cleaned
    assert not any(unicodedata.category(c) in ("Cc", "Cs") for c in cleaned if c not in "\n\t")


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126)))
def test_printable_ascii_is_shown_as_it_is(text: str) -> None:
    assert clean(text) == text


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Hello,  World!", "hello world"),
        ("Café CRÈME", "cafe creme"),
        ("Straße", "STRASSE"),
        ("\ufb01le №\uff15", "file no5"),
        ("Σίσυφος", "ΣΙΣΥΦΟΣ"),
        ("İstanbul", "istanbul"),
        ("zero\u200bwidth\u00ad", "zerowidth"),
        ("a\x07b\tc\nd", "ab c d"),
        ("“quoted” — dash", "quoted dash"),
        ("\uff46\uff55\uff4c\uff4c\u3000width", "full width"),
        ("مُحَمَّد", "محمد"),
        ("snake_case", "SNAKE_CASE"),
    ],
)
def test_texts_that_differ_in_typing_only_are_equal(one: str, other: str) -> None:
    assert canonical(one) == canonical(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("snake_case", "snake case"),
        ("版本 1.2", "版本 1.3"),
        ("かき", "かぎ"),
        ("มา", "ม้า"),
        ("कुल", "कल"),
        ("한글", "한국"),
    ],
)
def test_words_that_differ_in_letters_stay_different(one: str, other: str) -> None:
    assert canonical(one) != canonical(other)


def test_the_canonical_form_of_a_symbol_alone_is_empty() -> None:
    assert canonical(" -- !? ") == ""


@given(ANY_TEXT)
def test_the_canonical_form_is_its_own_canonical_form(text: str) -> None:
    once = canonical(text)

    assert canonical(once) == once
    assert once == once.strip()
    assert "  " not in once


@given(st.text(st.characters(max_codepoint=127)))
def test_ascii_takes_the_same_form_on_the_fast_path(text: str) -> None:
    # the added letter forces the general path
    assert f"{canonical(text)} ж".strip() == canonical(f"{text} ж")


def test_characters_that_fold_to_others_take_a_stable_form() -> None:
    changing = [
        c for c in map(chr, range(0x110000)) if unicodedata.normalize("NFKD", c).casefold() != c
    ]

    assert [c for c in changing if canonical(canonical(c)) != canonical(c)] == []


@pytest.mark.parametrize(
    "text", ["a", "  Ünïcode \u202e stays \u200d as it is\t", "a\x07b", "e\u0301"]
)
def test_stored_text_is_kept_but_for_space_around_it(text: str) -> None:
    assert validate(text) == text.strip()


def test_stored_text_has_unix_line_ends() -> None:
    assert validate("\r\na\r\nb\rc\n") == "a\nb\nc"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "title is empty"),
        (" \n\t ", "title is empty"),
        ("\u200b\u2060", "title is empty"),
        ("a\x00b", "title has a NUL character at 1"),
        ("ab\ud800", "title has a lone surrogate at 2"),
        ("é" * 51, "title has 102 bytes, more than 100"),
        (None, "title is of type 'NoneType', not a string"),
        (b"bytes", "title is of type 'bytes', not a string"),
    ],
)
def test_text_that_cannot_be_stored_is_refused_by_name(text: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        validate(text, field="title", limit=100)

    assert caught.value.message == says


def test_the_limit_itself_is_allowed() -> None:
    assert validate("é" * 50, limit=100) == "é" * 50


@given(ANY_TEXT)
def test_what_was_validated_validates_to_itself(text: str) -> None:
    try:
        stored = validate(text)
    except UsageError:
        return

    assert validate(stored) == stored
    assert stored.encode().decode() == stored
