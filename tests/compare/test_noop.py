"""Noop mode: every subnet exists, everything is ACTIVE when the call is answered, measured statuses do not change."""

import itertools
import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from compare.inside import InsideHydria
from hydria.compose.clock import SystemClock
from hydria.compose.noop import NoopNetworking, NoopPlane
from hydria.controller.reconcile import Reconciler
from hydria.errors import HostError
from hydria.homecloud import network
from hydria.model.network import Device
from hydria.protocols import Networking
from hydria.store import Transaction, columns
from hydria.store.resources import Amphora

SUBNET = "11111111-0000-4000-8000-000000000001"


Send = Callable[..., Any]


@pytest.fixture(scope="module")
def hydria(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InsideHydria]:
    made = InsideHydria(tmp_path_factory.mktemp("noop"))
    yield made
    made.close()


@pytest.fixture
def send(hydria: InsideHydria) -> Send:
    """Send a call as alice; return the body, or the object below `root`."""

    def call(method: str, path: str, root: str = "", **attributes: Any) -> Any:
        content = json.dumps({root: attributes}).encode() if root else None
        answer = hydria.side.send(method, f"/v2/lbaas/{path}", user="alice", content=content)
        assert answer.status < 300, answer
        return answer.body[root] if root else answer.body

    return call


def test_any_subnet_exists_and_everything_is_active_at_once(send: Send) -> None:
    made = send("POST", "loadbalancers", "loadbalancer", vip_subnet_id=SUBNET)
    assert made["provisioning_status"] == "PENDING_CREATE"
    shown = send("GET", f"loadbalancers/{made['id']}")["loadbalancer"]
    assert (shown["provisioning_status"], shown["operating_status"]) == ("ACTIVE", "OFFLINE")
    assert shown["vip_subnet_id"] == SUBNET
    listener = send("POST", "listeners", "listener", loadbalancer_id=made["id"], protocol="HTTP", protocol_port=80)
    shown = send("GET", f"listeners/{listener['id']}")["listener"]
    assert (shown["provisioning_status"], shown["operating_status"]) == ("ACTIVE", "OFFLINE")


def test_addresses_are_shown_as_they_were_typed(send: Send) -> None:
    lb = send("POST", "loadbalancers", "loadbalancer", vip_subnet_id=SUBNET)["id"]
    pool = send("POST", "pools", "pool", loadbalancer_id=lb, protocol="HTTP", lb_algorithm="ROUND_ROBIN")["id"]
    address = "2001:db8:0:0:0:0:0:1"
    made = send("POST", f"pools/{pool}/members", "member", address=address, protocol_port=80, monitor_address=address)
    assert (made["address"], made["monitor_address"]) == (address, address)
    (listed,) = send("GET", f"pools/{pool}/members?address={address}")["members"]
    assert listed["address"] == address


def test_members_keep_the_status_no_monitor(send: Send) -> None:
    lb = send("POST", "loadbalancers", "loadbalancer", vip_subnet_id=SUBNET)["id"]
    pool = send("POST", "pools", "pool", loadbalancer_id=lb, protocol="HTTP", lb_algorithm="ROUND_ROBIN")["id"]
    other = str(uuid.uuid4())
    path = f"pools/{pool}/members"
    member = send("POST", path, "member", address="192.0.2.1", protocol_port=80, subnet_id=other)["id"]
    shown = send("GET", f"{path}/{member}")["member"]
    assert (shown["provisioning_status"], shown["operating_status"]) == ("ACTIVE", "NO_MONITOR")


def test_unmeasured_resources_are_online_when_switched_on(send: Send) -> None:
    lb = send("POST", "loadbalancers", "loadbalancer", vip_subnet_id=SUBNET)["id"]
    pool = send("POST", "pools", "pool", loadbalancer_id=lb, protocol="HTTP", lb_algorithm="ROUND_ROBIN")["id"]
    member = send("POST", f"pools/{pool}/members", "member", address="192.0.2.1", protocol_port=80)["id"]
    times = {"delay": 5, "timeout": 4, "max_retries": 3}
    monitor = send("POST", "healthmonitors", "healthmonitor", pool_id=pool, type="HTTP", **times)["id"]
    path = f"healthmonitors/{monitor}"
    assert send("GET", path)["healthmonitor"]["operating_status"] == "ONLINE"
    send("PUT", path, "healthmonitor", admin_state_up=False)
    assert send("GET", path)["healthmonitor"]["operating_status"] == "OFFLINE"
    send("DELETE", path)
    assert send("GET", f"pools/{pool}/members/{member}")["member"]["operating_status"] == "NO_MONITOR"


