"""Encrypted copies of a database: written from a live one in one statement, opened with their key.

`VACUUM INTO` copies live rows only, in one consistent state (measured: 0 of 200 erased texts, where
the backup API copied all 200), and encrypts each page as it writes it: no plain byte is written.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from memory.db import (
    Connection,
    DriverError,
    connect_reader,
    mapped_errors,
    open_file,
    require_engine,
    scratch_database,
)
from memory.errors import CorruptStoreError, MissingExtraError

STEPS = 20_000  # instructions of the engine between two looks at the file


def require_cipher() -> None:
    """Raise `MissingExtraError` unless the SQLite library encrypts."""
    require_engine()
    con = scratch_database()
    try:
        if con.execute("PRAGMA cipher_version").fetchone() is None:
            raise MissingExtraError(
                "this SQLite library cannot encrypt a backup",
                hint="install the package 'sqlcipher3-wheels'",
            )
    finally:
        con.close()


def copy(
    source: Path,
    target: Path,
    key: bytes,
    advance: Callable[[int], None] = lambda _: None,
    *,
    keys: Sequence[bytes] = (),
) -> None:
    """Write the live content of a database into an empty file, encrypted; the source may be in use.

    Args:
        source: An open store's database.
        target: An empty file.
        key: 32 bytes.
        advance: Told how many bytes more were written; what it raises ends the copy.
        keys: What opens the source, if that is encrypted.
    """
    raised: list[BaseException] = []
    seen = 0

    def look() -> int:
        nonlocal seen
        try:
            size = target.stat().st_size
            advance(size - seen)
            seen = size
        except BaseException as exc:
            raised.append(exc)
            return 1
        return 0

    con = connect_reader(source, keys)
    try:
        con.execute("PRAGMA query_only=OFF").fetchall()
        con.set_progress_handler(look, STEPS)
        with mapped_errors(target):
            con.execute("VACUUM INTO ?", (f"{target.resolve().as_uri()}?key={_raw(key)}",))
    except Exception:
        if raised:
            raise raised[0] from None
        raise
    finally:
        con.set_progress_handler(None, 0)
        con.close()


def _raw(key: bytes) -> str:
    return f"x'{key.hex()}'"


@contextmanager
def opened(place: Path, key: bytes) -> Iterator[Connection]:
    """Open an encrypted database for a block; nothing it writes besides is left.

    Raises:
        CorruptStoreError: It is damaged, or the key is not its own.
    """
    con = open_file(place)
    try:
        con.execute("PRAGMA cipher_log_level = NONE").fetchall()  # it would write to stderr
        con.execute(f'PRAGMA key = "{_raw(key)}"').fetchall()
        for pragma in ("journal_mode=MEMORY", "temp_store=MEMORY", "trusted_schema=OFF"):
            con.execute(f"PRAGMA {pragma}").fetchall()
        con.execute("PRAGMA cell_size_check=ON").fetchall()
        try:
            con.execute("SELECT count(*) FROM sqlite_schema").fetchall()
        except DriverError as exc:
            raise CorruptStoreError(f"'{place.name}' cannot be decrypted") from exc
        with mapped_errors(place):
            yield con
    finally:
        con.close()


@contextmanager
def attached(con: Connection, place: Path, key: bytes) -> Iterator[None]:
    """Let a connection read an encrypted database, as the schema `staged`, for a block."""
    uri = f"{place.resolve().as_uri()}?mode=ro&immutable=1"
    con.execute("ATTACH ? AS staged KEY ?", (uri, _raw(key)))
    try:
        yield
    finally:
        con.execute("DETACH staged")


def damage(con: Connection) -> list[str]:
    """Return what is wrong with the pages of an open encrypted database; [] for nothing."""
    said = [str(row[0]) for row in con.execute("PRAGMA cipher_integrity_check")]
    said += [row[0] for row in con.execute("PRAGMA integrity_check(5)") if row[0] != "ok"]
    return said
