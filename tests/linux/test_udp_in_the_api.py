"""A UDP load balancer through the API: created, observed, changed, deleted; the agent is killed meanwhile."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.linux.datagrams import Client, Echo, ask, shares
from tests.linux.programs import Product, product
from tests.support.waiting import wait_until

VIP = "10.0.0.100"


@pytest.fixture
def made() -> Iterator[Product]:
    with product() as running:
        running.start("server", "agent")
        running.surroundings(11, 12)
        yield running


def operating(made: Product) -> dict[str, Any]:
    """Return the operating statuses of the load balancer, its pool and its members by their addresses."""
    (balancer,), (pool,) = made.all("loadbalancers"), made.all("pools")
    members = {each["address"]: each["operating_status"] for each in made.all(f"pools/{pool['id']}/members")}
    return {"lb": balancer["operating_status"], "pool": pool["operating_status"], **members}


def becomes(made: Product, *statuses: str) -> None:
    wanted = dict(zip(("lb", "pool", "10.0.0.11", "10.0.0.12"), statuses, strict=True))
    wait_until(lambda: operating(made) == wanted, 20, lambda: operating(made))


def counted(made: Product) -> dict[str, int]:
    (balancer,) = made.all("loadbalancers")
    found: dict[str, int] = made.ask("GET", f"loadbalancers/{balancer['id']}/stats").json()["stats"]
    return found


def test_a_udp_load_balancer_from_create_to_delete(made: Product) -> None:
    one, two = (Echo(web.namespace, f"echo{n}", f"10.0.0.1{n}") for n, web in enumerate(made.webs, start=1))
    form = made.form("lb", VIP)
    monitor = {"type": "UDP-CONNECT", "delay": 3, "timeout": 1, "max_retries": 1, "max_retries_down": 1}
    members = [{"address": f"10.0.0.{each}", "protocol_port": 5353} for each in (11, 12)]
    pool = {
        "name": "pool",
        "protocol": "UDP",
        "lb_algorithm": "ROUND_ROBIN",
        "members": members,
        "healthmonitor": monitor,
    }
    form["listeners"] = [{"name": "dns", "protocol": "UDP", "protocol_port": 53, "default_pool": pool}]
    made.make("loadbalancers", "loadbalancer", **form)
    try:
        becomes(made, "ONLINE", "ONLINE", "ONLINE", "ONLINE")
        assert made.status() == "ACTIVE"
        assert shares(made.client, VIP, 6) == {"echo1": 3, "echo2": 3}
        one.stop()
        becomes(made, "DEGRADED", "DEGRADED", "ERROR", "ONLINE")
        assert shares(made.client, VIP, 4) == {"echo2": 4}
        with Client(made.client, VIP) as client:
            made.kill("agent")
            assert client.ask() == "echo2"
            assert shares(made.client, VIP, 4) == {"echo2": 4}
            made.start("agent")
            assert client.ask() == "echo2"
            # At least fifteen flows of clients, and never fewer than before.
            wait_until(lambda: counted(made)["total_connections"] >= 15, 20, lambda: counted(made))
            assert client.ask() == "echo2"
        two.stop()
        becomes(made, "ERROR", "ERROR", "ERROR", "ERROR")
        with pytest.raises(OSError, match=r"refused|timed out"):
            ask(made.client, VIP, seconds=0.5)
        one.start()
        becomes(made, "DEGRADED", "DEGRADED", "ONLINE", "ERROR")
        assert ask(made.client, VIP) == "echo1"
        made.delete()
        assert made.leftovers() == []
    finally:
        for each in (one, two):
            each.stop()
