"""`mem key`: the key of an encrypted store, and its change."""

from typing import Annotated, Literal

from cli import output
from cli.declare import Home, Json, Option
from cli.init import CUSTODY, LOSS
from cli.opening import new_passphrase, opened, terminal
from memory.types import Encryption


def status(*, store: Home = None, as_json: Json = False) -> None:
    """Say how the store is encrypted."""
    with opened(store) as memories:
        found = memories.encryption()
    if as_json:
        output.emit(found)
    else:
        show(found)


def rotate(*, store: Home = None, as_json: Json = False) -> None:
    """Encrypt the store under a new key and destroy the old one.

    Every forget does this by itself. What the drive still holds of the store's files, from before,
    is noise afterwards. Nobody else may have the store open.
    """
    with opened(store) as memories:
        gone = memories.rotate_key()
    _done(gone, as_json=as_json)


def keep(
    *,
    key: Annotated[
        Literal["keyring", "passphrase", "file"],
        Option("--key", "Where the key is kept from now on."),
    ] = "passphrase",
    store: Home = None,
    as_json: Json = False,
) -> None:
    """Keep the key in another way, or under a new passphrase.

    The store gets a new data key with it. Nobody else may have the store open.
    """
    with opened(store) as memories:
        asked = new_passphrase() if key == "passphrase" and terminal() else None
        gone = memories.rotate_key(keep=key, key=asked)
    _done(gone, as_json=as_json)
    if not as_json:
        output.write(f"the key is {CUSTODY[key]}")
        output.say(LOSS[key])


def show(found: Encryption) -> None:
    """Draw how a store is encrypted."""
    if not found.kept:
        output.write("not encrypted; no receipt claims the storage medium")
        output.say("a store is encrypted from its beginning: 'mem init --encrypt'")
        return
    output.write(f"encrypted under key {found.key}, which is {CUSTODY[found.kept]}")
    if not found.in_place and found.kept != "keyring":
        output.say("this file system may keep former versions of the key: see docs/encryption.md")
    if found.owed or found.interrupted:
        output.say(
            f"{output.many(found.owed, 'erasure')} wait for the end of the key: close other"
            " programs that use the store, or 'mem key rotate'"
        )


def _done(gone: tuple[str, ...], *, as_json: bool) -> None:
    if as_json:
        output.emit({"destroyed": gone})
    else:
        output.write(f"destroyed: {', '.join(gone)}")
