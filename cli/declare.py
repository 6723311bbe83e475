"""Options as verbs declare them in their signatures, and the parser for lines that use them well.

A verb is a function whose parameters carry `Option` or `Argument` in their annotations. Two
readers work from that one declaration: `parse` here, and Typer in `cli.typed`, which costs 60 ms.
`parse` answers only where both agree; help, mistakes and rare spellings are left to Typer.
"""

import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

# What both readers take for a number; Typer knows more spellings.
_FORMS = {
    str: re.compile(r".*", re.DOTALL),
    int: re.compile(r"-?[0-9]{1,12}"),
    float: re.compile(r"-?[0-9]{1,12}(?:\.[0-9]{1,12})?"),
}
Scalar = type[str] | type[int] | type[float] | type[bool]


@dataclass(frozen=True, slots=True)
class Option:
    """A named option: its flags in one string, and what it does."""

    flags: str  # "--limit -n"
    says: str
    metavar: str = ""


@dataclass(frozen=True, slots=True)
class Argument:
    """A positional argument and what it means."""

    says: str
    metavar: str = ""
    offers: tuple[str, ...] = ()  # what a shell may complete it to


@dataclass(frozen=True, slots=True, kw_only=True)
class Param:
    """One parameter of a verb, read from its signature."""

    name: str
    kind: Scalar
    many: bool
    choices: tuple[str, ...]
    required: bool
    default: Any
    meta: Option | Argument

    @property
    def flags(self) -> tuple[str, ...]:
        """The flags of an option; none for a positional argument."""
        return tuple(self.meta.flags.split()) if isinstance(self.meta, Option) else ()


Home = Annotated[
    str | None,
    Option("--store", "Folder of the store, else $LETHEON_HOME or the platform's.", "PATH"),
]
Json = Annotated[bool, Option("--json", "Print JSON on standard output and nothing else.")]


def params(run: Callable[..., Any]) -> tuple[Param, ...]:
    """Return the parameters of a verb in the order of its signature."""
    return tuple(_param(param) for param in inspect.signature(run).parameters.values())


def _param(param: inspect.Parameter) -> Param:
    declared, meta = get_args(param.annotation)
    many = get_origin(_value(declared)) is list
    kind = _element(declared)
    choices = choices_of(declared)
    required = param.default is param.empty
    return Param(
        name=param.name,
        kind=str if choices else kind,
        many=many,
        choices=choices,
        required=required,
        default=None if required else param.default,
        meta=meta,
    )


def choices_of(declared: Any) -> tuple[str, ...]:
    """Return the values of a declared type when only some are acceptable, else ()."""
    kind = _element(declared)
    return get_args(kind) if get_origin(kind) is Literal else ()


def _element(declared: Any) -> Any:
    kind = _value(declared)
    return get_args(kind)[0] if get_origin(kind) is list else kind


def _value(declared: Any) -> Any:
    """Return a declared type without its `None`."""
    parts = get_args(declared)
    return next(one for one in parts if one is not NoneType) if NoneType in parts else declared


def parse(declared: Sequence[Param], words: Sequence[str]) -> dict[str, Any] | None:
    """Return the arguments of a verb, or None where Typer has to look at the line itself."""
    by_flag = {flag: param for param in declared for flag in param.flags}
    given: dict[str, Any] = {}
    loose: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == "--":
            loose += rest
        elif len(word) < 2 or not word.startswith("-"):
            loose.append(word)
        else:
            flag, equals, value = word.partition("=") if word.startswith("--") else (word, "", "")
            param = by_flag.get(flag)
            if param is None or (param.kind is bool and equals):
                return None
            if param.kind is bool:
                given[param.name] = True
                continue
            text = value if equals else next(rest, None)
            if text is None or not _keep(param, text, given):
                return None
    if not _place([param for param in declared if not param.flags], loose, given):
        return None
    if any(param.required and param.name not in given for param in declared):
        return None
    return {param.name: given.get(param.name, param.default) for param in declared}


def _place(positional: Sequence[Param], words: list[str], given: dict[str, Any]) -> bool:
    """Hand the loose words to the positional arguments in order; False if they do not fit."""
    for param in positional:
        taken = len(words) if param.many else min(1, len(words))
        if not all(_keep(param, word, given) for word in words[:taken]):
            return False
        words = words[taken:]
    return not words


def _keep(param: Param, text: str, given: dict[str, Any]) -> bool:
    """Convert one value and keep it; False if it is not acceptable."""
    if (param.choices and text not in param.choices) or not _FORMS[param.kind].fullmatch(text):
        return False
    value = param.kind(text)
    if param.many:
        given.setdefault(param.name, []).append(value)
    else:
        given[param.name] = value
    return True
