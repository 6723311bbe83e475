"""One memory system in a process of its own, driven by lines of JSON; see `forensics.py`.

    python forensic_worker.py SYSTEM HOME IDS

`HOME` is the folder of the system's store, all that the examiner reads; `IDS` a file outside of it
where the system's own ids are kept from one process to the next. Commands come on standard input,
one JSON object a line; each is answered by one on standard output.
"""

import json
import os
import sys
from importlib import import_module, metadata
from pathlib import Path
from typing import Any, Protocol

SYSTEMS = {
    "letheon": "forensic_letheon:Letheon",
    "chroma": "forensic_chroma:Chroma",
    "langgraph": "forensic_langgraph:LangGraph",
    "mem0": "forensic_mem0:Mem0",
    "mcp-memory-service": "forensic_mcp_memory:McpMemory",
    "superlocalmemory": "forensic_superlocal:SuperLocal",
    "lancedb": "forensic_lancedb:LanceDB",
}
Ids = dict[str, Any]  # our key -> what the system calls it


class System(Protocol):
    """A memory system behind its public interface."""

    subjects: frozenset[str]  # keys that will be deleted, for systems that erase by person
    packages: tuple[str, ...]  # distributions whose versions are told
    deleting: str  # what `delete` calls
    purging: str  # what `purge` calls; "" where the system documents nothing further
    sqlite: str  # version, where it brings its own; "" where it uses that of Python

    def open(self) -> None:
        """Open the store, making it the first time."""

    def add(self, batch: dict[str, str]) -> None:
        """Store texts under our keys."""

    def update(self, key: str, text: str) -> None:
        """Replace the text of a memory."""

    def recall(self, text: str) -> None:
        """Search, as an agent would."""

    def delete(self, keys: list[str]) -> None:
        """Delete memories."""

    def purge(self) -> None:
        """Do the most thorough thing the system documents; opens what it needs."""

    def close(self) -> None:
        """Let go of the files."""


def about(system: System) -> dict[str, Any]:
    """Return what an open system is made of."""
    return {
        "versions": {name: metadata.version(name) for name in system.packages},
        "sqlite": system.sqlite or described(import_module("sqlite3")),
        "deleting": system.deleting,
        "purging": system.purging,
    }


def described(driver: Any) -> str:
    """Return the version of a build of SQLite, and whether it zeroes what it deletes."""
    con = driver.connect(":memory:")
    (zeroes,) = con.execute("PRAGMA secure_delete").fetchone()
    con.close()
    return f"{driver.sqlite_version}, secure_delete {'on' if zeroes else 'off'} by default"


def stock_sqlite() -> None:
    """Put upstream's build of SQLite in the place of the system's, for all that is imported."""
    sys.modules["sqlite3"] = import_module("pysqlite3")
    sys.modules["sqlite3.dbapi2"] = import_module("pysqlite3.dbapi2")


def serve(system: System, ids: Ids, file: Path, said: dict[str, Any]) -> dict[str, Any]:
    """Carry out one command and return its answer."""
    do = said["do"]
    if do == "open":
        system.subjects = frozenset(said.get("subjects", ()))
        system.open()
        return about(system)
    if do == "add":
        system.add(said["texts"])
    elif do == "update":
        for key, text in said["texts"].items():
            system.update(key, text)
    elif do == "recall":
        for text in said["texts"]:
            system.recall(text)
    elif do == "delete":
        system.delete(said["keys"])
    else:
        getattr(system, do)()
    file.write_text(json.dumps(ids), "utf-8")
    return {}


def main() -> None:
    """Be one system until standard input ends."""
    out, sys.stdout = sys.stdout, sys.stderr  # what libraries print must not mix with answers
    name, home, file = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    if os.environ.get("FORENSIC_SQLITE") == "stock":
        stock_sqlite()
    ids: Ids = json.loads(file.read_text("utf-8")) if file.exists() else {}
    module, _, kind = SYSTEMS[name].partition(":")
    system: System = getattr(import_module(module), kind)(home, ids)
    for line in sys.stdin:
        answer = serve(system, ids, file, json.loads(line))
        print(json.dumps(answer), file=out, flush=True)


if __name__ == "__main__":
    main()
