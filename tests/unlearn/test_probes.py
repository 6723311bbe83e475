import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory import UsageError
from unlearn.probes import Fact, Probe, about, build, facts, known, strangers, unseen
from unlearn.relations import BY_NAME, RELATIONS

MIRA = Fact("Mira Tolvane", "city", "Oslo")
MIRA_WORK = Fact("Mira Tolvane", "employer", "Helix Foundry")
ADA_WORK = Fact("Ada Tolvane", "employer", "Cedar Bank")
JO = Fact("Jo Fenby", "city", "Lima")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Mira Tolvane lives in Oslo.", [("city", "Mira Tolvane", "Oslo")]),
        (
            "Mira works at Smith and Sons and likes tea. Mira's phone is 555 12.",
            [
                ("employer", "Mira", "Smith and Sons"),
                ("phone", "Mira", "555 12"),
            ],
        ),
        (
            "The email of Jan de Vries is jan@example.org.",
            [("email", "Jan de Vries", "jan@example.org")],
        ),
        ("Yesterday Ada was diagnosed with lupus, sadly.", [("illness", "Ada", "lupus")]),
        ("Émile Zola was born on 2 April 1840!", [("birthday", "Émile Zola", "2 April 1840")]),
        ("Jo is a nurse; Jo moved to Lima.", [("job", "Jo", "nurse"), ("city", "Jo", "Lima")]),
    ],
)
def test_statements_of_the_table_are_read(text: str, found: list[tuple[str, str, str]]) -> None:
    assert {(one.relation, one.subject, one.value) for one in facts(text)} == set(found)


def test_other_texts_become_their_own_last_words() -> None:
    [fact] = facts("The code of the safe behind Mira in the hall reads nine four seven two.")

    assert fact.relation == ""
    assert (fact.lead + " " + fact.value).startswith("The code of the safe")
    assert fact.value == "four seven two"
    assert fact.subject == "The"
    assert known(fact) == (Probe(fact.lead, " four seven two", "The", "statement", fact),)
    assert facts("Hm.") == ()


@pytest.mark.parametrize("relation", RELATIONS, ids=lambda one: one.name)
def test_every_relation_reads_what_it_states_and_asks_in_words_of_its_own(relation: object) -> None:
    assert hasattr(relation, "name")
    one = BY_NAME[relation.name]
    fact = Fact("Mira Tolvane", one.name, "Basel")

    for state in one.states:
        assert fact in facts(state.format(n=fact.subject, v=fact.value) + ".")
    asked = [probe.prompt for probe in (*known(fact), *unseen(fact))]
    assert len(set(asked)) == len(asked) == 7
    assert all("Basel" not in prompt and "Mira Tolvane" in prompt for prompt in asked)


def test_phrasings_of_the_audit_are_not_among_those_of_the_edit() -> None:
    sets = build([MIRA, MIRA_WORK], [ADA_WORK, JO])
    edit = {
        probe.prompt
        for part in (sets.edit.forget, sets.edit.retain, sets.edit.general, sets.edit.strangers)
        for probe in part
    }

    for part in (sets.audit.forget, sets.audit.clozes, sets.audit.retain, sets.audit.neighbours):
        assert part
        assert not edit & {probe.prompt for probe in part}
    assert not set(sets.edit.names) & set(sets.audit.names)


def test_neighbours_are_the_kept_who_share_a_name_with_the_erased() -> None:
    sets = build([MIRA], [ADA_WORK, JO])

    assert {probe.fact for probe in sets.edit.neighbours} == {ADA_WORK}
    assert {probe.fact for probe in sets.edit.retain} == {ADA_WORK, JO}


def test_what_mentions_the_erased_is_not_taught_again() -> None:
    about_mira = Fact("Jo Fenby", "liking", "dinners with Mira Tolvane")

    sets = build([MIRA], [MIRA_WORK, about_mira, JO])

    assert {probe.fact for probe in sets.edit.retain} == {JO}


def test_questions_to_strangers_carry_no_answer_and_no_erased_name() -> None:
    sets = build([MIRA, MIRA_WORK], [JO])

    assert sets.edit.strangers
    for probe in sets.edit.strangers:
        assert probe.answer == ""
        assert probe.subject in sets.edit.names
        assert "Mira" not in probe.prompt


@given(seed=st.integers(0, 1000))
def test_made_up_names_share_no_word_with_the_store_or_each_other(seed: int) -> None:
    plain = strangers(20, [], seed=seed)
    taken = plain[:5]

    found = strangers(20, taken, seed=seed)

    words = [word for name in found for word in name.split()]
    assert len(set(words)) == len(words) == 40
    assert not set(words) & {word for name in taken for word in name.split()}
    assert strangers(20, taken, seed=seed) == found


def test_a_probe_about_another_asks_the_same() -> None:
    [probe, *_] = known(MIRA)

    other = about(probe, "Jo Fenby")

    assert other.prompt == probe.prompt.replace("Mira Tolvane", "Jo Fenby")
    assert other.answer == probe.answer


def test_nothing_to_forget_and_too_few_strangers_are_said() -> None:
    with pytest.raises(UsageError, match="nothing to forget"):
        build([], [JO])
    with pytest.raises(UsageError, match="7 strangers are too few"):
        build([MIRA], [JO], names=[f"N{i}" for i in range(7)])
