"""Engines: what SQLite and PostgreSQL each need to be told, and which of their failures pass by themselves."""

import contextlib
import sqlite3
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, IntegrityError

from hydria.errors import SettingsError, Unavailable
from hydria.files import make_private, narrow

# What a transaction is for; `single` is none, for what reads by one statement.
Way = Literal["write", "read", "single"]

# A connection's options before its transaction. On PostgreSQL, what writes is serializable: it reads what it likes
# before it writes, and of two transactions that could spoil each other one is run again.
# To begin and to end a transaction costs as much as a statement: a single one goes without.
EMBEDDED: dict[Way, dict[str, Any]] = {
    "write": {"hydria_writing": True},
    "read": {"hydria_writing": False},
    "single": {"hydria_writing": None},
}
SHARED: dict[Way, dict[str, Any]] = {
    "write": {"isolation_level": "SERIALIZABLE"},
    "read": {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True},
    "single": {"isolation_level": "AUTOCOMMIT"},
}

# PostgreSQL's serialization_failure and deadlock_detected.
_CLASHES = ("40001", "40P01")


def open_engine(address: URL, synchronous: str) -> Engine:
    """Open a database; `synchronous` is SQLite's pragma. Raises SettingsError."""
    if address.get_backend_name() == "sqlite":
        engine = create_engine(address)
        _keep_private(engine, address)
        _prepare_sqlite(engine, synchronous)
        return engine
    if address.drivername == "postgresql":
        address = address.set(drivername="postgresql+psycopg")
    try:
        return create_engine(address)
    except ModuleNotFoundError as error:
        raise missing(error) from None


def lost() -> Unavailable:
    """Return the refusal while nobody can ask the database."""
    return Unavailable("The database cannot be reached. Please try again.")


def missing(error: ModuleNotFoundError) -> SettingsError:
    """Return the refusal of a database that something is not installed for."""
    return SettingsError(
        f"database.url: PostgreSQL needs the Python module {error.name}, which is not installed: "
        "pip install 'hydria[postgresql]'"
    )


def passing(error: DBAPIError) -> bool:
    """Say whether the same work may succeed when it is run again."""
    if "database is locked" in str(error.orig) or error.connection_invalidated:
        return True
    # Another server has changed the schema since the statement was prepared.
    if "cached statement plan is invalid" in str(error.orig):
        return True
    return getattr(error.orig, "sqlstate", None) in _CLASHES


def overtaken(error: DBAPIError) -> bool:
    """Say whether there is already what was to be made: by another transaction, which this one finds when it is run
    again, or by chance, where it drew lots.
    """
    if not isinstance(error, IntegrityError):
        return False
    unique = getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_CONSTRAINT_UNIQUE
    return unique or getattr(error.orig, "sqlstate", None) == "23505"


def full(error: DBAPIError) -> bool:
    """Say whether the database has no room for what it should save."""
    return "disk is full" in str(error.orig) or getattr(error.orig, "sqlstate", None) == "53100"


def unreachable(error: DBAPIError) -> bool:
    """Say whether the database does not take connections, or takes no more."""
    return getattr(error.orig, "sqlstate", None) in ("57P03", "53300", "57P01")


def _keep_private(engine: Engine, address: URL) -> None:
    """Keep what SQLite writes from other users; its two other files get the mode of the database."""
    if address.database in (None, "", ":memory:") or address.query.get("uri"):
        return
    file = Path(address.database)

    @event.listens_for(engine, "do_connect")
    def _before_connecting(*_: Any) -> None:
        # What cannot be made or opened is SQLite's to say.
        with contextlib.suppress(OSError):
            make_private(file)
            narrow(*(file.with_name(file.name + end) for end in ("-wal", "-shm")))


def _prepare_sqlite(engine: Engine, synchronous: str) -> None:
    if synchronous not in ("full", "normal", "off"):
        raise ValueError(f"synchronous cannot be {synchronous!r}")

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        # SQLAlchemy begins; the driver must not begin by itself.
        connection.isolation_level = None
        for pragma in ("journal_mode = WAL", f"synchronous = {synchronous}", "busy_timeout = 5000"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A transaction that reads before it writes must own the write lock from the start; None is no transaction.
        writing = connection.get_execution_options().get("hydria_writing", True)
        if writing is not None:
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
