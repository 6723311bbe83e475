"""`mem init`: a store, and what to do with it."""

from pathlib import Path
from typing import Annotated

from cli import output
from cli.declare import Home, Json, Option
from cli.opening import home
from memory import Store
from memory.embed import load_embedder
from memory.files import DATABASE
from memory.settings import Settings

NEXT = (
    ('mem remember "Ada prefers tabs in SQL files" --kind preference', "store something"),
    ('mem recall "tabs or spaces?"', "get it back"),
    ("mem import PATH", "read notes, chats or another memory"),
    ("mem mcp config CLIENT", "let an agent use it"),
)


def run(
    *,
    model: Annotated[
        str | None,
        Option("--model", "Embedding model of a new store: default, none, a name or a folder."),
    ] = None,
    store: Home = None,
    as_json: Json = False,
) -> None:
    """Create the store.

    It is a folder that only you can read. A store that is there already is left as it is.
    """
    place = home(store)
    created = not (place / DATABASE).exists()
    chosen = _chosen(model or Settings.from_env().model) if created else None
    with Store(place, embedder=chosen) as made:
        used = made.embedder  # verifies the weights once, so that the first recall need not
        answer = {
            "path": str(made.home.resolve()),
            "created": created,
            "space": None if used is None else used.space,
        }
    if as_json:
        output.emit(answer)
        return
    output.write(f"{'created' if created else 'already there'}: {answer['path']}")
    output.write(f"meaning: {answer['space'] or 'none, words only'}")
    if model and not created:
        output.say(f"the model of a store is changed by 'mem reembed --model {model}'")
    for command, says in NEXT if created else ():
        output.say(f"  {command:<66} {says}")


def _chosen(model: str) -> str:
    """Return the model as it is kept, after a look at whether it exists."""
    folder = Path(model).expanduser()
    if model in ("default", "none"):
        return model
    chosen = str(folder.resolve()) if folder.is_dir() else model
    load_embedder(chosen)
    return chosen
