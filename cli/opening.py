"""How every verb comes to its store: the folder, the default scope, and who is asking."""

import getpass
import os
from datetime import datetime
from pathlib import Path

from memory import Store
from memory.clock import parse
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
    return Store(place, create=create, embedder=model)


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
