"""Markdown becomes notes of a sensible size, each with its heading path and lines."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from memory import readers
from memory.errors import UsageError
from memory.readers import read_markdown


def words(count: int, word: str = "word") -> str:
    return " ".join([word] * count)


PAGE = """---
title: "Field notes"
date: 2026-03-02
tags: [a, b]
---
Before any heading.

# Setup

First paragraph
on two lines.

- one
- two

## Linux ##

Run this:

```sh
# no heading
make

make install
```

Overview
========

Last.
"""


def test_a_page_is_cut_below_its_headings(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text(PAGE, encoding="utf-8")

    drafts = [item.draft for item in read_markdown(tmp_path)]

    assert [(draft.title, draft.uri, draft.text) for draft in drafts] == [
        ("Field notes", "page.md#L6-L6", "Before any heading."),
        (
            "Field notes > Setup",
            "page.md#L10-L14",
            "First paragraph\non two lines.\n\n- one\n- two",
        ),
        (
            "Field notes > Setup > Linux",
            "page.md#L18-L25",
            "Run this:\n\n```sh\n# no heading\nmake\n\nmake install\n```",
        ),
        ("Field notes > Overview", "page.md#L30-L30", "Last."),
    ]
    assert {(draft.kind, draft.source) for draft in drafts} == {("note", "file")}
    assert {draft.at for draft in drafts} == {datetime(2026, 3, 2, tzinfo=UTC)}


def test_paragraphs_are_joined_and_long_ones_cut_to_a_sensible_size(tmp_path: Path) -> None:
    short = "\n\n".join(words(15, f"s{n}") for n in range(30))
    sentences = " ".join(f"{words(19)} end." for _ in range(30))
    endless = words(900, "x")
    page = tmp_path / "page.md"
    page.write_text(f"# A\n\n{short}\n\n# B\n\n{sentences}\n\n# C\n\n{endless}", encoding="utf-8")

    sizes = [len(item.draft.text.split()) for item in read_markdown(page)]

    assert all(40 <= size <= 240 for size in sizes)
    assert sum(sizes) == 15 * 30 + 20 * 30 + 900


def test_no_word_of_a_page_is_lost_or_doubled(tmp_path: Path) -> None:
    numbered = [f"w{n}" for n in range(3000)]
    text = "".join(
        f"{word}{'.' if n % 7 == 0 else ''}"
        + ("\n\n" if n % 91 == 90 else "\n" if n % 13 == 0 else " ")
        for n, word in enumerate(numbered)
    )
    page = tmp_path / "page.md"
    page.write_text(text, encoding="utf-8")

    found = " ".join(item.draft.text for item in read_markdown(page)).replace(".", "").split()

    assert found == numbered


def test_a_code_block_is_never_cut(tmp_path: Path) -> None:
    code = "~~~\n" + "\n\n".join(words(30, "line") for _ in range(20)) + "\n```\n~~~"
    page = tmp_path / "page.md"
    page.write_text(f"Intro:\n\n{code}\n\n{words(50)}", encoding="utf-8")

    texts = [item.draft.text for item in read_markdown(page)]

    assert texts == [f"Intro:\n\n{code}", words(50)]


def test_a_text_in_chinese_is_measured_by_its_signs(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("这是一个很长的句子没有空格。" * 60, encoding="utf-8")

    texts = [item.draft.text for item in read_markdown(page)]

    assert len(texts) > 2
    assert max(map(len, texts)) < 500


def test_an_embedded_image_does_not_make_a_giant_note(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("![x](data:image/png;base64," + "A" * 2_000_000 + ")", encoding="utf-8")

    assert all(len(item.draft.text) <= 100_000 for item in read_markdown(page))


@pytest.mark.parametrize(
    "text", ["---\nno end\n", "---\n\n***\n", "", "# only a heading", "\n\n---\n"]
)
def test_a_page_without_text_gives_at_most_its_words(tmp_path: Path, text: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(text, encoding="utf-8")

    assert [item.draft.text for item in read_markdown(page)] in ([], ["---\nno end"], ["no end"])


def test_a_folder_is_read_in_order_without_hidden_folders_links_and_other_files(
    tmp_path: Path,
) -> None:
    root = tmp_path / "notes"
    for name in ("b.md", "a.MD", "sub/c.md", ".git/d.md", "sub/.obsidian/e.md", "f.txt"):
        page = root / name
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(f"text of {name}", encoding="utf-8")
    (tmp_path / "outside.md").write_text("outside", encoding="utf-8")
    (root / "link.md").symlink_to(tmp_path / "outside.md")
    (root / "linked").symlink_to(tmp_path, target_is_directory=True)

    items = list(read_markdown(root))

    assert [item.draft.uri for item in items] == ["a.MD#L1-L1", "b.md#L1-L1", "sub/c.md#L1-L1"]
    assert [item.draft.title for item in items] == ["a", "b", "c"]


def test_a_page_that_is_too_large_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "MAX_PAGE", 100)
    (tmp_path / "page.md").write_text("a" * 101, encoding="utf-8")

    with pytest.raises(UsageError, match=r"'page.md' has more than 100 bytes"):
        list(read_markdown(tmp_path))


def test_a_binary_page_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_bytes(b"a\x00b")

    with pytest.raises(UsageError, match=r"'page.md' is a binary file"):
        list(read_markdown(tmp_path))
