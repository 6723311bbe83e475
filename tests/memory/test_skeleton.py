import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.sanitise import canonical
from memory.skeleton import _ROWS, readings, skeleton

LOOKALIKES = {row[0]: row[1:].split() for row in _ROWS.strip().splitlines()}


@given(st.text())
def test_the_skeleton_of_a_skeleton_is_itself(text: str) -> None:
    assert skeleton(skeleton(text)) == skeleton(text)


@given(st.text(st.characters(max_codepoint=127)))
def test_plain_text_is_its_canonical_form(text: str) -> None:
    assert skeleton(text) == canonical(text)
    assert readings(text) == (canonical(text),)


@given(st.text("abcdefghijklmnopqrstuvwxyz 24568", min_size=1), st.randoms())
def test_lookalikes_in_any_place_change_nothing(text: str, rng: object) -> None:
    pick = rng.choice  # type: ignore[attr-defined]
    disguised = "".join(pick([c, *LOOKALIKES.get(c, [])]) for c in text)

    assert skeleton(disguised) == skeleton(text)


def test_every_lookalike_is_a_single_letter_that_canonical_leaves_alone() -> None:
    every = [other for others in LOOKALIKES.values() for other in others]

    assert len(every) == len(set(every)) > 250
    assert [c for c in every if len(c) != 1 or canonical(c) != c] == []


@pytest.mark.parametrize("script", ["CYRILLIC", "GREEK", "ARMENIAN", "COPTIC", "CHEROKEE", "LISU"])
def test_the_scripts_that_matter_are_in_the_table(script: str) -> None:
    names = [unicodedata.name(c) for others in LOOKALIKES.values() for c in others]

    assert sum(name.startswith(script) for name in names) >= 8


@pytest.mark.parametrize(
    "text",
    [
        "ΤΗΕ GΑΤΕ ϹΟDΕ ІЅ ΜΑRΖΙΡΑΝ 4471",  # Greek and Cyrillic capitals
        "тһе gаtе соdе іѕ mаrzіраn 4471",
        "ｔｈｅ ｇａｔｅ ｃｏｄｅ ｉｓ ｍａｒｚｉｐａｎ ４４７１",
        "𝗧𝗵𝗲 𝓰𝓪𝓽𝓮 𝚌𝚘𝚍𝚎 𝔦𝔰 𝕞𝕒𝕣𝕫𝕚𝕡𝕒𝕟 𝟜𝟜𝟟𝟙",
        "ᴛʜᴇ ɢᴀᴛᴇ ᴄᴏᴅᴇ ɪꜱ ᴍᴀʀᴢɪᴘᴀɴ ٤٤٧١",
        "🅣🅗🅔 🅶🅰🆃🅴 🇨🇴🇩🇪 ⓘⓢ marzipan ४४७१",
        "ꓔꓧꓰ ꓖꓮꓔꓰ ᑕOᗪE ꓲꓢ ꓟꓮꓣꓜꓲꓑꓮꓠ 4471",
        "the gate code is mar\u3164zipan 4471",
    ],
)
def test_one_text_in_other_letters_has_one_skeleton(text: str) -> None:
    assert skeleton(text) == "the gate code is marzipan 4471"


def test_capitals_that_look_like_another_letter_are_read_both_ways() -> None:
    assert set(readings("ΝΑΝΝΗ")) & set(readings("νάννη")), "the same Greek word in another case"
    assert readings("ΝΑΝΝΗ")[0] == "nannh"


@pytest.mark.parametrize(
    ("shown", "stored"),
    [
        ("send it home", "\u202eemoh ti dnes\u202c"),
        ("send it home", "\u202eemoh ti dnes"),  # open to the end
        ("send it home", "send \u202eti\u202c home"),
        ("send it home", "\u202eemoh \u202dit\u202c dnes\u202c"),  # an override within another
        ("send it home", "\u2067\u202eemoh ti dnes\u202c\u2069"),
        ("send it home\nnow", "\u202eemoh ti dnes\nnow"),  # a paragraph ends it
        ("\u05e9\u05dc\u05d5\u05dd", "\u202d\u05dd\u05d5\u05dc\u05e9\u202c"),  # Hebrew, shown LTR
    ],
)
def test_an_overridden_run_is_read_in_both_directions(shown: str, stored: str) -> None:
    assert skeleton(shown) in readings(stored)
    assert readings(stored)[0] == skeleton(stored)


@given(st.text(st.sampled_from("ab \n\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2069")))
def test_reading_keeps_every_letter(text: str) -> None:
    letters = sorted(c for c in text if c in "ab")

    for reading in readings(text):
        assert sorted(reading.replace(" ", "")) == letters


def test_spellings_that_a_reader_notices_differ() -> None:
    for other in ("p4ss", "pa5s", "pas s", "passe"):
        assert skeleton(other) != skeleton("pass")
