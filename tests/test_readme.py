"""Every block of the README and of docs/ is run: a document that is wrong fails here."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# The two set-up commands are what `.ci/run` runs; they would run these tests again.
SETUP = ("first-command", "second-command")
BLOCK = re.compile(r"(?:<!-- ([\w-]+) -->\n)?^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def blocks(language: str) -> list[tuple[Path, str]]:
    return [
        (page, body)
        for page in PAGES
        for mark, kind, body in BLOCK.findall(page.read_text("utf-8"))
        if kind == language and mark not in SETUP
    ]


@pytest.fixture
def surroundings(tmp_path: Path) -> dict[str, str]:
    shim = tmp_path / "bin" / "mem"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m cli "$@"\n')
    shim.chmod(0o755)
    return {
        **os.environ,
        "PATH": f"{shim.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "LETHEON_HOME": str(tmp_path / "home"),
        "HOME": str(tmp_path),
    }


def test_python_blocks_run_in_order_page_by_page(
    tmp_path: Path, surroundings: dict[str, str]
) -> None:
    pages: dict[Path, str] = {}
    for page, body in blocks("python"):
        pages[page] = pages.get(page, "") + body
    assert pages

    for page, code in pages.items():
        place = tmp_path / page.stem
        place.mkdir()
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code],
            cwd=place,
            env=surroundings,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{page.name}: {done.stderr}"


def test_shell_blocks_run(tmp_path: Path, surroundings: dict[str, str]) -> None:
    found = blocks("sh")
    assert found

    for page, body in found:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", body],
            cwd=tmp_path,
            env=surroundings,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{page.name}: {body}\n{done.stderr}"


def test_json_blocks_parse() -> None:
    for _, body in blocks("json"):
        json.loads(body)


def test_links_between_documents_lead_somewhere() -> None:
    for page in [*PAGES, *sorted((ROOT / ".github").glob("*.md"))]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name} -> {target}"
