"""Owner of `setting`: the store's own few values, none of them made from memories."""

from memory.db import Connection

EPOCH = "epoch_owed"  # ids of erasures whose key is not destroyed yet, encrypted stores only
RETIRED = "keys_retired"  # ids of keys in use since the first of these
UNSEALED = "unsealed"  # content was replaced and its bytes are still in the file

UNDISCLOSED = "undisclosed"  # disclosures to agents that could not be recorded


def get(con: Connection, name: str, default: str = "") -> str:
    """Return a value."""
    row = con.execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
    return default if row is None else str(row[0])


def put(con: Connection, name: str, value: str) -> None:
    """Write a value."""
    con.execute(
        "INSERT INTO setting (name, value) VALUES (?, ?)"
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (name, value),
    )


def drop(con: Connection, name: str) -> None:
    """Remove a value."""
    con.execute("DELETE FROM setting WHERE name = ?", (name,))


def epoch(con: Connection) -> int:
    """Return the number of erasures and re-embeddings; an index of another epoch is void."""
    return int(get(con, "epoch", "0"))


def next_epoch(con: Connection) -> int:
    """Start a new epoch, so that every derived index is built anew."""
    number = epoch(con) + 1
    put(con, "epoch", str(number))
    return number
