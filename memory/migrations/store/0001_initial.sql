-- The first schema. Times are milliseconds since 1970 UTC. `seq` is the internal key, never
-- reused, so that an index built earlier cannot point at a later memory; `id` is the public one.

CREATE TABLE setting (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Scope and actor ids are never reused either: count and greatest id tell whether a copy is stale.
CREATE TABLE scope (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    path TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE actor (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE memory (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    text TEXT NOT NULL,
    kind TEXT NOT NULL
        CHECK (kind IN ('fact', 'preference', 'decision', 'rule', 'event', 'note', 'turn')),
    title TEXT NOT NULL,
    scope_id INTEGER NOT NULL REFERENCES scope (id),
    actor_id INTEGER NOT NULL REFERENCES actor (id),
    at INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    valid_from INTEGER,
    valid_to INTEGER,
    -- SHA-256 of what makes two drafts one memory, and of the text alone.
    identity BLOB NOT NULL UNIQUE,
    digest BLOB NOT NULL,
    -- Neighbours within a session, in order of arrival.
    prev_seq INTEGER REFERENCES memory (seq) DEFERRABLE INITIALLY DEFERRED,
    next_seq INTEGER REFERENCES memory (seq) DEFERRABLE INITIALLY DEFERRED
) STRICT;

CREATE INDEX memory_scope ON memory (scope_id, next_seq, actor_id);
CREATE INDEX memory_actor ON memory (actor_id);
CREATE INDEX memory_prev ON memory (prev_seq) WHERE prev_seq IS NOT NULL;
CREATE INDEX memory_next ON memory (next_seq) WHERE next_seq IS NOT NULL;
CREATE INDEX memory_valid ON memory (valid_from, valid_to)
    WHERE valid_from IS NOT NULL OR valid_to IS NOT NULL;

-- A memory with its names, as records.py reads it.
CREATE VIEW memory_row AS
SELECT
    m.seq, m.id, m.text, m.kind, s.path AS scope, m.title, a.name AS actor, m.at, m.recorded_at,
    m.valid_from, m.valid_to, m.scope_id
FROM memory AS m
JOIN scope AS s ON s.id = m.scope_id
JOIN actor AS a ON a.id = m.actor_id;

CREATE TABLE provenance (
    id INTEGER PRIMARY KEY,
    seq INTEGER NOT NULL REFERENCES memory (seq),
    root TEXT NOT NULL,
    source TEXT NOT NULL CHECK (source IN ('user', 'tool', 'file', 'import', 'web')),
    actor_id INTEGER NOT NULL REFERENCES actor (id),
    uri TEXT NOT NULL,
    at INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    key TEXT
) STRICT;

CREATE INDEX provenance_seq ON provenance (seq);
CREATE INDEX provenance_uri ON provenance (uri);
CREATE INDEX provenance_actor ON provenance (actor_id);
CREATE UNIQUE INDEX provenance_key ON provenance (root, key) WHERE key IS NOT NULL;

-- What the full-text index holds per memory. The text stands in the file once: the index is
-- external content over this view, so a row must leave the index before its memory or one of
-- its neighbours changes, and enter it again afterwards (records.unindex / records.index).
CREATE VIEW memory_text AS
SELECT
    m.seq AS seq,
    m.text AS own,
    a.name || ' ' || strftime('%d ', m.at / 1000, 'unixepoch')
        || trim(substr(
            'January  February March    April    May      June     '
            || 'July     August   SeptemberOctober  November December ',
            9 * CAST(strftime('%m', m.at / 1000, 'unixepoch') AS INTEGER) - 8, 9))
        || strftime(' %Y ', m.at / 1000, 'unixepoch') || m.title AS header,
    coalesce(pa.name || ': ' || p.text, '') AS prev,
    coalesce(na.name || ': ' || n.text, '') AS next,
    coalesce(ppa.name || ': ' || pp.text, '') || ' '
        || coalesce(nna.name || ': ' || nn.text, '') AS around
FROM memory AS m
JOIN actor AS a ON a.id = m.actor_id
LEFT JOIN memory AS p ON p.seq = m.prev_seq
LEFT JOIN actor AS pa ON pa.id = p.actor_id
LEFT JOIN memory AS pp ON pp.seq = p.prev_seq
LEFT JOIN actor AS ppa ON ppa.id = pp.actor_id
LEFT JOIN memory AS n ON n.seq = m.next_seq
LEFT JOIN actor AS na ON na.id = n.actor_id
LEFT JOIN memory AS nn ON nn.seq = n.next_seq
LEFT JOIN actor AS nna ON nna.id = nn.actor_id;

CREATE VIRTUAL TABLE memory_fts USING fts5 (
    own, header, prev, next, around,
    content = 'memory_text', content_rowid = 'seq', tokenize = 'porter unicode61'
);

INSERT INTO memory_fts (memory_fts, rank) VALUES ('secure-delete', 1);

-- Vectors by space; `gen` grows with every write so that a reader can catch up.
CREATE TABLE space (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    dim INTEGER NOT NULL CHECK (dim > 0)
) STRICT;

CREATE TABLE vector (
    seq INTEGER NOT NULL REFERENCES memory (seq),
    space_id INTEGER NOT NULL REFERENCES space (id),
    gen INTEGER NOT NULL,
    own BLOB NOT NULL,
    PRIMARY KEY (seq, space_id)
) STRICT;

CREATE INDEX vector_gen ON vector (space_id, gen);

-- From which memories a derived row was made, and what an erasure does to it.
CREATE TABLE lineage (
    child_kind TEXT NOT NULL,
    child INTEGER NOT NULL,
    parent INTEGER NOT NULL REFERENCES memory (seq),
    op TEXT NOT NULL CHECK (op IN ('delete', 'rewrite')),
    PRIMARY KEY (parent, child_kind, child)
) STRICT, WITHOUT ROWID;

CREATE INDEX lineage_child ON lineage (child, child_kind);

-- Files outside the fixed layout that hold copies: exports and backups.
CREATE TABLE file (
    path TEXT PRIMARY KEY,
    role TEXT NOT NULL CHECK (role IN ('export', 'backup')),
    day TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Where an interrupted import goes on; the source is named by digest only.
CREATE TABLE import_point (
    source TEXT PRIMARY KEY,
    position INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Erasures as a saga: the intent is durable before anything is deleted.
CREATE TABLE erasure (
    id TEXT PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('intent', 'erased', 'sealed', 'done')),
    day TEXT NOT NULL,
    memories INTEGER NOT NULL,
    erased TEXT NOT NULL,
    pid INTEGER NOT NULL,
    -- Whether the erased texts are to be recognised and refused afterwards.
    tombstone INTEGER NOT NULL CHECK (tombstone IN (0, 1))
) STRICT, WITHOUT ROWID;

CREATE TABLE erasure_target (
    erasure_id TEXT NOT NULL REFERENCES erasure (id),
    memory_id TEXT NOT NULL,
    PRIMARY KEY (erasure_id, memory_id)
) STRICT, WITHOUT ROWID;

-- How erased texts are recognised: the first 64 bits of keyed MACs, nothing else. `item` is a
-- random number that holds the MACs of one text together; `shingles` is 0 for the MAC of the whole
-- text, else how many MACs of five-word runs the item has.
CREATE TABLE tombstone (
    mac INTEGER NOT NULL,
    item INTEGER NOT NULL,
    shingles INTEGER NOT NULL,
    PRIMARY KEY (mac, item)
) STRICT, WITHOUT ROWID;
