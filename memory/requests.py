"""Owner of `request`: what people asked for under Articles 15 to 21 GDPR, and by when.

Kept are days and fixed words. While a request is open it points at the person; once it is answered
a keyed reference is left, which says nothing to whoever lacks its key.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal, get_args

from memory.db import Connection, Row
from memory.errors import NotFoundError, UsageError
from memory.types import Answered, Finding, Ground, IdentityCheck, Requester

RequestKind = Literal[
    "access", "rectification", "erasure", "restriction", "portability", "objection"
]
REQUEST_KINDS: tuple[RequestKind, ...] = get_args(RequestKind)
RequestState = Literal["open", "done", "refused"]

ARTICLES: Mapping[RequestKind, str] = {
    "access": "15",
    "rectification": "16",
    "erasure": "17",
    "restriction": "18",
    "portability": "20",
    "objection": "21",
}
GROUND_SAYS: Mapping[Ground, str] = {
    "": "no ground recorded",
    "a": "no longer needed for the purpose",
    "b": "consent withdrawn, and no other legal basis",
    "c": "objection under Article 21",
    "d": "processed unlawfully",
    "e": "a legal duty to erase",
    "f": "collected from a child for an online service",
}

# Article 12(3): why an answer may take up to two months more.
Delay = Literal["complexity", "number"]
DELAYS: Mapping[str, str] = {
    "complexity": "the request is complex",
    "number": "there are many requests",
}

# Why a request is refused, in whole or in part.
Refusal = Literal[
    "17-3-a", "17-3-b", "17-3-c", "17-3-d", "17-3-e",
    "12-5-unfounded", "12-5-excessive", "12-2-unidentified", "18-1-not-met", "21-1-grounds",
]  # fmt: skip
REFUSALS: Mapping[str, str] = {
    "17-3-a": "freedom of expression and information, Article 17(3)(a)",
    "17-3-b": "a legal obligation or a public task, Article 17(3)(b)",
    "17-3-c": "public health, Article 17(3)(c)",
    "17-3-d": "archiving, research or statistics, Article 17(3)(d)",
    "17-3-e": "legal claims, Article 17(3)(e)",
    "12-5-unfounded": "manifestly unfounded, Article 12(5)(b)",
    "12-5-excessive": "excessive, above all repeated, Article 12(5)(b)",
    "12-2-unidentified": "the person cannot be identified, Articles 12(2) and 11(2)",
    "18-1-not-met": "no case of Article 18(1)",
    "21-1-grounds": "compelling legitimate grounds, Article 21(1)",
}
_ERASURE_ONLY = tuple(code for code in REFUSALS if code.startswith("17-3"))
LONGEST_DELAY = 2  # months


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request, in days and fixed words; `subject` only while it is open."""

    id: str
    kind: RequestKind
    state: RequestState
    reference: str  # keyed MAC of the person's name in hexadecimal; "" if none was named
    subject: str  # the person's name while the request is open, else ""
    ground: Ground  # letter of Article 17(1)
    requester: Requester
    identity: IdentityCheck
    received: str
    verified: str  # day on which the identity was settled
    due: str
    extended: int  # months
    extended_for: Literal["", "complexity", "number"]
    answered: str  # day on which it was done or refused
    reason: str  # a key of `REFUSALS`
    corrected: int  # memories corrected for it
    erasure: str  # id of the erasure that answers it
    overdue: bool
    days_left: int | None  # until it is due; None once it is answered


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What is known when a request comes in."""

    kind: RequestKind
    received: date
    reference: bytes = b""
    subject_id: str | None = None
    ground: Ground = ""
    requester: Requester = ""
    identity: IdentityCheck = ""


def later(day: date, months: int) -> date:
    """Return the same day so many months later, or the last of that month if it has none."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    following = date(year + (month + 1) // 12, (month + 1) % 12 + 1, 1)
    return date(year, month + 1, min(day.day, (following - timedelta(days=1)).day))


