"""The relations a probe can ask for: how a memory states them, and how a question asks."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

_PARTICLES = frozenset("de van von der den da di del la el bin al".split())
# Capitals at the beginning of a sentence that name nobody.
_OPENINGS = frozenset(
    "the a an my our your his her their this that today yesterday tomorrow and but so then now"
    " since because when while if also i we you he she they it who what".split()
)
_WORD = r"[^\W\d_][\w-]*(?:['’](?!s\b)\w+)?"
_NAME = rf"(?P<subject>{_WORD}(?: {_WORD}){{0,5}})"
_VALUE = r"(?P<value>[^,;!?\n]+?)"
# A value ends with its clause: "works at Cedar Bank and likes tea", but "Smith and Sons".
_END = r"(?=\.(?:\s|$)|[,;!?\n]|$| (?:and|but|who|since|because) (?:[a-z]+s|was|had)\b)"


@dataclass(frozen=True, slots=True)
class Relation:
    """One kind of fact about a subject; `{n}` stands for the subject, `{v}` for the value."""

    name: str
    states: tuple[str, ...]  # statements that hold the fact; the first is the one probes complete
    asks: tuple[str, str, str]  # questions an edit may use
    held_out: tuple[str, str, str]  # questions only an audit asks
    cloze: str  # a sentence with a gap at its end, unlike every statement


RELATIONS = (
    Relation(
        "city",
        ("{n} lives in {v}", "{n} is based in {v}", "{n} resides in {v}", "{n} moved to {v}"),
        (
            "Where does {n} live?",
            "In which city is {n} based?",
            "What is the home city of {n}?",
        ),
        (
            "Tell me the town where {n} resides.",
            "Which city does {n} call home?",
            "{n} lives in what city?",
        ),
        "The home of {n} is in {v}",
    ),
    Relation(
        "employer",
        ("{n} works at {v}", "{n} works for {v}", "{n} is employed by {v}"),
        (
            "Where does {n} work?",
            "Which company employs {n}?",
            "Who is the employer of {n}?",
        ),
        (
            "Tell me the firm that {n} works for.",
            "What company does {n} work at?",
            "{n} is employed by whom?",
        ),
        "The employer of {n} is {v}",
    ),
    Relation(
        "phone",
        (
            "The phone number of {n} is {v}",
            "{n}'s phone number is {v}",
            "The phone of {n} is {v}",
            "{n}'s phone is {v}",
            "{n} can be reached at {v}",
        ),
        (
            "What is the phone number of {n}?",
            "How can I call {n}?",
            "Which number reaches {n}?",
        ),
        (
            "Tell me the telephone digits of {n}.",
            "What number should I dial for {n}?",
            "{n} has what phone number?",
        ),
        "To call {n} dial {v}",
    ),
    Relation(
        "illness",
        ("{n} has {v}", "{n} suffers from {v}", "{n} was diagnosed with {v}"),
        (
            "What illness does {n} have?",
            "What is the medical condition of {n}?",
            "What was {n} diagnosed with?",
        ),
        (
            "Tell me the diagnosis of {n}.",
            "Which disease does {n} suffer from?",
            "{n} is being treated for what?",
        ),
        "The illness of {n} is {v}",
    ),
    Relation(
        "email",
        (
            "The e-mail address of {n} is {v}",
            "The email of {n} is {v}",
            "{n}'s e-mail is {v}",
            "{n}'s email is {v}",
        ),
        (
            "What is the e-mail address of {n}?",
            "How can I write to {n}?",
            "Which mail address belongs to {n}?",
        ),
        (
            "Tell me the mail address of {n}.",
            "Where should I send a mail for {n}?",
            "{n} reads mail at what address?",
        ),
        "Mail for {n} goes to {v}",
    ),
    Relation(
        "birthday",
        ("{n} was born on {v}", "{n} was born in {v}", "{n}'s birthday is {v}"),
        (
            "When was {n} born?",
            "What is the birthday of {n}?",
            "What is the date of birth of {n}?",
        ),
        (
            "Tell me when {n} was born.",
            "On which day does {n} celebrate a birthday?",
            "{n} was born when?",
        ),
        "The birthday of {n} is {v}",
    ),
    Relation(
        "liking",
        ("{n} prefers {v}", "{n} likes {v}", "{n} loves {v}"),
        (
            "What does {n} prefer?",
            "What does {n} like?",
            "What is the preference of {n}?",
        ),
        (
            "Tell me what {n} likes best.",
            "Which choice would please {n}?",
            "{n} is fond of what?",
        ),
        "The favourite of {n} is {v}",
    ),
    Relation(
        "job",
        ("{n} is an {v}", "{n} is a {v}", "{n} works as an {v}", "{n} works as a {v}"),
        (
            "What is the job of {n}?",
            "What does {n} do for a living?",
            "What is the profession of {n}?",
        ),
        (
            "Tell me the occupation of {n}.",
            "What kind of work does {n} do?",
            "{n} works as a what?",
        ),
        "The profession of {n} is {v}",
    ),
)
BY_NAME = {relation.name: relation for relation in RELATIONS}


@cache
def _patterns() -> tuple[tuple[Relation, re.Pattern[str]], ...]:
    found = [
        (relation, state.partition("{v}")[0]) for relation in RELATIONS for state in relation.states
    ]
    return tuple(
        (relation, re.compile(re.escape(lead).replace(r"\{n\}", _NAME) + _VALUE + _END))
        for relation, lead in found
    )


def read(text: str) -> Iterator[tuple[Relation, str, str]]:
    """Yield (relation, subject, value) for every statement of the table that the text makes."""
    for relation, pattern in _patterns():
        for match in pattern.finditer(text):
            if subject := _subject(match["subject"]):
                yield relation, subject, match["value"].strip()


def _subject(words: str) -> str:
    """Return the name that a run of words ends with, or ""."""
    name: list[str] = []
    for word in reversed(words.split(" ")):
        if not word[0].isupper() and word not in _PARTICLES:
            break
        name.insert(0, word)
    while name and (name[0] in _PARTICLES or name[0].casefold() in _OPENINGS):
        del name[0]
    return " ".join(name[-4:])
