import threading
from pathlib import Path

import pytest

from mcp_server.opening import Opening
from memory import Store, StoreError
from tests.mcp_server.faces import run, said


class Door:
    """Opens a store at the second try, and tells when somebody resumed erasures."""

    def __init__(self, home: Path, failures: int = 1) -> None:
        self.home = home
        self.failures = failures
        self.resumed = threading.Event()

    def __call__(self) -> Store:
        if self.failures:
            self.failures -= 1
            raise StoreError("the folder is locked", hint="close the other program")
        return Watched(self.home, self.resumed)


class Watched(Store):
    def __init__(self, home: Path, resumed: threading.Event) -> None:
        super().__init__(home, embedder="none")
        self._resumed = resumed

    def resume(self, *, wait: float | None = None) -> tuple[()]:
        assert wait == 0.0
        self._resumed.set()
        return ()


def test_a_store_that_does_not_open_is_an_error_of_the_call_and_tried_again(home: Path) -> None:
    opening = Opening(Door(home))

    async def work(client: object) -> list[object]:
        return [await client.call_tool("recall", {"query": "x"}) for _ in range(2)]  # type: ignore[attr-defined]

    first, second = run(opening, work)
    opening.close()

    assert first.is_error
    assert said(first) == "the folder is locked\nhint: close the other program"
    assert not second.is_error


def test_unfinished_erasures_are_retried_in_the_background(home: Path) -> None:
    door = Door(home, failures=0)
    opening = Opening(door)

    opening.start(every=0.01)

    assert door.resumed.wait(10)
    opening.close()


def test_a_closed_opening_hands_out_nothing(home: Path) -> None:
    opening = Opening(Door(home, failures=0))
    assert opening.store.stats().memories == 0

    opening.close()
    opening.close()

    with pytest.raises(StoreError, match="stopping"):
        _ = opening.store
