"""`mem init`: a store, and what to do with it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cli import output
from cli.declare import Home, Json, Option
from cli.opening import home, new_passphrase, passphrase, terminal
from memory import Store
from memory.embed import load_embedder
from memory.files import DATABASE
from memory.settings import Settings

if TYPE_CHECKING:
    from memory.vault import Wanted

NEXT = (
    ('mem remember "Ada prefers tabs in SQL files" --kind preference', "store something"),
    ('mem recall "tabs or spaces?"', "get it back"),
    ("mem import PATH", "read notes, chats or another memory"),
    ("mem mcp config CLIENT", "let an agent use it"),
)

CUSTODY = {
    "keyring": "in the keyring of this account",
    "passphrase": "wrapped under your passphrase",
    "file": "in a file that only you can read, keys/custody.key",
}
# What a person has to know before the first memory goes in.
LOSS = {
    "keyring": "without that entry nothing opens the store: back the keyring up, or export",
    "passphrase": "without the passphrase nothing opens the store; nobody can reset it",
    "file": "who copies the whole folder has the key too: it protects what the drive keeps of"
    " erased memories, not a stolen folder; without the file nothing opens the store",
}


def run(
    *,
    model: Annotated[
        str | None,
        Option("--model", "Embedding model of a new store: default, none, a name or a folder."),
    ] = None,
    encrypt: Annotated[bool, Option("--encrypt", "Encrypt the new store.")] = False,
    key: Annotated[
        Literal["auto", "keyring", "passphrase", "file"],
        Option("--key", "Where the key of an encrypted store is kept."),
    ] = "auto",
    store: Home = None,
    as_json: Json = False,
) -> None:
    """Create the store.

    It is a folder that only you can read. A store that is there already is left as it is. One that
    is encrypted keeps its key in the system's keyring, or under a passphrase, or in a file beside
    it; each forget changes the key and destroys the old one.
    """
    place = home(store)
    created = not (place / DATABASE).exists()
    chosen = _chosen(model or Settings.from_env().model) if created else None
    wanted: Wanted | Literal[""] = key if encrypt else ""
    asks = (new_passphrase if created else passphrase) if terminal() else None
    with Store(place, embedder=chosen, encrypt=wanted, key=asks) as made:
        used = made.embedder  # verifies the weights once, so that the first recall need not
        answer = {
            "path": str(made.home.resolve()),
            "created": created,
            "space": None if used is None else used.space,
            "encryption": made.encryption().kept,
        }
    if as_json:
        output.emit(answer)
        return
    output.write(f"{'created' if created else 'already there'}: {answer['path']}")
    output.write(f"meaning: {answer['space'] or 'none, words only'}")
    if answer["encryption"]:
        output.write(f"encrypted: its key is {CUSTODY[str(answer['encryption'])]}")
        output.say(LOSS[str(answer["encryption"])])
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
