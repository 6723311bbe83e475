"""`mem demo`: the main job on a real conversation, in a throw-away store."""

import json
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

from cli import demo_show as show
from cli import output
from cli.declare import Home, Json, Option
from cli.forget import outcome
from memory import Store, held
from memory.errors import StoreError, UsageError
from memory.files import walk
from memory.types import Hit, Recalled, Selector
from memory.wire import plain

DATA = "data"
LOG, QUESTIONS = "demo.jsonl", "demo_questions.json"
CONTRAST = "Does the hallway screen need a login?"  # few of its words stand in the answer
TWO_PLACES = ("On which port does it run?", ("project:harbor", "project:lighthouse"))
HITS = 5


@dataclass(slots=True)
class Scene:
    """A running demo: its store, what it asks, and what it found so far."""

    store: Store
    asked: dict[str, Any]
    texts: tuple[str, ...]  # of the turns, in the order of the log
    loud: bool  # draw for a person; else only the summary counts
    found: dict[str, Any] = field(default_factory=dict)

    def recall(self, query: str, scope: str = "", *, lexical: bool = False) -> Recalled:
        """Return the best few hits."""
        return self.store.recall(query, scope=scope, limit=HITS, lexical=lexical)

    def answers(self, lines: Sequence[int]) -> frozenset[str]:
        """Return the texts that a person marked as the answer."""
        return frozenset(self.texts[line - 1] for line in lines)

    def question(self, query: str) -> dict[str, Any]:
        """Return one of the bundled questions by its words."""
        found: dict[str, Any] = next(q for q in self.asked["questions"] if q["query"] == query)
        return found


def run(
    *,
    keep: Annotated[
        str | None, Option("--keep", "Leave the store in this new folder.", "PATH")
    ] = None,
    store: Home = None,
    as_json: Json = False,
) -> int:
    """Show it all on a real conversation.

    A coding agent's conversation of seven weeks is imported into a store of its own, asked, and
    partly forgotten; the bytes are searched before and after. Your own store is not touched.
    """
    if store:
        raise UsageError("the demo has a store of its own", hint="--keep PATH leaves it there")
    began = time.perf_counter()
    with placed(keep) as place:
        folder = resources.files("cli") / DATA
        asked = json.loads((folder / QUESTIONS).read_text("utf-8"))
        lines = (folder / LOG).read_text("utf-8").splitlines()
        texts = tuple(json.loads(line)["text"] for line in lines)
        with Store(place, embedder="default") as memories:
            scene = Scene(memories, asked, texts, loud=not as_json)
            for act in (imported, counted, recalled, compared, scoped, forgotten):
                act(scene)
    found = scene.found
    found["seconds"] = round(time.perf_counter() - began, 2)
    found["ok"] = clean_end(found)
    if as_json:
        output.emit(found)
    else:
        show.end(found, str(place) if keep else "")
    return 0 if found["ok"] else found["forget"]["exit_code"] or StoreError.exit_code


def clean_end(found: dict[str, Any]) -> bool:
    """Tell whether the demo showed what it promises."""
    before, after = found["bytes"]["before"], found["bytes"]["after"]
    return (
        found["forget"]["receipt"]["state"] == "verified"
        and before["occurrences"] > 0
        and after["occurrences"] == 0
        and found["probe"]["before"]
        and not found["probe"]["after"]
        and found["control"]["after"]
    )


@contextmanager
def placed(keep: str | None) -> Iterator[Path]:
    """Hand out a folder for the store: a new one that stays, or one that is removed.

    Raises:
        UsageError: The folder to keep it in holds something already.
    """
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="letheon-demo-") as folder:
            yield Path(folder) / "store"
        return
    place = Path(keep).expanduser()
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise UsageError(f"'{place}' is there already", hint="name a new folder")
    yield place


def imported(scene: Scene) -> None:
    """Import the conversation."""
    if scene.loud:
        output.heading("1  Import: a coding agent's conversation of seven weeks")
    began = time.perf_counter()
    with (
        resources.as_file(resources.files("cli") / DATA / LOG) as log,
        output.progress("importing", len(scene.texts)) as advance,
    ):
        done = scene.store.import_from(log, reader="jsonl", progress=advance)
    took = time.perf_counter() - began
    scene.found["import"] = {**plain(done), "seconds": round(took, 2)}
    if scene.loud:
        show.imported(done, took)


def counted(scene: Scene) -> None:
    """Count the turns per person and per week."""
    memories = scene.store.list(limit=len(scene.texts))
    persons = Counter(one.actor for one in memories)
    weeks = Counter(one.at.strftime("%G week %V") for one in memories)
    scene.found["turns"] = {"by_person": dict(persons.most_common()), "by_week": dict(weeks)}
    if scene.loud:
        show.counted(dict(persons.most_common()), dict(sorted(weeks.items())))


