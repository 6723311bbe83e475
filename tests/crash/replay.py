"""Power cuts replayed: from one recording, every state that the machine could have been left in.

What is modelled
- A sync of a file makes its bytes and its size durable, and nothing else: not its name, not
  another file. Of the writes and cuts since the last one any subset may have reached the medium,
  in the four modes below; a write may be torn between sectors of 512 bytes. Where a file grew and
  the write that grew it is lost in part, the hole reads as zeros.
- A sync of a folder makes the names in it durable: files and folders made in it, renamed, removed.
  Of the changes to a folder's names since then any number may have happened, but in their order,
  as a journal keeps them. Folders are independent of each other, which leaves more states than one
  journal for all of them would (ext4 in its default mode among them); no name is durable because
  its file was synced, though ext4 and btrfs would have it so.
- The -shm files are gone, as memory is.

What is not
- A sector that is written in part, or that rots; a drive that says "synced" and has not; a file
  system that loses what it acknowledged. Processes are killed by `kills`, not here.
"""

import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

SECTOR = 512
HEAD = struct.Struct("<cQQI")

Mode = Literal["none", "all", "some", "torn"]
MODES: tuple[Mode, ...] = ("none", "all", "some", "torn")  # of the unsynced, what survives
LIKELY = {"some": 0.5, "torn": 0.7}  # that a write survives; of its sectors half do


@dataclass(frozen=True, slots=True)
class Op:
    """One recorded call; `recorder.c` says what the letters mean."""

    kind: str
    number: int
    at: int
    data: bytes

    @property
    def names(self) -> list[str]:
        return self.data.decode().split("\0")


def read(log: Path) -> list[Op]:
    """Return the calls of a recording in their order."""
    raw, at, ops = log.read_bytes(), 0, []
    while at < len(raw):
        kind, number, place, size = HEAD.unpack_from(raw, at)
        at += HEAD.size
        ops.append(Op(kind.decode(), number, place, raw[at : at + size]))
        at += size
    if odd := [op.data.decode() for op in ops if op.kind == "!"]:
        raise AssertionError(f"the recording is not complete: {sorted(set(odd))}")
    return ops


@dataclass(slots=True)
class File:
    """What of a file is on the medium, and the calls since its last sync."""

    body: bytearray = field(default_factory=bytearray)
    since: list[Op] = field(default_factory=list)

    def sync(self) -> None:
        for op in self.since:
            _apply(self.body, op)
        self.since = []

    def left(self, mode: Mode, rng: random.Random) -> bytearray:
        """Return what a power cut leaves of it."""
        body = bytearray(self.body)
        for op in self.since if mode != "none" else ():
            if mode == "all":
                _apply(body, op)
            elif rng.random() < LIKELY[mode]:
                if mode == "torn" and op.kind == "W":
                    for part in _sectors(op):
                        if rng.random() < 0.5:
                            _apply(body, part)
                else:
                    _apply(body, op)
        return body


def _sectors(op: Op) -> Iterator[Op]:
    start, end = op.at, op.at + len(op.data)
    while start < end:
        stop = min(end, (start // SECTOR + 1) * SECTOR)
        yield Op("W", op.number, start, op.data[start - op.at : stop - op.at])
        start = stop


def _apply(body: bytearray, op: Op) -> None:
    end = op.at + len(op.data)
    if len(body) < end:
        body.extend(bytes(end - len(body)))
    if op.kind == "W":
        body[op.at : end] = op.data
    else:
        del body[op.at :]


Names = dict[str, File | None]  # None is a folder


@dataclass(slots=True)
class Folder:
    """The names of one folder: those on the medium, and the changes since its last sync."""

    names: Names = field(default_factory=dict)
    since: list[tuple[str, File | None, str]] = field(default_factory=list)

    def after(self, changes: int) -> Names:
        """Return the names when so many of the changes have happened."""
        names = dict(self.names)
        for name, entry, gone in self.since[:changes]:
            if gone:
                names.pop(gone, None)
            if name:
                names[name] = entry
        return names

    def sync(self) -> None:
        self.names, self.since = self.after(len(self.since)), []


class Medium:
    """The state of the medium while a recording is played, call by call."""

    def __init__(self, *, deaf_to: tuple[str, ...] = ()) -> None:
        """Start empty; syncs of files with these ends of names are ignored (positive controls)."""
        self.folders: dict[str, Folder] = {"": Folder()}
        self.files: dict[int, File] = {}
        self.now: Names = {}  # path -> as programs see it
        self.deaf_to = deaf_to

    def play(self, op: Op) -> None:
        """Take in one call."""
        match op.kind:
            case "W" | "T":
                self.files[op.number].since.append(op)
            case "S":
                if not self._deaf(self.files[op.number]):
                    self.files[op.number].sync()
            case "D":
                if not any(f"/{op.names[0]}".endswith(end) for end in self.deaf_to):
                    self.folders[op.names[0]].sync()
            case "C" | "M" | "R" | "U" | "X":
                self._rename(op)

    def _rename(self, op: Op) -> None:
        parent, name = _split(op.names[-1])
        match op.kind:
            case "C":
                self.files[op.number] = File()  # the number of a removed file is given again
                self._named(op.names[0], self.files[op.number])
            case "M":
                self.folders[op.names[0]] = Folder()
                self._named(op.names[0], None)
            case "R":
                before, old = _split(op.names[0])
                if before != parent:
                    raise AssertionError("a rename between folders is not modelled")
                entry = self.now[op.names[1]] = self.now.pop(op.names[0])
                self.folders[parent].since.append((name, entry, old))
            case _:
                self.now.pop(op.names[0])
                self.folders[parent].since.append(("", None, name))

    def _named(self, path: str, entry: File | None) -> None:
        self.now[path] = entry
        parent, name = _split(path)
        self.folders[parent].since.append((name, entry, ""))

    def _deaf(self, file: File) -> bool:
        names = [path for path, entry in self.now.items() if entry is file]
        return any(path.endswith(end) for path in names for end in self.deaf_to)

    def cut(self, to: Path, mode: Mode, rng: random.Random) -> None:
        """Write into a folder what a power cut at this moment leaves."""
        to.mkdir(parents=True)
        self._write(to, "", mode, rng)

    def _write(self, to: Path, path: str, mode: Mode, rng: random.Random) -> None:
        folder = self.folders[path]
        happened = {"none": 0, "all": len(folder.since)}.get(mode)
        if happened is None:
            happened = rng.randint(0, len(folder.since))
        for name, entry in folder.after(happened).items():
            inner = f"{path}/{name}" if path else name
            if entry is None:
                (to / inner).mkdir(mode=0o700)
                self._write(to, inner, mode, rng)
            elif not name.endswith("-shm"):
                (to / inner).touch(mode=0o600)
                (to / inner).write_bytes(entry.left(mode, rng))


def _split(path: str) -> tuple[str, str]:
    parent, _, name = path.rpartition("/")
    return parent, name


def points(ops: list[Op]) -> list[int]:
    """Return the moments at which a power cut can leave something new, as counts of calls.

    Before and after each sync and each change of names, and in the middle of every longer run of
    writes.
    """
    found, last = {len(ops)}, 0
    for at, op in enumerate(ops):
        if op.kind in "SDCMRUXT":
            found |= {at, at + 1}
            if at - last > 8:
                found.add((at + last) // 2)
            last = at
    return sorted(found)
