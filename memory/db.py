"""The SQLite connection: one driver, its pragmas, transactions, migrations and error mapping."""

import random
import re
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from os import O_CREAT, O_EXCL, O_RDWR, close
from os import open as os_open
from pathlib import Path
from shutil import disk_usage
from typing import TYPE_CHECKING, Any, TypeAlias

from memory.errors import (
    CorruptStoreError,
    MigrationError,
    SchemaTooNewError,
    StoreBusyError,
    StoreError,
    StoreFullError,
    StoreLockedError,
)

if TYPE_CHECKING:
    import sqlite3 as driver
else:
    try:
        # One engine everywhere: FTS5 `secure-delete` needs 3.42, Debian 12 ships 3.40.
        from sqlcipher3 import dbapi2 as driver
    except ImportError:  # a source install without the wheel
        import sqlite3 as driver

Connection: TypeAlias = "driver.Connection"
Row = tuple[Any, ...]
DriverError = driver.Error

APPLICATION_ID = 0x4C455448  # "LETH"
OLDEST_ENGINE = (3, 42, 0)
# Name, statement argument, value that must be read back.
PRAGMAS: tuple[tuple[str, str, object], ...] = (
    ("journal_mode", "WAL", "wal"),
    ("secure_delete", "ON", 1),
    ("temp_store", "MEMORY", 2),
    ("foreign_keys", "ON", 1),
    ("trusted_schema", "OFF", 0),
    ("cell_size_check", "ON", 1),
    ("synchronous", "FULL", 2),
)
BUSY_MS = 30_000  # reads wait for recovery or a seal; writers retry with jitter instead


def require_engine() -> None:
    """Raise `StoreError` unless the SQLite library can erase from full-text indexes."""
    if driver.sqlite_version_info < OLDEST_ENGINE:
        raise StoreError(
            f"sqlite {driver.sqlite_version} cannot erase from a full-text index",
            hint="install the package 'sqlcipher3-wheels', or a Python built with SQLite 3.42+",
        )


def connect(
    path: Path, *, wait: float, create: bool, schema: str = "store", keys: Sequence[bytes] = ()
) -> Connection:
    """Open `path`, set every pragma and read it back, migrate the schema to the newest.

    Args:
        path: The database file.
        wait: Seconds to wait for other writers.
        create: Make the file, private to its owner, when it does not exist.
        schema: Folder of migrations: "store" or "behavior".
        keys: Data keys one of which opens it, the likeliest first; none if it is not encrypted.

    Raises:
        StoreError: The folder or the file cannot be used; subclasses say why.
    """
    require_engine()
    _refuse_link(path)
    if not path.exists():
        if not create:
            raise StoreError(f"no store at '{path.parent}'", hint="run 'mem init' to create one")
        _create_private(path)
    with mapped_errors(path):
        con = _opened(path, wait, keys)
        try:
            _prepare(con, path, wait, schema)
        except BaseException:
            con.close()
            raise
    return con


def is_open(con: Connection) -> bool:
    """Tell whether a connection was not closed."""
    try:
        return con.total_changes >= 0
    except driver.ProgrammingError:
        return False


def engine_version() -> str:
    """Return the version of the SQLite library in use."""
    return driver.sqlite_version


def scratch_database() -> Connection:
    """Open an empty database in memory, of the same engine."""
    return driver.connect(":memory:", isolation_level=None)


def open_file(path: Path) -> Connection:
    """Open a database as it is, nothing of it read yet."""
    return driver.connect(str(path), isolation_level=None, check_same_thread=False)


def connect_reader(path: Path, keys: Sequence[bytes] = ()) -> Connection:
    """Open a second connection that only reads; for use by one thread at a time."""
    with mapped_errors(path):
        con = _opened(path, BUSY_MS / 1000, keys)
        for pragma in ("query_only=ON", "temp_store=MEMORY", f"busy_timeout={BUSY_MS}"):
            con.execute(f"PRAGMA {pragma}").fetchall()
    return con


