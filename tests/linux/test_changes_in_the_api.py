"""Changes through the API take effect on the wire while a health monitor runs: batches of members, replaced pools."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hydria.adapters.linux import haproxy_socket
from tests.linux.haproxies import get
from tests.linux.programs import Body, Product, product
from tests.linux.wiretap import Spoken, Wiretap, wiretap
from tests.support.waiting import wait_until

VIP = "10.0.0.100"
FIRST, SECOND = "10.0.0.11", "10.0.0.12"
# Port 8084 is closed.
PORTS = (8080, 8081, 8082)
CLOSED = 8084
MONITOR = {"type": "HTTP", "delay": 1, "timeout": 1, "max_retries": 1, "max_retries_down": 1, "url_path": "/check"}

Seen = Callable[[Spoken], bool]

# All tests share one product.
pytestmark = pytest.mark.xdist_group("changes_in_the_api")


def member(address: str, port: int = 8080, **values: Any) -> Body:
    """Return the form of a member. A batch resets everything that its form does not have."""
    return {"address": address, "protocol_port": port, **values}


def pool(*members: Body, **values: Any) -> Body:
    """Return the form of a pool with a monitor that checks the path `/check` each second."""
    common = {"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "members": members}
    return {**common, "healthmonitor": MONITOR, **values}


class Api:
    """A load balancer that is changed through the API, and what its members receive."""

    def __init__(self, made: Product, members: Wiretap) -> None:
        self.made = made
        self._members = members
        self.balancer = self.create("lb", VIP)

    def create(self, name: str, vip: str, *, default_pool: Body | None = None) -> Body:
        """Create a load balancer as a tree, and wait until it is served."""
        default_pool = {"name": "pool", **(default_pool or pool(member(FIRST), member(SECOND)))}
        listener = {"name": "http", "protocol": "HTTP", "protocol_port": 80, "default_pool": default_pool}
        form = {"name": name, "vip_subnet_id": self.made.subnet_id, "vip_address": vip, "listeners": [listener]}
        created = self.made.make("loadbalancers", "loadbalancer", **form)
        self.made.becomes("ACTIVE", name)
        return created

    @property
    def pool_id(self) -> str:
        key: str = self.made.ask("GET", f"listeners/{self.listener_id}").json()["listener"]["default_pool_id"]
        return key

    @property
    def listener_id(self) -> str:
        key: str = self.balancer["listeners"][0]["id"]
        return key

    @property
    def members(self) -> list[Body]:
        return self.made.all(f"pools/{self.pool_id}/members")

    def change(self, method: str, path: str, body: Body, **query: Any) -> Body:
        """Send a change, and wait until it is served."""
        answer = self.made.ask(method, path, body, **query)
        assert answer.status_code in (200, 201, 202), answer.text
        self.made.becomes("ACTIVE")
        self._members.spoken.clear()
        found: Body = answer.json() if answer.content else {}
        return found

    def batch(self, *members: Body, **query: Any) -> None:
        """Replace all members of the pool."""
        self.change("PUT", f"pools/{self.pool_id}/members", {"members": members}, **query)

    def switch(self, pool_id: str | None) -> None:
        """Replace the listener's default pool."""
        self.change("PUT", f"listeners/{self.listener_id}", {"listener": {"default_pool_id": pool_id}})

    def asked(self, *wanted: str, seen: Seen = lambda each: not each.tls, vip: str = VIP) -> None:
        """Send requests, and assert that exactly these members (`address:port`) receive them, and how."""
        before = len(self._members.spoken)
        for _ in range(8):
            assert get(self.made.client, vip) == (200, "ok")
        requests = [each for each in self._members.spoken[before:] if each.path == "/"]
        assert {f"{each.address}:{each.port}" for each in requests} == set(wanted), requests
        assert all(map(seen, requests)), requests

    def checked(self, *wanted: str, path: str = "/check", tls: bool = False) -> None:
        """Wait until the members at `address:port`, and no others, are checked, and checked in this way."""

        def last() -> list[str]:
            checks = [each for each in self._members.spoken if each.path != "/"]
            return [f"{each.address}:{each.port} {each.path} {each.tls}" for each in checks]

        # A check that the last process began may still arrive: the checks of some rounds in a row have to be right.
        count, right = 3 * len(wanted), {f"{each} {path} {tls}" for each in wanted}
        wait_until(lambda: len(last()) >= count and set(last()[-count:]) == right, say=lambda: last()[-count:])

    def become(self, *statuses: str) -> None:
        """Wait for the operating statuses of the members, by address and port."""

        def found() -> list[str]:
            ordered = sorted(self.members, key=lambda each: (each["address"], each["protocol_port"]))
            return [each["operating_status"] for each in ordered]

        wait_until(lambda: found() == list(statuses), say=found)

    def weights(self) -> dict[str, str]:
        """Return the weights in HAProxy, by the members' addresses."""
        names = {each["id"]: each["address"] for each in self.members}
        path = self.made.settings.run_dir / "amphorae" / self.made.amphora / "haproxy.sock"
        rows = asyncio.run(haproxy_socket.statistics(str(path))).rows
        return {names[row["svname"]]: row["weight"] for row in rows if row["svname"] in names}


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with product() as made:
        made.start("server", "agent")
        made.surroundings()
        directory = tmp_path_factory.mktemp("members")
        with wiretap(made.names, directory, (FIRST, SECOND), PORTS, made.network_id) as members:
            yield Api(made, members)
        made.delete()


