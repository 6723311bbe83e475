"""Backups: seconds and sizes of making, verifying and restoring one, and what of the erased is in.

Stores of texts of forty words with vectors of 384 dimensions. 200 secrets are remembered and then
deleted by a connection that does not zero what it frees, as an older program would: the bytes of
most stay in the file (others are overwritten by chance). A page copy of it holds them; a backup
must not, neither as it lies on the disk nor decrypted. As a control a backup from before the
deletion must give up all of them, once decrypted.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from corpus import SYLLABLES
from numpy.typing import NDArray
from report import Bar, finish

from memory import Draft, Store, container, datakey, enciphered
from memory.backup import Wish
from memory.db import driver, transaction
from memory.forget import erase
from memory.records import by_ids

SECRETS = 200
SEED = 5


class Random:
    """Unit vectors of the default model's length; what they point at does not matter here."""

    space = "random@1"
    dim = 384

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit rows, `(n, dim)`."""
        rows = np.random.default_rng(len(texts)).normal(size=(len(texts), self.dim))
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def fill(store: Store, count: int) -> None:
    """Remember so many turns of forty words, fifty to a session."""
    rng = random.Random(SEED)  # noqa: S311 - a corpus, not a secret
    words = ["".join(rng.choices(SYLLABLES, k=3)) for _ in range(20_000)]
    for start in range(0, count, 2_000):
        store.remember_many(
            Draft(
                text=" ".join(rng.choices(words, k=40)),
                kind="turn",
                scope=f"project:x/session:{at // 50}",
                actor="Ada",
            )
            for at in range(start, min(start + 2_000, count))
        )


def secrets() -> list[str]:
    """Return words that nothing else holds."""
    rng = random.Random(SEED + 1)  # noqa: S311 - as above
    return [f"zq{rng.getrandbits(64):016x}" for _ in range(SECRETS)]


def found(words: Sequence[str], *places: Path) -> int:
    """Return how many of the words are in the bytes of one of the files."""
    held = b"\n".join(place.read_bytes() for place in places)
    return sum(word.encode() in held for word in words)


def decrypted(home: Path, backup: Path, folder: Path) -> Path:
    """Return a plain copy of the database in a backup, page by page as it is there."""
    trailer = container.read_trailer(backup)
    key = datakey.load(home, trailer.id)
    if key is None:
        raise SystemExit("the key of the backup is gone")
    plain = folder / f"{backup.name}.plain"
    with (
        container.unpacked(backup, trailer, folder / "unpacked") as members,
        enciphered.opened(members["memory.db"], datakey.purpose(key, "memory.db")) as con,
    ):
        con.execute("ATTACH ? AS plain KEY ''", (str(plain),))
        con.execute("SELECT sqlcipher_export('plain')").fetchall()
        con.execute("DETACH plain")
    return plain


def careless(store: Store, ids: Sequence[str]) -> None:
    """Delete memories without zeroing what that frees and without a seal."""
    con = store._con
    con.execute("PRAGMA secure_delete=OFF").fetchall()
    with transaction(con, 5.0):
        erase(con, list(by_ids(con, ids).values()))
    con.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    con.execute("PRAGMA secure_delete=ON").fetchall()


def searched(folder: Path) -> list[Bar]:
    """Return how many erased secrets are where."""
    words = secrets()
    with Store(folder / "searched", embedder=Random()) as store:
        fill(store, 5_000)
        done = store.remember_many(Draft(text=f"the badge of Mireille is {word}") for word in words)
        store.backup(folder / "before.mem")
        careless(store, [one.id for one in done])
        pages = folder / "pages.db"
        with driver.connect(str(pages)) as target:
            store._con.backup(target)
        target.close()
        store.backup(folder / "after.mem")
        before = decrypted(store.home, folder / "before.mem", folder)
        after = decrypted(store.home, folder / "after.mem", folder)
    return [
        Bar("control: erased, in a page copy", found(words, pages), SECRETS / 2),
        Bar("control: in a backup from before, decrypted", found(words, before), SECRETS),
        Bar(
            "the same, as it lies on the disk", found(words, folder / "before.mem"), 0, at_most=True
        ),
        Bar("erased, in a backup, decrypted", found(words, after), 0, at_most=True),
        Bar(
            "the same, as it lies on the disk", found(words, folder / "after.mem"), 0, at_most=True
        ),
    ]


def timed(what: Callable[[], Any]) -> tuple[Any, float, float]:
    """Return what a call returns, its seconds and its CPU seconds."""
    began, cpu = time.perf_counter(), time.process_time()
    value = what()
    return value, time.perf_counter() - began, time.process_time() - cpu


def measured(count: int, folder: Path) -> None:
    """Print what a backup of a store of this size costs."""
    backup = folder / f"{count}.mem"
    with Store(folder / str(count), embedder=Random()) as store:
        fill(store, count)
        size = (store.home / "memory.db").stat().st_size
        made, *making = timed(lambda: store.backup(backup, Wish(recovery=True)))
        _, *verifying = timed(lambda: store.verify_backup(backup))
        same, *merging = timed(lambda: store.restore(backup))
        _, *exporting = timed(lambda: store.export_to(folder / f"{count}.jsonl"))
        lines = (folder / f"{count}.jsonl").stat().st_size
    with Store(folder / f"{count}-new", embedder=Random()) as new:
        whole, *restoring = timed(lambda: new.restore(backup, made.recovery_code))
        bad = [one.check for one in new.check(forensic=True) if not one.ok]
    if (same.known, whole.memories, bad) != (count, count, []):
        raise SystemExit(f"not restored as it was: {same}, {whole}, {bad}")
    print(
        f"\n{count:,} memories: database {size / 1e6:.1f} MB, backup {made.bytes / 1e6:.1f} MB, "
        f"export {lines / 1e6:.1f} MB"
    )
    for name, (seconds, cpu) in (
        ("backup", making),
        ("verify", verifying),
        ("restore into an empty folder", restoring),
        ("restore into the same store", merging),
        ("export", exporting),
    ):
        print(f"  {name:30s} {seconds:7.2f} s   {cpu:7.2f} s of CPU")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=[10_000, 100_000])
    parser.add_argument("--json", type=Path, help="write the figures here")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bars = searched(Path(folder))
        for count in given.sizes:
            measured(count, Path(folder))
    return finish(bars, given.json)


if __name__ == "__main__":
    sys.exit(main())
