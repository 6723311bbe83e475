-- Copies outside the store, one row each: who can open them and whether erased content may be in.

ALTER TABLE file RENAME TO file_before;

CREATE TABLE file (
    id TEXT PRIMARY KEY,
    role TEXT NOT NULL CHECK (role IN ('export', 'backup')),
    path TEXT NOT NULL,
    day TEXT NOT NULL,
    -- Day on which a backup is to be shredded; empty for never, and for exports.
    expires TEXT NOT NULL,
    -- What opens it: nothing is needed, the store's key file alone, or what a person has besides.
    opens TEXT NOT NULL CHECK (opens IN ('', 'store', 'recovery', 'passphrase')),
    state TEXT NOT NULL CHECK (state IN ('making', 'live', 'shredded')),
    -- The process that makes it; its leavings are cleared when it is gone.
    pid INTEGER NOT NULL,
    -- Whether something was erased since it was made.
    erased INTEGER NOT NULL CHECK (erased IN (0, 1)),
    -- The erasure that shredded it, if one did.
    erasure TEXT NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO file (id, role, path, day, expires, opens, state, pid, erased, erasure)
SELECT '0' || substr(hex(randomblob(13)), 2), role, path, day, '', '', 'live', 0, 1, ''
FROM file_before;

DROP TABLE file_before;

-- Which memories were erased, by keyed MACs of their ids, so that no backup brings them back. An id
-- is 80 random bits and no content: these rows stay whatever becomes of the tombstones.
CREATE TABLE erased_id (
    mac BLOB PRIMARY KEY
) STRICT, WITHOUT ROWID;

INSERT INTO setting (name, value) VALUES ('erased_id_key', lower(hex(randomblob(32))));

-- Whether the ids of what an erasure erased are kept that way, and whether it shreds the backups.
ALTER TABLE erasure ADD COLUMN traced INTEGER NOT NULL DEFAULT 0 CHECK (traced IN (0, 1));

ALTER TABLE erasure ADD COLUMN shred INTEGER NOT NULL DEFAULT 0 CHECK (shred IN (0, 1));