def _opened(path: Path, wait: float, keys: Sequence[bytes]) -> Connection:
    for key in keys:
        con = driver.connect(str(path), isolation_level=None, check_same_thread=False, timeout=wait)
        try:
            set_key(con, key)
            con.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        except driver.DatabaseError as exc:
            con.close()
            if "not a database" not in str(exc):
                raise
        except BaseException:
            con.close()
            raise
        else:
            return con
    if keys:
        raise StoreLockedError(
            f"'{path}' is not encrypted with this store's key, or is damaged",
            hint="restore the folder from a backup, with the key file of the same time",
        )
    return driver.connect(str(path), isolation_level=None, check_same_thread=False, timeout=wait)


def set_key(con: Connection, key: bytes, *, anew: bool = False) -> None:
    """Give a fresh connection its data key; or encrypt its whole file under another, `anew`.

    Raises:
        StoreError: The engine in use cannot encrypt, and would write plain text without a word.
    """
    if not con.execute("PRAGMA cipher_version").fetchone():
        raise StoreError(
            f"sqlite {driver.sqlite_version} cannot encrypt",
            hint="install the package 'sqlcipher3-wheels'",
        )
    con.execute("PRAGMA cipher_log_level=NONE")  # a wrong key is an answer here, no news
    # A pragma takes no parameters. A key in hexadecimal is used as it is, without a derivation.
    con.execute(f"PRAGMA {'rekey' if anew else 'key'} = \"x'{key.hex()}'\"").fetchall()


def _refuse_link(path: Path) -> None:
    for place in (path.parent, path):
        if place.is_symlink():
            raise StoreError(
                f"'{place}' is a symbolic link",
                hint="a store must own its files; give the real folder",
            )
    if path.exists() and not stat.S_ISREG(path.stat().st_mode):
        raise StoreError(f"'{path}' is not a regular file", hint="give the folder of a store")


def _create_private(path: Path) -> None:
    from memory.files import sync_folder  # noqa: PLC0415 - stands on this module

    # The mode of the database file is inherited by its WAL and shared-memory files.
    try:
        fresh = [folder for folder in path.parents if not folder.exists()]
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        close(os_open(path, O_CREAT | O_EXCL | O_RDWR, 0o600))
        # What is acknowledged must not lie in a folder that a power cut removes again. SQLite
        # syncs the folder of the file itself, with the first commit.
        for folder in fresh:
            sync_folder(folder.parent)
    except FileExistsError:
        return  # another process was first; both open the same file
    except OSError as exc:
        raise StoreError(
            f"cannot create a store in '{path.parent}': {exc.strerror}",
            hint="choose a folder you may write to, with --store or $LETHEON_HOME",
        ) from exc


def _prepare(con: Connection, path: Path, wait: float, schema: str) -> None:
    tables = _tables(con)  # before the id: another process may be creating both at this moment
    application, version = identity(con)
    if application not in (0, APPLICATION_ID) or (application == 0 and tables):
        raise CorruptStoreError(
            f"'{path}' is a database of another program", hint="give the folder of a store"
        )
    newest = len(migrations(schema))
    if version > newest:
        raise SchemaTooNewError(
            f"'{path}' has schema {version}, this Letheon knows up to {newest}",
            hint="upgrade the package 'letheon'",
        )
    retry(lambda: con.execute("PRAGMA journal_mode=WAL").fetchall(), wait)
    for name, argument, expected in PRAGMAS:
        con.execute(f"PRAGMA {name}={argument}").fetchall()
        (value,) = con.execute(f"PRAGMA {name}").fetchone()
        if value != expected:
            raise StoreError(f"the SQLite engine refused pragma {name}={argument}: {value!r}")
    con.execute(f"PRAGMA busy_timeout={BUSY_MS}")
    migrate(con, wait, schema)


def identity(con: Connection) -> tuple[int, int]:
    """Return the application id and the schema version in the file's header."""
    (application,) = con.execute("PRAGMA application_id").fetchone()
    (version,) = con.execute("PRAGMA user_version").fetchone()
    return application, version


def _tables(con: Connection) -> bool:
    return bool(con.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone())


def migrations(schema: str = "store") -> list[tuple[str, str]]:
    """Return every migration of a schema as (file name, SQL text), oldest first."""
    folder = resources.files("memory") / "migrations" / schema
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return [(name, (folder / name).read_text("utf-8")) for name in names]


