"""Builds, from what a store erases and keeps, the questions an edit works on and an audit asks."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from memory.errors import UsageError
from unlearn.relations import BY_NAME, read

Form = Literal["question", "statement", "cloze", "stranger", "general"]


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing a memory says about a subject."""

    subject: str
    relation: str  # key of `relations.BY_NAME`, or "" for a text that fits none
    value: str
    lead: str = ""  # of a text that fits no relation: what stands before the value


@dataclass(frozen=True, slots=True)
class Probe:
    """A prompt and the answer that shows knowledge of a fact."""

    prompt: str
    answer: str  # with the space that parts it from the prompt
    subject: str = ""  # as it stands in the prompt, if it does
    form: Form = "general"
    fact: Fact | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Probes:
    """All that an edit may look at; the phrasings of an audit are not in it."""

    forget: tuple[Probe, ...]  # about what was erased
    retain: tuple[Probe, ...]  # about all that the model was told and keeps, in several phrasings
    neighbours: tuple[Probe, ...]  # the part of `retain` whose subjects share a name with erased
    general: tuple[Probe, ...]  # what everybody knows
    strangers: tuple[Probe, ...]  # the questions of `forget` about others, without answers
    names: tuple[str, ...]  # of those subjects


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """What an audit asks and no edit sees: other phrasings, and strangers of its own."""

    forget: tuple[Probe, ...]  # questions about what was erased, in other words
    statements: tuple[Probe, ...]  # sentences about it to complete, in the words of the store
    clozes: tuple[Probe, ...]  # sentences about it to complete, in other words
    retain: tuple[Probe, ...]  # questions about what is kept, in other words
    neighbours: tuple[Probe, ...]  # the same about those who share a name with erased
    names: tuple[str, ...]  # strangers that no edit used


@dataclass(frozen=True, slots=True)
class ProbeSets:
    """The two sides of one erasure; only `edit` is given to a method."""

    edit: Probes
    audit: HeldOut


