"""Shared fixtures: real SQLite in a temporary folder, a fixed clock, a small real embedder."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from memory import Store
from tests.support import Clock, HashedEmbedder

# The machine's load is no property of the code.
settings.register_profile("letheon", deadline=None)
settings.load_profile("letheon")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def embedder() -> HashedEmbedder:
    return HashedEmbedder()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(home: Path, embedder: HashedEmbedder, clock: Clock) -> Iterator[Store]:
    with Store(home, embedder=embedder, clock=clock) as opened:
        yield opened
