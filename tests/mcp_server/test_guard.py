import pytest

from memory import Selector, Store
from tests.mcp_server.faces import ERAS, call, said

SAID = "Mireille moved to the flat above the bakery in Tanner Row"


@pytest.mark.parametrize("era", ERAS)
def test_an_agent_cannot_bring_an_erased_text_back(store: Store, era: str) -> None:
    store.remember(SAID)
    store.forget(store.plan_forget(Selector(query="bakery")))

    result = call(store, "remember", era, text=SAID.upper())

    assert result.is_error
    assert "erased on request and is refused" in said(result)
    assert "bakery" not in said(result).lower()
    assert store.stats().memories == 0
    assert call(store, "remember", era, text=SAID, allow_erased=True).is_error, "no such argument"
