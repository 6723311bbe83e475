"""`mem backup`: make, list, examine, shred encrypted copies of the store."""

import os
import sys
from pathlib import Path
from typing import Annotated

from cli import output
from cli.declare import Argument, Home, Json, Option
from cli.opening import opened
from memory.backup import EXPIRES, Wish, needs_secret
from memory.container import read_trailer
from memory.copies import Copy
from memory.errors import UsageError

PASSPHRASE = "LETHEON_PASSPHRASE"  # noqa: S105 - the name of a variable
OPENS = {
    "store": "key in the store",
    "recovery": "key in the store, recovery code",
    "passphrase": "key in the store, passphrase",
}


def run(  # noqa: PLR0913 - one parameter per option
    file: Annotated[str, Argument("New file outside the store.")],
    *,
    expires: Annotated[
        int, Option("--expires", "Days after which it is to be shredded; 0 for never.", "DAYS")
    ] = EXPIRES,
    recovery: Annotated[
        bool, Option("--recovery", "Print a recovery code that opens it without the store.")
    ] = False,
    passphrase: Annotated[
        bool, Option("--passphrase", "Ask for a passphrase that opens it without the store.")
    ] = False,
    with_keys: Annotated[
        bool, Option("--with-keys", "Put the key that signs receipts in, too.")
    ] = False,
    store: Home = None,
    as_json: Json = False,
) -> None:
    """Write an encrypted backup of the whole store.

    It holds what is live now, nothing that was erased. Its key is its own and stays in the store:
    without --recovery or --passphrase it is lost with the store, and destroyed when the backup is
    shredded. Whoever has the code or the passphrase can open every copy of the file for ever.
    """
    wish = Wish(
        days=expires or None,
        recovery=recovery,
        passphrase=ask("Passphrase for the backup", twice=True) if passphrase else "",
        with_keys=with_keys,
    )
    with opened(store) as memories:
        size = memories.stats().bytes
        with output.progress("backing up", size) as advance:
            made = memories.backup(file, wish, progress=advance)
    if as_json:
        output.emit(made)
        return
    output.write(
        f"{output.many(made.memories, 'memory')} in {made.path}, {output.size(made.bytes)}"
    )
    output.say(f"id {made.id}, to be shredded {f'on {made.expires}' if made.expires else 'never'}")
    if made.recovery_code:
        output.say("recovery code, shown this once and kept nowhere:")
        output.write(made.recovery_code)
    elif made.opens == "store":
        output.say(
            "it opens with the key in the store only: if the store is lost, so is the backup "
            "(--recovery makes one that survives)"
        )


def list_(*, store: Home = None, as_json: Json = False) -> None:
    """List the backups the store knows of."""
    with opened(store) as memories:
        found = memories.backups()
        today = memories.today()
    if as_json:
        output.emit({"backups": found})
    elif found:
        rows = [(one.id, one.day, _state(one, today), one.path) for one in found]
        output.table(("id", "day", "state", "path"), rows)
    else:
        output.say("no backup was made yet")


def _state(one: Copy, today: str) -> output.Cell:
    if one.state == "shredded":
        return ("shredded" if not one.readable else "key destroyed; code may open it", "dim")
    if one.overdue(today):
        return (f"expired {one.expires}", "bold yellow")
    holds = ", may hold erased content" if one.erased else ""
    return (f"until {one.expires}{holds}" if one.expires else f"kept{holds}", "")


def show(
    ident: Annotated[str, Argument("Id of a backup.", "ID")],
    *,
    store: Home = None,
    as_json: Json = False,
) -> None:
    """Show what is known of one backup."""
    with opened(store) as memories:
        one = memories.backup_of(ident)
        today = memories.today()
    if as_json:
        output.emit(one)
        return
    rows: tuple[tuple[str, output.Cell], ...] = (
        ("id", one.id),
        ("path", one.path + ("" if Path(one.path).exists() else " (not there)")),
        ("made", one.day),
        ("state", _state(one, today)),
        ("opens with", "nothing any more" if not one.readable else OPENS[one.opens]),
        ("erased since", "something it may hold" if one.erased else "nothing"),
    )
    output.table(("", ""), rows)


def verify(
    file: Annotated[str, Argument("The backup.")],
    *,
    store: Home = None,
    as_json: Json = False,
) -> None:
    """Examine every byte of a backup.

    Its seal, its pages, and whether this Letheon can restore it. Ends with 4 if it is damaged.
    """
    place = Path(file).expanduser()
    with opened(store) as memories:
        given = secret(memories.home, place)
        with output.progress("verifying", place.stat().st_size) as advance:
            ident = memories.verify_backup(place, given, progress=advance)
    if as_json:
        output.emit({"ok": True, "backup": ident})
    else:
        output.show(("holds", "bold green"), f"  backup {ident}, every byte as it was written")


def expire(*, store: Home = None, as_json: Json = False) -> None:
    """Shred the backups whose day has come."""
    with opened(store) as memories:
        gone = memories.expire_backups()
    if as_json:
        output.emit({"shredded": [one.id for one in gone]})
    else:
        output.write(f"{output.many(len(gone), 'backup')} shredded")
        _warn(gone)


def shred(
    ident: Annotated[str, Argument("Id of a backup.", "ID")],
    *,
    store: Home = None,
    as_json: Json = False,
) -> None:
    """Destroy the key of a backup, and its file.

    Copies of the file elsewhere are unreadable from then on, unless it has a recovery code or a
    passphrase.
    """
    with opened(store) as memories:
        removed = memories.shred_backup(ident)
        one = memories.backup_of(ident)
    if as_json:
        output.emit({"shredded": ident, "file_removed": removed})
        return
    output.write(f"backup {ident}: key destroyed, file {'removed' if removed else 'not there'}")
    _warn((one,))


def _warn(gone: tuple[Copy, ...]) -> None:
    for one in gone:
        if one.opens in ("recovery", "passphrase"):
            output.say(f"whoever has a copy of {one.path} and its {one.opens} can still open it")


def secret(home: Path, file: Path) -> str:
    """Return the code or passphrase of a backup that the store has no key for, asked for."""
    needed = needs_secret(home, read_trailer(file))
    asked = {"recovery": "Recovery code", "passphrase": "Passphrase of the backup"}
    return ask(asked[needed]) if needed else ""


def ask(what: str, *, twice: bool = False) -> str:
    """Return a secret: from the environment, from a terminal without showing it, or from a pipe.

    Raises:
        UsageError: None was given, or the two differ.
    """
    if given := os.environ.get(PASSPHRASE):
        return given
    if not sys.stdin.isatty():
        given = sys.stdin.readline().strip()
    else:
        from getpass import getpass  # noqa: PLC0415 - only where a person types

        given = getpass(f"{what}: ", sys.stderr)
        if twice and getpass("Again: ", sys.stderr) != given:
            raise UsageError("the two are not the same")
    if not given:
        raise UsageError(
            f"no {what[0].lower()}{what[1:]} was given", hint=f"type it, or set ${PASSPHRASE}"
        )
    return given
