"""Hints between the servers of one PostgreSQL database: LISTEN and NOTIFY. They may be lost, never made up."""

import threading
import uuid
from collections.abc import Callable
from typing import Any

import structlog
from sqlalchemy import Engine, func, select
from sqlalchemy.exc import SQLAlchemyError

log = structlog.get_logger(__name__)

_CHANNEL = "hydria"
# How long to wait before the way to a database that was lost is tried again (seconds).
_RETRY = 1.0
# How long it says nothing after it said something (seconds).
_PAUSE = 0.01

# All that may have been said while nobody listened.
EVERYTHING = frozenset({"hosts", "identity", "instances", "legs", "topology"})


class Wire:
    """Tells other servers what changed, and hears what they say, in threads of its own: nobody waits for either."""

    def __init__(self, engine: Engine, heard: Callable[[frozenset[str]], None]) -> None:
        """`heard` is called with topics, from the thread."""
        self._engine = engine
        self._heard = heard
        self._name = uuid.uuid4().hex
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._untold: set[str] = set()
        self._news = threading.Event()
        self._ears = threading.Thread(target=self._listen, name="hydria-hints", daemon=True)
        self._voice = threading.Thread(target=self._speak, name="hydria-hints-out", daemon=True)
        self._ears.start()
        self._voice.start()

    def tell(self, topics: frozenset[str]) -> None:
        """Have the other servers told soon; when that cannot be, they look by themselves before long."""
        with self._lock:
            self._untold |= topics
        self._news.set()

    def _speak(self) -> None:
        while not self._stopping.is_set():
            self._news.wait()
            self._news.clear()
            with self._lock:
                topics, self._untold = frozenset(self._untold), set()
            self._notify(topics)
            # What many transactions say at once is said once.
            self._stopping.wait(_PAUSE)

    def _notify(self, topics: frozenset[str]) -> None:
        try:
            with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(select(func.pg_notify(_CHANNEL, " ".join((self._name, *sorted(topics))))))
        except SQLAlchemyError as error:
            log.warning("hint_lost", topics=sorted(topics), reason=str(error))

    def close(self) -> None:
        """Stop listening."""
        self._stopping.set()
        self._news.set()
        self._voice.join(timeout=2)
        # Its own voice wakes the one that listens.
        self._notify(frozenset())
        self._ears.join(timeout=2)

    def _listen(self) -> None:
        import psycopg  # noqa: PLC0415 - only servers with PostgreSQL have it

        arguments, options = self._engine.dialect.create_connect_args(self._engine.url)
        missed = False
        while not self._stopping.is_set():
            try:
                with psycopg.connect(*arguments, **options, autocommit=True) as connection:
                    connection.execute(f"LISTEN {_CHANNEL}")
                    if missed:
                        self._heard(EVERYTHING)
                    self._follow(connection)
            except psycopg.OperationalError as error:
                missed = True
                log.warning("hints_interrupted", reason=str(error))
                self._stopping.wait(_RETRY)

    def _follow(self, connection: Any) -> None:
        # What `close` says before LISTEN is not heard.
        if self._stopping.is_set():
            return
        for notice in connection.notifies():
            if self._stopping.is_set():
                return
            teller, *topics = notice.payload.split(" ")
            if teller != self._name and topics:
                self._heard(frozenset(topics))
