"""Record the product once, then cut the power at every point of the recording."""

import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash.oracle import Oracle, bodies, examine
from tests.crash.replay import MODES, Medium, Mode, Op, points, read
from tests.crash.workload import Event, warm

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCE = Path(__file__).with_name("recorder.c")
CHUNK = 24  # images that one process examines


def missing() -> str:
    """Return why nothing can be recorded here; "" where it can."""
    if not sys.platform.startswith("linux"):
        return "the recorder replaces calls of the C library of Linux"
    if shutil.which("cc") is None:
        return "there is no C compiler"
    return ""


def build(folder: Path) -> Path:
    """Compile the recorder."""
    made = folder / "recorder.so"
    command = ["cc", "-shared", "-fPIC", "-O2", "-o", str(made), str(SOURCE), "-ldl", "-pthread"]
    subprocess.run(command, check=True)
    return made


@dataclass(slots=True)
class Recording:
    """What a program did, and the folder it left."""

    ops: list[Op]
    root: Path
    log: Path


def record(library: Path, folder: Path, command: Sequence[str], **environment: str) -> Recording:
    """Run a Python program with every change below `folder`/root recorded."""
    root, log = folder / "root", folder / "log"
    root.mkdir(parents=True)
    subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]),
            "LD_PRELOAD": str(library),
            "RECORD_ROOT": str(root),
            "RECORD_LOG": str(log),
            **environment,
        },
        check=True,
    )
    return Recording(read(log), root, log)


def unlike(made: Recording, folder: Path) -> list[str]:
    """Return the files in which a full replay differs from what the program really left."""
    medium = Medium()
    for op in made.ops:
        medium.play(op)
    medium.cut(folder, "all", random.Random(0))
    real, played = bodies(made.root), bodies(folder)
    names = {name for name in real.keys() | played.keys() if not name.endswith("-shm")}
    return sorted(name for name in names if real.get(name) != played.get(name))


@dataclass(frozen=True, slots=True)
class Cut:
    """One power cut of a recording: after so many calls, with this left of the unsynced."""

    at: int
    mode: Mode


def chosen(ops: list[Op], most: int, seed: int) -> list[Cut]:
    """Return the cuts to make, in their order: all modes at all points, or a sample of them."""
    rng = random.Random(seed)
    every = [Cut(at, mode) for at in points(ops) for mode in MODES]
    if len(every) < most:
        every += [Cut(rng.randrange(len(ops)), "torn") for _ in range(most - len(every))]
    return sorted(rng.sample(every, most), key=lambda cut: cut.at)


def images(
    ops: list[Op], cuts: Sequence[Cut], folder: Path, medium: Medium, seed: int
) -> Iterator[tuple[Cut, Path, Oracle]]:
    """Yield what each power cut leaves, with what had been said until then."""
    said, played = Oracle(), 0
    for number, cut in enumerate(cuts):
        for op in ops[played : cut.at]:
            if op.kind == "K":
                said.take(Event.parse(op.data.decode()))
            else:
                medium.play(op)
        played = cut.at
        place = folder / str(number)
        medium.cut(place, cut.mode, random.Random(f"{seed}/{cut.at}/{cut.mode}"))
        yield cut, place, deepcopy(said)


@dataclass(slots=True)
class Outcome:
    """What a replay found."""

    cuts: int = 0
    points: set[int] = field(default_factory=set)
    wrong: list[tuple[Cut, str]] = field(default_factory=list)
    cpu: float = 0.0  # seconds


def replay(
    ops: list[Op],
    folder: Path,
    cuts: Sequence[Cut],
    *,
    home: str = "store",
    deaf_to: tuple[str, ...] = (),
    seed: int = 0,
    apart: bool = True,
) -> Outcome:
    """Make every cut and examine what it leaves.

    Args:
        ops: The recording.
        folder: Where images are made, one after another; best in memory.
        cuts: In the order of the recording.
        home: The store's folder below the recorded one.
        deaf_to: Ends of names whose syncs are left out, as positive controls.
        seed: Decides what survives.
        apart: Examine in processes of their own, some images in each.
    """
    done, begun = Outcome(), _cpu()
    look = _examined_apart if apart else _examined
    batch: Batch = []
    for one in images(ops, cuts, folder, Medium(deaf_to=deaf_to), seed):
        batch.append(one)
        if len(batch) == CHUNK:
            done.wrong += look(batch, home)
            batch = []
    done.wrong += look(batch, home)
    done.cuts, done.points = len(cuts), {cut.at for cut in cuts}
    done.cpu = _cpu() - begun
    return done


def _cpu() -> float:
    now = os.times()
    return now.user + now.system + now.children_user + now.children_system


Batch = list[tuple[Cut, Path, Oracle]]


def _examined(batch: Batch, home: str) -> list[tuple[Cut, str]]:
    found = [(cut, one) for cut, place, said in batch for one in _violations(place / home, said)]
    for _, place, _ in batch:
        shutil.rmtree(place)
    return found


def _violations(home: Path, said: Oracle) -> list[str]:
    try:
        return examine(home, said)
    except Exception as exc:  # whatever it is, it is a violation
        return [f"{type(exc).__name__}: {exc}"]


def _examined_apart(batch: Batch, home: str) -> list[tuple[Cut, str]]:
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        with os.fdopen(writer, "w") as out:
            for number, (_, place, said) in enumerate(batch):
                print(json.dumps([number, _violations(place / home, said)]), file=out, flush=True)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as said_by_child:
        answers = [json.loads(line) for line in said_by_child]
    _, status = os.waitpid(child, 0)
    found = [(batch[number][0], one) for number, wrong in answers for one in wrong]
    if status:
        found.append((batch[len(answers)][0], f"the examining process ended with {status}"))
    for _, place, _ in batch:
        shutil.rmtree(place)
    return found


@contextlib.contextmanager
def room(parent: Path | None = None) -> Iterator[Path]:
    """Yield a temporary folder; in memory, where syncs cost nothing, if no other is asked for."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=parent or memory) as name:
        yield Path(name)


def recorded(folder: Path, seed: int, steps: int) -> Recording:
    """Record a workload."""
    home = folder / "recording/root/store"
    command = ["-m", "tests.crash.workload", str(home), str(seed), str(steps)]
    return record(build(folder), folder / "recording", command)


def run(seed: int, steps: int, most: int) -> tuple[Outcome, Path | None]:
    """Record one workload and cut it `most` times; a recording that shows a violation is kept."""
    with room() as folder:
        warm(folder)
        made = recorded(folder, seed, steps)
        if different := unlike(made, folder / "whole"):
            raise AssertionError(f"the recording is not complete: {different} differ")
        done = replay(made.ops, folder / "images", chosen(made.ops, most, seed), seed=seed)
        if not done.wrong:
            return done, None
        kept = Path(tempfile.mkdtemp(prefix="letheon-cuts-")) / "log"
        return done, Path(shutil.move(made.log, kept))


def again(log: Path, cut: Cut, seed: int) -> Outcome:
    """Make one cut of a recording that was kept."""
    with room() as folder:
        return replay(read(log), folder, [cut], seed=seed, apart=False)
