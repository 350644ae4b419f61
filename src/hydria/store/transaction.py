"""Rows of one transaction, as structs. Statements that do not vary are built once."""

from collections.abc import Callable, Hashable, Sequence
from datetime import datetime
from functools import cache
from typing import Any, TypeVar

from msgspec import Struct
from sqlalchemy import (
    ColumnElement,
    Connection,
    CursorResult,
    Insert,
    Select,
    Update,
    bindparam,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql import Executable

from hydria.errors import Refusal
from hydria.store.tables import rows_of

S = TypeVar("S", bound=Struct)

_ADDING: dict[str, Callable[..., Any]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


class Unanswered(Exception):
    """A transaction needs an answer from outside of the database, which it must not wait for.

    It is rolled back; `hydria.http.outside` gets the answer and runs the work again.
    """

    def __init__(self, question: Hashable) -> None:
        super().__init__(question)
        self.question = question


class Milestone(Struct, frozen=True, kw_only=True):
    """A generation of a load balancer that a transaction began or, with `served`, that every host serves by now.

    `served` also holds for a deletion whose amphorae are gone.
    """

    load_balancer_id: str
    generation: int
    served: bool


class Author(Struct, frozen=True, kw_only=True):
    """The call that makes a transaction's changes: who, when, and what it is in words (`PUT /pools/{id}`)."""

    user_id: str
    project_id: str | None
    request_id: str
    cause: str
    at: datetime


class Transaction:
    """Rows of one transaction, as structs."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.hints: set[str] = set()
        self.milestones: list[Milestone] = []
        # None where no call of an API makes the changes.
        self.author: Author | None = None
        # True when the transaction is rolled back in the end, to see what a call would do.
        self.dry_run = False
        # The changes of load balancers so far, by id (`hydria.store.generations`).
        self.bumps: dict[str, Any] = {}
        self._before_commit: list[Callable[[Transaction], None]] = []
        # True when the work has returned and only the commit is left.
        self.done = False
        # Answers from outside by question; None where nobody answers questions.
        self.answers: dict[Hashable, Any] | None = None

    def ask(self, question: Hashable) -> Any:
        """Return the answer to a question to a service. Raises the service's Refusal, or Unanswered."""
        if self.answers is None or question not in self.answers:
            raise Unanswered(question)
        answer = self.answers[question]
        if isinstance(answer, Refusal):
            raise answer
        return answer

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """Return a made value, which stays the same when the work runs again after an answer."""
        if self.answers is None:
            return make()
        return self.answers.setdefault(("once", name), make())

    def get(self, kind: type[S], key: str, *, column: str = "id") -> S | None:
        """Return the struct with this key, or None."""
        row = self._connection.execute(_selecting(kind, column), {"key": key}).first()
        return None if row is None else rows_of(kind).load(row)

    def hold(self, kind: type[S], key: str, *, column: str = "id", shared: bool = False) -> S | None:
        """Return the struct with this key, or None, and lock its row until this transaction ends.

        A `shared` lock prevents changes only: other transactions may hold one too.
        """
        row = self._connection.execute(_holding(kind, column, shared), {"key": key}).first()
        return None if row is None else rows_of(kind).load(row)

    def find(self, kind: type[S], *where: ColumnElement[bool], order_by: tuple[Any, ...] = ()) -> list[S]:
        """Return the structs that meet all conditions."""
        return self.load(kind, select(rows_of(kind).table).where(*where).order_by(*order_by))

    def load(self, kind: type[S], statement: Select[Any], parameters: Any = None) -> list[S]:
        """Return the structs of a statement's rows; it selects all columns of their table."""
        return list(map(rows_of(kind).load, self._connection.execute(statement, parameters).all()))

    def among(self, kind: type[S], keys: Sequence[str], *, column: str = "id") -> list[S]:
        """Return the structs with these keys."""
        return self.load(kind, _several(kind, column), {"keys": keys}) if keys else []

    def insert(self, *items: Struct) -> None:
        """Insert structs, with one statement for each kind."""
        by_kind: dict[type[Struct], list[dict[str, Any]]] = {}
        for item in items:
            by_kind.setdefault(type(item), []).append(rows_of(type(item)).dump(item))
        for kind, dumped in by_kind.items():
            self._connection.execute(_inserting(kind), _one_or_all(dumped))

    def ensure(self, item: Struct) -> bool:
        """Insert a struct unless a row has the same key or unique values; return True when it was inserted.

        Waits for a concurrent transaction that inserts the same row.
        """
        add = _ensuring(type(item), self._connection.dialect.name)
        return bool(self._connection.execute(add, rows_of(type(item)).dump(item)).rowcount)

    def ensure_all(self, items: Sequence[Struct]) -> None:
        """Insert structs of one kind as `ensure` does, with one statement."""
        if items:
            kind = type(items[0])
            dumped = [rows_of(kind).dump(item) for item in items]
            self._connection.execute(_ensuring(kind, self._connection.dialect.name), dumped)

    def update(self, *items: Struct) -> None:
        """Replace the rows with the structs' keys, with one statement for each kind."""
        by_kind: dict[type[Struct], list[dict[str, Any]]] = {}
        for item in items:
            rows = rows_of(type(item))
            row = rows.dump(item)
            keys = {f"key_{column.name}": row[column.name] for column in rows.table.primary_key}
            by_kind.setdefault(type(item), []).append(row | keys)
        for kind, dumped in by_kind.items():
            self._connection.execute(_updating(kind), _one_or_all(dumped))

    def delete(self, kind: type[Struct], *where: ColumnElement[bool]) -> int:
        """Delete the rows that meet all conditions; return their number. Raises ValueError without a condition."""
        if not where:
            raise ValueError("a delete needs a condition")
        return int(self._connection.execute(delete(rows_of(kind).table).where(*where)).rowcount)

    def execute(self, statement: Executable, parameters: Any = None) -> CursorResult[Any]:
        """Run any statement of SQLAlchemy Core."""
        result = self._connection.execute(statement, parameters)
        assert isinstance(result, CursorResult)  # noqa: S101 - Core statements return nothing else
        return result

    def before_commit(self, act: "Callable[[Transaction], None]") -> None:
        """Call `act` when the work has returned, once however often it is given."""
        if act not in self._before_commit:
            self._before_commit.append(act)

    def complete(self) -> None:
        """Do what was put off until the work has returned."""
        for act in self._before_commit:
            act(self)

    def hint(self, topic: str) -> None:
        """Notify the listeners of a topic when this transaction has committed. Hints may be lost."""
        self.hints.add(topic)


# Building a statement costs as much as running it, so statements that do not vary are cached.


@cache
def _selecting(kind: type[Struct], column: str) -> Select[Any]:
    table = rows_of(kind).table
    return select(table).where(table.c[column] == bindparam("key"))


@cache
def _several(kind: type[Struct], column: str) -> Select[Any]:
    table = rows_of(kind).table
    return select(table).where(table.c[column].in_(bindparam("keys", expanding=True)))


@cache
def _holding(kind: type[Struct], column: str, shared: bool) -> Select[Any]:
    return _selecting(kind, column).with_for_update(read=shared)


@cache
def _inserting(kind: type[Struct]) -> Insert:
    return insert(rows_of(kind).table)


@cache
def _ensuring(kind: type[Struct], dialect: str) -> Insert:
    inserting: Insert = _ADDING[dialect](rows_of(kind).table).on_conflict_do_nothing()
    return inserting


@cache
def _updating(kind: type[Struct]) -> Update:
    table = rows_of(kind).table
    return update(table).where(*(column == bindparam(f"key_{column.name}") for column in table.primary_key))


def _one_or_all(rows: list[dict[str, Any]]) -> Any:
    # A batch, even of one row, costs PostgreSQL two round trips.
    return rows[0] if len(rows) == 1 else rows
