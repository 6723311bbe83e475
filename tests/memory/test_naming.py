"""Names in texts: whole words, in every spelling, and never inside another person's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory import UsageError
from memory.naming import Wanted, accepted, first, heads, kind_of, spellings, words
from memory.skeleton import readings

MIREILLE = Wanted(
    phrases=frozenset({"mireille dubois", "mireille"}),
    exact=frozenset({"m.dubois@example.org", "@mdubois"}),
    others=frozenset({"mireille kopp"}),
)


@pytest.mark.parametrize(
    "text",
    [
        "Mireille brought cake",
        "ask MIREILLE DUBOIS",
        "Mireille's desk",
        "(mireille)",
        "chat:mireille",
        "notes/mireille_dubois.md",
        "mireille-dubois",
        "Dear Mireille,\nthank you",
        "Mireïlle",
        "Mi\u00adreille",
        "M\u200bireille",
        "Ｍｉｒｅｉｌｌｅ",
        "Мireille",  # a Cyrillic capital
        "write to M.Dubois@Example.org.",
        "<m.dubois@example.org>",
        "mailto:m.dubois@example.org?subject=x",
        "cc @mdubois, please",
        "Mireille Kopp and Mireille met",
    ],
)
def test_a_name_is_found_in_every_spelling(text: str) -> None:
    assert MIREILLE.within(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "mireilles",
        "admireille",
        "Mireille Kopp",
        "am.dubois@example.org",
        "m.dubois@example.org.uk",
        "x.m.dubois@example.org",
        "mdubois",
        "@mdubois-fr",
        "me@mdubois",
        "dubois",
        "the cake — it was good…",
    ],
)
def test_a_part_of_a_word_or_of_an_address_is_no_name(text: str) -> None:
    assert not MIREILLE.within(text)


SCRIPTS = (
    "abeoABEO\u00e9\u00df\u0110\u03b7\u0397\u03c3\u03a3\u0430\u0412\u0456\u304b\u304c\u3099"
    "\uac00\u0e01\u0e34\u0301\u200b\u00ad\uff21\U0001d400_-. 3\u0663"
)


@given(st.text(SCRIPTS, max_size=12), st.text(SCRIPTS, max_size=8), st.text(SCRIPTS, max_size=12))
def test_the_cheap_look_never_misses_what_the_thorough_one_finds(
    before: str, name: str, after: str
) -> None:
    wanted = Wanted(phrases=spellings(name))
    text = f"{before} {name} {after}"

    if any(wanted._spoken(one, wanted.phrases) for one in readings(text)):
        assert wanted.within(text)


@pytest.mark.parametrize("text", ["ηλίας", "Ηλίας", "ΗΛΙΑΣ", "der Ηλιας!"])
@pytest.mark.parametrize("name", ["ηλίας", "Ηλίας", "ΗΛΙΑΣ"])
def test_capitals_of_other_scripts_are_found_in_either_case(name: str, text: str) -> None:
    assert Wanted(phrases=spellings(name)).within(text)


NAME = st.text(alphabet="abcdefgh", min_size=3, max_size=8)
AROUND = st.text(alphabet=st.sampled_from(" .,;:!?-()\n\"'’–🙂é"), max_size=5)


@given(NAME, st.lists(NAME, max_size=4), AROUND, AROUND)
def test_a_word_is_found_wherever_it_stands_alone(
    name: str, others: list[str], before: str, after: str
) -> None:
    wanted = Wanted(phrases=frozenset({name}))
    kept = [other for other in others if other != name]
    text = " ".join([*kept, f"{before.replace('é', '')} {name} {after.replace('é', '')}", *kept])

    assert wanted.within(text)
    assert not wanted.within(" ".join(kept))


def test_the_form_of_a_name_says_its_kind() -> None:
    assert kind_of("ada@example.org") == "email"
    assert kind_of("@ada") == "handle"
    assert kind_of("Ada Lovelace") == "alias"


def test_the_first_name_is_that_of_a_longer_one() -> None:
    assert first("Mireille Dubois") == "mireille"
    assert first("Mireille") == ""
    assert heads(["Mireille Dubois", "Ada"]) == {"mireille dubois", "mireille", "ada"}


def test_a_name_is_kept_on_one_line_without_hidden_characters() -> None:
    assert accepted("  Ada\u200b \n Lovelace ") == "Ada Lovelace"
    assert words("Ada_Lovelace") == "ada lovelace"


@pytest.mark.parametrize("name", ["", "   ", "\u200b", "...", "x" * 201, "a\x00b"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError):
        accepted(name)