def recalled(scene: Scene) -> None:
    """Ask a few questions and show why each answer ranks where it does."""
    if scene.loud:
        output.heading("2  Recall: words, meaning, neighbours, and the reasons of each rank")
    asked = [scene.asked["questions"][place] for place in scene.asked["showcase"]]
    results = []
    for one in asked:
        began = time.perf_counter()
        answer = scene.recall(one["query"], one["scope"])
        took = (time.perf_counter() - began) * 1000
        marked = scene.answers(one["gold"])
        results.append(
            {"query": one["query"], "took_ms": round(took, 1), "rank": _rank(answer.hits, marked)}
        )
        if scene.loud:
            show.asked(one["query"], one["scope"], took)
            show.hits(answer.hits, marked, explain=True)
    scene.found["recall"] = results


def compared(scene: Scene) -> None:
    """Ask one question by words alone, and again with meaning."""
    if scene.loud:
        output.heading("3  The same question by words alone, and with meaning")
    one = scene.question(CONTRAST)
    marked = scene.answers(one["gold"])
    ranks = {}
    for name, lexical in (("lexical", True), ("hybrid", False)):
        answer = scene.recall(CONTRAST, one["scope"], lexical=lexical)
        ranks[name] = _rank(answer.hits, marked)
        if scene.loud:
            show.asked(f"{CONTRAST}  [{name}]", one["scope"])
            show.hits(answer.hits, marked)
    scene.found["contrast"] = {"query": CONTRAST, **ranks}


def scoped(scene: Scene) -> None:
    """Ask one question in two projects, neither of which sees the other."""
    query, scopes = TWO_PLACES
    if scene.loud:
        output.heading("4  Scope: one question in two projects")
    seen = {}
    for scope in scopes:
        answer = scene.recall(query, scope)
        seen[scope] = sorted({_level(hit.memory.scope, "project") for hit in answer.hits})
        if scene.loud:
            show.asked(query, scope)
            show.hits(answer.hits, frozenset())
    scene.found["scope"] = {"query": query, "projects_seen": seen}


def forgotten(scene: Scene) -> None:
    """Forget a person, and look for her in every byte of the store before and after."""
    about = scene.asked["forget"]
    if scene.loud:
        output.heading(f"5  Forget: everything that came from {about['source']}")
    before = searched(scene.store.home, about["needles"])
    known = _asked_again(scene, before, "before")
    plan = scene.store.plan_forget(Selector(source=about["source"]))
    if scene.loud:
        show.plan(plan)
    began = time.perf_counter()
    with output.steps("forgetting") as say:
        receipt = scene.store.forget(plan, say=say)
    took = time.perf_counter() - began
    if scene.loud:
        show.receipt(receipt, took)
    after = searched(scene.store.home, about["needles"])
    left = _asked_again(scene, after, "after")
    scene.found |= {
        "bytes": {"needles": len(about["needles"]), "before": before, "after": after},
        "probe": {"query": about["probe_query"], "before": known[0], "after": left[0]},
        "control": {"query": about["control_query"], "before": known[1], "after": left[1]},
        "forget": {
            "source": about["source"],
            "memories": len(plan.ids),
            "seconds": round(took, 2),
            "receipt": plain(receipt),
            "exit_code": outcome(receipt),
        },
    }


def _asked_again(scene: Scene, bytes_found: dict[str, Any], when: str) -> tuple[bool, bool]:
    """Ask after what is forgotten and after what stays; tell whether each was answered."""
    about = scene.asked["forget"]
    if scene.loud:
        show.searched(bytes_found, about["needles"], when)
    gone = scene.answers(about["lines"])
    probe = scene.recall(about["probe_query"], about["probe_scope"])
    control = scene.recall(about["control_query"], about["control_scope"])
    kept = scene.answers(about["control_gold"])
    if scene.loud:
        show.asked(f"{about['probe_query']}  [{when} the forget]", about["probe_scope"])
        show.hits(probe.hits, gone, alarm=True)
        if when == "after":
            show.asked(f"{about['control_query']}  [stays]", about["control_scope"])
            show.hits(control.hits, kept)
    return _rank(probe.hits, gone) is not None, _rank(control.hits, kept) is not None


def searched(folder: Path, needles: Sequence[str]) -> dict[str, Any]:
    """Count how often the needles stand in the raw bytes of every file, whatever their case."""
    per_file = {}
    for place in walk(folder):
        body = b"".join(held.chunks(place)).lower()
        count = sum(body.count(needle.lower().encode()) for needle in needles)
        per_file[place.relative_to(folder).as_posix()] = count
    return {
        "files": len(per_file),
        "occurrences": sum(per_file.values()),
        "found_in": {name: count for name, count in per_file.items() if count},
    }


def _rank(hits: Sequence[Hit], marked: frozenset[str]) -> int | None:
    return next((hit.rank for hit in hits if hit.memory.text in marked), None)


def _level(scope: str, level: str) -> str:
    parts = (part.partition(":") for part in scope.split("/"))
    return next((value for name, _, value in parts if name == level), "")
