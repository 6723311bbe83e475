"""What verbs show: JSON, plain lines for pipes, and rich tables for people."""

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, TextIO

from cli.main import colored
from memory.errors import AmbiguousNameError, MemError
from memory.sanitise import clean
from memory.types import Memory
from memory.wire import dumps

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console, RenderableType
    from rich.text import Text

PLAIN_WIDTH = 100  # columns of a table in a pipe
WHOLE = ("id", "erasure", "day")  # columns that are never folded
Cell = str | tuple[str, str]  # a text, or a text with its style


def emit(value: Any) -> None:
    """Write one JSON value on standard output, indented for a person."""
    sys.stdout.write(dumps(value, indent=2 if sys.stdout.isatty() else None) + "\n")


def write(text: str = "") -> None:
    """Write a line of data on standard output."""
    sys.stdout.write(clean(text) + "\n")


def raw(text: str) -> None:
    """Write text on standard output as it is: data for programs."""
    sys.stdout.write(text)


def say(text: str) -> None:
    """Tell the person something on standard error."""
    sys.stderr.write(clean(text) + "\n")


def failure(exc: MemError, *, as_json: bool) -> None:
    """Write an error and its hint on standard error."""
    if as_json:
        told = {
            "kind": type(exc).__name__,
            "message": exc.message,
            "hint": exc.hint,
            "ids": exc.ids,
        }
        sys.stderr.write(dumps({"error": told}) + "\n")
        return
    strong, dim, end = ("\x1b[1;31m", "\x1b[2m", "\x1b[0m") if fancy(sys.stderr) else ("", "", "")
    sys.stderr.write(f"{strong}mem:{end} {clean(exc.message)}\n")
    if isinstance(exc, AmbiguousNameError):
        sys.stderr.write(f"     {', '.join(repr(line(one)) for one in exc.ids)}\n")
    if exc.hint:
        sys.stderr.write(f"{dim}hint: {clean(exc.hint).rstrip()}{end}\n")


def fancy(stream: TextIO) -> bool:
    """Tell whether a stream is a terminal that shows styles."""
    return colored(terminal=stream.isatty())


def line(text: str) -> str:
    """Return a text cleaned and on one line."""
    return " ".join(clean(text).split())


def short(text: str, limit: int) -> str:
    """Return a text on one line of at most `limit` characters."""
    flat = line(text)
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def day(at: datetime) -> str:
    """Return the date of a moment, UTC."""
    return at.date().isoformat()


