"""Frozen values of holds, recipients and related memories. Days are ISO 8601 dates."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from memory.types import Kind, Receipt, RecipientKind

# Why a memory is restricted: an exception of Article 17(3) or a letter of Article 18(1) GDPR.
HoldGround = Literal["17-3-b", "17-3-e", "18-1-a", "18-1-b", "18-1-c", "18-1-d"]
HOLD_GROUNDS: Mapping[HoldGround, str] = {
    "17-3-b": "a legal obligation or public task requires it",
    "17-3-e": "it is needed for legal claims",
    "18-1-a": "its accuracy is contested",
    "18-1-b": "its processing is unlawful, and the person wants it restricted instead of erased",
    "18-1-c": "the person needs it for legal claims",
    "18-1-d": "an objection is being examined",
}

# Why somebody reads a restricted memory: the occasions of Article 18(2), and the reviewer's.
AccessReason = Literal["review", "legal-claim", "authority", "subject-access", "rights-of-others"]
ACCESS_REASONS: tuple[AccessReason, ...] = get_args(AccessReason)

# What became of telling a recipient about an erasure (Article 19).
Outcome19 = Literal["to-do", "notified", "impossible", "disproportionate"]
OUTCOMES_19: tuple[Outcome19, ...] = get_args(Outcome19)

RelatedWhy = Literal["vector", "words", "key", "derived"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldTerms:
    """What a person says when they place a hold; every field is mandatory."""

    ground: HoldGround
    authority: str  # who requires it: a court, an office, a file number
    reviewer: str  # who looks at it again
    expires: str  # the day on which it has to be looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """One hold: why, for whom, until when, and over how many memories."""

    id: str
    ground: HoldGround
    authority: str
    reviewer: str
    selected_by: tuple[str, ...]  # names of the selector fields, never what they held
    day: str  # on which it was placed
    expires: str
    memories: int
    deferred: int  # of these, how many somebody has asked to erase meanwhile
    due: bool  # the day of its expiry has come; it still holds


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldMemory:
    """A restricted memory as a plan shows it: no content."""

    id: str
    hold: str  # the one that holds it longest
    ground: HoldGround
    expires: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldDetail:
    """One restricted memory of a hold; no content."""

    id: str
    deferred: bool  # somebody has asked to erase it: it goes when its last hold ends
    others: int  # further holds that need it


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """One reading of a restricted memory."""

    memory: str
    root: str
    day: str
    reason: AccessReason


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldReport:
    """A hold with its memories and with who read them."""

    hold: Hold
    memories: tuple[HeldDetail, ...]
    accesses: tuple[Access, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasedHold:
    """What the end of a hold did."""

    returned: tuple[str, ...]  # ids that are live again
    still_held: int  # memories that another hold needs
    receipts: tuple["Receipt", ...]  # of the erasures that resumed


@dataclass(frozen=True, slots=True, kw_only=True)
class RelatedMemory:
    """A memory that may say the same as one that goes, offered for confirmation."""

    id: str
    kind: "Kind"
    scope: str
    excerpt: str
    why: RelatedWhy
    score: float  # cosine for "vector", share of equal five-word runs for "words", else 1
    of: str  # id of the memory it is related to


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """Somebody or something that was given memories."""

    kind: "RecipientKind"
    name: str
    memories: int
    first: str
    last: str
    times: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """Whom an erasure has to be told to, and what became of it."""

    erasure: str
    kind: "RecipientKind"
    name: str
    memories: int  # how many of the erased ones it was given
    outcome: Outcome19
    day: str  # of the erasure
    settled: str  # day of the outcome; "" while it is to do


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What a recipient is told: so many of the memories it was given were erased that day."""

    day: str
    memories: int
