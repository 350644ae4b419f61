"""PostgreSQL from an event loop: the guarantees for threads also hold here, and after a lost connection."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from msgspec import structs
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from hydria.errors import NotFound, Unavailable
from hydria.store import Database, Milestone, Transaction, columns, metadata
from hydria.store.migrate import upgrade
from hydria.store.resources import KnownHost
from tests.support.postgres import Postgres

ONE = KnownHost(id="one", seen_at=1)


@pytest.fixture
async def database(postgres: Postgres) -> AsyncIterator[Database]:
    url = postgres.empty()
    made = Database(url)
    made.with_connection(metadata.create_all)
    yield made
    made.close()
    postgres.drop(url)


def hosts(transaction: Transaction) -> list[KnownHost]:
    return transaction.find(KnownHost, order_by=(columns(KnownHost).id,))


def add(transaction: Transaction) -> None:
    transaction.insert(ONE)


@pytest.mark.parametrize("single", [False, True])
async def test_a_read_returns_what_was_written(database: Database, single: bool) -> None:
    await database.run(add, writing=True)
    assert await database.run(hosts, writing=False, single=single) == [ONE]


async def test_a_commit_publishes_hints_and_a_failure_rolls_back(database: Database) -> None:
    heard: list[frozenset[str]] = []
    passed: list[list[Milestone]] = []
    database.subscribe(heard.append)
    database.watch(passed.append)
    milestone = Milestone(load_balancer_id="lb", generation=2, served=False)

    def work(transaction: Transaction, *, fails: bool) -> None:
        transaction.insert(ONE)
        transaction.hint("instances")
        transaction.milestones.append(milestone)
        if fails:
            raise NotFound("on the way")

    with pytest.raises(NotFound, match="on the way"):
        await database.run(lambda tx: work(tx, fails=True), writing=True)
    assert (heard, passed, await database.run(hosts, writing=False)) == ([], [], [])
    await database.run(lambda tx: work(tx, fails=False), writing=True)
    assert (heard, passed) == ([frozenset({"instances"})], [[milestone]])
    with pytest.raises(IntegrityError):
        await database.run(add, writing=True)
    with pytest.raises(DBAPIError, match="lost"):
        await database.run(lambda tx: tx.execute(text("SELECT * FROM lost")), writing=False, single=True)
    assert await database.run(hosts, writing=False, single=True) == [ONE]


async def test_writers_in_the_loop_and_in_threads_lose_nothing(database: Database) -> None:
    await database.run(add, writing=True)

    def count(transaction: Transaction) -> None:
        (found,) = hosts(transaction)
        transaction.update(KnownHost(id="one", seen_at=found.seen_at + 1))

    here = [database.run(count, writing=True) for _ in range(20)]
    there = [asyncio.to_thread(database.transact, count) for _ in range(20)]
    await asyncio.gather(*here, *there)
    assert await database.run(hosts, writing=False) == [KnownHost(id="one", seen_at=41)]


async def test_work_continues_over_new_connections(database: Database, postgres: Postgres) -> None:
    await database.run(add, writing=True)
    await asyncio.gather(*(database.run(hosts, writing=False, single=True) for _ in range(4)))
    postgres.cut()
    assert await database.run(hosts, writing=False, single=True) == [ONE]
    assert await database.run(hosts, writing=False) == [ONE]
    postgres.cut()
    await database.run(lambda tx: tx.insert(KnownHost(id="two", seen_at=2)), writing=True)
    assert len(await database.run(hosts, writing=False)) == 2


async def test_a_server_that_hangs_in_a_transaction_keeps_no_lock(database: Database) -> None:
    shown = await database.run(
        lambda tx: tx.execute(text("SHOW idle_in_transaction_session_timeout")).scalar_one(), writing=False
    )
    assert shown == "15s"
    pauses = iter([0.5, 0.0])

    def hang(transaction: Transaction) -> None:
        transaction.execute(text("SET LOCAL idle_in_transaction_session_timeout = '100ms'"))
        add(transaction)
        # The whole event loop stands still, as in a process that was stopped.
        time.sleep(next(pauses))
        transaction.update(structs.replace(ONE, seen_at=2))

    # The server runs the transaction again that PostgreSQL ended.
    await database.run(hang, writing=True)
    assert await database.run(hosts, writing=False) == [structs.replace(ONE, seen_at=2)]


async def test_a_cancelled_read_leaves_no_answer_to_the_next(database: Database) -> None:
    await database.run(add, writing=True)
    for single in (False, True):
        slept = asyncio.Event()

        def sleep(transaction: Transaction, slept: asyncio.Event = slept) -> None:
            slept.set()
            transaction.execute(text("SELECT pg_sleep(600)"))

        going = asyncio.create_task(database.run(sleep, writing=False, single=single))
        await slept.wait()
        going.cancel()
        with pytest.raises(asyncio.CancelledError):
            await going
        assert await database.run(hosts, writing=False, single=single) == [ONE]


async def test_another_server_may_change_the_schema(database: Database) -> None:
    await database.run(add, writing=True)
    for kind in ("bigint", "numeric", "bigint"):
        change = text(f"ALTER TABLE hosts ALTER COLUMN seen_at TYPE {kind}")
        await asyncio.to_thread(database.transact, lambda tx, change=change: tx.execute(change))
        assert await database.run(hosts, writing=False, single=True) == [ONE]
        assert await database.run(hosts, writing=False) == [ONE]
        await database.run(lambda tx: tx.update(*hosts(tx)), writing=True)


async def test_an_unreachable_database_is_unavailable(postgres: Postgres) -> None:
    lost = Database(postgres.empty().replace("hydria_", "lost_"))
    for writing in (False, True):
        with pytest.raises(Unavailable, match="cannot be reached"):
            await lost.run(hosts, writing=writing)
    lost.close()


async def test_a_url_for_psycopg_works_and_options_of_libpq_stay_away_from_the_server(postgres: Postgres) -> None:
    url = postgres.empty()
    older = url.replace("postgresql:", "postgresql+psycopg:")
    upgrade(f"{older}&connect_timeout=3")
    database = Database(f"{older}&connect_timeout=3&application_name=balancer")
    name = text("SHOW application_name")
    found = await database.run(lambda transaction: transaction.execute(name).scalar_one(), writing=False)
    assert found == "balancer"
    assert await database.run(hosts, writing=False) == []
    database.close()
    postgres.drop(url)
