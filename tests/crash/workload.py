"""What is interrupted: seeded verbs on a real store, each said before it is tried and once done.

What is said are `Event`s as JSON lines. `oracle` compares a store with them; the texts are made
from their tokens, so that a token is all that has to be said.
"""

import argparse
import ctypes
import json
import os
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memory import Change, Draft, Selector, Store
from tests.support import HashedEmbedder

LETTERS = "bcdfghjklmnpqrtvwxz"  # no vowel, no "s": a token is its own stem
WORDS = "harbour berth crane tide cargo lantern ledge mooring pilot quay rope signal".split()


class OtherEmbedder(HashedEmbedder):
    """A second vector space, to re-embed into."""

    space = "hashed-words@2"

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.ascontiguousarray(super().encode(texts)[:, ::-1])


SPACES = (HashedEmbedder(), OtherEmbedder())


@dataclass(frozen=True, slots=True)
class Event:
    """Something tried, or acknowledged when `done`."""

    verb: str  # remember, edit, forget, feedback, reembed, rotate
    number: int  # of the attempt; its acknowledgement has the same
    tokens: tuple[str, ...] = ()  # what it is about; of an edit the old one and the new one
    done: bool = False
    says: str = ""  # of a forget: the receipt's state, or whether it leaves tombstones
    erasure: str = ""

    def line(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, line: str) -> "Event":
        given = json.loads(line)
        return cls(**{**given, "tokens": tuple(given["tokens"])})


def text(token: str) -> str:
    """Return the text that holds a token; the token stands in each run of five words."""
    some = random.Random(token).choices(WORDS, k=9)
    return " ".join(["note", token, *some[:3], token, *some[3:6], token, *some[6:]])


def new_token(rng: random.Random) -> str:
    return "".join(rng.choices(LETTERS, k=16))


@dataclass(slots=True)
class Kept:
    """A live memory as the worker knows it."""

    id: str
    token: str
    scope: str
    uri: str


class Worker:
    """Runs verbs on one store, in an order that the seed decides."""

    def __init__(
        self,
        store: Store,
        seed: int,
        tell: Callable[[Event], None],
        live: Sequence[Kept] = (),
        *,
        alone: bool = True,
        early: bool = False,
    ) -> None:
        self.store = store
        self.early = early  # says that it is done before it is: a positive control
        self.alone = alone  # no other process works on the store
        self.rng = random.Random(seed)
        self.tell = tell
        self.live = {one.token: one for one in live}
        self.space = store.embedder.space if store.embedder is not None else ""
        self.number = seed * 100_000
        self.name = f"w{seed}"

    def step(self) -> None:
        """Do one verb."""
        verbs: list[tuple[int, Callable[[], None]]] = [
            (6, self.one),
            (3, self.batch),
            (2, self.edit),
            (2, self.feedback),
            (4, self.forget),
            (1, self.imported),
            (1, self.recall),
            (1, self.rarely),
        ]
        weights, calls = zip(*verbs, strict=True)
        self.rng.choices(calls, weights)[0]()

    def _tried(self, verb: str, tokens: Sequence[str] = (), says: str = "") -> int:
        self.number += 1
        self.tell(Event(verb, self.number, tuple(tokens), says=says))
        if self.early:
            self.tell(Event(verb, self.number, done=True))
        return self.number

    def _done(self, verb: str, number: int, says: str = "", erasure: str = "") -> None:
        if not self.early:
            self.tell(Event(verb, number, done=True, says=says, erasure=erasure))

    def _drafts(self, count: int) -> list[tuple[str, Draft]]:
        scope = self.rng.choice([f"session:{self.name}", "session:shared", ""])
        uri = f"doc:{self.name}/{self.rng.randrange(4)}"
        return [
            (token, Draft(text=text(token), scope=scope, uri=uri, actor="Ada", kind="turn"))
            for token in (new_token(self.rng) for _ in range(count))
        ]

    def _write(self, count: int) -> None:
        made = self._drafts(count)
        number = self._tried("remember", [token for token, _ in made])
        done = self.store.remember_many([draft for _, draft in made])
        self._done("remember", number)
        for one, (token, draft) in zip(done, made, strict=True):
            self.live[token] = Kept(one.id, token, draft.scope, draft.uri)

    def one(self) -> None:
        self._write(1)

    def batch(self) -> None:
        self._write(self.rng.randint(2, 6))

    def edit(self) -> None:
        if not self.live:
            return
        old = self.live[self.rng.choice(sorted(self.live))]
        fresh = new_token(self.rng)
        number = self._tried("edit", [old.token, fresh])
        self.store.edit(old.id, Change(text=text(fresh)))
        self._done("edit", number)
        del self.live[old.token]
        self.live[fresh] = Kept(old.id, fresh, old.scope, old.uri)

    def feedback(self) -> None:
        if not self.live:
            return
        token = self.rng.choice(sorted(self.live))
        number = self._tried("feedback", [token])
        self.store.feedback(self.live[token].id, self.rng.choice(["useful", "wrong"]))
        self._done("feedback", number)

    def forget(self) -> None:
        if not self.live:
            return
        some = self.live[self.rng.choice(sorted(self.live))]
        way = self.rng.choice(["id", "ids", "source", "scope", "query"])
        if way == "source" and some.uri.startswith(f"doc:{self.name}/"):
            selector = Selector(source=some.uri)
        elif way == "scope" and some.scope == f"session:{self.name}":
            selector = Selector(scope=some.scope)
        elif way == "query":
            selector = Selector(query=some.token)
        else:
            several = self.rng.sample(sorted(self.live), min(len(self.live), 5))
            chosen = several if way == "ids" else [some.token]
            selector = Selector(ids=tuple(self.live[token].id for token in chosen))
        plan = self.store.plan_forget(selector)
        named = {one.id: one.token for one in self.live.values()}
        tokens = [named[ident] for ident in plan.ids]
        tombstone = self.rng.random() < 0.7
        number = self._tried("forget", tokens, says="tombstone" if tombstone else "")
        receipt = self.store.forget(plan, tombstone=tombstone, wait=1.0)
        self._done("forget", number, says=receipt.state, erasure=receipt.erasure)
        for token in tokens:
            del self.live[token]

    def imported(self) -> None:
        made = self._drafts(self.rng.choice([3, 8, 20]))
        place = sources(self.store.home) / f"{self.name}-{self.number}.jsonl"
        uri = made[0][1].uri
        place.write_text(
            "".join(
                json.dumps({"text": d.text, "scope": d.scope, "uri": uri, "actor": d.actor}) + "\n"
                for _, d in made
            )
        )
        tokens = [token for token, _ in made]
        number = self._tried("remember", tokens)
        # What another thread writes between two batches is durable at once, too.
        self.store.import_from(place, progress=lambda _: self.one())
        self._done("remember", number)
        ids = {line["text"]: line["id"] for line in self.store.export()}
        for token, draft in made:
            self.live[token] = Kept(ids[draft.text], token, draft.scope, draft.uri)
        place.unlink()

    def recall(self) -> None:
        self.store.recall(self.rng.choice(WORDS))
        if self.store._index is not None:
            self.store._index.fresh = 10_000  # worth saving, at the next close
        if self.rng.random() < 0.5:
            self.store._save_index()

    def rarely(self) -> None:
        if not self.alone:
            return
        match self.rng.choice(["reembed", "rotate", "repair"]):
            case "reembed":
                number = self._tried("reembed")
                other = self.rng.choice(SPACES)
                self.store._embedder, self.space = other, other.space
                self.store._index = None
                self.store.reembed()
                self._done("reembed", number, says=other.space)
            case "rotate":
                number = self._tried("rotate")
                self.store.rotate_guard()
                self._done("rotate", number)
            case "repair":
                self.store.repair()


