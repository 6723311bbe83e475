"""`mem request`: what people asked for under Articles 15 to 21, by when, and what became of it."""

from typing import Annotated, Literal, get_args

from cli import output, pages
from cli.declare import Argument, Home, Json, Option
from cli.opening import opened
from cli.pages import request_page
from cli.pages.receipt_page import IDENTITIES, REQUESTERS
from cli.person import due
from memory.clock import parse
from memory.requests import (
    ARTICLES,
    DELAYS,
    GROUND_SAYS,
    REFUSALS,
    Delay,
    Refusal,
    Request,
    RequestKind,
)

Id = Annotated[str, Argument("Id of the request.", "ID")]


def open_(  # noqa: PLR0913 - one parameter per option
    kind: Annotated[
        RequestKind,
        Argument("What is asked for.", "KIND", offers=get_args(RequestKind)),
    ],
    subject: Annotated[str, Argument("Name, e-mail or handle of the person.", "NAME")] = "",
    *,
    ground: Annotated[
        Literal["a", "b", "c", "d", "e", "f"] | None,
        Option("--ground", "Letter of Article 17(1), for an erasure.", "LETTER"),
    ] = None,
    by: Annotated[
        Literal["subject", "guardian", "representative", "controller", "authority"] | None,
        Option("--by", "Who asks."),
    ] = None,
    identity: Annotated[
        Literal["none", "account", "contact", "document"] | None,
        Option("--identity", "How it was settled that they may; none: not in doubt."),
    ] = None,
    received: Annotated[
        str, Option("--received", "Day it came in; today if left out.", "DAY")
    ] = "",
    store: Home = None,
    as_json: Json = False,
) -> None:
    """Record a request; its answer is due one month after it came in.

    Kept are days and fixed words, and while it is open the person's name.
    """
    with opened(store) as memories:
        made = memories.open_request(
            kind,
            subject,
            ground=ground or "",
            requester=by or "",
            identity=identity or "",
            received=parse(received).date() if received else None,
        )
    _told(made, as_json=as_json)


def list_(*, store: Home = None, as_json: Json = False) -> None:
    """List requests, those first whose answer is due first."""
    with opened(store) as memories:
        found = memories.requests()
    if as_json:
        output.emit({"requests": found})
        return
    rows = [(one.id, one.kind, one.subject or "-", one.received, due(one)) for one in found]
    if rows:
        output.table(("id", "kind", "person", "received", ""), rows)
    else:
        output.say("no request was recorded yet")


def show(
    request: Id,
    *,
    html: Annotated[
        str, Option("--html", "Write it as a page for people, to print or to hand out.", "FILE")
    ] = "",
    store: Home = None,
    as_json: Json = False,
) -> None:
    """Show one request."""
    with opened(store) as memories:
        found = memories.request(request)
        if html:
            place = pages.write(
                memories, html, request_page.page(found), personal=bool(found.subject)
            )
            pages.told(place, as_json=as_json)
            return
    _told(found, as_json=as_json)


def verify(
    request: Id,
    identity: Annotated[
        Literal["none", "account", "contact", "document"],
        Argument(
            "How it was settled that they may ask; none: it is not in doubt.",
            "HOW",
            offers=("none", "account", "contact", "document"),
        ),
    ],
    *,
    store: Home = None,
    as_json: Json = False,
) -> None:
    """Record that the identity of who asked is settled, and how."""
    with opened(store) as memories:
        _told(memories.verify_request(request, identity), as_json=as_json)


def extend(
    request: Id,
    reason: Annotated[Delay, Argument("Why.", "REASON", offers=get_args(Delay))],
    *,
    months: Annotated[int, Option("--months", "1 or 2, beyond the first.")] = 2,
    store: Home = None,
    as_json: Json = False,
) -> None:
    """Put the answer off by up to two months; only within the first one.

    The person has to be told of it, and why, within that month (Article 12(3)).
    """
    with opened(store) as memories:
        _told(memories.extend_request(request, reason, months), as_json=as_json)


def refuse(
    request: Id,
    reason: Annotated[
        Refusal, Argument("The provision that allows it.", "REASON", offers=get_args(Refusal))
    ],
    *,
    store: Home = None,
    as_json: Json = False,
) -> None:
    """Record that a request is refused, and why.

    The person has to be told why, and that they may complain and go to court (Article 12(4)).
    The store forgets whom the request was about.
    """
    with opened(store) as memories:
        _told(memories.refuse_request(request, reason), as_json=as_json)


def close(request: Id, *, store: Home = None, as_json: Json = False) -> None:
    """Record that a request was fulfilled; the store forgets whom it was about.

    An erasure with --request closes its request by itself.
    """
    with opened(store) as memories:
        _told(memories.close_request(request), as_json=as_json)


def _told(found: Request, *, as_json: bool) -> None:
    if as_json:
        output.emit(found)
        return
    output.show(
        ("Request ", "bold"),
        (found.id, "bold cyan"),
        f"  {found.kind}, Article {ARTICLES[found.kind]}  ",
        due(found),
    )
    extended = f"{output.many(found.extended, 'month')}, {DELAYS.get(found.extended_for, '')}"
    rows = (
        ("person", found.subject),
        ("received", found.received),
        ("due", found.due),
        ("extended", extended if found.extended else ""),
        ("ground", f"({found.ground}) {GROUND_SAYS[found.ground]}" if found.ground else ""),
        ("asked by", REQUESTERS[found.requester] if found.requester else ""),
        ("identity", IDENTITIES[found.identity] if found.identity else ""),
        ("verified", found.verified),
        ("corrected", output.many(found.corrected, "memory") if found.corrected else ""),
        ("refused", REFUSALS.get(found.reason, "")),
        ("erasure", found.erasure),
    )
    for name, value in rows:
        if value:
            output.show((f"  {name:<10}", "dim"), value)
