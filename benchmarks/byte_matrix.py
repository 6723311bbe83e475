"""Every byte of a churned store after a forget, and what is found with each protection off.

A store is written session by session in random order and a tenth of it corrected since. Hundreds of
its memories are forgotten; then `examiner.py` reads the files. The same is done again with one
protection switched off at a time: where the examiner finds nothing even so, the table says which
other protection covers for it, and both are switched off together.
"""

import argparse
import random
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from examiner import Examiner, Found
from forensic_texts import Encoder, Text, reworded, texts
from report import Bar, finish

from memory import (
    Change,
    Draft,
    Selector,
    Store,
    correct,
    files,
    forget,
    pages,
    records,
    remember,
    seal,
    segments,
    verify,
)
from memory.db import Connection, driver, transaction
from memory.survey import Slack

SESSION = 20  # turns
SEED = 5


@dataclass(frozen=True, slots=True)
class Churned:
    """A store on disk, closed, and what of it will be forgotten."""

    home: Path
    ids: tuple[str, ...]
    examine: Examiner


def churned(home: Path, rows: int, victims: int) -> Churned:
    """Write a store in random order, correct a tenth of it, save its vector index."""
    rng = random.Random(SEED)  # noqa: S311 - a sample, not a secret
    every = texts(rows)
    order = rng.sample(every, rows)
    ids: dict[int, str] = {}
    with Store(home, embedder=Encoder()) as store:
        for at in range(0, rows, 50):
            batch = order[at : at + 50]
            done = store.remember_many([_draft(text, rows) for text in batch])
            ids.update({text.key: one.id for text, one in zip(batch, done, strict=True)})
        later = [reworded(text) for text in rng.sample(every, rows // 10)]
        for text in later:
            _reword(store, ids[text.key], text)
        store.recall("berth")
        if store._index is not None:
            store._index.save()
    chosen = rng.sample(every, victims)
    known = {text.key for text in chosen}
    wordings = [*chosen, *(text for text in later if text.key in known)]
    return Churned(home, tuple(ids[text.key] for text in chosen), Examiner(wordings))


def _draft(text: Text, rows: int) -> Draft:
    session = text.key % max(1, rows // SESSION)
    return Draft(
        text=str(text),
        kind="turn",
        scope=f"project:p{text.key % 3}/session:{session}",
        actor=f"actor{text.key % 7}",
        uri=f"chat:{text.key}",
    )


def _reword(store: Store, ident: str, text: Text) -> None:
    # As `Store.edit` does it, without the seal that would undo the churning.
    after = remember.prepare(correct.changed(store.get(ident), Change(text=str(text))))
    encoded = Encoder().encode([str(text)])
    with store._writing() as con:
        seq = store._seq(con, ident)
        correct.correct(con, seq, after, embedder=Encoder(), encoded=encoded)


Off = Callable[[Store], Any]  # switches a protection off for one open store; a context manager


def _patched(owner: object, name: str, instead: Any) -> Off:
    return lambda _: mock.patch.object(owner, name, instead)


@contextmanager
def _pragma(store: Store) -> Iterator[None]:
    for con in (store._con, store._behavior()):
        con.execute("PRAGMA secure_delete=OFF").fetchall()
    yield


@contextmanager
def _index_setting(store: Store) -> Iterator[None]:
    with transaction(store._con, 1.0):
        store._con.execute("INSERT INTO memory_fts (memory_fts, rank) VALUES ('secure-delete', 0)")
    yield


def _alone(_: object, seqs: Sequence[int], reach: int = 2) -> dict[int, set[int]]:
    return {seq: set() for seq in seqs if reach}


@contextmanager
def _no_checkpoint(store: Store) -> Iterator[None]:
    # Nor SQLite's own, which comes at a thousand pages.
    store._con.execute("PRAGMA wal_autocheckpoint=0").fetchall()
    with mock.patch.object(seal, "_truncate", return_value=True):
        yield


PROTECTIONS: dict[str, Off] = {
    "secure_delete": _pragma,
    "text index secure-delete": _index_setting,
    "checkpoint": _no_checkpoint,
    "index made anew": _patched(forget, "REINDEXED", 0),
    "rebuild (VACUUM)": _patched(seal, "_rebuilt", lambda _: True),
    "slack scrub": lambda _: mock.patch.multiple(
        pages, scrub=pages.audit, scrub_changed=lambda *_: None
    ),
    "bump": _patched(seal, "_bump", lambda *_: True),
    "separators": _patched(segments, "tidy", lambda _: 0),
    "sidecar": _patched(files, "erase_indexes", lambda _: 0),
    "neighbours": _patched(records, "near", _alone),
}
# What keeps the full-text index clean when few memories go: with many it is made anew.
OF_THE_INDEX = ("text index secure-delete", "separators", "neighbours")
# What the others cover for. The scrub zeroes what VACUUM would have left behind, and both zero what
# secure_delete would have zeroed earlier: it is kept for the time between a deletion and its seal.
COVERED: tuple[tuple[str, ...], ...] = (
    (),
    ("rebuild (VACUUM)",),
    ("secure_delete",),
    ("index made anew",),
    *((name,) for name in OF_THE_INDEX),
)
# What is switched off together, and whether another connection reads and writes meanwhile. There
# the files are read right after the seal: later the slack probe would see what came back, and seal
# again.
CASES: tuple[tuple[tuple[str, ...], bool], ...] = (
    ((), False),
    ((), True),
    (("rebuild (VACUUM)",), True),
    *(((name,), False) for name in PROTECTIONS if name != "bump"),
    (("bump",), True),
    *(((name, "index made anew"), False) for name in OF_THE_INDEX),
    (("rebuild (VACUUM)", "slack scrub"), False),
    (("secure_delete", "rebuild (VACUUM)", "slack scrub"), False),
)


class _SealedError(Exception):
    """Ends a forget when its seal is done."""


@contextmanager
def neighbour(home: Path) -> Iterator[None]:
    """Have another connection hold pages from before the scrub and write them right after it.

    It reads everything while the scrub holds the file still, and changes every row as soon as the
    scrub lets go: pages that it still trusts go back into the file as they were.
    """
    other = driver.connect(str(home / files.DATABASE), isolation_level=None)
    other.execute("PRAGMA cache_size=-200000")
    columns = ("memory", "recorded_at"), ("provenance", "at"), ("vector", "gen")
    scrub, truncate, armed = pages.scrub, seal._truncate, [False, False]  # now, and ever

    def scrubbed(place: Path, *rest: Any) -> Slack:
        if place.name == files.DATABASE and not armed[1]:
            for table, _ in columns:
                other.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608 - constants
            armed[:] = True, True
        return scrub(place, *rest)

    def truncated(con: Connection, deadline: float) -> bool:
        if armed[0]:
            armed[0] = False
            for table, column in columns:
                other.execute(f"UPDATE {table} SET {column} = {column} + 1")  # noqa: S608 - constants
        return truncate(con, deadline)

    try:
        with (
            mock.patch.object(pages, "scrub", scrubbed),
            mock.patch.object(seal, "_truncate", truncated),
        ):
            yield
    finally:
        other.close()


def measure(made: Churned, folder: Path, off: Sequence[str], *, shared: bool = False) -> Found:
    """Forget in a copy of the store with some protections off, and examine it while it is open."""
    home = folder / "copy"
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(made.home, home)
    found: list[Found] = []

    def sealed(*_: object, **__: object) -> None:
        found.append(made.examine(home))
        raise _SealedError

    store = Store(home, embedder=Encoder())
    with ExitStack() as stack:
        stack.callback(store.close)
        for name in off:
            stack.enter_context(PROTECTIONS[name](store))
        if shared:
            stack.enter_context(neighbour(home))
            stack.enter_context(mock.patch.object(verify, "examine", sealed))
        wait = 0.3 if "checkpoint" in off else 60.0  # without it there is nothing to wait for
        with suppress(_SealedError):
            store.forget(store.plan_forget(Selector(ids=made.ids)), wait=wait)
            found.append(made.examine(home))
    return found[0]


def line(name: str, found: Found) -> str:
    """Return one row of the table."""
    return (
        f"{name:44s} {len(found.readable):6d} {len(found.index):6d} {len(found.any_vector):7d}"
        f" {len(found.in_slack):6d} {found.slack:9d} {found.separators:6d} {found.log:9d}"
    )


def residue(found: Found) -> int:
    """Return how much an examination found, of whatever kind: 0 is a clean store."""
    return len(found.readable) + len(found.any_vector) + found.slack + found.separators


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000, help="memories in the store")
    parser.add_argument("--victims", type=int, default=600, help="memories forgotten")
    parser.add_argument("--only", nargs="*", default=[], help="rows of the table")
    parser.add_argument("--json", type=Path, help="write the figures here")
    given = parser.parse_args()
    bars: list[Bar] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = churned(folder / "made", given.rows, given.victims)
        heads = "text", "index", " vector", " slack", "  nonzero", "separ.", "      log"
        print(f"{'switched off':44s} " + " ".join(f"{head:>6s}" for head in heads))
        before = made.examine(made.home)
        print(line("nothing, before forgetting", before))
        bars.append(Bar("control: victims read before", len(before.readable), given.victims))
        bars.append(Bar("control: vectors read before", len(before.any_vector), given.victims))
        for off, shared in CASES:
            label = (" + ".join(off) or "nothing") + (", shared" if shared else "")
            if given.only and label not in given.only:
                continue
            found = measure(made, folder, off, shared=shared)
            print(line(label, found), flush=True)
            clean = off in COVERED
            bars.append(Bar(f"residue, off: {label}", residue(found), not clean, at_most=clean))
    return finish(bars, given.json)


if __name__ == "__main__":
    sys.exit(main())