def test_deleted_resources_are_gone_at_once(send: Send) -> None:
    lb = send("POST", "loadbalancers", "loadbalancer", vip_subnet_id=SUBNET)["id"]
    pool = send("POST", "pools", "pool", loadbalancer_id=lb, protocol="HTTP", lb_algorithm="ROUND_ROBIN")["id"]
    send("DELETE", f"pools/{pool}")
    assert pool not in [each["id"] for each in send("GET", "pools")["pools"]]
    send("DELETE", f"loadbalancers/{lb}")
    assert lb not in [each["id"] for each in send("GET", "loadbalancers")["loadbalancers"]]


def test_a_made_up_network_has_both_ip_versions(send: Send) -> None:
    net = str(uuid.uuid4())
    for address in ("192.0.2.7", "2001:db8::7"):
        made = send("POST", "loadbalancers", "loadbalancer", vip_network_id=net, vip_address=address)
        assert (made["vip_network_id"], made["vip_address"]) == (net, address)


NAMED = [
    names
    for count in (1, 2, 3)
    for names in itertools.combinations(("vip_network_id", "vip_subnet_id", "vip_port_id"), count)
]


@pytest.mark.parametrize("address", [None, "192.0.2.7", "2001:db8::7"])
@pytest.mark.parametrize("named", NAMED)
def test_any_network_subnet_and_port_fit_together(send: Send, named: tuple[str, ...], address: str | None) -> None:
    asked = {name: str(uuid.uuid4()) for name in named} | ({"vip_address": address} if address else {})
    for more in ([], [{"subnet_id": str(uuid.uuid4())}, {"subnet_id": str(uuid.uuid4()), "ip_address": "2001:db8::9"}]):
        made = send("POST", "loadbalancers", "loadbalancer", **asked, additional_vips=more)
        # A port is on its own network, whatever else the call names.
        kept = {name: value for name, value in asked.items() if name != "vip_network_id" or "vip_port_id" not in asked}
        assert {name: made[name] for name in kept} == kept
        shown = made["additional_vips"]
        assert [vip["subnet_id"] for vip in shown] == [vip["subnet_id"] for vip in more]
        assert [vip["ip_address"] for vip in shown[1:]] == [vip["ip_address"] for vip in more[1:]]
        addresses = {made["vip_address"], *(vip["ip_address"] for vip in shown)}
        assert len(addresses) == 1 + len(more)
        assert send("GET", f"loadbalancers/{made['id']}")["loadbalancer"]["provisioning_status"] == "ACTIVE"


def test_a_made_up_subnet_may_be_on_a_real_network(hydria: InsideHydria, send: Send) -> None:
    http = hydria.http
    headers = hydria.side.headers("alice")
    answer = http.post("/network/v2.0/networks", json={"network": {"name": "real"}}, headers=headers)
    real = answer.json()["network"]["id"]
    made = send("POST", "loadbalancers", "loadbalancer", vip_network_id=real, vip_subnet_id=str(uuid.uuid4()))
    assert made["vip_network_id"] == real


def test_made_up_resources_are_always_the_same(hydria: InsideHydria) -> None:
    clock = SystemClock()

    def work(transaction: Transaction) -> Any:
        home = network.HomeNetworking(transaction, clock.now())
        made_up = NoopNetworking(home)
        subnet = made_up.subnet(SUBNET, None)
        assert subnet is not None
        assert subnet == made_up.subnet(SUBNET, "anybody")
        (same, _) = made_up.network_subnets(subnet.network_id, None) or ()
        assert same == subnet
        port = made_up.create_port("p", "project", subnet, None, Device(id="d", owner="o"))
        again = made_up.interface(port.id)
        assert again.port_id == port.id
        return subnet.cidr

    assert hydria.database.transact(work) == "0.0.0.0/0"


def test_a_database_with_real_hosts_is_refused(hydria: InsideHydria) -> None:
    clock = SystemClock()
    amphora = Amphora(
        id=str(uuid.uuid4()), load_balancer_id=str(uuid.uuid4()), host="real", created_at="2026-01-01T00:00:00"
    )
    hydria.database.transact(lambda transaction: transaction.insert(amphora))

    def networking_of(transaction: Transaction) -> Networking:
        return network.HomeNetworking(transaction, clock.now())

    plane = NoopPlane(hydria.database, clock, Reconciler(networking_of, attached=False))
    with pytest.raises(HostError, match="host real"):
        plane.start()
    hydria.database.transact(lambda transaction: transaction.delete(Amphora, columns(Amphora).host == "real"))
