"""Typer's reading of a verb: its help, its complaints, and every spelling it knows."""

import inspect
from collections.abc import Callable, Sequence
from enum import Enum
from functools import reduce
from operator import or_
from types import GenericAlias, UnionType
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
from typer.main import get_command

from cli.declare import Option, choices_of, params


def read(
    verb: str, run: Callable[..., Any], words: Sequence[str], *, fancy: bool = False
) -> dict[str, Any] | None:
    """Return the arguments of a verb, or None after its help was shown.

    Args:
        verb: Its name on the command line.
        run: Its function, declared with `cli.declare`.
        words: What follows the verb.
        fancy: Show help with rich, which only a terminal is worth.

    Raises:
        Exception: Of Typer, with `exit_code` and `format_message`, for a line it refuses.
    """
    given: list[dict[str, Any]] = []
    app = typer.Typer(add_completion=False, rich_markup_mode="rich" if fancy else None)
    app.command(help=_help(run), context_settings={"help_option_names": ["--help", "-h"]})(
        _catcher(run, given.append)
    )
    get_command(app).main(args=list(words), prog_name=f"mem {verb}", standalone_mode=False)
    if not given:
        return None
    # Typer gives [] for an absent list in some versions and None in others.
    return {
        param.name: param.default if param.many and not value else _plain(value)
        for param in params(run)
        for value in (given[0][param.name],)
    }


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value.value if isinstance(value, Enum) else value


def _help(run: Callable[..., Any]) -> str:
    return (inspect.getdoc(run) or "").partition("\n\nReturns")[0]


def _catcher(
    run: Callable[..., Any], keep: Callable[[dict[str, Any]], None]
) -> Callable[..., None]:
    """Return a function with the signature of `run` in Typer's terms that keeps its arguments."""

    def caught(**values: Any) -> None:
        keep(values)

    signature = inspect.signature(run)
    typed = [
        param.replace(annotation=_annotation(param.annotation))
        for param in signature.parameters.values()
    ]
    caught.__annotations__ = {param.name: param.annotation for param in typed}
    bare = signature.replace(parameters=typed, return_annotation=None)
    caught.__signature__ = bare  # type: ignore[attr-defined]  # where inspect looks first
    return caught


def _annotation(declared: Any) -> Any:
    kind, meta = get_args(declared)
    if not isinstance(meta, Option):
        return Annotated[
            _choices(kind), typer.Argument(help=meta.says, metavar=meta.metavar or None)
        ]
    choices = choices_of(kind)
    says = f"{meta.says} One of: {', '.join(choices)}." if choices else meta.says
    return Annotated[
        _choices(kind), typer.Option(*meta.flags.split(), help=says, metavar=metavar(kind, meta))
    ]


def metavar(kind: Any, meta: Option) -> str:
    """Return what stands for the value of an option in its help, "" for a flag."""
    if kind is bool:
        return ""
    name = meta.flags.split()[0].lstrip("-").upper()
    return meta.metavar or ("N" if kind is int else name)


def _choices(kind: Any) -> Any:
    """Return a type with each `Literal` in it as an enumeration, which every Typer can read."""
    if get_origin(kind) is Literal:
        values = get_args(kind)
        return Enum("Choice", {value: value for value in values})
    if get_origin(kind) is list:
        return GenericAlias(list, _choices(get_args(kind)[0]))
    if isinstance(kind, UnionType):
        return reduce(or_, (_choices(one) for one in get_args(kind)))
    return kind
