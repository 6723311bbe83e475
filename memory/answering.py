"""What an erasure has to do with people: whose names go with it, and which request it answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from memory import references, requests, subjects
from memory.db import Connection
from memory.errors import UsageError
from memory.ids import new_id
from memory.subjects import Subject
from memory.types import ForgetPlan, Ground


@dataclass(frozen=True, slots=True, kw_only=True)
class Answering:
    """What an erasure answers: a recorded request, or one that is opened and closed with it."""

    request: str = ""
    ground: Ground = ""

    def __bool__(self) -> bool:
        return bool(self.request or self.ground)


NOTHING = Answering()


def leaving(con: Connection, planned: ForgetPlan, answering: Answering) -> tuple[Subject, ...]:
    """Return the people whose names go: those the plan names, and one kept for its request only."""
    ids = set(planned.people)
    if answering.request:
        ident = requests.subject_of(con, answering.request)
        person = ident and subjects.get(con, ident)
        if ident and person and not person.declared and requests.pointing(con, ident) == 1:
            ids.add(ident)
    return tuple(one for one in subjects.all_(con) if one.id in ids)


def names(con: Connection, planned: ForgetPlan, answering: Answering) -> tuple[str, ...]:
    """Return the names to search every file for afterwards; live memories may attest some."""
    going = [name for one in leaving(con, planned, answering) for name in one.every]
    return tuple(dict.fromkeys([*going, *([planned.subject] if planned.subject else [])]))


def begin(
    con: Connection,
    home: Path,
    erasure: str,
    planned: ForgetPlan,
    answering: Answering,
    now: datetime,
) -> dict[str, int]:
    """Erase the names that go and bind the request, in the transaction of the intent.

    From here on no table says who asked; returns how many rows of which table went.

    Raises:
        NotFoundError: There is no such request.
        UsageError: It is answered, no erasure, about somebody else, or has another ground.
    """
    people = leaving(con, planned, answering)
    if answering.request:
        found = requests.opened(con, answering.request, now.date())
        requests.require_kind(found, "erasure")
        if found.ground and answering.ground and found.ground != answering.ground:
            raise UsageError(
                f"request {found.id!r} has ground {found.ground!r}, not {answering.ground!r}"
            )
        if found.reference and planned.subject:
            _require_same(home, found, planned, [one for one in people if one.id in planned.people])
        requests.begin_erasure(con, found.id, erasure, answering.ground or found.ground)
    elif answering.ground:
        ident = midnight_id(now)
        opening = requests.Opening(
            kind="erasure",
            received=now.date(),
            reference=references.reference(home, planned.subject) if planned.subject else b"",
            ground=answering.ground,
        )
        requests.put(con, ident, opening)
        requests.begin_erasure(con, ident, erasure, answering.ground)
    for one in people:
        requests.unlink(con, one.id)
    gone = subjects.erase(con, [one.id for one in people])
    return {name: count for name, count in gone.items() if count}


def midnight_id(now: datetime) -> str:
    """Return an id that tells no finer time than the day."""
    return new_id(now.replace(hour=0, minute=0, second=0, microsecond=0))


def _require_same(
    home: Path, found: requests.Request, planned: ForgetPlan, people: Sequence[Subject]
) -> None:
    names = {planned.subject, *(name for one in people for name in one.every)}
    if found.reference not in {references.reference(home, name).hex() for name in names}:
        raise UsageError(
            f"request {found.id!r} is about another person than this plan",
            hint="'mem request show' says who asked",
        )
