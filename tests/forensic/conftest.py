"""The examiner of `benchmarks/`, which shares no code with what it examines."""

import sys
from pathlib import Path

import pytest

from tests.cli.runner import Mem

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

from byte_matrix import Churned, churned  # noqa: E402 - found there


@pytest.fixture
def mem(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Mem:
    return Mem(tmp_path, tmp_path_factory.getbasetemp() / "pycache")


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Churned:
    """A store written in random order and corrected since, closed, with what is to be forgotten."""
    return churned(tmp_path_factory.mktemp("churned") / "store", 400, 40)
