"""The `mem` command: finds the verb, imports nothing else, and shows the help of all verbs."""

import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from itertools import groupby

from cli.table import ENVIRONMENT, EXITS, GLOBAL, VERBS

EXAMPLES = (
    'mem remember "Ada prefers tabs in SQL files" --kind preference --scope user:ada',
    'mem recall "tabs or spaces?"',
    "mem forget --source chat:harbor --dry-run",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    shared, words = _leading(list(sys.argv[1:] if argv is None else argv))
    if not words or words[0] in ("--help", "-h", "help"):
        return _help(words[1:])
    if words[0] in ("--version", "-V"):
        return _version(as_json="--json" in shared)
    verb, rest = find(words)
    if verb and not VERBS[verb].threads:
        # One short text is encoded faster on one thread, and half of numpy's import is the pool.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    gc.disable()  # importing leaves no garbage; looking for it costs 10 ms
    dispatch = import_module("cli.dispatch")
    gc.enable()
    code: int = dispatch.run(verb, [*shared, *rest]) if verb else dispatch.unknown(words, shared)
    return code


def find(words: Sequence[str]) -> tuple[str, list[str]]:
    """Return the verb that the words begin with, "" if none, and what follows it."""
    for count in (2, 1):
        if (verb := " ".join(words[:count])) in VERBS:
            return verb, list(words[count:])
    return "", list(words)


def _leading(words: list[str]) -> tuple[list[str], list[str]]:
    """Split off the global options that stand before the verb; they work after it as well."""
    at = 0
    while at < len(words):
        if words[at] == "--json" or words[at].startswith("--store="):
            at += 1
        elif words[at] == "--store" and at + 1 < len(words):
            at += 2
        else:
            break
    return words[:at], words[at:]


def _help(words: Sequence[str]) -> int:
    verb, _ = find(words)
    if words and verb:
        code: int = import_module("cli.dispatch").run(verb, ["--help"])
        return code
    sys.stdout.write(help_text(color=colored(terminal=sys.stdout.isatty())))
    return 0


def colored(*, terminal: bool) -> bool:
    """Tell whether escape sequences are welcome."""
    return terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def help_text(*, color: bool) -> str:
    """Return the help of all verbs, made from the command table alone."""
    strong, verb, dim, end = ("\x1b[1m", "\x1b[36m", "\x1b[2m", "\x1b[0m") if color else [""] * 4

    def block(title: str, rows: Sequence[tuple[str, str]]) -> list[str]:
        lines = [f"  {verb}{name:<15}{end} {says}" for name, says in rows]
        return ["", f"{strong}{title}{end}", *lines]

    lines = [
        f"{strong}mem{end} - a local memory for agents that can also forget",
        "",
        f"{strong}Usage:{end} mem VERB [OPTIONS] [ARGUMENTS]",
        f"{dim}       mem VERB --help shows the options of a verb{end}",
    ]
    for group, entries in groupby(VERBS.items(), key=lambda entry: entry[1].group):
        lines += block(group, [(name, entry.says) for name, entry in entries])
    lines += block("Options of every verb", GLOBAL)
    lines += block("Environment", ENVIRONMENT)
    lines += block("Exit codes", EXITS)
    lines += ["", f"{strong}Examples{end}", *(f"  {line}" for line in EXAMPLES)]
    return "\n".join(lines) + "\n"


def _version(*, as_json: bool) -> int:
    metadata = import_module("importlib.metadata")
    try:
        version = metadata.version("letheon")
    except metadata.PackageNotFoundError:
        version = "0+source"
    sys.stdout.write(f'{{"version": "{version}"}}\n' if as_json else f"mem {version}\n")
    return 0
