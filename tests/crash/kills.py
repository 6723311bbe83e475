"""Kill working processes at any moment, open the store again, compare it with what they said."""

import os
import random
import select
import shutil
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash.oracle import Oracle, examine
from tests.crash.workload import Event, Kept, Worker, opened, warm

FRESH = 40  # rounds on one store, after which a new one is made
MOST_LIVE = 400  # memories with which a store is no longer small
START = 30.0  # seconds in which a worker must have begun
SHORTEST, LONGEST = 0.005, 0.25  # seconds until the kill


@dataclass(slots=True)
class Outcome:
    """What a loop found."""

    kills: int = 0
    said: int = 0  # acknowledgements
    tried: int = 0  # attempts that a kill left open
    pending: int = 0  # receipts that said so, where several worked at once
    wrong: list[tuple[int, str]] = field(default_factory=list)  # seed of the round, violation
    cpu: float = 0.0  # seconds


def _work(
    home: Path, seed: int, pipe: int, live: Sequence[Kept], space: str, *, alone: bool, early: bool
) -> None:
    """Be one process until it is killed."""

    def tell(event: Event) -> None:
        os.write(pipe, event.line().encode() + b"\n")

    with opened(home, space) as store:
        worker = Worker(store, seed, tell, live, alone=alone, early=early)
        while True:
            worker.step()
            if alone and worker.rng.random() < 0.1:
                store._settle()


@dataclass(slots=True)
class Child:
    """A started worker."""

    pid: int
    pipe: int
    heard: bytes = b""


def _start(
    home: Path, seed: int, live: Sequence[Kept], space: str, *, alone: bool, early: bool
) -> Child:
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(reader)
        try:
            _work(home, seed, writer, live, space, alone=alone, early=early)
        except BaseException as exc:
            with _errors(home).open("a") as out:
                print(f"{type(exc).__name__}: {exc} <- {exc.__cause__!r}", file=out)
        finally:
            os._exit(1)
    os.close(writer)
    return Child(pid, reader)


def _listen(children: Sequence[Child], seconds: float, *, until_first_word: bool = False) -> None:
    # Read while they work: a full pipe would stop them at a harmless place.
    deadline = time.monotonic() + seconds
    pipes = {one.pipe: one for one in children}
    while pipes and (left := deadline - time.monotonic()) > 0:
        for pipe in select.select(list(pipes), [], [], left)[0]:
            if part := os.read(pipe, 1 << 16):
                pipes[pipe].heard += part
            else:
                del pipes[pipe]
        if until_first_word and any(one.heard for one in children):
            return


def _kill(children: Sequence[Child]) -> list[Event]:
    for one in children:
        os.kill(one.pid, signal.SIGKILL)
    events = []
    for one in children:
        os.waitpid(one.pid, 0)
        while part := os.read(one.pipe, 1 << 16):
            one.heard += part
        os.close(one.pipe)
        *lines, _ = one.heard.decode().split("\n")  # an unfinished line was not said
        events += [Event.parse(line) for line in lines]
    return events


def _errors(home: Path) -> Path:
    return home.parent / "errors"


def round_(
    home: Path, said: Oracle, live: Sequence[Kept], seed: int, done: Outcome, *, early: bool
) -> None:
    """Start workers, kill them, take in what they said."""
    rng = random.Random(seed)
    together = rng.choice([1, 1, 2, 3])
    shares = [live[at::together] for at in range(together)]
    space = said.spaces[-1]
    children = [
        _start(home, seed * 10 + at, share, space, alone=together == 1, early=early)
        for at, share in enumerate(shares)
    ]
    if rng.random() < 0.7:  # else the kill may come while the store is still being opened
        _listen(children, START, until_first_word=True)
    _listen(children, rng.uniform(SHORTEST, LONGEST) * (1 + together) / 2)
    first, rest = children[:1], children[1:]
    events = _kill(first)
    if rest and rng.random() < 0.5:  # the others go on beside what the first one left
        _listen(rest, rng.uniform(SHORTEST, LONGEST))
    events += _kill(rest)
    for event in events:
        said.take(event)
        done.said += event.done
        done.pending += event.says == "pending"
    done.tried += len(said.open)
    done.kills += together
    errors = _errors(home)
    if errors.exists():
        done.wrong += [(seed, f"a worker failed: {one}") for one in errors.read_text().splitlines()]
        errors.unlink()


def run(kills: int, seed: int, folder: Path, *, early: bool = False) -> Outcome:
    """Kill at least so many processes; each store serves several rounds.

    Args:
        kills: How many.
        seed: Decides everything but the moment, which the machine decides with it.
        folder: Where the stores go.
        early: Positive control: workers acknowledge what they have not done yet.
    """
    done, begun, number = Outcome(), os.times(), seed * 1_000_000
    warm(folder)
    while done.kills < kills:
        base = folder / f"store-{number}"
        home = base / "root" / "store"
        home.parent.mkdir(parents=True)
        said = Oracle()
        live: list[Kept] = []
        for _ in range(FRESH):
            number += 1
            round_(home, said, live, number, done, early=early)
            wrong = examine(home, said, further=False)
            done.wrong += [(number, one) for one in wrong]
            live = _live(home, said)
            if wrong or done.kills >= kills or len(live) > MOST_LIVE:
                break
        shutil.rmtree(base)
    now = os.times()
    done.cpu = sum(now[:4]) - sum(begun[:4])
    return done


def _live(home: Path, said: Oracle) -> list[Kept]:
    with opened(home, said.spaces[-1]) as store:
        if len(said.spaces) > 1:  # what was interrupted is called again
            store.reembed()
            said.spaces = said.spaces[-1:]
        return [
            Kept(line["id"], line["text"].split()[1], line["scope"], line["provenances"][0]["uri"])
            for line in store.export()
        ]