def put(con: Connection, ident: str, opening: Opening) -> None:
    """Record a request that came in.

    Raises:
        UsageError: It has a ground and is no erasure.
    """
    if opening.ground and opening.kind != "erasure":
        raise UsageError("only an erasure has a ground of Article 17(1)", hint="leave it out")
    con.execute(
        "INSERT INTO request (id, kind, state, reference, subject_id, ground, requester, identity,"
        " received, verified, due, extended, extended_for, answered, reason, corrected, erasure_id)"
        " VALUES (?, ?, 'open', ?, ?, ?, ?, ?, ?, ?, ?, 0, '', '', '', 0, NULL)",
        (
            ident,
            opening.kind,
            opening.reference,
            opening.subject_id,
            opening.ground,
            opening.requester,
            opening.identity,
            opening.received.isoformat(),
            opening.received.isoformat() if opening.identity else "",
            later(opening.received, 1).isoformat(),
        ),
    )


def get(con: Connection, ident: str, today: date) -> Request:
    """Return one request.

    Raises:
        NotFoundError: There is none with this id.
    """
    for one in list_(con, today):
        if one.id == ident:
            return one
    raise NotFoundError(
        f"no request has id {ident!r}", hint="'mem request list' shows ids", ids=(ident,)
    )


def list_(con: Connection, today: date) -> list[Request]:
    """Return every request, those that are due first before those that are answered."""
    rows = con.execute(
        "SELECT r.id, r.kind, r.state, lower(hex(r.reference)), coalesce(s.name, ''), r.ground,"
        " r.requester, r.identity, r.received, r.verified, r.due, r.extended, r.extended_for,"
        " r.answered, r.reason, r.corrected, coalesce(r.erasure_id, '')"
        " FROM request r LEFT JOIN subject s ON s.id = r.subject_id"
        " ORDER BY r.state <> 'open', r.due, r.id"
    )
    return [_request(row, today) for row in rows]


def _request(row: Row, today: date) -> Request:
    (ident, kind, state, reference, subject, ground, requester, identity, received, verified) = row[
        :10
    ]
    due, extended, extended_for, answered, reason, corrected, erasure = row[10:]
    left = None if state != "open" else (date.fromisoformat(due) - today).days
    return Request(
        id=ident,
        kind=kind,
        state=state,
        reference=reference,
        subject=subject,
        ground=ground,
        requester=requester,
        identity=identity,
        received=received,
        verified=verified,
        due=due,
        extended=extended,
        extended_for=extended_for,
        answered=answered,
        reason=reason,
        corrected=corrected,
        erasure=erasure,
        overdue=left is not None and left < 0,
        days_left=left,
    )


def opened(con: Connection, ident: str, today: date) -> Request:
    """Return one request that is not answered yet.

    Raises:
        NotFoundError: There is none with this id.
        UsageError: It is answered.
    """
    found = get(con, ident, today)
    if found.state != "open":
        raise UsageError(
            f"request {ident!r} was answered on {found.answered}", hint="open a new one"
        )
    return found


def verify(con: Connection, ident: str, identity: IdentityCheck, today: date) -> None:
    """Record how and on which day it was settled that the requester may ask."""
    opened(con, ident, today)
    con.execute(
        "UPDATE request SET identity = ?, verified = ? WHERE id = ?",
        (identity, today.isoformat(), ident),
    )


def extend(con: Connection, ident: str, months: int, reason: Delay, today: date) -> None:
    """Put the day off that an answer is due, counted from the day of receipt.

    Raises:
        UsageError: The first month is over, or it would be more than two months.
    """
    found = opened(con, ident, today)
    received = date.fromisoformat(found.received)
    if not 1 <= months <= LONGEST_DELAY:
        raise UsageError(
            f"an extension of {months} months is not possible",
            hint="Article 12(3) allows one or two further months",
        )
    if today > later(received, 1):
        raise UsageError(
            f"the first month ended on {later(received, 1)}",
            hint="Article 12(3): the person has to be told of an extension within it",
        )
    con.execute(
        "UPDATE request SET extended = ?, extended_for = ?, due = ? WHERE id = ?",
        (months, reason, later(received, 1 + months).isoformat(), ident),
    )


def check_refusal(kind: RequestKind, reason: str) -> None:
    """Return if a request of this kind can be refused for this reason.

    Raises:
        UsageError: The reason is for requests of another kind.
    """
    only = {"18-1-not-met": "restriction", "21-1-grounds": "objection"}
    only |= dict.fromkeys(_ERASURE_ONLY, "erasure")
    if only.get(reason, kind) != kind:
        raise UsageError(
            f"reason {reason!r} is for a request of {only[reason]}, this one is of {kind}"
        )


