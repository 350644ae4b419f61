"""Finding work reads few rows, however many load balancers there are that need none."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from msgspec import structs
from sqlalchemy import Connection

from hydria.controller.desired_state import DesiredState
from hydria.controller.open_polls import expecting_hosts
from hydria.controller.work_list import find_due
from hydria.model.status import AmphoraHealth
from hydria.store import Database, Transaction, metadata
from hydria.store.resources import Amphora, KnownHost
from tests.conftest import DATABASES
from tests.support.statements import noted
from tests.support.trees import key, load_balancer

# How many load balancers are settled, and on how many hosts. Below about 2,000 PostgreSQL rightly reads whole tables.
SETTLED, HOSTS = 4_000, 40
NOW = 2_000_000_000

Look = Callable[[Transaction], object]


@pytest.fixture(scope="module", params=DATABASES)
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A database with settled load balancers, one that is behind, one whose host is silent, one in the middle of a
    move, and one whose amphora leaves.
    """
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('many') / 'hydria.db'}"
    else:
        url = request.getfixturevalue("postgres").empty()
    made = Database(url, synchronous="off")
    made.with_connection(metadata.create_all)
    made.transact(_fill)
    made.with_connection(lambda connection: connection.exec_driver_sql("ANALYZE"))
    yield made
    made.close()


def _fill(transaction: Transaction) -> None:
    hosts = [KnownHost(id=f"host-{number}", seen_at=NOW, speaks=99) for number in range(HOSTS)]
    transaction.insert(
        *hosts, KnownHost(id="silent", seen_at=NOW - 60), KnownHost(id="drained", seen_at=NOW, draining=True)
    )
    settled = {"generation": 3, "observed": 3}
    for number in range(SETTLED):
        _insert(transaction, number, f"host-{number % HOSTS}", settled, {"served": 3})
    _insert(transaction, SETTLED, "host-0", {"generation": 4, "observed": 3}, {"served": 3})
    _insert(transaction, SETTLED + 1, "silent", settled, {"served": 3})
    _insert(transaction, SETTLED + 2, "host-1", settled, {"served": 3, "replacing": "draining", "replacing_in": 4})
    _insert(transaction, SETTLED + 3, "host-2", settled | {"deleted_in": 3}, {"served": 3, "leaving": True})
    _insert(transaction, SETTLED + 4, "drained", settled, {"served": 3})
    _insert(transaction, SETTLED + 5, "host-3", settled, {}, reachable=False)


def _insert(
    transaction: Transaction,
    number: int,
    host: str,
    progress: dict[str, Any],
    amphora: dict[str, Any],
    *,
    reachable: bool = True,
) -> None:
    lb = structs.replace(load_balancer(**progress), id=key("c", number))
    theirs = Amphora(
        id=key("b", number),
        load_balancer_id=lb.id,
        host=host,
        created_at=lb.created_at,
        base_port_id=key("d", number),
        **amphora,
    )
    health = AmphoraHealth(amphora_id=theirs.id, load_balancer_id=lb.id, generation=3, reachable=reachable)
    transaction.insert(lb)
    transaction.insert(theirs)
    transaction.insert(health)


def _plans(database: Database, look: Look) -> tuple[Any, list[str]]:
    """Return what a look finds, and the database's plans of its statements."""
    with noted(database) as statements:
        found = database.read(look)
    word = "EXPLAIN QUERY PLAN" if database.engines[0].dialect.name == "sqlite" else "EXPLAIN"

    def explain(connection: Connection) -> list[str]:
        rows = [connection.exec_driver_sql(f"{word} {statement}", given).all() for statement, given in statements]
        return [str(row[-1]) for plan in rows for row in plan]

    return found, database.with_connection(explain)


def _due(transaction: Transaction) -> set[str]:
    found = find_due(
        transaction, attached=True, retry=False, heard_since=NOW - 10, live_since=NOW - 10, today="2026-11-29"
    )
    return set(found)


def _doubts(host: str) -> Look:
    unused: Any = None
    state = DesiredState(unused, unused, unused)
    return lambda transaction: state.in_doubt(transaction, host)


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        (_due, {key("c", SETTLED + number) for number in (1, 2, 4)}),
        (expecting_hosts, {"host-0", "host-2", "host-3"}),
        (_doubts("host-3"), True),
        (_doubts("host-4"), False),
    ],
)
def test_no_table_of_load_balancers_is_read_whole(database: Database, look: Look, expected: object) -> None:
    found, plans = _plans(database, look)
    assert found == expected
    whole = re.compile(r"(SCAN|Seq Scan on) (load_balancers|amphorae|amphora_health)\b")
    # SQLite calls it a scan, too, when it reads an index that has nothing but the few rows.
    scans = [line for line in plans if whole.search(line) and "INDEX" not in line]
    assert scans == [], "\n".join(plans)
