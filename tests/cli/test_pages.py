"""Pages for people: self-contained, hostile names stay text, and a real browser renders them."""

import re
import shutil
import subprocess
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest

from cli import pages
from cli.pages import Html, h, receipt_page, request_page, subject_page
from memory import Draft, Selector, Store
from memory.requests import REFUSALS, REQUEST_KINDS
from memory.types import PROBES
from memory.wire import plain
from tests.cli.runner import Mem

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</title><svg onload=alert(1)>",
    "</style><link rel=stylesheet href=//evil.example>",
    "&lt;b&gt; &#60;script&#62;",
    "javascript:alert(1)",
    "`${alert(1)}` {{7*7}} %s {0} $name",
    "Ada \u202eevil\u202c \u200b\x1b[31m<b>x</b>",
    "<!-- --><iframe src=//evil.example>",
]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


class Elements(HTMLParser):
    """Collects elements with their attributes, and the text."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data


ALLOWED = {
    "html", "head", "meta", "title", "style", "body", "main", "header", "section", "h1", "h2", "h3",
    "p", "span", "dl", "div", "dt", "dd", "table", "thead", "tbody", "tr", "th", "td", "ul", "li",
    "pre", "code",
}  # fmt: skip


def sound(page: str) -> Elements:
    """Return the elements of a page that holds nothing active and asks for nothing."""
    read = Elements(page)
    assert read.open == []
    assert {tag for tag, _ in read.found} <= ALLOWED
    for tag, attributes in read.found:
        assert set(attributes) <= {"class", "lang", "charset", "name", "content", "scope"} | (
            {"http-equiv"} if tag == "meta" else set()
        )
    assert "url(" not in page
    assert "@import" not in page
    return read


@pytest.fixture
def hostile(store: Store) -> Store:
    for name in HOSTILE:
        store.remember_many(
            [
                Draft(text=f"said {name}", kind="turn", actor=name, uri=f"chat:{name}"),
                Draft(text=f"about {name}", kind="fact", title=name),
            ]
        )
    return store


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_and_texts_stay_text(hostile: Store, name: str) -> None:
    read = sound(subject_page.page(hostile.dossier(name)))
    open_request = hostile.open_request("erasure", name)
    asked = sound(request_page.page(open_request))

    shown = " ".join(h(name).split())
    plainly = " ".join(Elements(f"<p>{shown}</p>").text.split())
    assert plainly in " ".join(read.text.split())
    assert plainly in " ".join(asked.text.split())
    assert "\u202e" not in read.text
    assert "\x1b" not in read.text


def test_markup_is_made_by_the_page_alone() -> None:
    assert h("<b>") == "&lt;b&gt;"
    assert h(Html("<b>")) == "<b>"
    assert pages.tag("p", "<i>", kind='"x') == '<p class="&quot;x">&lt;i&gt;</p>'


@pytest.mark.parametrize("kind", REQUEST_KINDS)
def test_every_request_and_every_answer_has_a_page(store: Store, kind: str) -> None:
    made = store.open_request(kind)  # type: ignore[arg-type]

    assert "due by 2026-04-02" in sound(request_page.page(made)).text
    assert "fulfilled on 2026-03-02" in sound(request_page.page(store.close_request(made.id))).text


def test_a_refusal_names_its_provision_and_the_ways_on(store: Store) -> None:
    made = store.open_request("erasure")

    text = sound(request_page.page(store.refuse_request(made.id, "17-3-e"))).text

    assert REFUSALS["17-3-e"] in text
    assert "Article 12(4)" in text


def test_a_receipt_has_a_page_in_each_state(store: Store) -> None:
    store.remember("Mireille likes tea")
    receipt = plain(store.forget(store.plan_forget(Selector(subject="Mireille")), ground="b"))
    report = store.verify_receipts()

    for state, said in (("verified", "found nothing"), ("pending", "hidden"), ("failed", "check")):
        text = sound(receipt_page.page({**receipt, "state": state}, report)).text
        assert said in text
        assert "Article 17(1)(b)" in text
        assert receipt["erasure"] in text
        assert report.keys[0] in text
    more = {"held": 2, "copies": {"backup": 1}, "copies_until": "2026-05-01"}
    full = {**receipt, **more, "recipients": {"agent": 3}, "keys_destroyed": ["01ARZ"]}
    text = sound(receipt_page.page(full, report)).text
    assert "3 agents that recalled some of it" in text
    assert "the last backup expires on 2026-05-01" in text


def test_every_probe_has_words_of_its_own() -> None:
    assert set(receipt_page.PROBES) == set(PROBES)


def test_pages_are_written_privately_and_registered_where_they_hold_content(
    told: Mem, tmp_path: Path
) -> None:
    person, receipt, asked = (tmp_path / f"{name}.html" for name in ("person", "receipt", "asked"))
    request = told.ok("request", "open", "erasure", "mireille", "--json").json["id"]
    told.ok("subject", "show", "mireille", "--html", str(person))
    erasure = told.ok(
        "forget", "--subject", "mireille", "--request", request, "--yes", "--json"
    ).json["receipt"]["erasure"]

    told.ok("receipt", "show", erasure, "--html", str(receipt))
    told.ok("request", "show", request, "--html", str(asked))

    assert all(place.stat().st_mode & 0o077 == 0 for place in (person, receipt, asked))
    assert "kougelhopf" in sound(person.read_text("utf-8")).text
    for place in (receipt, asked):
        assert "mireille" not in sound(place.read_text("utf-8")).text.lower()
    assert told.ok("stats", "--json").json["copies"] == [str(person)]
    inside = told("receipt", "show", erasure, "--html", str(told.home / "x.html"))
    assert inside.code == 2


def browser() -> str:
    return next((found for name in BROWSERS if (found := shutil.which(name))), "")


@pytest.mark.skipif(not browser(), reason="no Chromium is installed to render the pages with")
def test_a_real_browser_renders_a_page_without_a_complaint(hostile: Store, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(subject_page.page(hostile.dossier(HOSTILE[0])), "utf-8")
    shot = tmp_path / "page.png"

    done = subprocess.run(
        [
            browser(), "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
            f"--user-data-dir={tmp_path / 'profile'}", "--window-size=900,1200",
            f"--screenshot={shot}", page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )  # fmt: skip

    assert shot.read_bytes().startswith(b"\x89PNG")
    assert shot.stat().st_size > 20_000
    assert not re.search(r"CONSOLE|Refused to|Content Security Policy", done.stderr)


def test_the_day_of_a_page_is_that_of_the_store(store: Store) -> None:
    assert store.dossier("Ada").day == datetime(2026, 3, 2, tzinfo=UTC).date().isoformat()