def sources(home: Path) -> Path:
    """Return the folder for files to import: not inside what is recorded."""
    folder = home.parent.parent / "sources"
    folder.mkdir(exist_ok=True)
    return folder


def warm(folder: Path) -> None:
    """Load what the verbs load when first called, so that forked processes have it."""
    home = folder / "warm" / "root" / "store"
    home.parent.mkdir(parents=True)
    with opened(home, SPACES[0].space) as store:
        worker = Worker(store, 0, lambda _: None)
        for verb in (worker.batch, worker.edit, worker.feedback, worker.imported, worker.forget):
            verb()
        store.check()
    with opened(home, SPACES[0].space) as store:
        store.recall("quay")
        store.verify_receipts()


def opened(home: Path, space: str) -> Store:
    """Open a store with one of the vector spaces; $CRASH_STORE holds further arguments as JSON."""
    more = json.loads(os.environ.get("CRASH_STORE", "{}"))
    return Store(home, embedder=of_space(space), **more)


def of_space(name: str) -> HashedEmbedder:
    return next(one for one in SPACES if one.space == name)


def main() -> int:
    """Be the program that is recorded; what it says goes into the recording as marks."""
    parser = argparse.ArgumentParser()
    parser.add_argument("home", type=Path)
    parser.add_argument("seed", type=int)
    parser.add_argument("steps", type=int)
    given = parser.parse_args()
    mark = ctypes.CDLL(None).record_mark
    mark.argtypes = [ctypes.c_char_p, ctypes.c_size_t]

    def tell(event: Event) -> None:
        line = event.line().encode()
        mark(line, len(line))

    live: list[Kept] = []
    rng = random.Random(given.seed)
    space = SPACES[0].space
    left = given.steps
    while left > 0:
        with opened(given.home, space) as store:
            worker = Worker(store, given.seed * 1000 + left, tell, live)
            for _ in range(min(left, rng.randint(8, 25))):
                worker.step()
                left -= 1
            live = list(worker.live.values())
            space = worker.space
    return 0


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    sys.exit(main())
