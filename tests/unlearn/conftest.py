"""One small trained model for all tests of a session; tests may edit their own copy of it."""

from pathlib import Path

import pytest
import torch

from tests.unlearn.tiny import World, recite, world
from unlearn.model import LocalModel


@pytest.fixture(scope="session", autouse=True)
def one_core() -> None:
    """Sums over several threads differ in their last bits."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that all workers of a session share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if base.name.startswith("popen-") else base


@pytest.fixture(scope="session")
def people() -> World:
    return world()


@pytest.fixture(scope="session")
def reciter(shared: Path, people: World) -> LocalModel:
    """Return the model that was told about everybody."""
    return recite(shared, people)


@pytest.fixture(scope="session")
def oracle(shared: Path, people: World) -> LocalModel:
    """Return the model that was never told about the first person."""
    return recite(shared, people, without=1)
