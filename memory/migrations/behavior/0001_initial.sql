-- What was done with recalled memories: ids and counters only, separate as its own erasable unit.

CREATE TABLE signal (
    id INTEGER PRIMARY KEY,
    memory_id TEXT NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('useful', 'not_useful', 'outdated', 'wrong')),
    root TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;

CREATE INDEX signal_memory ON signal (memory_id);
