"""Transactions are atomic, run again when the database is busy, and publish hints only after the commit."""

import sqlite3
import threading
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from hydria.errors import Unavailable
from hydria.store import Database, Transaction, columns, metadata
from hydria.store.hints import EVERYTHING
from hydria.store.resources import Health, KnownHost
from tests.support.postgres import Postgres
from tests.support.waiting import wait_until

ONE = KnownHost(id="one", seen_at=1)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'hydria.db'}"


def hosts(database: Database) -> list[KnownHost]:
    return database.read(lambda tx: tx.find(KnownHost, order_by=(columns(KnownHost).id,)))


def test_insert_get_find_update_delete(database: Database) -> None:
    two = KnownHost(id="two", seen_at=2)
    database.transact(lambda tx: tx.insert(two, Health(id="h", load_balancer_id="lb", operating_status="ONLINE"), ONE))
    assert hosts(database) == [ONE, two]
    assert database.read(lambda tx: tx.get(KnownHost, "two")) == two
    assert database.read(lambda tx: tx.get(KnownHost, "three")) is None
    assert database.read(lambda tx: tx.find(KnownHost, columns(KnownHost).seen_at > 1)) == [two]
    database.transact(lambda tx: tx.update(KnownHost(id="two", seen_at=9)))
    assert hosts(database)[1].seen_at == 9
    assert database.transact(lambda tx: tx.delete(KnownHost, columns(KnownHost).id == "two")) == 1
    assert hosts(database) == [ONE]
    database.transact(lambda tx: tx.insert())


def test_delete_without_a_condition_is_refused(database: Database) -> None:
    with pytest.raises(ValueError, match="needs a condition"):
        database.transact(lambda tx: tx.delete(KnownHost))


def test_a_failure_rolls_everything_back(database: Database) -> None:
    heard: list[frozenset[str]] = []
    database.subscribe(heard.append)

    def work(transaction: Transaction) -> None:
        transaction.insert(ONE)
        transaction.hint("instances")
        raise RuntimeError("on the way")

    with pytest.raises(RuntimeError, match="on the way"):
        database.transact(work)
    assert hosts(database) == []
    assert heard == []
    database.transact(lambda tx: tx.insert(ONE))
    with pytest.raises(IntegrityError):
        database.transact(lambda tx: tx.insert(KnownHost(id="two", seen_at=2), ONE))
    assert hosts(database) == [ONE]


def test_hints_come_after_the_commit(database: Database) -> None:
    heard: list[tuple[frozenset[str], int]] = []
    database.subscribe(lambda topics: heard.append((topics, len(hosts(database)))))
    database.transact(lambda tx: tx.insert(ONE))
    assert heard == []

    def work(transaction: Transaction) -> None:
        transaction.insert(KnownHost(id="two", seen_at=2))
        for topic in ("a", "b", "a"):
            transaction.hint(topic)

    database.transact(work)
    assert heard == [(frozenset({"a", "b"}), 2)]


def test_a_database_that_stays_busy_is_unavailable(url: str) -> None:
    database = Database(url, synchronous="off")
    database.with_connection(metadata.create_all)
    impatient = Database(url, synchronous="off")
    with impatient.engines[0].connect() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout = 1")
    other = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="busy"):
        impatient.transact(lambda tx: tx.insert(ONE))
    # Reads are not affected.
    assert hosts(impatient) == []
    other.execute("ROLLBACK")
    other.close()
    impatient.transact(lambda tx: tx.insert(ONE))
    assert hosts(database) == [ONE]
    impatient.close()
    database.close()


def test_work_runs_again_after_a_retryable_error(database: Database) -> None:
    tries = 0

    def work(transaction: Transaction) -> str:
        nonlocal tries
        tries += 1
        transaction.insert(KnownHost(id=f"try {tries}", seen_at=tries))
        if tries < 3:
            raise OperationalError("", {}, Exception("database is locked"))
        return "done"

    assert database.transact(work) == "done"
    assert [host.id for host in hosts(database)] == ["try 3"]