@pytest.fixture
def api(started: Api) -> Api:
    """The load balancer with two members that are online; each test leaves the pool as it likes."""
    started.batch(member(FIRST), member(SECOND))
    started.become("ONLINE", "ONLINE")
    return started


def test_a_batch_changes_weights(api: Api) -> None:
    for _ in range(2):
        api.batch(member(FIRST, weight=7), member(SECOND, weight=3))
        assert api.weights() == {FIRST: "7", SECOND: "3"}
        api.asked(f"{FIRST}:8080", f"{SECOND}:8080")
        api.batch(member(FIRST, weight=0), member(SECOND, weight=3))
        api.asked(f"{SECOND}:8080")
        api.checked(f"{FIRST}:8080", f"{SECOND}:8080")
        # Without a weight it is 1 again; the change of the monitor's port is a reload.
        api.batch(member(FIRST, monitor_port=8081), member(SECOND))
        assert api.weights() == {FIRST: "1", SECOND: "1"}
        api.asked(f"{FIRST}:8080", f"{SECOND}:8080")


def test_a_batch_changes_backup(api: Api) -> None:
    for _ in range(2):
        api.batch(member(FIRST, backup=True), member(SECOND))
        api.asked(f"{SECOND}:8080")
        api.batch(member(FIRST, backup=True), member(SECOND, monitor_port=CLOSED))
        api.become("ONLINE", "ERROR")
        api.asked(f"{FIRST}:8080")
        api.batch(member(FIRST), member(SECOND, backup=True))
        api.become("ONLINE", "ONLINE")
        api.asked(f"{FIRST}:8080")
        api.batch(member(FIRST), member(SECOND))
        api.asked(f"{FIRST}:8080", f"{SECOND}:8080")


def test_a_batch_switches_members_off_and_on(api: Api) -> None:
    for _ in range(2):
        api.batch(member(FIRST, admin_state_up=False), member(SECOND))
        api.asked(f"{SECOND}:8080")
        api.batch(member(FIRST), member(SECOND, admin_state_up=False, weight=5))
        api.become("ONLINE", "OFFLINE")
        api.asked(f"{FIRST}:8080")


def test_a_batch_changes_where_members_are_checked(api: Api) -> None:
    for port in (8081, 8082):
        api.batch(member(FIRST, monitor_port=port), member(SECOND))
        api.checked(f"{FIRST}:{port}", f"{SECOND}:8080")
        api.asked(f"{FIRST}:8080", f"{SECOND}:8080")
    api.batch(member(FIRST, monitor_address=SECOND, monitor_port=8081), member(SECOND, monitor_port=8082))
    api.checked(f"{SECOND}:8081", f"{SECOND}:8082")
    api.batch(member(FIRST, monitor_port=CLOSED), member(SECOND))
    api.become("ERROR", "ONLINE")
    api.asked(f"{SECOND}:8080")
    api.batch(member(FIRST), member(SECOND))
    api.become("ONLINE", "ONLINE")
    api.checked(f"{FIRST}:8080", f"{SECOND}:8080")
    api.asked(f"{FIRST}:8080", f"{SECOND}:8080")


def test_a_batch_adds_and_removes_members(api: Api) -> None:
    for _ in range(2):
        api.batch(member(FIRST), member(FIRST, 8081), member(SECOND, 8082, monitor_port=8081))
        api.become("ONLINE", "ONLINE", "ONLINE")
        api.checked(f"{FIRST}:8080", f"{FIRST}:8081", f"{SECOND}:8081")
        api.asked(f"{FIRST}:8080", f"{FIRST}:8081", f"{SECOND}:8082")
        # The member at port 8082 has the same address as the one before, but it is another member.
        api.batch(member(SECOND, 8082))
        api.become("ONLINE")
        api.checked(f"{SECOND}:8082")
        api.asked(f"{SECOND}:8082")
        api.batch(member(FIRST), member(SECOND, 8082, monitor_port=CLOSED), additive_only="true")
        api.become("ONLINE", "ERROR")
        api.asked(f"{FIRST}:8080")
        api.batch(member(FIRST), member(SECOND))
        api.become("ONLINE", "ONLINE")
        api.checked(f"{FIRST}:8080", f"{SECOND}:8080")


