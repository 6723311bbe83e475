"""The list of tools: name, function, and what a client may be told about its effects."""

from collections.abc import Callable
from typing import Any

from mcp.server.mcpserver.tools import Tool
from mcp_types import ToolAnnotations
from pydantic import create_model

from mcp_server.forgetting import Forgetting, Questions
from mcp_server.opening import Opening
from mcp_server.reading import Reading
from mcp_server.replies import answering, answering_later
from mcp_server.writing import Writing


def tools(opening: Opening, questions: Questions, *, scope: str, agent: str) -> list[Tool]:
    """Return every tool over one store."""
    read = Reading(opening, scope)
    write = Writing(opening, scope, agent)
    forget = Forgetting(opening, questions).forget
    return [
        _tool("recall", answering(read.recall), _effects("Recall", reads=True)),
        _tool("remember", answering(write.remember), _effects("Remember", repeatable=True)),
        _tool("show", answering(read.show), _effects("Show a memory", reads=True)),
        _tool("list", answering(read.list_memories), _effects("List memories", reads=True)),
        # Every call adds a signal, so it is not idempotent.
        _tool("feedback", answering(write.feedback), _effects("Rate a memory")),
        _tool("forget_plan", answering(read.forget_plan), _effects("Plan an erasure", reads=True)),
        _tool(
            "forget",
            answering_later(forget),
            _effects("Erase memories", repeatable=True, destroys=True),
        ),
        _tool("stats", answering(read.stats), _effects("Count memories", reads=True)),
    ]


def _effects(
    title: str, *, reads: bool = False, repeatable: bool = False, destroys: bool = False
) -> ToolAnnotations:
    return ToolAnnotations(
        title=title,
        read_only_hint=reads,
        destructive_hint=destroys,
        idempotent_hint=reads or repeatable,
        open_world_hint=False,
    )


def _tool(name: str, run: Callable[..., Any], effects: ToolAnnotations) -> Tool:
    doc = (run.__doc__ or "").split("\n")
    made = Tool.from_function(
        run,
        name=name,
        title=effects.title,
        description="\n".join(part.strip() for part in doc).strip(),
        annotations=effects,
    )
    # The SDK ignores arguments it does not know; a caller who thinks it sets a provenance, or
    # misspells a filter, has to be told; not by repeating what was given, which may be a secret or
    # an erased text that came back.
    strict = create_model(
        f"{name}_arguments",
        __base__=made.fn_metadata.arg_model,
        __cls_kwargs__={"extra": "forbid", "hide_input_in_errors": True},
    )
    made.fn_metadata.arg_model = strict
    made.parameters = _bare(strict.model_json_schema(by_alias=True))
    made.fn_metadata.output_schema = _bare(made.fn_metadata.output_schema)
    return made


def _bare(schema: Any) -> Any:
    """Return a schema without the titles pydantic makes from names: a model reads every token."""
    if isinstance(schema, list):
        return [_bare(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: _bare(value)
        for key, value in schema.items()
        if key != "title" or not isinstance(value, str)
    }
