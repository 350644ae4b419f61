"""The agent brings back what Hydria shows, whatever was stopped meanwhile."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from msgspec import structs

from hydria.contract import Counters
from hydria.model import LoadBalancer
from hydria.store import Database, Transaction, columns
from hydria.store.resources import Amphora, Health, Traffic
from tests.provider.stand import Body, Stand
from tests.provider.test_driver import SUBNET, forget, make


@pytest.fixture
def lb(stand: Stand) -> Iterator[Body]:
    """A load balancer with a listener and a pool of one member."""
    member = {"address": "192.0.2.7", "protocol_port": 80}
    pool = {"name": "p", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "members": [member]}
    listener = {"protocol": "HTTP", "protocol_port": 80, "default_pool": {"name": "p"}}
    made = make(stand, "loadbalancer", "loadbalancers", vip_subnet_id=SUBNET, listeners=[listener], pools=[pool])
    yield made
    forget(stand, made)


@contextmanager
def stopped(stand: Stand, what: str) -> Iterator[None]:
    """Stop Hydria or the agent for the block."""
    program = {"hydria": stand.hydria_server, "agent": stand.agent}[what]
    program.stop()
    try:
        yield
    finally:
        program.start()
        if what == "hydria":
            stand.wait_for_hydria()


def write(stand: Stand, work: Callable[[Transaction], Any]) -> None:
    """Write into Hydria's database what a host would report."""
    database = Database(stand.database_url, synchronous="off")
    try:
        database.transact(work)
    finally:
        database.close()


def shows(stand: Stand, path: str, **expected: Any) -> None:
    """Wait until Octavia shows these attributes."""

    def found() -> bool:
        body = stand.octavia.show(path)
        return all(body[name] == value for name, value in expected.items())

    stand.octavia.wait(found, stand.logs)


def test_operating_statuses_follow(stand: Stand, lb: Body) -> None:
    (pool,) = lb["pools"]
    (member,) = pool["members"]
    path = f"pools/{pool['id']}/members/{member['id']}"
    for status in ("ERROR", "ONLINE"):
        row = Health(id=member["id"], load_balancer_id=lb["id"], operating_status=status)

        def work(transaction: Transaction, row: Health = row) -> None:
            if not transaction.ensure(row):
                transaction.update(row)

        write(stand, work)
        shows(stand, path, operating_status=status, provisioning_status="ACTIVE")


def test_statistics_follow(stand: Stand, lb: Body) -> None:
    (listener,) = lb["listeners"]
    counters = Counters(bytes_in=1, bytes_out=2, active_connections=3, total_connections=4, request_errors=5)

    def work(transaction: Transaction) -> None:
        (amphora,) = transaction.find(Amphora, columns(Amphora).load_balancer_id == lb["id"])
        row = Traffic(amphora_id=amphora.id, listener_id=listener["id"], load_balancer_id=lb["id"], counters=counters)
        transaction.insert(row)

    write(stand, work)
    expected = {name: getattr(counters, name) for name in Counters.__struct_fields__}
    for path in (f"listeners/{listener['id']}/stats", f"loadbalancers/{lb['id']}/stats"):
        shows(stand, path, **expected)


def test_what_hydria_cannot_serve_is_in_error_until_it_can(stand: Stand, lb: Body) -> None:
    def fail(transaction: Transaction) -> None:
        row = transaction.get(LoadBalancer, lb["id"])
        assert row is not None
        transaction.update(structs.replace(row, failed=row.generation, reason="No host has room."))

    def mend(transaction: Transaction) -> None:
        row = transaction.get(LoadBalancer, lb["id"])
        assert row is not None
        transaction.update(structs.replace(row, failed=0, reason=None))

    path = f"loadbalancers/{lb['id']}"
    write(stand, fail)
    shows(stand, path, provisioning_status="ERROR")
    write(stand, mend)
    shows(stand, path, provisioning_status="ACTIVE")


def test_calls_fail_with_a_sentence_while_hydria_is_away(stand: Stand, lb: Body) -> None:
    path = f"loadbalancers/{lb['id']}"
    listener = {"loadbalancer_id": lb["id"], "protocol": "TCP", "protocol_port": 25}
    with stopped(stand, "hydria"):
        for answer in (
            stand.octavia.send("POST", "loadbalancers", {"loadbalancer": {"vip_subnet_id": SUBNET}}),
            stand.octavia.send("POST", "listeners", {"listener": listener}),
            stand.octavia.send("PUT", path, {"loadbalancer": {"name": "other"}}),
            stand.octavia.send("DELETE", path, cascade="true"),
        ):
            assert answer.status_code == 500, answer.text
            assert "Hydria cannot be reached. Try again later." in answer.json()["faultstring"]
        # Nothing is locked, and nothing has changed.
        shown = stand.octavia.show(path)
        assert (shown["provisioning_status"], shown["name"]) == ("ACTIVE", lb["name"])
    make(stand, "listener", "listeners", lb["id"], **listener)


def test_a_pending_change_waits_for_hydria_and_then_is_given_up(stand: Stand, lb: Body) -> None:
    path = f"loadbalancers/{lb['id']}"
    stand.agent.stop()
    stand.octavia.call("PUT", path, {"loadbalancer": {"name": "other"}})
    with stopped(stand, "hydria"):
        stand.agent.start()
        # It waits for some seconds, and then is unlocked.
        shows(stand, path, provisioning_status="ERROR")
    shows(stand, path, provisioning_status="ACTIVE", name="other")


def test_changes_settle_when_the_agent_was_away(stand: Stand, lb: Body) -> None:
    path = f"loadbalancers/{lb['id']}"
    other = make(stand, "loadbalancer", "loadbalancers", vip_subnet_id=SUBNET)
    (pool,) = lb["pools"]
    with stopped(stand, "agent"):
        stand.octavia.call("DELETE", f"pools/{pool['id']}")
        stand.octavia.call("DELETE", f"loadbalancers/{other['id']}")
        assert stand.octavia.show(path)["provisioning_status"] == "PENDING_UPDATE"
    stand.settled(lb["id"])
    assert stand.octavia.find(f"pools/{pool['id']}") is None
    stand.wait_until_gone(f"loadbalancers/{other['id']}")


def test_what_vanished_from_hydria_is_in_error_and_can_be_deleted(stand: Stand, lb: Body) -> None:
    path = f"loadbalancers/{lb['id']}"
    (pool,) = lb["pools"]
    stand.hydria.call("DELETE", f"pools/{pool['id']}")
    shows(stand, f"pools/{pool['id']}", provisioning_status="ERROR")
    stand.hydria.call("DELETE", path, cascade="true")
    shows(stand, path, provisioning_status="ERROR")
    stand.octavia.call("DELETE", path, cascade="true")
    stand.wait_until_gone(path)
