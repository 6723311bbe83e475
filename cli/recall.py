"""`mem recall`: a ranked list with its reasons, or ids, or JSON."""

import sys
from typing import TYPE_CHECKING, Annotated

from cli import output
from cli.declare import Argument, Home, Json, Option
from cli.opening import opened, scoped
from memory.clock import parse
from memory.types import Hit, Kind, Recalled

if TYPE_CHECKING:
    from rich.console import Group, RenderableType

EXCERPT = 900  # characters of a memory on a terminal; `mem show` has the rest
BAR = 8


def run(  # noqa: PLR0913 - one parameter per option
    query: Annotated[list[str], Argument("A question or keywords, any language.", "QUERY...")],
    *,
    scope: Annotated[
        str | None, Option("--scope -s", "Where the asker stands, else $LETHEON_SCOPE.")
    ] = None,
    limit: Annotated[int, Option("--limit -n", "At most so many hits.")] = 10,
    kinds: Annotated[list[Kind] | None, Option("--kind -k", "Only this kind; repeatable.")] = None,
    as_of: Annotated[
        str | None, Option("--as-of", "Answer as of this time: what was known and valid.", "TIME")
    ] = None,
    budget: Annotated[
        int | None, Option("--budget", "At most so many tokens of text in all.", "TOKENS")
    ] = None,
    lexical: Annotated[bool, Option("--lexical", "Words only, no meaning; faster.")] = False,
    explain: Annotated[bool, Option("--explain -x", "Say why a hit ranks where it does.")] = False,
    ids: Annotated[bool, Option("--ids", "Print ids alone, best first.")] = False,
    store: Home = None,
    as_json: Json = False,
) -> None:
    """Show the memories that best answer a question.

    A scope shows what lies inside it and what holds more broadly: a project sees its user's
    memories, never another project's. The question is not kept anywhere.
    """
    with opened(store) as memories:
        found = memories.recall(
            " ".join(query),
            scope=scoped(scope),
            limit=limit,
            kinds=kinds or (),
            as_of=parse(as_of) if as_of else None,
            budget=budget,
            lexical=lexical,
            strict=scope is not None,
        )
    if as_json:
        output.emit(found)
    elif ids:
        sys.stdout.writelines(f"{hit.memory.id}\n" for hit in found.hits)
    else:
        show(found, " ".join(query), explain=explain)


def show(found: Recalled, query: str, *, explain: bool) -> None:
    """Render what was recalled: drawn on a terminal, plain lines in a pipe."""
    if not found.hits:
        output.say("nothing found")
    elif output.fancy(sys.stdout):
        for hit in found.hits:
            output.draw(drawn(hit, found.hits[0].score, query, explain=explain))
    else:
        for hit in found.hits:
            _plain(hit, explain=explain)
    if found.left_out:
        output.say(f"{output.many(found.left_out, 'hit')} left out by the token budget")


def _plain(hit: Hit, *, explain: bool) -> None:
    output.write(f"{hit.rank}. {hit.score:.3f}  {output.about(hit.memory)}  {hit.memory.id}")
    output.write("\n".join(f"   {row}" for row in hit.memory.text.splitlines()))
    if explain:
        output.write(f"   why: {why(hit)}")


def why(hit: Hit) -> str:
    """Return the reasons of a hit in words, each with its share of the score."""
    return "; ".join(f"{one.says} {one.share:+.2f}" for one in hit.reasons) or "none"


def drawn(hit: Hit, top: float, query: str, *, explain: bool) -> "Group":
    """Return a hit for a terminal: bar and origin, the text with the asked words, the reasons."""
    from rich.console import Group  # noqa: PLC0415 - 40 ms, only on a terminal
    from rich.padding import Padding  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    memory = hit.memory
    filled = output.bar(hit.score / top if top > 0 else 0.0, BAR)
    head = Text.assemble(
        (f"{hit.rank:>2} ", "bold"),
        (filled, "cyan"),
        ("·" * (BAR - len(filled)), "bright_black"),
        (f" {hit.score:.2f}  ", "cyan"),
        (memory.kind, "magenta"),
        (f"  {output.day(memory.at)}  ", "dim"),
        (output.line(memory.actor), "bold green"),
    )
    body = output.text(memory.text if len(memory.text) <= EXCERPT else memory.text[:EXCERPT] + " …")
    words = [word for word in output.line(query).split() if len(word) > 3]
    body.highlight_words([word.strip("?!.,;:") for word in words], "bold", case_sensitive=False)
    parts: list[RenderableType] = [head, Padding(body, (0, 0, 0, 4))]
    if explain:
        parts.append(Padding(output.text((f"why: {why(hit)}", "yellow")), (0, 0, 0, 4)))
    place = f"{memory.id}  {output.line(memory.scope)}"
    parts.append(Padding(output.text((place, "bright_black")), (0, 0, 1, 4)))
    return Group(*parts)
