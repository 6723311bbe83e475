"""Refill: an empty store takes over every row of a backup, table by table, in one transaction."""

import os

from memory.db import Connection

# Table -> what brings its rows over from the attached backup, in the order in which rows refer to
# each other. A table without statements has a reason beside it.
TABLES: dict[str, tuple[str, ...]] = {
    "setting": (
        "DELETE FROM setting",
        "INSERT INTO setting SELECT * FROM staged.setting",
    ),
    "scope": (
        "DELETE FROM scope",
        "INSERT INTO scope SELECT * FROM staged.scope",
    ),
    "actor": (
        "DELETE FROM actor",
        "INSERT INTO actor SELECT * FROM staged.actor",
    ),
    "memory": ("INSERT INTO memory SELECT * FROM staged.memory",),
    "provenance": ("INSERT INTO provenance SELECT * FROM staged.provenance",),
    "memory_fts": (
        "INSERT INTO memory_fts (memory_fts) VALUES ('rebuild')",
        # A rebuild of many rows ends within a merge, which leaves blocks that no segment lists.
        "INSERT INTO memory_fts (memory_fts) VALUES ('optimize')",
    ),
    "space": (
        "DELETE FROM space",
        "INSERT INTO space SELECT * FROM staged.space",
    ),
    "vector": ("INSERT INTO vector SELECT * FROM staged.vector",),
    "lineage": ("INSERT INTO lineage SELECT * FROM staged.lineage",),
    "file": (
        # Those that were in the making belong to another folder, but for the backup itself.
        "DELETE FROM file WHERE id IN (SELECT id FROM staged.file)",
        "INSERT INTO file SELECT * FROM staged.file WHERE state <> 'making'",
    ),
    "import_point": (),  # where a file lay on another day says nothing
    "erasure": ("INSERT INTO erasure SELECT * FROM staged.erasure",),
    "erasure_target": ("INSERT INTO erasure_target SELECT * FROM staged.erasure_target",),
    "subject": ("INSERT INTO subject SELECT * FROM staged.subject",),
    "subject_alias": ("INSERT INTO subject_alias SELECT * FROM staged.subject_alias",),
    "request": ("INSERT INTO request SELECT * FROM staged.request",),
    "hold": ("INSERT INTO hold SELECT * FROM staged.hold",),
    "restricted": ("INSERT INTO restricted SELECT * FROM staged.restricted",),
    "hold_memory": ("INSERT INTO hold_memory SELECT * FROM staged.hold_memory",),
    "restricted_reading": (
        "INSERT INTO restricted_reading SELECT * FROM staged.restricted_reading",
    ),
    "deferred": ("INSERT INTO deferred SELECT * FROM staged.deferred",),
    "hold_access": ("INSERT INTO hold_access SELECT * FROM staged.hold_access",),
    "erased_id": ("INSERT OR IGNORE INTO erased_id SELECT * FROM staged.erased_id",),
    "tombstone": (
        "DELETE FROM tombstone",
        "INSERT INTO tombstone SELECT * FROM staged.tombstone",
    ),
}
# The same for behavior.db, whose backup is attached in its turn.
SIGNALS: dict[str, tuple[str, ...]] = {
    "signal": (
        "DELETE FROM signal",
        "INSERT INTO signal SELECT * FROM staged.signal",
    ),
    "recipient": (
        # An interrupted restore may have left rows of all three.
        "DELETE FROM disclosure",
        "DELETE FROM disclosed_range",
        "DELETE FROM recipient",
        "INSERT INTO recipient SELECT * FROM staged.recipient",
    ),
    "disclosure": ("INSERT INTO disclosure SELECT * FROM staged.disclosure",),
    "disclosed_range": ("INSERT INTO disclosed_range SELECT * FROM staged.disclosed_range",),
    "notification": (
        "DELETE FROM notification",
        "INSERT INTO notification SELECT * FROM staged.notification",
    ),
}


def refill(con: Connection) -> None:
    """Bring every row over; `staged` is the backup's memory.db, in the schema of this one."""
    for statements in TABLES.values():
        for sql in statements:
            con.execute(sql)
    # Rows that were erased before the backup keep their numbers to themselves.
    con.execute(
        "UPDATE sqlite_sequence SET seq = max(seq, coalesce((SELECT s.seq"
        " FROM staged.sqlite_sequence s WHERE s.name = sqlite_sequence.name), 0))"
    )
    # Unfinished erasures of a process that is not here: this one takes them up.
    con.execute("UPDATE erasure SET pid = ? WHERE state <> 'done'", (os.getpid(),))


def refill_signals(con: Connection) -> None:
    """Bring every signal over; `staged` is the backup's behavior.db."""
    for statements in SIGNALS.values():
        for sql in statements:
            con.execute(sql)