def answer(con: Connection, ident: str, state: RequestState, today: date, reason: str = "") -> None:
    """Record that a request is done or refused; it no longer points at the person."""
    con.execute(
        "UPDATE request SET state = ?, answered = ?, reason = ?, subject_id = NULL WHERE id = ?",
        (state, today.isoformat(), reason, ident),
    )


def corrected(con: Connection, ident: str, today: date) -> None:
    """Count one memory that was corrected for a request.

    Raises:
        NotFoundError: There is no such request.
        UsageError: It is answered, or of another kind.
    """
    require_kind(opened(con, ident, today), "rectification")
    con.execute("UPDATE request SET corrected = corrected + 1 WHERE id = ?", (ident,))


def require_kind(found: Request, kind: RequestKind) -> None:
    """Return if a request is of this kind.

    Raises:
        UsageError: It is of another.
    """
    if found.kind != kind:
        raise UsageError(f"request {found.id!r} is of {found.kind}, not of {kind}")


def subject_of(con: Connection, ident: str) -> str | None:
    """Return the id of the person an open request points at."""
    row = con.execute("SELECT subject_id FROM request WHERE id = ?", (ident,)).fetchone()
    return None if row is None else row[0]


def unlink(con: Connection, subject_id: str) -> None:
    """Let every request forget which person it is about; the references stay."""
    con.execute("UPDATE request SET subject_id = NULL WHERE subject_id = ?", (subject_id,))


def move(con: Connection, before: str, after: str, reference: bytes) -> None:
    """Let open requests about one person be about another, who is the same after a merge."""
    con.execute(
        "UPDATE request SET subject_id = ?, reference = ? WHERE subject_id = ?",
        (after, reference, before),
    )


def pointing(con: Connection, subject_id: str) -> int:
    """Return how many open requests point at a person."""
    row = con.execute("SELECT count(*) FROM request WHERE subject_id = ?", (subject_id,)).fetchone()
    return int(row[0])


def begin_erasure(con: Connection, ident: str, erasure: str, ground: Ground) -> None:
    """Bind a request to the erasure that answers it; from here on it points at nobody."""
    con.execute(
        "UPDATE request SET erasure_id = ?, ground = ?, subject_id = NULL WHERE id = ?",
        (erasure, ground, ident),
    )


def finish_erasure(con: Connection, erasure: str, today: date) -> None:
    """Close the request that an erasure answers, if there is one."""
    con.execute(
        "UPDATE request SET state = 'done', answered = ? WHERE erasure_id = ? AND state = 'open'",
        (today.isoformat(), erasure),
    )


def answered_by(con: Connection, erasure: str) -> tuple[Ground, tuple[Answered, ...]]:
    """Return ground and request of an erasure, as its receipt has them."""
    rows = con.execute(
        "SELECT ground, id, received, verified, due, extended, requester, identity FROM request"
        " WHERE erasure_id = ?",
        (erasure,),
    ).fetchall()
    ground: Ground = rows[0][0] if rows else ""
    return ground, tuple(
        Answered(
            id=ident,
            received=received,
            verified=verified,
            due=due,
            extended=extended,
            requester=requester,
            identity=identity,
        )
        for _, ident, received, verified, due, extended, requester, identity in rows
    )


def totals(con: Connection, today: date) -> tuple[int, int]:
    """Return how many requests are open, and how many of them are overdue."""
    row: Any = con.execute(
        "SELECT count(*), coalesce(sum(due < ?), 0) FROM request WHERE state = 'open'",
        (today.isoformat(),),
    ).fetchone()
    return int(row[0]), int(row[1])


def finding(con: Connection, today: date) -> Finding:
    """Return the line of `mem doctor` about requests."""
    waiting, overdue = totals(con, today)
    return Finding(
        check="requests",
        ok=not overdue,
        detail=f"{waiting} open, {overdue} overdue" if waiting else "none open",
        repair="'mem request list' shows them; answer, extend or refuse",
    )
