"""Pages for people who read no terminals: self-contained HTML, without scripts, ready to print."""

import os
import tempfile
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from cli import output
from cli.pages.style import CSS
from memory import Store
from memory.errors import UsageError
from memory.sanitise import clean

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


class Html(str):
    """Markup that is safe as it stands; every other string is escaped where it is used."""

    __slots__ = ()


def h(text: object) -> Html:
    """Return a text as markup: hidden characters taken out, everything else shown as it is."""
    return text if isinstance(text, Html) else Html(escape(clean(str(text)), quote=True))


def join(parts: Iterable[object], between: str = "") -> Html:
    """Return several parts as one, each escaped."""
    return Html(between.join(h(part) for part in parts))


def tag(name: str, *inside: object, kind: str = "") -> Html:
    """Return an element with what is inside it."""
    mark = f' class="{h(kind)}"' if kind else ""
    return Html(f"<{name}{mark}>{join(inside)}</{name}>")


def day(date: str) -> Html:
    """Return a day that is never broken over two lines."""
    return tag("span", date, kind="day")


def facts(rows: Iterable[tuple[str, object]]) -> Html:
    """Return a list of names and values; those without a value are left out."""
    return tag(
        "dl",
        *(
            tag("div", tag("dt", name), tag("dd", value))
            for name, value in rows
            if value not in ("", None)
        ),
    )


def table(head: Sequence[str], rows: Iterable[Sequence[object]], kind: str = "") -> Html:
    """Return a table."""
    top = tag("thead", tag("tr", *(Html(f'<th scope="col">{h(one)}</th>') for one in head)))
    body = tag("tbody", *(tag("tr", *(tag("td", cell) for cell in row)) for row in rows))
    return tag("table", top, body, kind=kind)


def listed(items: Iterable[object], kind: str = "") -> Html:
    """Return a list of points."""
    return tag("ul", *(tag("li", one) for one in items), kind=kind)


def section(title: str, *inside: object) -> Html:
    """Return a part of the page under its heading."""
    return tag("section", tag("h2", title), *inside)


def badge(text: str, kind: str) -> Html:
    """Return a word that states how something stands: kinds good, bad, open, plain."""
    return tag("span", text, kind=f"badge {kind}")


def code(*lines: str) -> Html:
    """Return commands as they are typed."""
    return tag("pre", tag("code", "\n".join(lines)))


def document(title: str, lead: object, *sections: Html, mark: object = "") -> str:
    """Return a whole page: a title with how it stands, what it says in short, its sections."""
    head = tag("header", tag("p", "Letheon", kind="maker"), tag("h1", title, " ", mark), lead)
    body = tag("main", head, *sections)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{h(title)}</title>\n<style>{CSS}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def write(memories: Store, file: str, page: str, *, personal: bool = False) -> Path:
    """Put a page into a private file; what holds content is registered as a copy of it.

    Raises:
        UsageError: The file is in the folder of the store.
    """
    place = Path(file).expanduser().resolve()
    if place.is_relative_to(memories.home.resolve()):
        raise UsageError(
            "a file inside the store would fail every later erasure", hint="choose another folder"
        )
    handle, name = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(page)
            out.flush()
            os.fsync(out.fileno())
        if personal:  # before it is there: a copy that is not known would be worse
            memories.register_copy(place, "export")
        Path(name).replace(place)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return place


def told(place: Path, *, as_json: bool) -> None:
    """Say where a page was written."""
    if as_json:
        output.emit({"path": str(place)})
    else:
        output.write(str(place))