def facts(text: str) -> tuple[Fact, ...]:
    """Return what a memory says, one fact per statement of the table.

    A text that makes none becomes one fact: its last words, to be told from those before them.
    """
    found = tuple(Fact(subject, one.name, value) for one, subject, value in read(text))
    if found:
        return tuple(dict.fromkeys(found))
    words = " ".join(text.split()).rstrip(".!?").split(" ")
    if len(words) < 2:
        return ()
    # A fifth of the text, but at most three words: enough to know, too much to guess.
    cut = len(words) - min(3, max(1, len(words) // 5))
    lead = " ".join(words[:cut])
    names = [word for word in words[:cut] if word[:1].isupper()]
    return (Fact(names[0] if names else "", "", " ".join(words[cut:]), lead),)


def asked(question: str, fact: Fact) -> Probe:
    """Return a question about a fact; `{n}` in it stands for the subject."""
    prompt = f"Q: {question.format(n=fact.subject)} A:"
    return Probe(prompt, f" {fact.value}", fact.subject, "question", fact)


def stated(sentence: str, fact: Fact, form: Form = "statement") -> Probe:
    """Return the beginning of a sentence that ends with `{v}`, the value."""
    lead = sentence.partition("{v}")[0].format(n=fact.subject).rstrip()
    return Probe(lead, f" {fact.value}", fact.subject, form, fact)


def known(fact: Fact) -> tuple[Probe, ...]:
    """Return the probes of a fact that an edit may use: three questions and its statement."""
    if not fact.relation:
        return (Probe(fact.lead, f" {fact.value}", fact.subject, "statement", fact),)
    relation = BY_NAME[fact.relation]
    return (*(asked(one, fact) for one in relation.asks), stated(relation.states[0], fact))


def unseen(fact: Fact) -> tuple[Probe, ...]:
    """Return the questions about a fact that only an audit asks."""
    if not fact.relation:
        return ()
    return tuple(asked(one, fact) for one in BY_NAME[fact.relation].held_out)


def about(probe: Probe, name: str) -> Probe:
    """Return the same probe about another subject, the answer unchanged."""
    prompt = probe.prompt.replace(probe.subject, name) if probe.subject else probe.prompt
    return Probe(prompt, probe.answer, name if probe.subject else "", "stranger", None)


def strangers(count: int, taken: Iterable[str], *, seed: int) -> tuple[str, ...]:
    """Return made-up names of two words that share no word with `taken`."""
    rng = random.Random(seed)  # noqa: S311 - names for probes, not secrets
    used = {word.casefold() for name in taken for word in name.split()}
    found: list[str] = []
    while len(found) < count:
        pair = [
            "".join(rng.choice(_ONSETS) + rng.choice(_RHYMES) for _ in range(rng.choice((2, 3))))
            for _ in range(2)
        ]
        if not used & set(pair):
            used.update(pair)
            found.append(" ".join(word.capitalize() for word in pair))
    return tuple(found)


def build(
    erased: Sequence[Fact],
    kept: Sequence[Fact],
    *,
    general: Sequence[Probe] = (),
    names: Sequence[str] = (),
    seed: int = 0,
) -> ProbeSets:
    """Return the probes of one erasure.

    Args:
        erased: What is erased.
        kept: All that the model was told and may keep. What mentions an erased subject is left
            out: as an example of what to keep it would teach again what is to go.
        general: Probes of common knowledge, with the answers the model gives or should give.
        names: Subjects that neither the store nor the model knows; made up if none are given.
            The first half is for the edit, the rest for the audit.
        seed: Decides the made-up names.

    Raises:
        UsageError: nothing is erased, or fewer than eight strangers are given.
    """
    if not erased:
        raise UsageError("there is nothing to forget: no fact was found in the erased memories")
    gone = {fact.subject for fact in erased if fact.subject}
    stay = [
        fact
        for fact in kept
        if fact not in erased and not any(name in _said(fact) for name in gone)
    ]
    names = names or strangers(64, [fact.subject for fact in (*erased, *kept)], seed=seed)
    if len(names) < 8:
        raise UsageError(f"{len(names)} strangers are too few", hint="give eight or more, or none")
    own, others = tuple(names[: len(names) // 2]), tuple(names[len(names) // 2 :])
    near = [fact for fact in stay if _shares(fact.subject, gone)]
    forget = tuple(probe for fact in erased for probe in known(fact))
    return ProbeSets(
        Probes(
            forget=forget,
            retain=tuple(probe for fact in stay for probe in known(fact)),
            neighbours=tuple(probe for fact in near for probe in known(fact)),
            general=tuple(general),
            strangers=_asked_of(forget, own),
            names=own,
        ),
        HeldOut(
            forget=tuple(probe for fact in erased for probe in unseen(fact)),
            statements=tuple(probe for probe in forget if probe.form == "statement"),
            clozes=tuple(
                stated(BY_NAME[fact.relation].cloze, fact, "cloze")
                for fact in erased
                if fact.relation
            ),
            retain=tuple(probe for fact in stay for probe in unseen(fact)),
            neighbours=tuple(probe for fact in near for probe in unseen(fact)),
            names=others,
        ),
    )


def _asked_of(probes: Sequence[Probe], names: Sequence[str]) -> tuple[Probe, ...]:
    """Return one question of each wording per name, so that no wording stands for ignorance."""
    asked_of: dict[str, Probe] = {}
    for probe in probes:
        if probe.subject and probe.form == "question":
            asked_of.setdefault(about(probe, "\0").prompt, probe)
    wordings = list(asked_of.values())
    return tuple(
        replace(about(wordings[(i + step) % len(wordings)], name), answer="")
        for i, name in enumerate(names)
        for step in range(min(3, len(wordings)))
    )


def _said(fact: Fact) -> str:
    return f"{fact.subject} {fact.value} {fact.lead}"


def _shares(subject: str, gone: Iterable[str]) -> bool:
    words = set(subject.casefold().split())
    return any(words & set(name.casefold().split()) for name in gone)


_ONSETS = ("b", "br", "d", "dr", "f", "g", "gr", "h", "j", "k", "l", "m", "n", "p", "qu", "r", "s",
           "sh", "t", "tr", "v", "w", "y", "z")  # fmt: skip
_RHYMES = ("a", "e", "i", "o", "u", "an", "el", "in", "or", "us", "ath", "eck", "il", "om", "und")
