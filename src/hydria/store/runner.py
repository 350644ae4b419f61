"""Runs work in transactions of one engine, again after a conflict; reads of one statement run in autocommit."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from random import SystemRandom
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from hydria.errors import Unavailable
from hydria.store.engines import (
    Mode,
    database_unreachable,
    is_disk_full,
    is_retryable,
    is_unique_violation,
    refuses_connections,
)
from hydria.store.transaction import Transaction

R = TypeVar("R")
Work = Callable[[Transaction], R]

# The longest pause before the second attempt (seconds), and how many times it doubles.
_PAUSE, _DOUBLED = 0.001, 7
_random = SystemRandom()


class Counts:
    """Numbers of transactions since the start, for the metrics: reads, writes, and attempts that were repeated."""

    def __init__(self) -> None:
        self.reads = self.writes = self.retries = 0


class Take(Protocol):
    """Takes a place in the write queue; see `WriteQueue.take`."""

    def __call__(self, after: ExitStack, *, retrying: bool) -> AbstractContextManager[None]: ...


class Runner:
    """The transactions of one engine, called from threads or from greenlets."""

    def __init__(
        self,
        engine: Engine,
        options: Mapping[Mode, dict[str, Any]],
        *,
        attempts: int,
        counts: Counts,
        take: Take,
        sleep: Callable[[float], object],
    ) -> None:
        """`options` are a connection's execution options by mode. Work is run at most `attempts` times."""
        self.engine = engine
        self._engines = {mode: engine.execution_options(**chosen) for mode, chosen in options.items()}
        self._attempts = attempts
        self._counts = counts
        self._take = take
        self._sleep = sleep
        self._idle: list[Connection] = []

    def write(self, work: Work[R]) -> tuple[R, Transaction]:
        """Run `work` in a transaction that may write; return its result and the transaction. Raises Unavailable."""
        for attempt in range(1, self._attempts + 1):
            transaction = None
            try:
                with ExitStack() as end, self._begin("write") as transaction:
                    with self._take(end, retrying=attempt > 1):
                        result = work(transaction)
                        transaction.complete()
                    transaction.done = True
            except DBAPIError as error:
                self._raise_unless_retryable(error, transaction, attempt)
                # Another server's commit may take as long as its disk does.
                self._sleep(_random.uniform(0, _PAUSE * 2 ** min(attempt, _DOUBLED)))
                continue
            self._counts.writes += 1
            return result, transaction
        raise _busy()

    def read(self, work: Work[R], *, single: bool) -> R:
        """Run `work` in a read-only transaction, or with `single` in autocommit. Raises Unavailable."""
        for attempt in range(1, self._attempts + 1):
            try:
                with self._autocommit() if single else self._begin("read") as transaction:
                    self._counts.reads += 1
                    return work(transaction)
            except DBAPIError as error:
                self._raise_unless_retryable(error, None, attempt)
        raise _busy()

    def with_connection(self, work: Callable[[Connection], R]) -> R:
        """Run `work` once in a transaction on a plain connection."""
        with self.engine.begin() as connection:
            return work(connection)

    @contextmanager
    def _begin(self, mode: Mode) -> Iterator[Transaction]:
        with self._engines[mode].connect() as connection, connection.begin():
            yield Transaction(connection)

    @contextmanager
    def _autocommit(self) -> Iterator[Transaction]:
        """Lend a connection in autocommit. It is kept outside the pool, whose check-out costs as much as the read."""
        connection = self._idle.pop() if self._idle else self._engines["single"].connect()
        try:
            yield Transaction(connection)
        except DBAPIError:
            connection.close()
            raise
        except BaseException:
            # A statement that was cancelled midway has invalidated its connection; `_keep` closes it then.
            self._keep(connection)
            raise
        self._keep(connection)

    def _keep(self, connection: Connection) -> None:
        if connection.invalidated:
            connection.close()
        else:
            self._idle.append(connection)

    def _raise_unless_retryable(self, error: DBAPIError, transaction: Transaction | None, attempt: int) -> None:
        """Return when the work may be run again. Raises Unavailable, or the error."""
        # When the connection broke during the commit, the commit may have happened.
        if error.connection_invalidated and transaction is not None and transaction.done:
            message = "The database was lost while it saved. Look whether the change is there."
            raise Unavailable(message) from error
        if is_retryable(error) or (attempt == 1 and is_unique_violation(error)):
            self._counts.retries += 1
            return
        if is_disk_full(error):
            message = "The server's disk is full: nothing was changed. Make room there, then try again."
            raise Unavailable(message) from error
        if refuses_connections(error):
            raise database_unreachable() from error
        raise error

    def close(self) -> None:
        """Close all connections."""
        for connection in self.idle():
            connection.close()
        self.engine.dispose()

    def idle(self) -> list[Connection]:
        """Hand over the kept connections, for the caller to close."""
        idle, self._idle = self._idle, []
        return idle


def _busy() -> Unavailable:
    return Unavailable("The database is busy. Please try again.")
