import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.errors import UsageError
from memory.scope import LEVELS, Scope

VALUES = st.text(st.characters(codec="utf-8", exclude_characters="/", exclude_categories=["C"]))
SCOPES = st.dictionaries(
    st.sampled_from(LEVELS), VALUES.map(str.strip).filter(bool).map(lambda v: v[:50].strip())
).map(lambda levels: "/".join(f"{level}:{value}" for level, value in levels.items() if value))


@given(SCOPES)
def test_a_scope_reads_back_as_it_is_written(path: str) -> None:
    scope = Scope.parse(path)
    assert Scope.parse(str(scope)) == scope


@given(SCOPES, SCOPES)
def test_what_is_contained_is_seen_and_containing_is_an_order(one: str, two: str) -> None:
    a, b = Scope.parse(one), Scope.parse(two)
    assert a.contains(a)
    if a.contains(b):
        assert a.sees(b)
        assert b.sees(a)
    if a.contains(b) and b.contains(a):
        assert a == b
    assert a.sees(b) == b.sees(a)


def test_levels_are_put_in_order() -> None:
    assert str(Scope.parse(" project:x / user:ada ")) == "user:ada/project:x"


def test_the_empty_scope_sees_and_contains_everything() -> None:
    everything = Scope.parse("")
    assert everything.contains(Scope.parse("user:a/session:1"))
    assert everything.sees(Scope.parse("user:a/session:1"))


@pytest.mark.parametrize("path", ["x", "team:a", "user:", "user:a/user:b", "user:a\nb", "user"])
def test_a_malformed_scope_is_refused_with_an_example(path: str) -> None:
    with pytest.raises(UsageError) as caught:
        Scope.parse(path)
    assert "user:ada" in caught.value.hint
