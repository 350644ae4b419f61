"""What users meet is the same with the home cloud's network service and with a Neutron."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import pytest
from msgspec import structs

from hydria.api.policy import OctaviaPolicy
from hydria.compose.parts import Cloud as Services
from hydria.homecloud import network
from hydria.model.caller import Caller
from tests.support.api import Api
from tests.support.cloud import Cloud
from tests.support.neutron import NeutronCloud
from tests.support.worker import Worker

V2 = "/network/v2.0"


class Side(Protocol):
    """A server with a network of project `p-red` with the subnet 10.0.0.0/24, and a host."""

    network_id: str
    subnet_id: str

    @property
    def api(self) -> Api: ...

    def user(self, name: str) -> Api: ...

    async def settle(self) -> None: ...

    async def make_port(self) -> str: ...

    async def users(self) -> dict[str, str]:
        """Return the device of each port of a VIP or user, by port id; ports of amphorae are left out."""
        ...


class _HomeCloud(Cloud):
    def _services(self, callers: Mapping[str, Caller], policy: OctaviaPolicy) -> Services:
        return structs.replace(
            super()._services(callers, policy),
            networking_of=lambda transaction: network.HomeNetworking(transaction, self.clock.now()),
            topologies_of=network.HomeTopologies,
            mounts=network.mounts(),
        )


class Home:
    """The home cloud's network service."""

    def __init__(self, cloud: _HomeCloud) -> None:
        self._cloud = cloud
        self.network_id = self.subnet_id = ""
        self.api = cloud.api()
        self._host = Worker(cloud, "h1", speaks=1)

    @classmethod
    async def make(cls, cloud: _HomeCloud) -> "Home":
        home = cls(cloud)
        made = await home.api.post(f"{V2}/networks", {"network": {"name": "web"}})
        home.network_id = made["network"]["id"]
        values = {"network_id": home.network_id, "cidr": "10.0.0.0/24", "ip_version": 4}
        home.subnet_id = (await home.api.post(f"{V2}/subnets", {"subnet": values}))["subnet"]["id"]
        return home

    def user(self, name: str) -> Api:
        return self._cloud.api(name)

    async def settle(self) -> None:
        for _ in range(3):
            self._host.step()

    async def make_port(self) -> str:
        made = await self.api.post(f"{V2}/ports", {"port": {"network_id": self.network_id}})
        return str(made["port"]["id"])

    async def users(self) -> dict[str, str]:
        found = (await self.api.get(f"{V2}/ports"))["ports"]
        return {each["id"]: each["device_id"] for each in found if not each["name"].startswith("octavia-lb-vrrp-")}


class Neutron:
    """A Neutron."""

    def __init__(self, cloud: NeutronCloud) -> None:
        self._cloud = cloud
        self.network_id, self.subnet_id = cloud.web.id, cloud.web_subnet.id
        self.api = cloud.api()
        self._host = cloud.host("h1")

    def user(self, name: str) -> Api:
        return self._cloud.api(name)

    async def settle(self) -> None:
        await self._cloud.settle(self._host)

    async def make_port(self) -> str:
        fixed = [{"subnet_id": self.subnet_id}]
        port = await self._cloud.neutron.create_port(network_id=self.network_id, fixed_ips=fixed, project_id="p-red")
        return port.id

    async def users(self) -> dict[str, str]:
        found = self._cloud.neutron.all_ports.values()
        return {each.id: each.device_id for each in found if not each.name.startswith("octavia-lb-vrrp-")}


@pytest.fixture(params=["home", "neutron"])
async def side(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Side]:
    """Yield each side."""
    cloud: Any = _HomeCloud(tmp_path) if request.param == "home" else NeutronCloud(tmp_path)
    async with cloud.http:
        yield await Home.make(cloud) if request.param == "home" else Neutron(cloud)
    cloud.database.close()


async def status(side: Side, key: str) -> str:
    return str((await side.api.show("loadbalancer", key))["provisioning_status"])


async def test_the_vips_port_is_the_load_balancers_until_it_is_deleted(side: Side) -> None:
    lb = await side.api.create("loadbalancer", vip_subnet_id=side.subnet_id)
    assert await side.users() == {lb["vip_port_id"]: f"lb-{lb['id']}"}
    assert (lb["vip_network_id"], lb["vip_address"][:7]) == (side.network_id, "10.0.0.")
    await side.settle()
    assert await status(side, lb["id"]) == "ACTIVE"
    await side.api.delete(f"loadbalancers/{lb['id']}")
    await side.settle()
    await side.api.fault("GET", f"loadbalancers/{lb['id']}", 404)
    assert await side.users() == {}


async def test_a_network_is_enough(side: Side) -> None:
    lb = await side.api.create("loadbalancer", vip_network_id=side.network_id)
    assert lb["vip_subnet_id"] == side.subnet_id


async def test_an_address_may_be_chosen_once(side: Side) -> None:
    body = {"loadbalancer": {"vip_subnet_id": side.subnet_id, "vip_address": "10.0.0.77"}}
    assert (await side.api.post("loadbalancers", body))["loadbalancer"]["vip_address"] == "10.0.0.77"
    text = await side.api.fault("POST", "loadbalancers", 409, body)
    assert text == f"IP address 10.0.0.77 already allocated in subnet {side.subnet_id}"


async def test_an_address_outside_of_the_subnet(side: Side) -> None:
    body = {"loadbalancer": {"vip_subnet_id": side.subnet_id, "vip_address": "10.9.0.1"}}
    text = await side.api.fault("POST", "loadbalancers", 400, body)
    assert text == "IP address 10.9.0.1 is not a valid IP for the specified subnet."
    assert await side.users() == {}


@pytest.mark.parametrize("user", ["alice", "bob"])
async def test_subnets_that_a_user_does_not_see(side: Side, user: str) -> None:
    key = side.subnet_id if user == "bob" else "11111111-2222-4333-8444-555555555555"
    body = {"loadbalancer": {"vip_subnet_id": key}}
    assert await side.user(user).fault("POST", "loadbalancers", 400, body) == f"Subnet {key} not found."


async def test_a_users_own_port_is_given_back(side: Side) -> None:
    mine = await side.make_port()
    lb = await side.api.create("loadbalancer", vip_port_id=mine)
    assert await side.users() == {mine: f"lb-{lb['id']}"}
    await side.settle()
    text = await side.api.fault("POST", "loadbalancers", 400, {"loadbalancer": {"vip_port_id": mine}})
    assert text == f"Validation failure: Port {mine} is already used by device lb-{lb['id']}"
    await side.api.delete(f"loadbalancers/{lb['id']}")
    await side.settle()
    assert await side.users() == {mine: ""}


async def test_subnets_of_members_must_exist(side: Side) -> None:
    lb = await side.api.create("loadbalancer", vip_subnet_id=side.subnet_id)
    pool = await side.api.create("pool", loadbalancer_id=lb["id"], protocol="HTTP", lb_algorithm="ROUND_ROBIN")
    await side.api.add_member(pool["id"], "10.0.0.9", subnet_id=side.subnet_id)
    wrong = {"address": "10.0.0.8", "protocol_port": 80, "subnet_id": "11111111-2222-4333-8444-555555555555"}
    text = await side.api.fault("POST", f"pools/{pool['id']}/members", 400, {"member": wrong})
    assert text == f"Subnet {wrong['subnet_id']} not found."
