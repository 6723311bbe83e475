"""What a person is given on request: everything about them, and what Article 15(1) adds to it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from memory.requests import Request
from memory.subjects import Name, Subject
from memory.types import Evidence, Memory, RecipientKind
from memory.wire import plain

FORMAT = "letheon-subject-export"
VERSION = 1
Article = Literal["15", "20"]

PURPOSE = "to be recalled by the people and the agents that use this store"
RETENTION = "until it is erased: the store sets no time limit of its own"
DECISIONS = "none: the store ranks search results and decides nothing about anybody"
RIGHTS = (
    ("16", "to have it corrected where it is wrong"),
    ("17", "to have it erased"),
    ("18", "to have its use restricted"),
    ("20", "to receive what you provided in a form that machines read"),
    ("21", "to object to its use"),
    ("77", "to lodge a complaint with a supervisory authority"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evident:
    """One memory about a person, and why it is believed to be."""

    memory: Memory
    why: Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier:
    """What a store holds about one person."""

    subject: Subject
    day: str
    counts: Mapping[Evidence, int]
    memories: tuple[Evident, ...]  # by evidence, strongest first, then oldest first
    also_said: tuple[str, ...]  # ids of others' memories that the person said as well
    proposals: tuple[tuple[Name, int], ...]  # names the store attests and nobody confirmed
    requests: tuple[Request, ...]
    recipients: Mapping[RecipientKind, int]  # who was given something of it, by kind


def document(dossier: Dossier, store: str, article: Article) -> dict[str, Any]:
    """Return an export as docs/subjects.md describes it.

    Article 15 gives everything that is said by, about or mentions the person; Article 20 what they
    provided themselves. A memory that only has a name others bear is in neither.
    """
    wanted: tuple[Evidence, ...] = ("said_by", "about", "mentions")
    if article == "20":
        wanted = ("said_by",)
    given = [one for one in dossier.memories if one.why in wanted]
    sources = Counter(p.source for one in given for p in one.memory.provenances)
    kinds = Counter(one.memory.kind for one in given)
    return {
        "format": FORMAT,
        "version": VERSION,
        "article": article,
        "day": dossier.day,
        "store": store,
        "subject": {"name": dossier.subject.name, "names": plain(dossier.subject.names)},
        "purposes": [PURPOSE],
        "categories": dict(sorted(kinds.items())),
        "recipients": dict(dossier.recipients),
        "retention": RETENTION,
        "sources": dict(sorted(sources.items())),
        "automated_decisions": DECISIONS,
        "rights": [{"article": number, "right": says} for number, says in RIGHTS],
        "not_included": {why: n for why, n in dossier.counts.items() if n and why not in wanted},
        "evidence": {one.memory.id: one.why for one in given},
        "memories": [plain(one.memory) for one in given],  # each a line of 'mem export'
    }
