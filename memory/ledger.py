"""Owner of `ledger.jsonl`: one receipt per line, appended, never rewritten, never content."""

import os
from collections.abc import Iterator
from json import loads
from pathlib import Path
from typing import Any, Literal

from memory.erasures import Erasure
from memory.files import LEDGER
from memory.types import Probe, Receipt
from memory.wire import dumps

FORMAT = 1


def receipt(
    done: Erasure,
    *,
    state: Literal["verified", "failed", "pending"],
    probes: tuple[Probe, ...],
    blocked_by: str,
) -> Receipt:
    """Return the receipt of an erasure as it stands."""
    return Receipt(
        format=FORMAT,
        erasure=done.id,
        day=done.day,
        state=state,
        memories=done.memories,
        erased=done.erased,
        probes=probes,
        blocked_by=blocked_by,
        version=product_version(),
    )


def product_version() -> str:
    """Return Letheon's version, "0+source" when run from a checkout that is not installed."""
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - 14 ms

    try:
        return version("letheon")
    except PackageNotFoundError:
        return "0+source"


def append(home: Path, written: Receipt) -> None:
    """Append one receipt and make it durable, unless the ledger already says the same of it."""
    last = [line["state"] for line in read(home) if line["erasure"] == written.erasure]
    if last and last[-1] == written.state:
        return
    line = (dumps(written) + "\n").encode()
    fd = os.open(home / LEDGER, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    try:
        os.write(fd, line)
        os.fsync(fd)
    finally:
        os.close(fd)


def read(home: Path) -> Iterator[dict[str, Any]]:
    """Yield the receipts as they were written, oldest first."""
    place = home / LEDGER
    if place.exists():
        for line in place.read_text("utf-8").splitlines():
            yield loads(line)
