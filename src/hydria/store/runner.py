"""How work is run in transactions of one engine: again when it clashes, and alone when it only reads one thing."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from random import SystemRandom
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from hydria.errors import Unavailable
from hydria.store.engines import Way, full, lost, overtaken, passing, unreachable
from hydria.store.transaction import Transaction

R = TypeVar("R")
Work = Callable[[Transaction], R]

# How long it pauses before work is run again, at most (seconds), twice as long each time, so many times.
_PAUSE, _DOUBLED = 0.001, 7
_random = SystemRandom()


class Counts:
    """What was done since the start, for whoever measures: transactions, and those that were run again."""

    def __init__(self) -> None:
        self.reads = self.writes = self.retries = 0


class Take(Protocol):
    """Takes a turn to write; see `Turns.take`."""

    def __call__(self, after: ExitStack, *, again: bool) -> AbstractContextManager[None]:
        """Work alone until the end, and commit before `after` is closed."""
        ...


class Runner:
    """The transactions of one engine, for who waits or for greenlets."""

    def __init__(
        self,
        engine: Engine,
        options: Mapping[Way, dict[str, Any]],
        *,
        attempts: int,
        counts: Counts,
        take: Take,
        wait: Callable[[float], object],
    ) -> None:
        """`options` are a connection's before its transaction; work is run `attempts` times; `wait` waits (seconds)."""
        self.engine = engine
        self._ways = {way: engine.execution_options(**each) for way, each in options.items()}
        self._attempts = attempts
        self._counts = counts
        self._take = take
        self._wait = wait
        self._idle: list[Connection] = []

    def write(self, work: Work[R]) -> tuple[R, Transaction]:
        """Run `work` in a transaction that may write; returns the transaction too. Raises Unavailable."""
        for attempt in range(1, self._attempts + 1):
            transaction = None
            try:
                with ExitStack() as end, self._begin("write") as transaction:
                    with self._take(end, again=attempt > 1):
                        result = work(transaction)
                    transaction.done = True
            except DBAPIError as error:
                self._judge(error, transaction, attempt)
                # Another server may be at it, for as long as its disk takes.
                self._wait(_random.uniform(0, _PAUSE * 2 ** min(attempt, _DOUBLED)))
                continue
            self._counts.writes += 1
            return result, transaction
        raise _busy()

    def read(self, work: Work[R], *, single: bool) -> R:
        """Run `work` in a transaction that only reads, or in none. Raises Unavailable."""
        for attempt in range(1, self._attempts + 1):
            try:
                with self._alone() if single else self._begin("read") as transaction:
                    self._counts.reads += 1
                    return work(transaction)
            except DBAPIError as error:
                self._judge(error, None, attempt)
        raise _busy()

    @contextmanager
    def _begin(self, way: Way) -> Iterator[Transaction]:
        with self._ways[way].connect() as connection, connection.begin():
            yield Transaction(connection)

    @contextmanager
    def _alone(self) -> Iterator[Transaction]:
        """Lend a connection without a transaction; to fetch one from the pool each time costs as much as to read."""
        connection = self._idle.pop() if self._idle else self._ways["single"].connect()
        try:
            yield Transaction(connection)
        except DBAPIError:
            connection.close()
            raise
        except BaseException:
            # Who was cut off in the middle of a statement leaves it so.
            self._keep(connection)
            raise
        self._keep(connection)

    def _keep(self, connection: Connection) -> None:
        if connection.invalidated:
            connection.close()
        else:
            self._idle.append(connection)

    def _judge(self, error: DBAPIError, transaction: Transaction | None, attempt: int) -> None:
        """Return when the work may be run again. Raises Unavailable, or the error."""
        # A commit that was cut off may have happened.
        if error.connection_invalidated and transaction is not None and transaction.done:
            told = "The database was lost while it saved. Look whether the change is there."
            raise Unavailable(told) from error
        if passing(error) or (attempt == 1 and overtaken(error)):
            self._counts.retries += 1
            return
        if full(error):
            told = "The server's disk is full: nothing was changed. Make room there, then try again."
            raise Unavailable(told) from error
        if unreachable(error):
            raise lost() from error
        raise error

    def close(self) -> None:
        """Close all connections."""
        for connection in self.idle():
            connection.close()
        self.engine.dispose()

    def idle(self) -> list[Connection]:
        """Give away the connections that are kept, to be closed."""
        idle, self._idle = self._idle, []
        return idle


def _busy() -> Unavailable:
    return Unavailable("The database is busy. Please try again.")
