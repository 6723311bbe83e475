"""`mem verify-erasure`: the receipt of an erasure and its probes, looked at again later."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from cli import output
from cli.declare import Argument, Home, Json, Option
from cli.opening import opened
from cli.receipt import STATES, draw_probes
from memory.errors import FAULTS, NotFoundError, StoreError, UsageError
from memory.types import Draft, Reexamined
from memory.wire import plain


def run(
    erasure: Annotated[str, Argument("Id of the erasure.", "ID")],
    *,
    with_: Annotated[
        list[str] | None,
        Option("--with", "What was erased: a text, or lines of an export; - reads it.", "FILE"),
    ] = None,
    store: Home = None,
    as_json: Json = False,
) -> int:
    """Look again for what an erasure erased.

    Examines the signature and the place of its receipt, rows, names, every block of the full-text
    index, unused bytes, files and logs. With the text at hand, in a file or on standard input, also
    the bytes of every file and the vectors; it is held in memory only and written nowhere, and what
    live memories say is no residue. Ends with 4 if something is found or the receipt does not hold,
    with 3 if the erasure is pending.
    """
    texts = [draft for name in with_ or () for draft in read(name)]
    with opened(store) as memories, output.progress("looking", 100) as advance:
        done = 0

        def tell(share: float) -> None:
            nonlocal done
            advance(int(100 * share) - done)
            done = int(100 * share)

        found = memories.verify_erasure(erasure, texts, tell=tell)
    if as_json:
        output.emit(found)
    else:
        show(found)
    codes = {"verified": 0, "pending": NotFoundError.exit_code, "failed": StoreError.exit_code}
    return codes[found.state]


def read(name: str) -> list[Draft]:
    """Return the texts of a file, "-" for standard input: its lines if each is one of an export.

    Raises:
        UsageError: It cannot be read, or holds nothing.
    """
    try:
        body = sys.stdin.read() if name == "-" else Path(name).expanduser().read_text("utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise UsageError(f"cannot read '{name}' as text", hint="give a UTF-8 text file") from exc
    if not body.strip():
        raise UsageError(f"'{name}' is empty", hint="give what was erased")
    try:
        rows = [json.loads(line) for line in body.splitlines() if line.strip()]
        return [_exported(row) for row in rows]
    except (ValueError, TypeError, KeyError, RecursionError):  # no JSON, or not of an export
        return [Draft(text=body.strip())]


def _exported(row: Mapping[str, Any]) -> Draft:
    return Draft(
        text=str(row["text"]),
        title=str(row.get("title", "")),
        actor=str(row.get("actor", "")),
        scope=str(row.get("scope", "")),
        uri=str(row.get("uri", "")),
    )


def show(found: Reexamined) -> None:
    """Draw what was found."""
    output.show(
        ("Erasure ", "bold"),
        (found.erasure, "bold cyan"),
        "  ",
        STATES[found.state],
        (f"  of {found.day}" if found.day else "", "dim"),
    )
    for reason in found.faults:
        output.show(("its receipt ", "bold red"), FAULTS[reason])
    if found.receipt:
        output.show(("its receipt holds and says ", "dim"), STATES[found.receipt])
    draw_probes(plain(found.probes))
