"""How often work is run that clashes with other work, and what is said when that is no use."""

from random import SystemRandom

from sqlalchemy.exc import DBAPIError

from hydria.errors import Unavailable
from hydria.store.engines import full, lost, overtaken, passing, unreachable
from hydria.store.transaction import Transaction

# Before the caller is told. SQLite waits within each.
EMBEDDED, SHARED = 5, 20

# How long it pauses before, at most (seconds), twice as long each time, so many times.
_PAUSE, _DOUBLED = 0.001, 7
_random = SystemRandom()


class Counts:
    """What was done since the start, for whoever measures: transactions, and those that were run again."""

    def __init__(self) -> None:
        self.reads = self.writes = self.retries = 0


def pause(attempt: int) -> float:
    """Return how long to wait (seconds) before another server is likely to be done with what clashed."""
    return _random.uniform(0, _PAUSE * 2 ** min(attempt, _DOUBLED))


def busy() -> Unavailable:
    """Return the refusal of work that clashed each time."""
    return Unavailable("The database is busy. Please try again.")


def judge(error: DBAPIError, transaction: Transaction | None, attempt: int) -> None:
    """Return when the work may be run again. Raises Unavailable, or the error."""
    # A commit that was cut off may have happened.
    if error.connection_invalidated and transaction is not None and transaction.done:
        raise Unavailable("The database was lost while it saved. Look whether the change is there.") from error
    if passing(error) or (attempt == 1 and overtaken(error)):
        return
    if full(error):
        raise Unavailable("The server's disk is full: nothing was changed. Make room there, then try again.") from error
    if unreachable(error):
        raise lost() from error
    raise error
