"""One imported store for the session, copied for each test that wants it."""

import shutil
from pathlib import Path

import pytest

from tests.cli.runner import ROOT, Mem

LOG = ROOT / "cli" / "data" / "demo.jsonl"


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pycache")


@pytest.fixture
def mem(tmp_path: Path, compiled: Path) -> Mem:
    return Mem(tmp_path, compiled)


@pytest.fixture(scope="session")
def imported(tmp_path_factory: pytest.TempPathFactory, compiled: Path) -> Path:
    """A lexical store that holds the bundled conversation."""
    told = Mem(tmp_path_factory.mktemp("imported"), compiled)
    told.ok("import", str(LOG))
    return told.home


@pytest.fixture
def told(mem: Mem, imported: Path) -> Mem:
    shutil.copytree(imported, mem.home)
    return mem
