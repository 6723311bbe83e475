"""Runs the real `mem` in a process of its own, on a pipe or on a pseudo-terminal."""

import contextlib
import json
import os
import pty
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-W", "error", "-m", "cli")


@dataclass(frozen=True, slots=True)
class Done:
    """What one command line did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.err)["error"]
        return told


@dataclass(frozen=True, slots=True)
class Mem:
    """`mem` for one person with one home folder."""

    folder: Path
    cache: Path  # compiled modules, shared by all runs

    @property
    def home(self) -> Path:
        return self.folder / "store"

    def env(self, **more: str) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
        return {
            **kept,
            "HOME": str(self.folder),
            "LETHEON_HOME": str(self.home),
            "LETHEON_MODEL": "none",
            "LOGNAME": "ada",
            "PYTHONPATH": str(ROOT),
            "PYTHONPYCACHEPREFIX": str(self.cache),
            "TERM": "xterm-256color",
            **more,
        }

    def __call__(self, *words: str, stdin: str = "", env: Mapping[str, str] | None = None) -> Done:
        done = subprocess.run(
            [*COMMAND, *words],
            input=stdin,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="surrogateescape",
            env=self.env(**(env or {})),
            cwd=self.folder,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def ok(self, *words: str, stdin: str = "", env: Mapping[str, str] | None = None) -> Done:
        done = self(*words, stdin=stdin, env=env)
        assert done.code == 0, done.err
        return done

    def on_terminal(
        self, *words: str, typed: str = "", env: Mapping[str, str] | None = None
    ) -> tuple[int, str]:
        """Run on a pseudo-terminal; return code and screen.

        A line of `typed` is typed whenever a question is asked: what comes earlier, a question for
        a passphrase throws away.
        """
        lines = typed.splitlines(keepends=True)
        master, slave = pty.openpty()
        with subprocess.Popen(
            [*COMMAND, *words],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=self.env(**{"COLUMNS": "100", **(env or {})}),
            cwd=self.folder,
            start_new_session=True,
        ) as running:
            os.close(slave)
            seen = b""
            with contextlib.suppress(OSError):  # the other end is closed
                while part := os.read(master, 65_536):
                    seen += part
                    if lines and seen.endswith(b": "):
                        os.write(master, lines.pop(0).encode())
            code = running.wait()
        os.close(master)
        return code, seen.decode("utf-8", "replace").replace("\r\n", "\n")
