"""Types of the tools' arguments: bounded, and described for the model."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from memory.types import Kind

Scope = Annotated[
    str,
    Field(
        max_length=900,
        description="Levels such as 'user:ada/agent:coder/project:x/session:1', any of the four;"
        " empty: the scope this server was started with.",
    ),
]
Id = Annotated[str, Field(max_length=64, description="Id of a memory, 26 characters.")]
Ids = Annotated[
    tuple[Annotated[str, Field(max_length=64)], ...],
    Field(max_length=1_000, description="Ids of memories."),
]
Also = Annotated[
    tuple[Annotated[str, Field(max_length=64)], ...],
    Field(max_length=200, description="Ids of `related` memories that the person wants gone, too."),
]
Kinds = Annotated[
    tuple[Kind, ...], Field(max_length=7, description="Only these kinds; empty: all of them.")
]
Short = Annotated[str, Field(max_length=2_000)]
Moment = Annotated[
    datetime | None, Field(description="ISO 8601, for example 2026-03-02 or 2026-03-02T14:30:00Z.")
]
Words = Annotated[
    str,
    Field(
        max_length=4_000,
        description="Memories that hold all of these words, or this exact phrase.",
    ),
]
Source = Annotated[
    str,
    Field(
        max_length=2_000,
        description="A provenance: 'class:web' (user, tool, file, import, web), 'root:NAME', a"
        " uri, or the beginning of one followed by '*'.",
    ),
]

Subject = Annotated[
    str,
    Field(
        max_length=200,
        description="A person, by name, e-mail or handle: what they said, and what is about them.",
    ),
]
Mentions = Annotated[
    bool, Field(description="With `subject`: what others said that names them goes, too.")
]


def canonical(ids: tuple[str, ...]) -> tuple[str, ...]:
    """Return ids as the store writes them, each once."""
    return tuple(dict.fromkeys(ident.strip().upper() for ident in ids))
