"""What a store holds about one person, as a page to hand out (Article 15)."""

import shlex
from collections.abc import Sequence

from cli import output
from cli.pages import Html, badge, code, document, facts, listed, section, table, tag
from cli.pages.receipt_page import RECIPIENTS
from cli.pages.request_page import row, standing
from cli.person import SAYS
from memory.subject_export import DECISIONS, PURPOSE, RETENTION, RIGHTS, Dossier, Evident
from memory.types import EVIDENCE

SOURCES = {
    "user": "typed by people",
    "tool": "written by programs and agents",
    "file": "read from files",
    "import": "imported from other tools",
    "web": "read from the web",
}


def page(dossier: Dossier) -> str:
    """Return the page about one person."""
    sure = sum(n for why, n in dossier.counts.items() if why != "shared_name")
    subject = dossier.subject
    known = badge("declared", "good") if subject.declared else badge("not declared", "plain")
    lead = tag(
        "p",
        f"On {dossier.day} this store held {output.many(sure, 'memory')} by, about or naming this"
        " person.",
        kind="lead",
    )
    return document(
        subject.name,
        lead,
        _names(dossier),
        _found(dossier),
        *_requests(dossier),
        _information(dossier),
        *(_memories(dossier, kind) for kind in EVIDENCE if dossier.counts.get(kind)),
        _next(dossier),
        mark=known,
    )


def _names(dossier: Dossier) -> Html:
    kinds = {"alias": "Other names", "email": "E-mail", "handle": "Handles"}
    rows = [
        (said, ", ".join(one.value for one in dossier.subject.names if one.kind == kind))
        for kind, said in kinds.items()
    ]
    parts = [facts([("Name", dossier.subject.name), *rows])]
    if dossier.proposals:
        parts.append(tag("p", "Also seen beside these names, and confirmed by nobody:"))
        parts.append(listed(f"{one.value} ({one.kind}, {n} times)" for one, n in dossier.proposals))
    return section("Who this is about", *parts)


def _found(dossier: Dossier) -> Html:
    rows = [
        (SAYS[kind].capitalize(), f"{dossier.counts[kind]:,}")
        for kind in EVIDENCE
        if dossier.counts.get(kind)
    ]
    if not rows:
        return section("What was found", tag("p", "Nothing."))
    parts = [table(("Memories", "Number"), rows, kind="counts")]
    if dossier.also_said:
        many = output.many(len(dossier.also_said), "memory")
        parts.append(tag("p", f"They also said what {many} of others say.", kind="note"))
    return section("What was found", *parts)


def _requests(dossier: Dossier) -> list[Html]:
    if not dossier.requests:
        return []
    head = ("Request", "Kind", "Received", "Due", "Standing")
    return [section("Requests", table(head, [row(one) for one in dossier.requests]))]


def _information(dossier: Dossier) -> Html:
    sources: dict[str, int] = {}
    for one in dossier.memories:
        for source in {p.source for p in one.memory.provenances}:
            sources[source] = sources.get(source, 0) + 1
    came = ", ".join(f"{SOURCES[name]} ({n:,})" for name, n in sorted(sources.items()))
    told = ", ".join(f"{n:,} {RECIPIENTS[name]}" for name, n in dossier.recipients.items() if n)
    return section(
        "Information under Article 15(1)",
        facts(
            (
                ("(a) Purpose", PURPOSE),
                ("(b) Categories", "notes, facts, preferences, decisions, events, what was said"),
                ("(c) Recipients", told or "none that the store knows of"),
                ("(d) Kept", RETENTION),
                ("(g) Sources", came or "none"),
                ("(h) Automated decisions", DECISIONS),
            )
        ),
        tag("h3", "(e), (f) Rights"),
        listed(f"Article {number}: {says}" for number, says in RIGHTS),
        tag(
            "p",
            "Purpose, legal basis and the controller's identity are for the controller to state:"
            " the store does not know them.",
            kind="note",
        ),
    )


def _memories(dossier: Dossier, kind: str) -> Html:
    found = [one for one in dossier.memories if one.why == kind]
    return section(f"Memories: {SAYS[found[0].why]}", *_caution(kind), _rows(found))


def _caution(kind: str) -> list[Html]:
    said = {
        "mentions": "These are also other people's words or about them. Read them before you hand"
        " this page out: Article 15(4).",
        "shared_name": "Nothing says that these are about this person. Leave them out unless you"
        " know.",
    }
    return [tag("p", said[kind], kind="note")] if kind in said else []


def _rows(found: Sequence[Evident]) -> Html:
    return table(
        ("When, who", "Text"),
        [
            (
                f"{output.day(one.memory.at)} {one.memory.actor}".strip(),
                tag("div", one.memory.text, kind="text"),
            )
            for one in found
        ],
        kind="memories",
    )


def _next(dossier: Dossier) -> Html:
    name = shlex.quote(dossier.subject.name)
    return section(
        "What can be done",
        code(
            f"mem subject export {name} --file export.json   # Articles 15, 20",
            "mem correct ID --text ...   # Article 16",
            f"mem forget --subject {name} --dry-run   # Article 17",
        ),
        tag("p", badge(standing(dossier.requests), "plain"), kind="note"),
    )
