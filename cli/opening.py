"""How every verb comes to its store: the folder, the default scope, and who is asking."""

import getpass
import os
import sys
from datetime import datetime
from pathlib import Path

from memory import Store
from memory.clock import parse
from memory.errors import StoreLockedError, UsageError
from memory.files import DATABASE
from memory.settings import Settings


def home(store: str | None) -> Path:
    """Return the folder of the store: the option, else the environment, else the platform's."""
    return Path(store).expanduser() if store else Settings.from_env().home


def opened(store: str | None, *, create: bool = False) -> Store:
    """Open the store of a verb; a new one gets the model the environment names.

    Raises:
        StoreError: It cannot be used, or there is none and `create` is false.
    """
    place = home(store)
    model = None
    if create and not (place / DATABASE).exists():
        model = Settings.from_env().model
    return Store(place, create=create, embedder=model, key=passphrase)


def passphrase() -> str:
    """Ask for the passphrase of an encrypted store.

    Raises:
        StoreLockedError: There is no terminal to ask on.
    """
    return asked("Passphrase of the store: ")


def new_passphrase() -> str:
    """Ask twice for the passphrase that a store is to have.

    Raises:
        UsageError: The two differ.
        StoreLockedError: There is no terminal to ask on.
    """
    first = asked("New passphrase of the store: ")
    if asked("The same again: ") != first:
        raise UsageError("the two passphrases differ", hint="nothing was written; try again")
    return first


def asked(prompt: str) -> str:
    """Read a secret from the terminal, unseen."""
    if not terminal():
        raise StoreLockedError(
            "the store is encrypted with a passphrase, and there is no terminal to ask on",
            hint="set $LETHEON_PASSPHRASE",
        )
    try:
        return getpass.getpass(prompt, stream=sys.stderr)
    except EOFError as exc:
        raise StoreLockedError("no passphrase was given", hint="nothing was changed") from exc


def terminal() -> bool:
    """Tell whether there is somebody to ask."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def scoped(scope: str | None) -> str:
    """Return the scope given, else the one of the environment."""
    return Settings.from_env().scope if scope is None else scope


def times(**given: str | None) -> dict[str, datetime | None]:
    """Return the given times by name, read as ISO 8601.

    Raises:
        UsageError: One of them is no time.
    """
    return {name: parse(text) if text else None for name, text in given.items()}


def person() -> str:
    """Return the root identity of whoever types: the account of the operating system."""
    try:
        return f"os:{getpass.getuser()}"
    except (KeyError, OSError):  # an account without a name, as in some containers
        return f"os:{os.getuid()}" if hasattr(os, "getuid") else "os:unknown"
