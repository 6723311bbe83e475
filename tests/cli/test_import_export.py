"""Import and export from the command line: forms, resumption, private copies."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import get_args

import pytest

from cli.import_ import READER, Format
from memory.readers import EXPORT, READERS
from tests.cli.conftest import LOG
from tests.cli.runner import COMMAND, Mem

MANY = 8_000


def write_lines(place: Path, count: int) -> None:
    lines = (json.dumps({"text": f"line {n} of the log"}) for n in range(count))
    place.write_text("\n".join(lines) + "\n")


def stored(mem: Mem) -> int:
    found: int = mem.ok("stats", "--json").json["memories"]
    return found


def test_import_says_what_it_read(mem: Mem) -> None:
    done = mem.ok("import", str(LOG), "--json", "--format", "jsonl").json

    assert (done["reader"], done["read"], done["created"], done["known"]) == ("jsonl", 448, 448, 0)


def test_every_format_names_a_reader() -> None:
    assert {READER.get(form, form) for form in get_args(Format)} == {*READERS, EXPORT}


def test_import_recognises_markdown_chats_and_mcp_memory(mem: Mem) -> None:
    notes = mem.folder / "notes"
    notes.mkdir()
    (notes / "style.md").write_text("# Style\n\n## SQL\n\nTabs in SQL files.\n")
    chat = mem.folder / "chat.jsonl"
    chat.write_text(
        '{"speaker": "ada", "time": "2026-03-02T09:00:00Z", "text": "We rebase."}\n'
        '{"speaker": "jonas", "time": "2026-03-02T09:01:00Z", "text": "We do not."}\n'
    )
    graph = mem.folder / "memory.jsonl"
    graph.write_text(
        '{"type": "entity", "name": "Ada", "entityType": "person", "observations": ["tabs"]}\n'
    )

    readers = [mem.ok("import", str(p), "--json").json["reader"] for p in (notes, chat, graph)]

    assert readers == ["markdown", "chat", "mcp-memory"]
    assert mem.ok("recall", "rebase", "--json").json["hits"][0]["memory"]["actor"] == "ada"


def test_an_import_can_be_repeated(mem: Mem) -> None:
    mem.ok("import", str(LOG))
    again = mem.ok("import", str(LOG))

    assert "0 new, 448 known already" in again.out


def test_import_puts_items_into_the_scope_given(mem: Mem) -> None:
    place = mem.folder / "a.jsonl"
    write_lines(place, 2)
    mem.ok("import", str(place), "--scope", "project:x")

    assert mem.ok("stats", "--json").json["by_scope"] == {"project:x": 2}


def test_import_counts_redacted_secrets(mem: Mem) -> None:
    place = mem.folder / "a.jsonl"
    place.write_text(json.dumps({"text": "key AKIA" + "QYLPMN5HHHFPZAM2"}) + "\n")

    assert "secrets were redacted in 1 item" in mem.ok("import", str(place)).err


def test_a_bad_line_ends_with_2_and_the_mended_file_goes_on_from_there(mem: Mem) -> None:
    place = mem.folder / "log.jsonl"
    write_lines(place, 600)
    lines = place.read_text().splitlines()
    place.write_text("\n".join([*lines[:550], "{broken", *lines[550:]]) + "\n")

    broken = mem("import", str(place), "--format", "jsonl")
    before = stored(mem)
    place.write_text("\n".join(lines) + "\n")
    mended = mem.ok("import", str(place), "--format", "jsonl", "--json").json

    assert broken.code == 2
    assert "551" in broken.err
    assert before == 512
    assert mended["resumed_at"] > 0
    assert mended["read"] < 600
    assert stored(mem) == 600


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_an_interrupted_import_says_how_to_go_on_and_does(mem: Mem) -> None:
    place = mem.folder / "log.jsonl"
    write_lines(place, MANY)
    with subprocess.Popen(
        [*COMMAND, "import", str(place)], stderr=subprocess.PIPE, env=mem.env(), text=True
    ) as running:
        wal = mem.home / "memory.db-wal"
        while not wal.exists() or wal.stat().st_size < 300_000:  # some batches are in
            time.sleep(0.005)
        running.send_signal(signal.SIGINT)
        _, said = running.communicate()
    kept = stored(mem)

    again = mem.ok("import", str(place), "--json").json

    assert running.returncode == 130
    assert "the same command goes on from there" in said
    assert "Traceback" not in said
    assert 0 < kept < MANY
    assert again["resumed_at"] > 0
    assert again["read"] == MANY - kept
    assert stored(mem) == MANY


def test_an_import_shows_its_progress_on_a_terminal(mem: Mem) -> None:
    code, screen = mem.on_terminal("import", str(LOG))

    assert code == 0
    assert "importing demo.jsonl" in screen
    assert "448 new" in screen


def test_export_and_import_are_inverse(told: Mem) -> None:
    lines = told.ok("export").out
    copy = told.folder / "copy.jsonl"
    copy.write_text(lines)
    other = ("--store", str(told.folder / "other"))
    told.ok("import", str(copy), *other)

    again = told.ok("export", *other).out

    def content(text: str) -> list[tuple[str, ...]]:
        rows = [row for row in map(json.loads, text.splitlines()) if "text" in row]
        return [
            tuple(row[name] for name in ("text", "kind", "scope", "actor", "at")) for row in rows
        ]

    assert len(content(lines)) == 448
    assert content(again) == content(lines)


def test_an_export_file_is_private_and_later_receipts_name_it(told: Mem) -> None:
    place = told.folder / "copy.jsonl"
    place.write_text("old")
    place.chmod(0o644)

    done = told.ok("export", str(place), "--scope", "user:jonas", "--json").json
    receipt = told.ok("forget", "--source", "chat:mireille", "-y", "--json").json["receipt"]

    assert place.stat().st_mode & 0o777 == 0o600
    assert done == {"path": str(place), "memories": place.read_text().count('"text"')}
    (copies,) = [probe for probe in receipt["probes"] if probe["name"] == "copies"]
    assert copies["result"] == "not_claimed"
    assert list(told.folder.glob(".copy*")) == []


def test_an_export_into_the_store_is_refused(told: Mem) -> None:
    done = told("export", str(told.home / "copy.jsonl"))

    assert done.code == 2
    assert not (told.home / "copy.jsonl").exists()
