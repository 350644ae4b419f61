"""The SQL statements that a server runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from hydria.store import Database


@contextmanager
def noted(database: Database) -> Iterator[list[tuple[str, Any]]]:
    """Yield a list of the statements that run meanwhile, with their parameters."""
    statements: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *rest: Any) -> None:
        # BEGIN is a statement in SQLite only.
        if not statement.startswith("BEGIN"):
            statements.append((statement, parameters))

    for engine in database.engines:
        event.listen(engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        for engine in database.engines:
            event.remove(engine, "before_cursor_execute", note)
