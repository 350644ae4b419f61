"""Engines: the options of SQLite and PostgreSQL, and the kinds of their failures."""

import contextlib
import sqlite3
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, IntegrityError

from hydria.errors import SettingsError, Unavailable
from hydria.files import make_private, narrow

# The mode of a transaction; `single` means autocommit, for reads by one statement.
Mode = Literal["write", "read", "single"]

# A connection's options before its transaction. Writing transactions on PostgreSQL are SERIALIZABLE: work reads
# before it writes, and PostgreSQL fails one of two conflicting transactions, which is run again.
# BEGIN and COMMIT cost as much as a statement, so a single statement goes without them.
EMBEDDED: dict[Mode, dict[str, Any]] = {
    "write": {"hydria_writing": True},
    "read": {"hydria_writing": False},
    "single": {"hydria_writing": None},
}
SHARED: dict[Mode, dict[str, Any]] = {
    "write": {"isolation_level": "SERIALIZABLE"},
    "read": {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True},
    "single": {"isolation_level": "AUTOCOMMIT"},
}

# PostgreSQL's serialization_failure and deadlock_detected.
_CONFLICTS = ("40001", "40P01")


def open_sqlite(address: URL, synchronous: str, compiled: MutableMapping[Any, Any] | None = None) -> Engine:
    """Open an embedded database; `synchronous` is the pragma, `compiled` is where it keeps compiled statements."""
    options = {} if compiled is None else {"compiled_cache": compiled}
    engine = create_engine(address, execution_options=options)
    _keep_private(engine, address)
    _prepare_sqlite(engine, synchronous)
    return engine


def database_unreachable() -> Unavailable:
    """Return the refusal for a database that takes no connections."""
    return Unavailable("The database cannot be reached. Please try again.")


def module_missing(error: ModuleNotFoundError) -> SettingsError:
    """Return the error for a database whose driver is not installed."""
    return SettingsError(
        f"database.url: PostgreSQL needs the Python module {error.name}, which is not installed: "
        "pip install 'hydria[postgresql]'"
    )


def is_retryable(error: DBAPIError) -> bool:
    """Return True when the same work may succeed when it is run again."""
    if "database is locked" in str(error.orig) or error.connection_invalidated:
        return True
    # Another server has changed the schema since the statement was prepared.
    if "cached statement plan is invalid" in str(error.orig):
        return True
    return getattr(error.orig, "sqlstate", None) in _CONFLICTS


def is_unique_violation(error: DBAPIError) -> bool:
    """Return True when a unique constraint was violated.

    Either a concurrent transaction inserted the row, or a random value collided. A second run resolves both.
    """
    if not isinstance(error, IntegrityError):
        return False
    unique = getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_CONSTRAINT_UNIQUE
    return unique or getattr(error.orig, "sqlstate", None) == "23505"


def is_disk_full(error: DBAPIError) -> bool:
    """Return True when the database's disk is full."""
    return "disk is full" in str(error.orig) or getattr(error.orig, "sqlstate", None) == "53100"


def refuses_connections(error: DBAPIError) -> bool:
    """Return True when the database is starting, is stopping, or has no connection left."""
    return getattr(error.orig, "sqlstate", None) in ("57P03", "53300", "57P01")


def _keep_private(engine: Engine, address: URL) -> None:
    """Give SQLite's files mode 0600. SQLite makes `-wal` and `-shm` with the mode of the database file."""
    if address.database in (None, "", ":memory:") or address.query.get("uri"):
        return
    file = Path(address.database)

    @event.listens_for(engine, "do_connect")
    def _before_connecting(*_: Any) -> None:
        # SQLite reports a file that cannot be made or opened.
        with contextlib.suppress(OSError):
            make_private(file)
            narrow(*(file.with_name(file.name + end) for end in ("-wal", "-shm")))


def _prepare_sqlite(engine: Engine, synchronous: str) -> None:
    if synchronous not in ("full", "normal", "off"):
        raise ValueError(f"synchronous cannot be {synchronous!r}")

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        # SQLAlchemy issues BEGIN (below); the driver must not.
        connection.isolation_level = None
        for pragma in ("journal_mode = WAL", f"synchronous = {synchronous}", "busy_timeout = 5000"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A transaction that reads before it writes must take the write lock at its start. None means autocommit.
        writing = connection.get_execution_options().get("hydria_writing", True)
        if writing is not None:
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
