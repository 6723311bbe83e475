"""A request under Articles 15 to 21 as a page: what was asked, by when, and what became of it."""

import shlex
from collections.abc import Sequence

from cli import output
from cli.pages import Html, badge, code, day, document, facts, join, section, tag
from cli.pages.receipt_page import IDENTITIES, REQUESTERS
from memory.requests import ARTICLES, DELAYS, GROUND_SAYS, REFUSALS, Request

TITLES = {
    "access": "Request for access",
    "rectification": "Request for rectification",
    "erasure": "Request for erasure",
    "restriction": "Request for restriction",
    "portability": "Request for portability",
    "objection": "Objection",
}


def page(asked: Request) -> str:
    """Return the page of one request."""
    lead = tag("p", _lead(asked), kind="lead")
    return document(
        TITLES[asked.kind], lead, _asked(asked), _time(asked), _answer(asked), mark=mark(asked)
    )


def mark(asked: Request) -> Html:
    """Return how a request stands, as a badge."""
    if asked.overdue:
        return badge("overdue", "bad")
    return {
        "open": badge("open", "open"),
        "done": badge("done", "good"),
        "refused": badge("refused", "plain"),
    }[asked.state]


def row(asked: Request) -> tuple[object, ...]:
    """Return a request as a row of a table."""
    ident = tag("span", asked.id, kind="id")
    return (ident, asked.kind, asked.received, asked.due, mark(asked))


def standing(found: Sequence[Request]) -> str:
    """Return how several requests stand in a few words."""
    waiting = [one for one in found if one.state == "open"]
    late = sum(1 for one in waiting if one.overdue)
    if not waiting:
        return "no request is open"
    return f"{output.many(len(waiting), 'request')} open" + (f", {late} overdue" if late else "")


def _lead(asked: Request) -> Html:
    said = join((f"Asked for under Article {ARTICLES[asked.kind]} GDPR on ", day(asked.received)))
    if asked.state == "open":
        owed = "; an answer was due on " if asked.overdue else "; an answer is due by "
        return join((said, owed, day(asked.due), "."))
    done = " and fulfilled on " if asked.state == "done" else " and refused on "
    return join((said, done, day(asked.answered), "."))


def _asked(asked: Request) -> Html:
    ground = f"Article 17(1)({asked.ground}): {GROUND_SAYS[asked.ground]}" if asked.ground else ""
    return section(
        "What was asked",
        facts(
            (
                ("Request", tag("span", asked.id, kind="id")),
                ("Person", asked.subject),
                ("Ground", ground),
                ("Asked by", REQUESTERS[asked.requester]),
                ("Identity, Article 12(6)", IDENTITIES[asked.identity]),
                ("Identity settled on", asked.verified),
                ("Keyed reference", tag("span", asked.reference or "none", kind="id")),
            )
        ),
        tag(
            "p",
            "Once a request is answered the store no longer knows whom it was about. The reference"
            " only tells whether two requests are about the same person.",
            kind="note",
        ),
    )


def _time(asked: Request) -> Html:
    extended = f"{output.many(asked.extended, 'month')}: {DELAYS.get(asked.extended_for, '')}"
    return section(
        "By when, Article 12(3)",
        facts(
            (
                ("Received", asked.received),
                ("Due", asked.due),
                ("Extended by", extended if asked.extended else ""),
                ("Answered", asked.answered),
            )
        ),
    )


def _ways(asked: Request) -> list[Html]:
    name = shlex.quote(asked.subject) if asked.subject else "NAME"
    does = {
        "access": f"mem subject export {name} --file export.json",
        "rectification": f"mem correct ID --text ... --request {asked.id}",
        "erasure": f"mem forget --subject {name} --request {asked.id}",
        "restriction": f"mem subject show {name}",
        "portability": f"mem subject export {name} --article 20 --file export.json",
        "objection": f"mem forget --subject {name} --dry-run",
    }
    closing = [] if asked.kind == "erasure" else [f"mem request close {asked.id}"]
    return [
        tag("p", "To fulfil it:"),
        code(does[asked.kind], *closing),
        tag("p", "To take up to two months more, or to refuse; the person has to be told why:"),
        code(f"mem request extend {asked.id} complexity", f"mem request refuse {asked.id} REASON"),
    ]


def _answer(asked: Request) -> Html:
    if asked.state == "open":
        if asked.erasure:
            return section(
                "Answer",
                tag(
                    "p", "An erasure was begun and is not finished: another program holds the file."
                ),
                code(f"mem receipt show {asked.erasure}"),
            )
        return section("Answer", tag("p", "None yet."), *_ways(asked))
    if asked.state == "refused":
        said = REFUSALS[asked.reason]
        return section(
            "Answer",
            tag("p", f"Refused on {asked.answered}: {said}."),
            tag(
                "p",
                "Article 12(4): the person has to be told why, and that they may complain to a"
                " supervisory authority and go to court.",
                kind="note",
            ),
        )
    parts = [tag("p", f"Fulfilled on {asked.answered}.")]
    if asked.corrected:
        parts.append(tag("p", f"{output.many(asked.corrected, 'memory')} corrected."))
    if asked.erasure:
        parts.append(tag("p", "The receipt says what was erased and what was checked:"))
        parts.append(code(f"mem receipt show {asked.erasure}"))
    return section("Answer", *parts)
