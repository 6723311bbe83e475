"""Completion scripts are valid, whole, and offer what the verbs take."""

import shutil
import subprocess
from typing import get_args

import pytest

from cli.completion import Shell, first_words
from cli.table import VERBS
from memory.types import KINDS
from tests.cli.runner import Mem

BASH = shutil.which("bash") or ""


def complete(script: str, *words: str) -> list[str]:
    """Return what bash offers for the last word of a line."""
    line = " ".join(f"'{word}'" for word in words)
    asked = (
        f"{script}\nCOMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _mem\n"
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run([BASH, "-c", asked], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.parametrize("shell", get_args(Shell))
def test_every_shell_gets_a_script_with_every_verb(mem: Mem, shell: str) -> None:
    script = mem.ok("completion", shell).out

    for verb in VERBS:
        assert all(word in script for word in verb.split())
    assert "dry-run" in script
    assert mem.ok("completion", shell, "--json").json == {"shell": shell, "script": script}


@pytest.mark.parametrize(("shell", "check"), [("bash", "-n"), ("zsh", "-n"), ("fish", "-n")])
def test_a_script_is_valid(mem: Mem, shell: str, check: str) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    place = mem.folder / "script"
    place.write_text(mem.ok("completion", shell).out)

    done = subprocess.run([program, check, str(place)], capture_output=True, check=False)

    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.skipif(not BASH, reason="bash is not installed")
def test_bash_offers_verbs_options_and_values(mem: Mem) -> None:
    script = mem.ok("completion", "bash").out

    assert set(first_words()) <= set(complete(script, "mem", ""))
    assert complete(script, "mem", "rece") == ["receipt"]
    assert complete(script, "mem", "recall", "x", "--lex") == ["--lexical"]
    assert complete(script, "mem", "recall", "--kind", "") == list(KINDS)
    assert complete(script, "mem", "--json", "recall", "-k", "pre") == ["preference"]
    assert complete(script, "mem", "receipt", "") == ["list", "show", "verify"]
    assert complete(script, "mem", "mcp", "con") == ["config"]
    assert complete(script, "mem", "mcp", "config", "cur") == ["cursor"]
    assert complete(script, "mem", "completion", "z") == ["zsh"]
    assert complete(script, "mem", "recall", "--limit", "") == []


@pytest.mark.skipif(not BASH, reason="bash is not installed")
def test_bash_offers_files_and_folders(mem: Mem) -> None:
    script = f"cd '{mem.folder}'\n" + mem.ok("completion", "bash").out
    (mem.folder / "notes.md").touch()
    (mem.folder / "nested").mkdir()

    assert complete(script, "mem", "import", "no") == ["notes.md"]
    assert complete(script, "mem", "recall", "--store", "n") == ["nested"]
