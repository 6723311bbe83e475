"""What a receipt may say: closed fields with closed values in one spelling, so never content."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from memory import copies, requests, setting
from memory.db import Connection, engine_version
from memory.erasures import Erasure
from memory.errors import InvalidReceiptError
from memory.types import (
    COPY_KINDS,
    COUNTS,
    FILE_ROLES,
    GROUNDS,
    IDENTITY_CHECKS,
    LIMITS,
    PROBE_RESULTS,
    PROBES,
    RECEIPT_STATES,
    RECIPIENT_KINDS,
    REQUESTERS,
    WHYS,
    Answered,
    Limit,
    Probe,
    ProbeName,
    Receipt,
    ReceiptState,
)

FORMAT = 1
ALGORITHM = "sha256"

# Rows per table and other artefacts that an erasure counts.
ERASED = (
    "memory", "provenance", "scope", "actor", "text_index", "context_rewritten", "vector",
    "lineage", "signal", "index_file", "tombstone", "subject", "alias",
)  # fmt: skip

# No form lets words through: dates, hexadecimal digits, ULIDs and version numbers only.
ID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
NO_DAY = re.compile(r"(?:[0-9]{4}-[0-9]{2}-[0-9]{2})?")  # or none
HASH = re.compile(r"[0-9a-f]{64}")
SIGNATURE = re.compile(r"[0-9a-f]{128}")
VERSION = re.compile(
    r"[0-9]{1,6}(?:\.[0-9]{1,6}){0,3}(?:(?:a|b|rc)[0-9]{1,3})?"
    r"(?:\.post[0-9]{1,3})?(?:\.dev[0-9]{1,3})?(?:\+source)?"
)
FORMS = (ID, DAY, NO_DAY, HASH, SIGNATURE, VERSION)
LARGEST = 2**53 - 1  # what every JSON reader keeps exactly


@dataclass(frozen=True, slots=True)
class Tally:
    """An object whose keys are some of these names and whose values are counts."""

    names: frozenset[str]


# `int` stands for 0 to LARGEST, a set for one of its texts, a pattern for a text in that form, a
# list for any number of its element, a dict for exactly these fields.
Shape: TypeAlias = (
    "type[int] | frozenset[str] | re.Pattern[str] | Tally | list[Shape] | dict[str, Shape]"
)

PROBE: dict[str, Shape] = {
    "name": frozenset(PROBES),
    "result": frozenset(PROBE_RESULTS),
    "counts": Tally(frozenset(COUNTS)),
    "where": [frozenset(FILE_ROLES)],
    "why": frozenset(WHYS),
}
ANSWERED: dict[str, Shape] = {
    "id": ID,
    "received": DAY,
    "verified": NO_DAY,
    "due": DAY,
    "extended": int,
    "requester": frozenset(REQUESTERS),
    "identity": frozenset(IDENTITY_CHECKS),
}
RECEIPT: dict[str, Shape] = {
    "format": int,
    "store": ID,
    "erasure": ID,
    "day": DAY,
    "state": frozenset(RECEIPT_STATES),
    "method": frozenset({"physical"}),
    "memories": int,
    "erased": Tally(frozenset(ERASED)),
    "probes": [PROBE],
    "not_claimed": [frozenset({*PROBES, *LIMITS})],
    "ground": frozenset(GROUNDS),
    "request": [ANSWERED],
    "held": int,
    "copies": Tally(frozenset(COPY_KINDS)),
    "copies_until": NO_DAY,
    "recipients": Tally(frozenset(RECIPIENT_KINDS)),
    "keys_destroyed": [ID],
    "blocked_by": [int],
    "version": VERSION,
    "engine": VERSION,
}


def receipt(
    con: Connection,
    done: Erasure,
    *,
    state: ReceiptState,
    probes: Sequence[Probe],
    blocked_by: Sequence[int],
    keys_destroyed: Sequence[str] = (),
) -> Receipt:
    """Return the receipt of an erasure as it stands."""
    kinds, until = copies.tally(con)
    ground, request = requests.answered_by(con, done.id)
    return Receipt(
        format=FORMAT,
        store=setting.get(con, "store_id"),
        erasure=done.id,
        day=done.day,
        state=state,
        method="physical",
        memories=done.memories,
        erased=done.erased,
        probes=tuple(probes),
        not_claimed=not_claimed(probes),
        ground=ground,
        request=request,
        copies=kinds,
        copies_until=until,
        keys_destroyed=(*copies.destroyed(con, done.id), *keys_destroyed),
        blocked_by=tuple(blocked_by),
        version=number(product_version()),
        engine=number(engine_version()),
    )


def not_claimed(probes: Sequence[Probe]) -> tuple[ProbeName | Limit, ...]:
    """Return what a receipt with these probes says nothing about."""
    open_ends = {probe.name for probe in probes if probe.result == "not_claimed"}
    return (*(name for name in PROBES if name in open_ends), *LIMITS)


def restored(plain: Mapping[str, Any]) -> Receipt:
    """Return a receipt of the ledger as a value."""
    tuples = {name: tuple(value) for name, value in plain.items() if isinstance(value, list)}
    probes = tuple(Probe(**{**one, "where": tuple(one["where"])}) for one in plain["probes"])
    request = tuple(Answered(**one) for one in plain["request"])
    return Receipt(**{**plain, **tuples, "probes": probes, "request": request})


def product_version() -> str:
    """Return Letheon's version, "0+source" when run from a checkout that is not installed."""
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - 14 ms

    try:
        return version("letheon")
    except PackageNotFoundError:
        return "0+source"


def number(version: str) -> str:
    """Return a version without its local part, which anybody may have worded; "0" if unusual."""
    found = VERSION.match(version)
    return found.group() if found else "0"


def canonical(value: Any) -> bytes:
    """Return the one spelling of a value: JSON, keys sorted, no blanks, UTF-8."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def check(value: Any, shape: Shape) -> None:
    """Return if a value has exactly this shape.

    Raises:
        InvalidReceiptError: It has not; reason "fields".
    """
    if not _fits(value, shape):
        raise InvalidReceiptError("fields")


def check_format(value: Any) -> None:
    """Return if a value is an object that calls itself of this format.

    Raises:
        InvalidReceiptError: It is of another; reason "format".
    """
    number = value.get("format") if isinstance(value, Mapping) else None
    if type(number) is not int or number != FORMAT:
        raise InvalidReceiptError(
            "format", hint=f"this Letheon reads format {FORMAT}; another version may read it"
        )


def _fits(value: Any, shape: Shape) -> bool:
    if isinstance(shape, dict):
        return (
            isinstance(value, dict)
            and value.keys() == shape.keys()
            and all(_fits(value[name], inner) for name, inner in shape.items())
        )
    if isinstance(shape, list):
        return isinstance(value, list) and all(_fits(one, shape[0]) for one in value)
    if isinstance(shape, Tally):
        return (
            isinstance(value, dict)
            and value.keys() <= shape.names
            and all(_fits(count, int) for count in value.values())
        )
    if isinstance(shape, type):
        return type(value) is int and 0 <= value <= LARGEST  # bool is an int, and no count
    if isinstance(shape, frozenset):
        return isinstance(value, str) and value in shape
    return isinstance(value, str) and shape.fullmatch(value) is not None
