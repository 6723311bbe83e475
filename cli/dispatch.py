"""Runs one verb: reads its arguments, calls it, and turns what went wrong into an exit code."""

import contextlib
import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from io import TextIOWrapper
from typing import Any

from cli.declare import params, parse
from cli.main import colored
from cli.output import failure
from cli.table import VERBS
from memory.errors import MemError, UsageError

INTERRUPTED = 130
BROKEN_PIPE = 141  # what a shell reports for a program that SIGPIPE ended


def run(verb: str, words: Sequence[str]) -> int:
    """Run a verb of the table on the words behind it and return the exit code."""
    as_json = "--json" in words
    _utf8()
    try:
        code = _call(verb, words)
        sys.stdout.flush()
    except MemError as exc:
        code = _fail(exc, exc.exit_code, as_json=as_json)
    except KeyboardInterrupt:
        code = _fail(MemError("interrupted"), INTERRUPTED, as_json=as_json)
    except BrokenPipeError:
        # The interpreter flushes once more at its end, and must find somebody who listens.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = BROKEN_PIPE
    except OSError as exc:
        place = f"'{exc.filename}': " if exc.filename else ""
        code = _fail(MemError(f"{place}{exc.strerror or exc}"), 1, as_json=as_json)
    return code


def unknown(words: Sequence[str], shared: Sequence[str]) -> int:
    """Complain about words that name no verb."""
    below = [verb for verb in VERBS if verb.startswith(f"{words[0]} ")]
    near = below or get_close_matches(words[0], [*VERBS], n=2)
    hint = " or ".join(f"'mem {verb}'" for verb in near) if near else "'mem --help' lists the verbs"
    fault = "needs another word" if below else "does not exist"
    return _fail(
        UsageError(f"verb {words[0]!r} {fault}", hint=hint),
        UsageError.exit_code,
        as_json="--json" in [*shared, *words],
    )


def _call(verb: str, words: Sequence[str]) -> int:
    module, _, name = VERBS[verb].place.partition(":")
    function = getattr(import_module(module), name)
    given = parse(params(function), words)
    if given is None:
        given = _typed(verb, function, words)
    return 0 if given is None else int(function(**given) or 0)


def _typed(verb: str, function: Any, words: Sequence[str]) -> dict[str, Any] | None:
    typed = import_module("cli.typed")
    try:
        given: dict[str, Any] | None = typed.read(
            verb, function, words, fancy=colored(terminal=sys.stdout.isatty())
        )
    except Exception as exc:
        # Typer's own errors have no public class that all of its versions share.
        if not hasattr(exc, "format_message"):
            raise
        said = str(exc.format_message()).rstrip(".")
        raise UsageError(
            said[:1].lower() + said[1:], hint=f"'mem {verb} --help' shows what it takes"
        ) from exc
    return given


def _fail(exc: MemError, code: int, *, as_json: bool) -> int:
    with contextlib.suppress(BrokenPipeError):
        failure(exc, as_json=as_json)
    return code


def _utf8() -> None:
    """Read and write UTF-8 in pipes and files, whatever the platform's code page."""
    for stream, errors in (
        (sys.stdin, "surrogateescape"),  # bytes that are no UTF-8 are refused by name, later
        (sys.stdout, "backslashreplace"),
        (sys.stderr, "backslashreplace"),
    ):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding=None if stream.isatty() else "utf-8", errors=errors)