def size(count: int) -> str:
    """Return a number of bytes in the largest fitting unit."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB"


def many(count: int, noun: str, plural: str = "") -> str:
    """Return a count with its noun."""
    return f"{count:,} {noun if count == 1 else plural or _plural(noun)}"


def _plural(noun: str) -> str:
    return f"{noun[:-1]}ies" if noun.endswith("y") and noun[-2:-1] not in "aeiou" else f"{noun}s"


def tally(counts: Mapping[str, int]) -> str:
    """Return the counts that are not zero in one line."""
    return ", ".join(f"{name.replace('_', ' ')} {n:,}" for name, n in counts.items() if n)


def about(memory: Memory) -> str:
    """Return kind, day, actor and scope of a memory in one line."""
    parts = (memory.kind, day(memory.at), line(memory.actor), line(memory.scope))
    return "  ".join(part for part in parts if part)


@cache
def console(*, stderr: bool = False) -> "Console":
    """Return the rich console of a stream; in a pipe it writes plain text of fixed width."""
    from rich.console import Console  # noqa: PLC0415 - 40 ms, only where something is drawn

    stream = sys.stderr if stderr else sys.stdout
    return Console(
        file=stream,
        width=None if stream.isatty() or "COLUMNS" in os.environ else PLAIN_WIDTH,
        markup=False,
        highlight=False,
        emoji=False,
    )


def text(cell: Cell) -> "Text":
    """Return a cell as rich text, cleaned; markup in it means nothing."""
    from rich.text import Text  # noqa: PLC0415 - as above

    body, style = (cell, "") if isinstance(cell, str) else cell
    return Text(clean(body), style=style)


def show(*cells: Cell) -> None:
    """Draw one line made of cells on standard output."""
    from rich.text import Text  # noqa: PLC0415 - as above

    console().print(Text.assemble(*(text(cell) for cell in cells)), soft_wrap=True)


def draw(what: "RenderableType") -> None:
    """Draw anything of rich on standard output."""
    console().print(what)


def heading(title: str) -> None:
    """Draw a heading over what follows."""
    from rich.rule import Rule  # noqa: PLC0415 - as above

    ends = console()
    ends.print()
    ends.print(Rule(text((title, "bold")), align="left", style="cyan"))


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[Cell]],
    *,
    title: str = "",
    numbers: Sequence[str] = (),
    widths: Sequence[int | None] = (),
) -> None:
    """Draw a table on standard output.

    Args:
        columns: Its headings.
        rows: Cells of each row.
        title: Stands above it.
        numbers: Headings of the columns that are aligned to the right.
        widths: Of the columns, None for what is left over.
    """
    from rich import box  # noqa: PLC0415 - as above
    from rich.table import Table  # noqa: PLC0415

    drawn = Table(
        box=box.SIMPLE_HEAD,
        title=text((title, "bold")) if title else None,
        title_justify="left",
        pad_edge=False,
        show_header=any(columns),
    )
    for name, wide in zip_longest(columns, widths):
        drawn.add_column(
            name,
            width=wide,
            justify="right" if name in numbers else "left",
            overflow="fold",
            no_wrap=name in numbers or name in WHOLE,
        )
    for row in rows:
        drawn.add_row(*(text(cell) for cell in row))
    console().print(drawn)


def by_scope(rows: Iterable[tuple[str, str, str]]) -> None:
    """Draw (scope, id, text) in a table that names a scope once for all its neighbours."""
    drawn: list[tuple[Cell, Cell]] = []
    before = ""
    for scope, ident, said in rows:
        if scope != before:
            drawn.append(("", (line(scope) or "(no scope)", "magenta")))
            before = scope
        drawn.append(((ident, "dim"), said))
    table(("id", "memory"), drawn)


def bars(counts: Mapping[str, int], *, title: str = "", width: int = 40) -> None:
    """Draw a bar for each count, longest first as given."""
    top = max(counts.values(), default=0)
    rows = [
        (name or "(none)", f"{count:,}", (bar(count / top if top else 0.0, width), "cyan"))
        for name, count in counts.items()
    ]
    table((title, "count", ""), rows, numbers=("count",))


def bar(share: float, width: int) -> str:
    """Return a bar of `width` cells filled by a share between 0 and 1, in eighths of a cell."""
    if not _blocks():
        return "#" * round(max(0.0, min(1.0, share)) * width)
    whole, eighth = divmod(round(max(0.0, min(1.0, share)) * width * 8), 8)
    return "█" * whole + (" ▏▎▍▌▋▊▉"[eighth] if eighth else "")


def _blocks() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "").startswith("utf")


@contextmanager
def progress(doing: str, total: int | None = None) -> "Iterator[Callable[[int], None]]":
    """Show a progress bar on a terminal's standard error; yields what advances it."""
    if not fancy(sys.stderr):
        yield lambda _: None
        return
    from rich.progress import (  # noqa: PLC0415 - as above
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console(stderr=True), transient=True) as shown:
        task = shown.add_task(doing, total=total)
        yield lambda count: shown.advance(task, count)


@contextmanager
def steps(doing: str) -> "Iterator[Callable[[str], None]]":
    """Show the current step of a long verb on a terminal's standard error."""
    if not fancy(sys.stderr):
        yield lambda _: None
        return
    with console(stderr=True).status(doing) as shown:
        yield lambda step: shown.update(f"{doing}: {step}")