def migrate(con: Connection, wait: float, schema: str = "store") -> None:
    """Apply the missing migrations, each with its version bump in one transaction."""
    steps = migrations(schema)
    if identity(con)[1] == len(steps):
        return
    for number, (name, sql) in enumerate(steps, start=1):
        with transaction(con, wait):
            if identity(con)[1] >= number:
                continue  # another process got here first
            try:
                for statement in statements(sql):
                    con.execute(statement)
                con.execute(f"PRAGMA application_id={APPLICATION_ID}")
                con.execute(f"PRAGMA user_version={number}")
            except DriverError as exc:
                raise MigrationError(
                    f"migration {name} failed: {exc}", hint="the store keeps its old schema"
                ) from exc


def statements(sql: str) -> list[str]:
    """Split a migration file at the semicolons that end a line; `--` lines are dropped."""
    lines = [line for line in sql.splitlines() if not line.lstrip().startswith("--")]
    parts = re.split(r";\s*$", "\n".join(lines), flags=re.MULTILINE)
    return [part.strip() for part in parts if part.strip()]


@contextmanager
def transaction(con: Connection, wait: float) -> Iterator[None]:
    """Run a block as one write transaction; roll back on any error. Does not nest.

    A plain BEGIN that upgrades to a write loses most rows under contention (measured: 88 %),
    so the write lock is taken at once, with jittered retries for `wait` seconds.
    """
    con.execute("PRAGMA busy_timeout=0")
    try:
        retry(lambda: con.execute("BEGIN IMMEDIATE"), wait)
    finally:
        con.execute(f"PRAGMA busy_timeout={BUSY_MS}")
    try:
        yield
        con.execute("COMMIT")
    except BaseException:
        if con.in_transaction:
            con.execute("ROLLBACK")
        raise


@contextmanager
def snapshot(con: Connection) -> Iterator[None]:
    """Run a block of reads on one consistent state; ends the read mark whatever happens."""
    con.execute("BEGIN")
    try:
        yield
    finally:
        if con.in_transaction:
            con.execute("COMMIT")


def retry(action: Callable[[], object], wait: float) -> None:
    """Run `action` until it does not find the database locked, for at most `wait` seconds."""
    deadline = time.monotonic() + wait
    pause = 0.001
    while True:
        try:
            action()
        except driver.OperationalError as exc:
            if not is_busy(exc) or time.monotonic() >= deadline:
                raise
        else:
            return
        time.sleep(pause * (0.5 + random.random()))  # noqa: S311 - jitter, not a secret
        pause = min(pause * 1.6, 0.05)


def is_busy(exc: BaseException) -> bool:
    """Tell whether the error means that another connection holds a lock."""
    return isinstance(exc, driver.OperationalError) and "locked" in str(exc)


OPENING = 1 << 18  # bytes that opening databases needs beside them


def starved(folder: Path) -> bool:
    """Tell whether the disk has no room to open a database: the engine does not say why."""
    try:
        return disk_usage(folder).free < OPENING
    except OSError:
        return False


@contextmanager
def mapped_errors(path: Path) -> Iterator[None]:
    """Turn driver errors into the errors a person can act on."""
    try:
        yield
    except driver.Error as exc:
        raise _mapped(exc, path) from exc


def _mapped(exc: BaseException, path: Path) -> StoreError:
    said = str(exc)
    if "decode" in said:
        said = "malformed text"  # the driver repeats what it could not read
    if "closed database" in said:
        return StoreError("the store is closed", hint="open it again")
    if "locked" in said or "busy" in said:
        return StoreBusyError(
            f"'{path}' is held by another process", hint="try again, or close the other program"
        )
    if "full" in said or ("disk I/O" in said and starved(path.parent)):
        return StoreFullError(
            f"no space left for '{path}'", hint="free some space; nothing was lost"
        )
    if "readonly" in said or "read-only" in said or "unable to open" in said:
        return StoreError(
            f"'{path}' cannot be written: {said}", hint="check the folder's owner and mode"
        )
    if "not a database" in said or "malformed" in said or "corrupt" in said:
        return CorruptStoreError(
            f"'{path}' is damaged or is not a store: {said}",
            hint="run 'mem doctor'; restore the folder from a backup if it cannot repair it",
        )
    return StoreError(f"'{path}': {said}", hint="run 'mem doctor'")
