"""The fast reader of a line and Typer's never disagree."""

import importlib
import typing
from collections.abc import Callable
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.declare import Argument, Home, Json, Option, params, parse
from cli.table import VERBS
from cli.typed import read

Colour = Literal["red", "green"]


def verb(
    first: Annotated[str, Argument("One word.")],
    rest: Annotated[list[str] | None, Argument("More words.")] = None,
    *,
    name: Annotated[str | None, Option("--name -n", "A name.")] = None,
    size: Annotated[int, Option("--size", "A size.")] = 3,
    share: Annotated[float | None, Option("--share", "A share.")] = None,
    loud: Annotated[bool, Option("--loud -l", "Be loud.")] = False,
    colours: Annotated[list[Colour] | None, Option("--colour -c", "A colour.")] = None,
    one: Annotated[Colour, Option("--one", "One colour.")] = "red",
    store: Home = None,
    as_json: Json = False,
) -> None:
    """Do nothing."""


def runs() -> dict[str, Callable[..., Any]]:
    found = {}
    for name, entry in VERBS.items():
        module, _, function = entry.place.partition(":")
        found[name] = getattr(importlib.import_module(module), function)
    return found


FLAGS = ["--name", "-n", "--size", "--share", "--loud", "-l", "--colour", "-c", "--one", "--json"]
VALUES = ["-", "", "x", "two words", "red", "green", "blue", "3", "-3", "03", "1.5", "1e3", "nan"]
ODD = [" 3", "1_0", "٣", "é", "--size=4", "--name=", "--loud=1", "-nx", "-lc", "-cred", "--nam"]
ODDER = ["--colour=red", "--=x", "-x", "---", "--one=blue", "=", "--share=.5", "--store", "--"]
WORDS = st.sampled_from([*FLAGS, *VALUES, *ODD, *ODDER])


@given(st.lists(WORDS, max_size=7))
def test_what_the_fast_reader_reads_typer_reads_the_same(words: list[str]) -> None:
    fast = parse(params(verb), words)

    if fast is not None:
        assert fast == read("verb", verb, words)


@pytest.mark.parametrize("name", VERBS)
@settings(max_examples=30)
@given(data=st.data())
def test_the_two_readers_agree_on_every_verb(name: str, data: st.DataObject) -> None:
    run = runs()[name]
    declared = params(run)
    flags = [flag for param in declared for flag in param.flags]
    values = [value for param in declared for value in param.choices]
    pool = st.sampled_from([*flags, *values, "x", "7", "-", "--"])
    words = data.draw(st.lists(pool, max_size=6))

    fast = parse(declared, words)

    if fast is not None:
        assert fast == read(name, run, words)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["a"], {"first": "a"}),
        (["a", "b", "--loud", "c"], {"first": "a", "rest": ["b", "c"], "loud": True}),
        (["a", "--", "--loud"], {"first": "a", "rest": ["--loud"]}),
        (["-n", "--loud", "a"], {"first": "a", "name": "--loud"}),
        (["a", "-c", "red", "--colour=green"], {"first": "a", "colours": ["red", "green"]}),
        (["a", "--size", "1", "--size", "2"], {"first": "a", "size": 2}),
    ],
)
def test_well_formed_lines_do_not_need_typer(words: list[str], expected: dict[str, Any]) -> None:
    absent = {param.name: param.default for param in params(verb)}

    assert parse(params(verb), words) == {**absent, **expected}


@pytest.mark.parametrize("words", [[], ["a", "--size", "x"], ["a", "--what"], ["--help"]])
def test_everything_else_is_left_to_typer(words: list[str]) -> None:
    assert parse(params(verb), words) is None


@pytest.mark.parametrize("name", VERBS)
def test_every_parameter_has_a_type_both_readers_know(name: str) -> None:
    for param in params(runs()[name]):
        assert param.kind in (str, int, float, bool)
        assert param.meta.says
        assert not (param.many and param.required and param.flags)
    assert typing.get_type_hints(runs()[name])
