-- People and what they asked for. Names, aliases, e-mails and handles are content: they go with
-- `forget --subject`, or when the last request they were kept for is answered.

CREATE TABLE subject (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    -- 0: nobody declared the person; the name is kept for an open request and goes with it.
    declared INTEGER NOT NULL CHECK (declared IN (0, 1))
) STRICT, WITHOUT ROWID;

CREATE TABLE subject_alias (
    subject_id TEXT NOT NULL REFERENCES subject (id),
    kind TEXT NOT NULL CHECK (kind IN ('alias', 'email', 'handle')),
    value TEXT NOT NULL,
    PRIMARY KEY (subject_id, value)
) STRICT, WITHOUT ROWID;

-- Requests under Articles 15 to 21 GDPR: days and fixed words. `reference` is a keyed MAC of the
-- person's name, the only thing about them that outlives the answer.
CREATE TABLE request (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (
        kind IN ('access', 'rectification', 'erasure', 'restriction', 'portability', 'objection')
    ),
    state TEXT NOT NULL CHECK (state IN ('open', 'done', 'refused')),
    reference BLOB NOT NULL CHECK (length(reference) IN (0, 16)),
    subject_id TEXT REFERENCES subject (id) CHECK (subject_id IS NULL OR state = 'open'),
    ground TEXT NOT NULL CHECK (ground IN ('', 'a', 'b', 'c', 'd', 'e', 'f')),
    requester TEXT NOT NULL CHECK (
        requester IN ('', 'subject', 'guardian', 'representative', 'controller', 'authority')
    ),
    identity TEXT NOT NULL CHECK (identity IN ('', 'none', 'account', 'contact', 'document')),
    received TEXT NOT NULL,
    verified TEXT NOT NULL,
    due TEXT NOT NULL,
    extended INTEGER NOT NULL CHECK (extended BETWEEN 0 AND 2),
    extended_for TEXT NOT NULL CHECK (extended_for IN ('', 'complexity', 'number')),
    answered TEXT NOT NULL,
    reason TEXT NOT NULL CHECK (
        reason IN (
            '', '17-3-a', '17-3-b', '17-3-c', '17-3-d', '17-3-e', '12-5-unfounded',
            '12-5-excessive', '12-2-unidentified', '18-1-not-met', '21-1-grounds'
        )
    ),
    corrected INTEGER NOT NULL CHECK (corrected >= 0),
    erasure_id TEXT REFERENCES erasure (id)
) STRICT, WITHOUT ROWID;

CREATE INDEX request_subject ON request (subject_id) WHERE subject_id IS NOT NULL;
CREATE INDEX request_erasure ON request (erasure_id) WHERE erasure_id IS NOT NULL;
