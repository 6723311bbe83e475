"""`mem subject`: people, the names they go by, and what is kept about them."""

from typing import Annotated, Literal

from cli import forget, output, pages, person
from cli.declare import Argument, Home, Json, Option
from cli.opening import opened
from cli.pages import subject_page
from memory.subject_export import Dossier
from memory.subjects import Subject
from memory.types import EVIDENCE
from memory.wire import dumps

Who = Annotated[str, Argument("Name, e-mail or handle of the person.", "NAME")]
Names = Annotated[list[str], Argument("Aliases, e-mails, and handles with their @.", "NAME...")]


def add(
    name: Annotated[str, Argument("The person's name.", "NAME")],
    names: Annotated[
        list[str] | None, Argument("Aliases, e-mails, and handles with their @.", "NAME...")
    ] = None,
    *,
    store: Home = None,
    as_json: Json = False,
) -> None:
    """Declare a person and the names they go by.

    Nobody has to be declared: 'mem subject show NAME' looks for any name. Declaring says that
    several names are one person, and tells people of the same first name apart.
    """
    with opened(store) as memories:
        made = memories.add_subject(name, names or ())
        proposals = memories.name_proposals(made.name)
    if as_json:
        output.emit({"subject": made, "proposals": [{"name": n, "seen": k} for n, k in proposals]})
        return
    _who(made)
    for one, seen in proposals:
        output.say(f"also seen: {one.value} ({one.kind}, {seen} times); is it the same person?")
        output.say(f"  mem subject alias '{made.name}' '{one.value}'")


def alias(
    name: Who,
    names: Names,
    *,
    remove: Annotated[bool, Option("--remove", "Take these names away.")] = False,
    store: Home = None,
    as_json: Json = False,
) -> None:
    """Give a declared person more names, or take some away."""
    with opened(store) as memories:
        change = memories.unname_subject if remove else memories.name_subject
        after = change(name, names)
    if as_json:
        output.emit(after)
    else:
        _who(after)


def merge(
    name: Who,
    other: Annotated[str, Argument("The other declared name of that person.", "OTHER")],
    *,
    store: Home = None,
    as_json: Json = False,
) -> None:
    """Make one person of two that were declared."""
    with opened(store) as memories:
        after = memories.merge_subjects(name, other)
    if as_json:
        output.emit(after)
    else:
        _who(after)


def list_(*, store: Home = None, as_json: Json = False) -> None:
    """List the people that were declared."""
    with opened(store) as memories:
        found = memories.subjects()
    if as_json:
        output.emit({"subjects": found})
        return
    rows = [
        (
            one.name,
            ", ".join(name.value for name in one.names) or "-",
            "declared" if one.declared else ("for an open request", "dim"),
        )
        for one in found
    ]
    if rows:
        output.table(("name", "also", ""), rows)
    else:
        output.say("nobody is declared; 'mem subject show NAME' looks for any name")


def show(
    name: Who,
    *,
    html: Annotated[
        str, Option("--html", "Write it as a page for people, to print or to hand out.", "FILE")
    ] = "",
    limit: Annotated[int, Option("--limit -n", "At most so many of each kind.")] = person.EACH,
    store: Home = None,
    as_json: Json = False,
) -> None:
    """Show what is kept by, about or with the name of a person."""
    with opened(store) as memories:
        found = memories.dossier(name)
        if html:
            place = pages.write(memories, html, subject_page.page(found), personal=True)
            pages.told(place, as_json=as_json)
            return
    if as_json:
        output.emit(found)
    else:
        _draw(found, limit)


def export_(
    name: Who,
    *,
    file: Annotated[str, Option("--file -f", "File to write, or - for standard output.")] = "-",
    article: Annotated[
        Literal["15", "20"],
        Option("--article", "15: all about them. 20: what they said or wrote themselves."),
    ] = "15",
    html: Annotated[
        str,
        Option("--html", "Write a page for people instead, as 'mem subject show' does.", "FILE"),
    ] = "",
    store: Home = None,
    as_json: Json = False,
) -> None:
    """Write all about a person as JSON, for Articles 15 and 20.

    docs/subjects.md describes the format. A file is readable by you alone and is registered, so
    that receipts of later erasures count it.
    """
    if html:
        show(name, html=html, store=store, as_json=as_json)
        return
    with opened(store) as memories:
        given = memories.export_subject(name, article)
        body = dumps(given, indent=2) + "\n"
        others = sum(1 for why in given["evidence"].values() if why == "mentions")
        if file == "-":
            output.raw(body)
        else:
            place = pages.write(memories, file, body, personal=True)
            count = len(given["memories"])
            if as_json:
                output.emit({"path": str(place), "memories": count})
            else:
                output.write(f"{output.many(count, 'memory')} in {place}")
    if others and not as_json:
        output.say(
            f"{output.many(others, 'memory')} are other people's words or about them too: read them"
            " before you hand this out, Article 15(4)"
        )


def forget_(  # noqa: PLR0913 - one parameter per option
    name: Who,
    *,
    with_mentions: Annotated[
        bool, Option("--with-mentions", "And what others said that names the person.")
    ] = False,
    request: Annotated[str, Option("--request", "The open request that this answers.", "ID")] = "",
    ground: Annotated[
        Literal["a", "b", "c", "d", "e", "f"] | None,
        Option("--ground", "Letter of Article 17(1); alone it records a request, too.", "LETTER"),
    ] = None,
    dry_run: Annotated[bool, Option("--dry-run", "Show the plan and stop.")] = False,
    yes: Annotated[bool, Option("--yes -y", "Do not ask.")] = False,
    store: Home = None,
    as_json: Json = False,
) -> int:
    """Erase a person's memories, the same as 'mem forget --subject NAME'."""
    return forget.run(
        subject=name,
        with_mentions=with_mentions,
        request=request,
        ground=ground,
        dry_run=dry_run,
        yes=yes,
        store=store,
        as_json=as_json,
    )


def _who(one: Subject) -> None:
    output.show((one.name, "bold"), ("" if one.declared else "  not declared", "dim"))
    for name in one.names:
        output.show((f"  {name.kind:<8}", "dim"), name.value)


def _draw(found: Dossier, limit: int) -> None:
    _who(found.subject)
    if not found.memories:
        output.say("no memory is by, about or with this name")
    for why in EVIDENCE:
        some = [one.memory for one in found.memories if one.why == why]
        if not some:
            continue
        output.show((f"\n{len(some):,} ", "bold cyan"), (person.SAYS[why], "bold"))
        newest = sorted(some, key=lambda one: one.at, reverse=True)[: max(0, limit)]
        for one in newest:
            person.one_line(one.id, f"{output.day(one.at)}  {one.actor}".strip(), one.text)
        if len(some) > len(newest):
            output.show((f"  and {len(some) - len(newest):,} more; --limit or --json", "dim"))
    if found.requests or found.proposals:
        output.write()
    for asked in found.requests:
        output.show((f"{asked.kind} request ", "dim"), asked.id, "  ", person.due(asked))
    for name, seen in found.proposals:
        output.show(
            ("also seen: ", "yellow"),
            f"{name.value} ({name.kind}, {seen} times)",
            (f"  mem subject alias '{found.subject.name}' '{name.value}'", "dim"),
        )