def test_a_batch_that_empties_the_pool_ends_its_traffic(api: Api) -> None:
    api.batch()
    assert get(api.made.client, VIP)[0] == 503
    api.batch(member(SECOND))
    api.become("ONLINE")
    api.checked(f"{SECOND}:8080")
    api.asked(f"{SECOND}:8080")


def test_a_batch_after_tls_was_switched_on_keeps_tls(api: Api) -> None:
    path = f"pools/{api.pool_id}"
    api.change("PUT", path, {"pool": {"tls_enabled": True}})
    api.asked(f"{FIRST}:8080", f"{SECOND}:8080", seen=lambda each: each.tls)
    api.batch(member(FIRST, weight=2), member(FIRST, 8081), member(SECOND, backup=True))
    api.become("ONLINE", "ONLINE", "ONLINE")
    api.asked(f"{FIRST}:8080", f"{FIRST}:8081", seen=lambda each: each.tls)
    api.checked(f"{FIRST}:8080", f"{FIRST}:8081", f"{SECOND}:8080", tls=True)
    api.change("PUT", path, {"pool": {"tls_enabled": False}})
    api.asked(f"{FIRST}:8080", f"{FIRST}:8081")
    api.checked(f"{FIRST}:8080", f"{FIRST}:8081", f"{SECOND}:8080")


def test_a_replaced_pool_takes_over_traffic_and_checks(api: Api) -> None:
    """The new pool has the same members with other options; the old pool and its health have no effect on it."""
    old = api.pool_id
    api.batch(member(FIRST, monitor_port=CLOSED), member(SECOND, weight=0))
    api.become("ERROR", "DRAINING")
    form = pool(
        member(FIRST, monitor_port=8081),
        member(SECOND, backup=True),
        tls_enabled=True,
        # An HTTP monitor would ask another port without TLS.
        healthmonitor={**MONITOR, "type": "HTTPS", "url_path": "/new"},
        loadbalancer_id=api.balancer["id"],
    )
    members, monitor = form.pop("members"), form.pop("healthmonitor")
    new = api.change("POST", "pools", {"pool": form})["pool"]["id"]
    api.change("PUT", f"pools/{new}/members", {"members": members})
    api.change("POST", "healthmonitors", {"healthmonitor": {**monitor, "pool_id": new}})
    # Nothing uses the new pool yet.
    assert get(api.made.client, VIP)[0] == 503
    for _ in range(2):
        api.switch(new)
        api.become("ONLINE", "ONLINE")
        api.asked(f"{FIRST}:8080", seen=lambda each: each.tls)
        api.checked(f"{FIRST}:8081", f"{SECOND}:8080", path="/new", tls=True)
        api.switch(old)
        api.become("ERROR", "DRAINING")
        assert get(api.made.client, VIP)[0] == 503
        api.checked(f"{SECOND}:8080")
    api.switch(None)
    assert get(api.made.client, VIP)[0] == 503
    api.switch(old)
    api.made.ask("DELETE", f"pools/{new}")
    api.made.becomes("ACTIVE")


def test_a_tree_with_the_same_members_has_checks_of_its_own(api: Api) -> None:
    """Two load balancers check the same members; the second one's pool is replaced as a whole, and then it goes."""
    api.batch(member(FIRST, monitor_port=8082), member(SECOND, monitor_port=8082))
    api.checked(f"{FIRST}:8082", f"{SECOND}:8082")
    monitor = {**MONITOR, "url_path": "/second"}
    other = pool(member(FIRST, monitor_port=8081), member(SECOND, weight=0), tls_enabled=True, healthmonitor=monitor)
    vip = "10.0.0.101"
    api.create("second", vip, default_pool=other)
    try:
        api.asked(f"{FIRST}:8080", seen=lambda each: each.tls, vip=vip)
        api.asked(f"{FIRST}:8080", f"{SECOND}:8080")
    finally:
        api.made.delete("second")
    api.checked(f"{FIRST}:8082", f"{SECOND}:8082")
    api.asked(f"{FIRST}:8080", f"{SECOND}:8080")
