-- Legal holds: restriction under Article 18 GDPR. What is restricted lies in a table of its own, so
-- that nothing which reads `memory` can meet it. `authority` and `reviewer` are a person's words
-- about the hold and go with it.

CREATE TABLE hold (
    id TEXT PRIMARY KEY,
    ground TEXT NOT NULL CHECK (
        ground IN ('17-3-b', '17-3-e', '18-1-a', '18-1-b', '18-1-c', '18-1-d')
    ),
    authority TEXT NOT NULL,
    reviewer TEXT NOT NULL,
    -- Names of the selector fields that chose the memories, never what they held.
    selected_by TEXT NOT NULL,
    day TEXT NOT NULL,
    expires TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- A memory as it was, with its provenances as JSON; `seq` is its place in the order of arrival.
CREATE TABLE restricted (
    memory_id TEXT PRIMARY KEY,
    seq INTEGER NOT NULL UNIQUE,
    text TEXT NOT NULL,
    kind TEXT NOT NULL,
    title TEXT NOT NULL,
    scope TEXT NOT NULL,
    actor TEXT NOT NULL,
    at INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    valid_from INTEGER,
    valid_to INTEGER,
    identity BLOB NOT NULL,
    digest BLOB NOT NULL,
    provenances TEXT NOT NULL
) STRICT;

-- Several holds may need the same memory: it stays restricted until the last of them ends.
CREATE TABLE hold_memory (
    hold_id TEXT NOT NULL REFERENCES hold (id),
    memory_id TEXT NOT NULL REFERENCES restricted (memory_id),
    PRIMARY KEY (hold_id, memory_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX hold_memory_memory ON hold_memory (memory_id);

-- How restricted texts are recognised when they come again: digests of what they look like.
CREATE TABLE restricted_reading (
    reading BLOB NOT NULL,
    memory_id TEXT NOT NULL REFERENCES restricted (memory_id),
    PRIMARY KEY (reading, memory_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX restricted_reading_memory ON restricted_reading (memory_id);

-- Erasures that a hold keeps waiting; they resume when it ends.
CREATE TABLE deferred (
    erasure_id TEXT NOT NULL REFERENCES erasure (id),
    memory_id TEXT NOT NULL REFERENCES restricted (memory_id),
    tombstone INTEGER NOT NULL CHECK (tombstone IN (0, 1)),
    PRIMARY KEY (erasure_id, memory_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX deferred_memory ON deferred (memory_id);

-- Who read a restricted memory, on which day, for which of the fixed reasons.
CREATE TABLE hold_access (
    id INTEGER PRIMARY KEY,
    memory_id TEXT NOT NULL REFERENCES restricted (memory_id),
    root TEXT NOT NULL,
    day TEXT NOT NULL,
    reason TEXT NOT NULL CHECK (
        reason IN ('review', 'legal-claim', 'authority', 'subject-access', 'rights-of-others')
    )
) STRICT;

CREATE INDEX hold_access_memory ON hold_access (memory_id);
