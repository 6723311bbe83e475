"""superlocalmemory as `forensics.py` examines it; imported in an environment of its own."""

import os
import sqlite3
from importlib import import_module
from pathlib import Path
from typing import Any

import forensic_embeddings
import forensic_worker
from forensic_texts import DIM
from forensic_worker import Ids

KEPT, SUBJECT = "default", "subject"  # profiles: what it calls erasure is of a whole profile
ACTOR = "python-api"


class SuperLocal:
    """Its engine in mode A (local, no language model); what will be erased has its own profile."""

    packages = ("superlocalmemory", "sqlite-vec")
    deleting = "delete_fact_authorized(engine, fact), as `slm delete FACT`"
    purging = "GDPRCompliance(db, engine).forget_profile(profile), as `slm gdpr erase`"
    sqlite = ""

    def __init__(self, home: Path, ids: Ids) -> None:
        """Keep where things are; what it writes beside its store goes there, too."""
        self.home, self.ids = home, ids
        self.subjects: frozenset[str] = frozenset()
        home.mkdir(exist_ok=True)
        os.environ.update(SLM_DATA_DIR=str(home), SLM_HOME=str(home), HF_HUB_OFFLINE="1")

    def open(self) -> None:
        """Open the engine."""
        if not hasattr(sqlite3.Connection, "enable_load_extension"):
            forensic_worker.stock_sqlite()  # sqlite-vec is an extension
        core = "superlocalmemory.core"
        config: Any = import_module(f"{core}.config").SLMConfig.for_mode(
            import_module("superlocalmemory.storage.models").Mode.A,
            self.home,
            embedding_provider="openai",
            embedding_endpoint=forensic_embeddings.serve(),
            embedding_key="unused",
            embedding_model_name="local",
            embedding_dimension=DIM,
        )
        config.retrieval.use_cross_encoder = False  # a model it would download
        self.engine = import_module(f"{core}.engine").MemoryEngine(config)
        self.engine.initialize()
        self.mutations = import_module(f"{core}.mutations")
        self.ingestion = import_module(f"{core}.engine_ingestion")
        self.actor = self.ingestion.local_trusted_actor_id(ACTOR)
        # What `slm profile create` does.
        self.engine.db.execute(
            "INSERT OR IGNORE INTO profiles (profile_id, name) VALUES (?, ?)", (SUBJECT, SUBJECT)
        )

    def add(self, batch: dict[str, str]) -> None:
        """Store one by one, complete with vectors, which its worker would make later."""
        for key, text in batch.items():
            self.ids[key] = self.ingestion.canonical_store(
                self.engine,
                text,
                source_type=ACTOR,
                trusted_actor_id=self.actor,
                require_complete=True,
                profile_id=SUBJECT if key in self.subjects else KEPT,
            )
            if not self.ids[key]:
                raise SystemExit("a text was not admitted")

    def update(self, key: str, text: str) -> None:
        """Nothing: a correction waits there for a person's review and replaces nothing."""

    def recall(self, text: str) -> None:
        """Recall where the subject's memories are."""
        self.engine.recall(text, profile_id=SUBJECT)

    def delete(self, keys: list[str]) -> None:
        """Delete every fact of each memory."""
        self.engine.profile_id = SUBJECT
        for key in keys:
            for fact in self.ids[key]:
                done = self.mutations.delete_fact_authorized(
                    self.engine, fact, trusted_actor_id=self.actor, source_agent_id=ACTOR
                )
                if not done["ok"]:
                    raise SystemExit(done)
        self.engine.profile_id = KEPT

    def purge(self) -> None:
        """Erase the profile."""
        self.open()
        gdpr = import_module("superlocalmemory.compliance.gdpr").GDPRCompliance
        done = gdpr(self.engine.db, engine=self.engine, data_root=self.home).forget_profile(SUBJECT)
        print("erasure_complete", done.get("erasure_complete"), "of", done)
        self.close()

    def close(self) -> None:
        """Close the engine."""
        self.engine.close()