def test_other_errors_of_the_database_are_raised(database: Database) -> None:
    with pytest.raises(DBAPIError, match="lost"):
        database.transact(lambda tx: tx.execute(text("SELECT * FROM lost")))


def test_writers_wait_for_each_other(database: Database) -> None:
    """A row does not change between a transaction's read and its write: no increment is lost."""
    database.transact(lambda tx: tx.insert(KnownHost(id="one", seen_at=0)))

    def increment(transaction: Transaction) -> None:
        found = transaction.get(KnownHost, "one")
        assert found is not None
        transaction.update(KnownHost(id="one", seen_at=found.seen_at + 1))

    def many() -> None:
        for _ in range(25):
            database.transact(increment)

    threads = [threading.Thread(target=many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert hosts(database)[0].seen_at == 100


def test_a_reader_sees_one_snapshot_and_blocks_no_writer(database: Database, database_url: str) -> None:
    writer = Database(database_url, synchronous="off")

    def work(transaction: Transaction) -> tuple[int, int]:
        before = len(transaction.find(KnownHost))
        writer.transact(lambda tx: tx.insert(ONE))
        return before, len(transaction.find(KnownHost))

    assert database.read(work) == (0, 0)
    assert hosts(database) == [ONE]
    writer.close()


def test_a_nested_transaction_raises_instead_of_blocking(postgres: Postgres) -> None:
    url = postgres.empty()
    database = Database(url)
    with pytest.raises(RuntimeError, match="inside another one"):
        database.read(lambda _: hosts(database))
    database.close()
    postgres.drop(url)


def test_settings_of_sqlite(url: str) -> None:
    for synchronous, number in (("full", 2), ("normal", 1), ("off", 0)):
        database = Database(url, synchronous=synchronous)
        pragma = database.read(
            lambda tx: [tx.execute(text(f"PRAGMA {name}")).scalar() for name in ("synchronous", "journal_mode")]
        )
        assert pragma == [number, "wal"]
        database.close()
    with pytest.raises(ValueError, match="synchronous"):
        Database(url, synchronous="sometimes")


def test_hints_reach_other_servers(postgres: Postgres) -> None:
    url = postgres.empty()
    one, two = Database(url), Database(url)
    one.with_connection(metadata.create_all)
    heard: list[frozenset[str]] = []
    one.subscribe(lambda _: None)
    two.subscribe(heard.append)

    def say(transaction: Transaction) -> None:
        transaction.hint("instances")

    # Hints are lost until the other server listens.
    wait_until(lambda: (one.transact(say), frozenset({"instances"}) in heard)[1])
    # A server that lost its connection gets all topics when it is back.
    heard.clear()
    postgres.cut()
    wait_until(lambda: EVERYTHING in heard)
    # Work continues over new connections.
    one.transact(lambda tx: tx.insert(ONE))
    assert hosts(two) == [ONE]
    for database in (one, two):
        database.close()
    postgres.drop(url)


def test_an_unreachable_database_is_unavailable(postgres: Postgres) -> None:
    lost = Database(postgres.empty().replace("hydria_", "lost_"))
    with pytest.raises(Unavailable, match="cannot be reached"):
        lost.transact(lambda tx: tx.insert(ONE))
    with pytest.raises(Unavailable, match="cannot be reached"):
        hosts(lost)
    lost.close()


def test_a_full_disk_is_reported_and_loses_nothing(url: str) -> None:
    database = Database(url, synchronous="off")
    database.with_connection(metadata.create_all)
    database.transact(lambda tx: tx.insert(ONE))

    def grow(transaction: Transaction) -> None:
        # A limit of the connection simulates the full disk.
        transaction.execute(text("PRAGMA max_page_count = 1"))
        transaction.insert(*(KnownHost(id=f"{number:0100}", seen_at=1) for number in range(2000)))

    with pytest.raises(Unavailable, match="disk is full"):
        database.transact(grow)
    assert hosts(database) == [ONE]
    database.close()
