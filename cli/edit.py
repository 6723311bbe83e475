"""`mem correct`, also called `mem edit`: a correction by options, or in an editor."""

import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

from cli import output
from cli.declare import Argument, Home, Json, Option
from cli.opening import opened, times
from cli.show import whole
from memory import Change
from memory.errors import MemError, UsageError
from memory.types import Kind


def run(  # noqa: PLR0913 - one parameter per option
    memory: Annotated[str, Argument("Id of the memory.", "ID")],
    *,
    text: Annotated[str | None, Option("--text", "The new text, or - for standard input.")] = None,
    kind: Annotated[Kind | None, Option("--kind -k", "What sort of statement it is.")] = None,
    scope: Annotated[str | None, Option("--scope -s", "What it belongs to.")] = None,
    title: Annotated[str | None, Option("--title", "Subject line.")] = None,
    actor: Annotated[str | None, Option("--actor", "Who said or wrote it.", "NAME")] = None,
    at: Annotated[str | None, Option("--at", "When it was said.", "TIME")] = None,
    valid_from: Annotated[str | None, Option("--valid-from", "It holds from then.", "TIME")] = None,
    valid_to: Annotated[
        str | None, Option("--valid-to", "It no longer holds from then on.", "TIME")
    ] = None,
    request: Annotated[
        str, Option("--request", "The open request of rectification it is for.", "ID")
    ] = "",
    store: Home = None,
    as_json: Json = False,
) -> None:
    """Correct a memory in place.

    Without any option the text opens in $VISUAL or $EDITOR. The old wording is erased from the
    store like a forgotten memory. A request counts what was corrected for it, and is closed with
    'mem request close'.
    """
    change = Change(
        text=sys.stdin.read() if text == "-" else text,
        kind=kind,
        scope=scope,
        title=title,
        actor=actor,
        **times(at=at, valid_from=valid_from, valid_to=valid_to),
    )
    with opened(store) as memories:
        if request:
            memories.require_rectification(request)
        after = memories.get(memory)
        if change == Change():
            change = _by_hand(after.text)
        if change == Change():
            output.say("nothing was changed")
        else:
            after = memories.edit(memory, change)
            if request:
                memories.count_correction(request)
    if as_json:
        output.emit(after)
    else:
        whole(after)


def _by_hand(text: str) -> Change:
    after = edited(text).strip()
    return Change(text=None if after == text else after)


def edited(text: str) -> str:
    """Return the text as it is after the person changed it in their editor.

    The file for it lies in a private folder, in memory where the system has such a place, and is
    overwritten before it is removed.

    Raises:
        UsageError: There is no terminal to edit on.
        MemError: The editor failed.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("no option is given, and no terminal to edit on", hint="use --text")
    command = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    with tempfile.TemporaryDirectory(dir=os.environ.get("XDG_RUNTIME_DIR")) as folder:
        place = Path(folder) / "memory.txt"
        place.touch(mode=0o600)
        place.write_text(text + "\n", "utf-8")
        try:
            words = [*shlex.split(command), str(place)]
            done = subprocess.run(words, check=False)  # noqa: S603 - the person's own editor
            after = place.read_text("utf-8")
        finally:
            for left in Path(folder).iterdir():
                left.write_bytes(bytes(left.stat().st_size))
    if done.returncode:
        raise MemError(f"the editor {command!r} failed, nothing was changed")
    return after
