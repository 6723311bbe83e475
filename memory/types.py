"""Frozen values that cross module borders. Times are aware UTC datetimes; ids are ULID text."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, get_args

from memory.hold_types import HeldMemory, RelatedMemory

Kind = Literal["fact", "preference", "decision", "rule", "event", "note", "turn"]
KINDS: tuple[Kind, ...] = get_args(Kind)

# Where a text came from, most to least trusted (research: trust priors per source class).
SourceClass = Literal["user", "tool", "file", "import", "web"]
SOURCE_CLASSES: tuple[SourceClass, ...] = get_args(SourceClass)

Outcome = Literal["useful", "not_useful", "outdated", "wrong"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A text on its way into the store, before secrets are redacted and an id is given."""

    text: str  # what is remembered, any language, at most 1 MB of UTF-8
    kind: Kind = "note"  # what sort of statement it is
    scope: str = ""  # "user:ada/agent:coder/project:x/session:1", any subset of levels
    title: str = ""  # heading path or subject line, searched with the header column
    actor: str = ""  # who said or wrote it: a speaker, an agent
    at: datetime | None = None  # when it was said; the time of writing if not given
    valid_from: datetime | None = None  # the statement holds from then
    valid_to: datetime | None = None  # and no longer from then on
    source: SourceClass = "user"  # class of the source
    root: str = ""  # root identity that vouches for it
    uri: str = ""  # file, URL or message id it was read from
    key: str | None = None  # idempotency key: the same key is remembered once


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """One occasion on which a memory was written."""

    root: str
    source: SourceClass
    actor: str
    uri: str
    at: datetime
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """One remembered text as stored."""

    id: str
    text: str
    kind: Kind
    scope: str
    title: str
    actor: str
    at: datetime  # event time
    recorded_at: datetime  # transaction time
    valid_from: datetime | None
    valid_to: datetime | None
    provenances: tuple[Provenance, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What became of one draft."""

    id: str
    created: bool  # False: the same text was already there and gained a provenance
    redacted: tuple[str, ...] = ()  # names of the secret rules that fired, in text order


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why a hit ranks where it does: one feature and its share of the score."""

    feature: str  # name of the ranker feature
    share: float  # its contribution to the score
    says: str  # the same in words for a person


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One recalled memory with its rank, score and reasons."""

    memory: Memory
    rank: int  # 1-based
    score: float
    tokens: int  # estimated length of the text in model tokens
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalled:
    """The answer to one recall; the query itself is not kept anywhere."""

    hits: tuple[Hit, ...]
    candidates: int  # memories that were scored
    tokens: int  # sum of the hits' tokens
    mode: Literal["hybrid", "lexical"]  # which channels took part
    left_out: int = 0  # hits cut by the token budget


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """What to forget; every given field must match. At least one must be given."""

    ids: tuple[str, ...] = ()
    query: str = ""  # memories that hold all of its words, or its exact canonical phrase
    scope: str = ""  # memories inside this scope, never those of a broader one
    source: str = (
        ""  # provenance uri (exact, or a prefix ending in "*") or "class:web", "root:NAME"
    )
    subject: str = ""  # a person: what they said, and what is about them
    with_mentions: bool = False  # and what others said that names them


# Why a memory is believed to be a person's: they said it; it is in their scope or names them and
# nobody else; another person's words, or a text about others, name them; or it has only a name
# that others bear, too. Strongest first.
Evidence = Literal["said_by", "about", "mentions", "shared_name"]
EVIDENCE: tuple[Evidence, ...] = get_args(Evidence)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedMemory:
    """One memory of a forget plan, with a short excerpt for the person who decides."""

    id: str
    kind: Kind
    scope: str
    excerpt: str
    why: Literal["", "said_by", "about", "mentions", "shared_name"] = ""  # of a person's plan


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetPlan:
    """Dry run of a forget: what would go. Running it erases exactly these ids."""

    ids: tuple[str, ...]
    memories: tuple[PlannedMemory, ...]  # the same ids in the same order
    kept: tuple[PlannedMemory, ...]  # match by source but another source attests them too
    counts: Mapping[str, int]  # rows per table or artefact that would go
    digest: str  # SHA-256 over ids and wordings: binds a confirmation to this plan
    selected_by: tuple[str, ...]  # names of the selector fields used, never their content
    provenances: tuple[int, ...] = ()  # rows that go while their memory is kept
    subject: str = ""  # the person it is about, by the name the store has for them
    people: tuple[str, ...] = ()  # ids of declared people whose names go with it
    names: tuple[str, ...] = ()  # and these names, for the person who decides
    aside: tuple[PlannedMemory, ...] = ()  # found by the person's names, and left: ask about them
    held: tuple[HeldMemory, ...] = ()  # match but stay: a legal hold restricts them
    related: tuple[RelatedMemory, ...] = ()  # may say the same; they stay unless chosen, too


ProbeResult = Literal["pass", "fail", "pending", "not_claimed"]
PROBE_RESULTS: tuple[ProbeResult, ...] = get_args(ProbeResult)

ProbeName = Literal[
    "rows",
    "text_index",
    "bytes",
    "vectors",
    "entities",
    "slack",
    "files",
    "log",
    "copies",
    "medium",
]
PROBES: tuple[ProbeName, ...] = get_args(ProbeName)

# What a probe counts: the only words a receipt has for what was looked at and what was found.
Count = Literal[
    "left", "orphaned", "terms", "windows", "vectors", "near", "names", "pages", "files", "bytes",
    "copies", "unknown", "found",
]  # fmt: skip
COUNTS: tuple[Count, ...] = get_args(Count)

# What a file of the store's folder is for; a receipt names no file.
FileRole = Literal["database", "behavior", "log", "ledger", "index", "key", "reserve", "unknown"]
FILE_ROLES: tuple[FileRole, ...] = get_args(FileRole)

# Why a probe has no answer of its own, with the same in words for a person.
Why = Literal[
    "", "hidden", "blocked", "interrupted", "outside", "unreachable", "destroyed", "rotating",
    "not_given", "reused",
]  # fmt: skip
WHYS: Mapping[Why, str] = {
    "": "",
    "hidden": "hidden at once everywhere",
    "blocked": "another program holds the file",
    "interrupted": "the content was not known after an interruption",
    "outside": "may hold it; 'mem stats' lists them",
    "unreachable": "blocks the file system or the drive freed earlier cannot be reached",
    "destroyed": "every block was written encrypted, and that key is destroyed",
    "rotating": "encrypted; that key is destroyed when no other program holds the store",
    "not_given": "what was erased is needed for that, and was not given",
    "reused": "copies of rows that have moved since; without a look at what they say",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One verification of an erasure and what it found, in numbers and fixed words only."""

    name: ProbeName
    result: ProbeResult
    counts: Mapping[Count, int] = field(default_factory=dict)  # looked at, then found
    where: tuple[FileRole, ...] = ()  # what the files are for in which something was found
    why: Why = ""  # why it has no answer of its own

    @property
    def detail(self) -> str:
        """The counts, the roles and the reason in one line for a person."""
        said = ", ".join(f"{self.counts[name]:,} {name}" for name in COUNTS if name in self.counts)
        where = f" in {', '.join(self.where)}" if self.where else ""
        return "; ".join(part for part in (said + where, WHYS[self.why]) if part)


# Article 17(1) of the GDPR: the letter of the ground an erasure was asked for on.
Ground = Literal["", "a", "b", "c", "d", "e", "f"]
GROUNDS: tuple[Ground, ...] = get_args(Ground)

# Who asked, and how it was checked that they may: kinds only, never a name or a document.
Requester = Literal["", "subject", "guardian", "representative", "controller", "authority"]
REQUESTERS: tuple[Requester, ...] = get_args(Requester)
IdentityCheck = Literal["", "none", "account", "contact", "document"]
IDENTITY_CHECKS: tuple[IdentityCheck, ...] = get_args(IdentityCheck)

# Where else content of a store can be: files it made or reads, and those it was disclosed to.
CopyKind = Literal["export", "backup", "shredded", "watched"]
COPY_KINDS: tuple[CopyKind, ...] = get_args(CopyKind)
RecipientKind = Literal["agent", "model", "export", "backup", "remote"]
RECIPIENT_KINDS: tuple[RecipientKind, ...] = get_args(RecipientKind)

ReceiptState = Literal["verified", "failed", "pending"]
RECEIPT_STATES: tuple[ReceiptState, ...] = get_args(ReceiptState)

# What no erasure of a store reaches, whatever its probes found.
Limit = Literal["read_before", "models", "untracked_copies"]
LIMITS: tuple[Limit, ...] = get_args(Limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The request that an erasure answers, in days and fixed words (Articles 12 and 17 GDPR)."""

    id: str  # of the request
    received: str  # day
    verified: str  # day on which the requester's identity was settled; "" if it was not in doubt
    due: str  # day by which an answer is owed
    extended: int  # months by which that day was put off
    requester: Requester
    identity: IdentityCheck


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What a forget did and what was verified; no field can hold erased text."""

    format: int
    store: str  # id of the store
    erasure: str  # id of the erasure
    day: str  # when it was asked for; a receipt knows no finer time
    state: ReceiptState
    method: Literal["physical"]
    memories: int
    erased: Mapping[str, int]  # rows per table or artefact
    probes: tuple[Probe, ...]
    not_claimed: tuple[ProbeName | Limit, ...]  # what this receipt says nothing about
    ground: Ground = ""  # letter of Article 17(1), where one was recorded
    request: tuple[Answered, ...] = ()  # the request it answers, if one was recorded
    held: int = 0  # memories that were asked for and stay, restricted by a legal hold
    copies: Mapping[CopyKind, int] = field(default_factory=dict)  # that may hold it, outside
    copies_until: str = ""  # day on which the last backup that may hold it expires
    recipients: Mapping[RecipientKind, int] = field(
        default_factory=dict
    )  # who was given some of it
    keys_destroyed: tuple[str, ...] = ()  # ids of encryption keys
    blocked_by: tuple[int, ...] = ()  # processes that hold the file when state is "pending"
    version: str = ""  # of Letheon
    engine: str = ""  # of SQLite


@dataclass(frozen=True, slots=True, kw_only=True)
class Reexamined:
    """What a later look for an erased content found."""

    erasure: str
    day: str  # of the erasure
    state: ReceiptState  # as it is now
    receipt: str = ""  # state that the receipt says; "" if there is none, or none that holds
    faults: tuple[str, ...] = ()  # keys of `memory.errors.FAULTS`: why the receipt does not hold
    probes: tuple[Probe, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One line of the ledger that is not as it was written, and why."""

    line: int  # 1-based
    reason: str  # a key of `memory.errors.FAULTS`


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerReport:
    """What an examination of the whole ledger found."""

    ok: bool
    entries: int
    root: str  # of the Merkle tree over all entries; "" where a line is at fault
    last: str  # hash of the last entry
    keys: tuple[str, ...]  # fingerprints of the keys that signed
    faults: tuple[Fault, ...] = ()
    torn: int = 0  # bytes of an incomplete last line, which a crash leaves and no receipt is
    cut: int = 0  # incomplete last lines that were removed since the store was made


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of `mem doctor`: a check, whether it holds, and how to repair it."""

    check: str
    ok: bool
    detail: str = ""
    repair: str = ""


Custody = Literal["", "keyring", "passphrase", "file"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """Counts of a store; no content."""

    path: str
    store_id: str
    schema: int
    memories: int
    by_kind: Mapping[str, int]
    by_scope: Mapping[str, int]
    provenances: int
    vectors: Mapping[str, int] = field(default_factory=dict)  # per vector space
    unembedded: int = 0
    erasures: int = 0
    pending_erasures: int = 0
    feedback: int = 0
    open_requests: int = 0
    overdue_requests: int = 0
    restricted: int = 0  # memories that legal holds keep out of everything
    holds: int = 0
    holds_due: int = 0  # whose day of expiry has come: somebody has to look at them
    copies: tuple[str, ...] = ()  # exports and backups written outside the store
    bytes: int = 0  # all files of the store folder
    encryption: Custody = ""  # where the key of an encrypted store is kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Encryption:
    """How a store is encrypted."""

    kept: Custody  # where the key that wraps the data key is kept; "" for a store in plain
    key: str = ""  # id of the data key
    owed: int = 0  # erasures whose key is not destroyed yet
    interrupted: bool = False  # a change of the key was, and goes on at the next start
    in_place: bool = True  # whether the file system surely overwrites where it is told to
