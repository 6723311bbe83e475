-- Who was given which memories (Articles 15 and 19 GDPR): ids, days and counts, no text.

CREATE TABLE recipient (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('agent', 'model', 'export', 'backup', 'remote')),
    name TEXT NOT NULL,
    UNIQUE (kind, name)
) STRICT;

CREATE TABLE disclosure (
    memory_id TEXT NOT NULL,
    recipient_id INTEGER NOT NULL REFERENCES recipient (id),
    first TEXT NOT NULL,
    last TEXT NOT NULL,
    times INTEGER NOT NULL,
    PRIMARY KEY (memory_id, recipient_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX disclosure_recipient ON disclosure (recipient_id);

-- A copy of everything that a scope held: all memories whose key is not greater than `until`.
-- `scope_id` is that of memory.db, 0 for the whole store.
CREATE TABLE disclosed_range (
    recipient_id INTEGER NOT NULL REFERENCES recipient (id),
    scope_id INTEGER NOT NULL,
    until INTEGER NOT NULL,
    first TEXT NOT NULL,
    last TEXT NOT NULL,
    times INTEGER NOT NULL,
    PRIMARY KEY (recipient_id, scope_id)
) STRICT, WITHOUT ROWID;

-- Whom an erasure has to be told to, and what became of it; no ids of memories.
CREATE TABLE notification (
    erasure_id TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('agent', 'model', 'export', 'backup', 'remote')),
    name TEXT NOT NULL,
    memories INTEGER NOT NULL,
    outcome TEXT NOT NULL CHECK (
        outcome IN ('to-do', 'notified', 'impossible', 'disproportionate')
    ),
    day TEXT NOT NULL,
    settled TEXT NOT NULL,
    PRIMARY KEY (erasure_id, kind, name)
) STRICT, WITHOUT ROWID;

CREATE INDEX notification_open ON notification (name, kind) WHERE outcome = 'to-do';
