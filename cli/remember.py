"""`mem remember`: one text from the line or from standard input."""

import sys
from typing import Annotated

from cli import output
from cli.declare import Argument, Home, Json, Option
from cli.opening import opened, person, scoped, times
from memory.types import Kind, SourceClass


def run(  # noqa: PLR0913 - one parameter per option
    text: Annotated[list[str], Argument("The text, or - for standard input.", "TEXT...")],
    *,
    kind: Annotated[Kind, Option("--kind -k", "What sort of statement it is.")] = "note",
    scope: Annotated[
        str | None, Option("--scope -s", "What it belongs to, else $LETHEON_SCOPE.")
    ] = None,
    title: Annotated[str, Option("--title", "Subject line, searched as well.")] = "",
    actor: Annotated[str, Option("--actor", "Who said or wrote it.", "NAME")] = "",
    at: Annotated[str | None, Option("--at", "When it was said.", "TIME")] = None,
    valid_from: Annotated[str | None, Option("--valid-from", "It holds from then.", "TIME")] = None,
    valid_to: Annotated[
        str | None, Option("--valid-to", "It no longer holds from then on.", "TIME")
    ] = None,
    source: Annotated[SourceClass, Option("--source", "Class of the source.", "CLASS")] = "user",
    uri: Annotated[str, Option("--uri", "File, URL or message it comes from.")] = "",
    key: Annotated[str | None, Option("--key", "The same key is remembered once.", "KEY")] = None,
    keep_secrets: Annotated[
        bool, Option("--keep-secrets", "Store passwords, keys and cards as they are.")
    ] = False,
    allow_erased: Annotated[
        bool, Option("--allow-erased", "Let this one text in although it was erased.")
    ] = False,
    store: Home = None,
    as_json: Json = False,
) -> None:
    """Store one text.

    Prints its id. Secrets in it are replaced before anything is written, and their rules named.
    What was erased is refused in any disguise; --allow-erased lets this text in, and the next time
    it is refused again unless the store still holds it.
    """
    when = times(at=at, valid_from=valid_from, valid_to=valid_to)
    with opened(store, create=True) as memories:
        done = memories.remember(
            sys.stdin.read() if text == ["-"] else " ".join(text),
            kind=kind,
            scope=scoped(scope),
            title=title,
            actor=actor,
            source=source,
            root=person(),
            uri=uri,
            key=key,
            at=when["at"],
            valid_from=when["valid_from"],
            valid_to=when["valid_to"],
            keep_secrets=keep_secrets,
            allow_erased=allow_erased,
        )
    if as_json:
        output.emit(done)
        return
    output.write(done.id)
    if done.redacted:
        output.say(f"redacted: {', '.join(done.redacted)}")
    if not done.created:
        output.say("known already; it gained a provenance")
