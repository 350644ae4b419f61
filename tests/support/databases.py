"""New databases for tests, made quickly: the parts that are the same for all are made once in a process."""

import tempfile
from collections.abc import Iterator, MutableMapping
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import make_url

from hydria.store import Database, metadata


class _Compiled(MutableMapping[Any, Any]):
    """Compiled statements of all databases. SQLAlchemy keeps them for each engine: its keys begin with the dialect."""

    def __init__(self) -> None:
        self._statements: dict[Any, Any] = {}

    def __getitem__(self, key: Any) -> Any:
        return self._statements[self._shared(key)]

    def __setitem__(self, key: Any, compiled: Any) -> None:
        self._statements[self._shared(key)] = compiled

    def __delitem__(self, key: Any) -> None:
        del self._statements[self._shared(key)]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._statements)

    def __len__(self) -> int:
        return len(self._statements)

    @staticmethod
    def _shared(key: Any) -> Any:
        dialect, *rest = key
        return (dialect.name, dialect.driver, *rest)


_compiled = _Compiled()


def open_database(url: str) -> Database:
    """Open a database with all tables; make a SQLite file when it is missing."""
    address = make_url(url)
    if address.get_backend_name() == "sqlite" and address.database and not Path(address.database).exists():
        Path(address.database).write_bytes(_empty())
    return Database(url, synchronous="off", compiled=_compiled)


@cache
def _empty() -> bytes:
    """Return the SQLite file of a database that has all tables and no rows."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "hydria.db"
        database = Database(f"sqlite:///{file}", synchronous="off")
        database.with_connection(metadata.create_all)
        # Closing the last connection moves everything from the WAL into the file.
        database.close()
        return file.read_bytes()
