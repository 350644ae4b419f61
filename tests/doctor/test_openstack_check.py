"""`hydria openstack check`: each fault of an OpenStack is found, with the way to mend it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hydria.adapters.memory import ManualClock
from hydria.doctor.finding import Finding
from hydria.doctor.openstack import examine_openstack
from hydria.errors import HostError
from hydria.settings import KeystoneSettings, NetworkSettings, Settings
from tests.support.fake_openstack import OpenStack, agent, openstack_cloud


@pytest.fixture
def cloud() -> Iterator[OpenStack]:
    """A cloud in which everything is as Hydria needs it."""
    with openstack_cloud() as made:
        project = made.add("projects", name="service", domain_id="default")
        user = made.add("users", name="hydria", password="p", domain_id="default")
        for role in ("admin", "service"):
            made.granted.add((project["id"], user["id"], made.one("roles", name=role)["id"]))
        for kind, name, path in (
            ("network", "neutron", "network"),
            ("load-balancer", "hydria", "load-balancer"),
            ("key-manager", "barbican", "key-manager"),
        ):
            made.add_service(kind, name, f"{made.url}/{path}")
        yield made


Hosts = list[dict[str, Any]]


def hosts(**names: str | None) -> Hosts:
    """Return Hydria's hosts as its server shows them, by Neutron's names of them."""
    return [{"name": name, "neutron_host": known} for name, known in names.items()]


async def everything(cloud: OpenStack, listed: Callable[[], Hosts], **values: Any) -> list[Finding]:
    """Return all findings. Values are those of `[keystone]`, `network` is `[network]`."""
    network = values.pop("network", NetworkSettings(type="neutron"))
    keystone = KeystoneSettings(**{"auth_url": f"{cloud.url}/identity", "password": "p", **values})
    return await examine_openstack(Settings(keystone=keystone, network=network), ManualClock(), listed)


async def check(cloud: OpenStack, found: Hosts | HostError | None = None, **values: Any) -> list[Finding]:
    """Return the findings that are not ok."""

    def listed() -> Hosts:
        if isinstance(found, HostError):
            raise found
        return hosts(h1="h1", h2="h2") if found is None else found

    return [each for each in await everything(cloud, listed, **values) if each.ok != "ok"]


async def only(cloud: OpenStack, *given: Any, **values: Any) -> Finding:
    """Return the only finding that is not ok."""
    (found,) = await check(cloud, *given, **values)
    return found


async def test_a_cloud_with_everything_is_fine(cloud: OpenStack) -> None:
    assert await check(cloud) == []
    assert await check(cloud, network=NetworkSettings()) == []


async def test_without_a_keystone_the_setup_is_named(cloud: OpenStack) -> None:
    found = await only(cloud, auth_url=None)
    assert "hydria openstack setup" in found.mend


async def test_a_keystone_that_is_away_or_elsewhere(cloud: OpenStack) -> None:
    away = await only(cloud, auth_url="http://127.0.0.1:1/v3")
    assert (away.name, away.ok) == ("Keystone", "bad")
    assert "http://127.0.0.1:1/v3 does not answer" in away.seen
    elsewhere = await only(cloud, auth_url=f"{cloud.url}/wrong")
    assert "answers 404" in elsewhere.seen
    assert "keystone.auth_url" in elsewhere.mend


async def test_a_wrong_password_or_a_user_without_a_role(cloud: OpenStack) -> None:
    found = await only(cloud, password="wrong")
    assert (found.name, found.ok) == ("login", "bad")
    assert "does not let hydria in (401)" in found.seen
    cloud.granted.clear()
    assert (await only(cloud)).name == "login"


async def test_a_missing_role_is_mended_by_a_command(cloud: OpenStack) -> None:
    ids = (cloud.one("projects", name="service")["id"], cloud.one("users", name="hydria")["id"])
    cloud.granted.remove((*ids, cloud.one("roles", name="admin")["id"]))
    found = await only(cloud)
    assert (found.name, found.ok) == ("roles", "bad")
    assert "lacks admin; it has service" in found.seen
    assert found.mend == (
        "openstack role add --user hydria --user-domain default --project service --project-domain default admin"
    )
    assert await check(cloud, network=NetworkSettings()) == []


async def test_the_catalogue_must_lead_to_hydria(cloud: OpenStack) -> None:
    service = cloud.one("services", name="hydria")
    endpoint = cloud.one("endpoints", service_id=service["id"])
    endpoint["url"] = "http://127.0.0.1:1"
    assert (await only(cloud)).name == "endpoint of hydria"
    endpoint["interface"] = "admin"
    found = [each.seen for each in await check(cloud)]
    assert any("no public endpoint" in seen for seen in found)
    cloud.kept["services"].remove(service)
    assert "no service of type load-balancer" in (await only(cloud)).seen


async def test_octavia_beside_hydria_is_told(cloud: OpenStack) -> None:
    cloud.add_service("load-balancer", "octavia", f"{cloud.url}/load-balancer")
    found = await only(cloud)
    assert (found.ok, "hydria, octavia" in found.seen) == ("warning", True)


async def test_a_region_without_services(cloud: OpenStack) -> None:
    found = {each.name: each.seen for each in await check(cloud, region="RegionTwo")}
    assert found.keys() == {"catalogue", "Neutron"}
    assert all("RegionTwo" in seen for seen in found.values())


async def test_a_neutron_that_is_away_or_fails(cloud: OpenStack) -> None:
    found = await only(cloud, network=NetworkSettings(type="neutron", url="http://127.0.0.1:1"))
    assert (found.name, found.ok) == ("Neutron", "bad")
    cloud.refuse = lambda method, path: (500, "The database is away.") if path.endswith("/agents") else None
    found = await only(cloud)
    assert (found.name, found.seen) == ("Neutron's answers", "Neutron fails (500).")
    cloud.refuse = lambda method, path: (401, "Unknown token.") if path.startswith("/network/v2.0") else None
    assert "Neutron" in (await only(cloud)).seen


async def test_a_barbican_that_is_away_is_a_warning(cloud: OpenStack) -> None:
    cloud.refuse = lambda method, path: (503, "Away.") if path.startswith("/key-manager") else None
    found = await only(cloud)
    assert (found.name, found.ok) == ("Barbican", "warning")


@pytest.mark.parametrize(
    ("alias", "ok", "mend"),
    [
        ("allowed-address-pairs", "bad", "ml2"),
        ("port-security", "warning", "extension_drivers"),
        ("qos", "warning", "service_plugins"),
    ],
)
async def test_a_missing_extension(cloud: OpenStack, alias: str, ok: str, mend: str) -> None:
    cloud.aliases.remove(alias)
    found = await only(cloud)
    assert (found.ok, alias in found.seen, mend in found.mend) == (ok, True, True)


async def test_an_mtu_too_small_for_ipv6(cloud: OpenStack) -> None:
    cloud.networks.append({"id": "n2", "name": "small", "mtu": 1000})
    assert "small has 1000" in (await only(cloud)).seen


async def test_quotas_that_end_soon(cloud: OpenStack) -> None:
    cloud.quota["security_group"] = {"limit": 10, "used": 3, "reserved": 0}
    found = await only(cloud)
    assert (found.ok, found.seen) == ("warning", "security_group: 3 of 10, enough for 7 more load balancers")
    assert "openstack quota set --secgroups -1" in found.mend
    cloud.quota["security_group"]["used"] = 10
    assert (await only(cloud)).ok == "bad"


async def test_a_host_that_neutron_knows_by_another_name(cloud: OpenStack) -> None:
    found = await only(cloud, hosts(h1="h1.example", h2="h2"))
    assert (found.name, found.ok) == ("host h1", "bad")
    assert found.seen == "Neutron has no agent on h1.example; it knows: h1, h2"
    assert "agent.neutron_host" in found.mend


async def test_a_host_without_open_vswitch_and_one_of_an_older_server(cloud: OpenStack) -> None:
    found = {each.name: each for each in await check(cloud, hosts(h1="", h2=None))}
    assert "agent.ovsdb" in found["host h1"].mend
    assert (found["host h2"].ok, "older" in found["host h2"].seen) == ("warning", True)


async def test_an_agent_that_cannot_bind(cloud: OpenStack) -> None:
    dead, other = agent("h1", alive=False), agent("h2", agent_type="DHCP agent")
    cloud.agents = [dead, other]
    found = {each.name: each for each in await check(cloud)}
    assert "dead" in found["host h1"].seen
    assert "start ovn-controller there" in found["host h1"].mend
    assert "no agent that binds ports (DHCP agent)" in found["host h2"].seen
    hybrid = agent("h1", agent_type="Open vSwitch agent", configurations={"ovs_hybrid_plug": True})
    cloud.agents = [hybrid, agent("h2")]
    assert "firewall_driver = openvswitch" in (await only(cloud)).mend


async def test_a_port_that_could_not_be_bound(cloud: OpenStack) -> None:
    cloud.ports = [{"id": "p1", "binding:host_id": "h2", "binding:vif_type": "binding_failed"}]
    found = await only(cloud)
    assert (found.name, "p1" in found.seen) == ("host h2", True)


async def test_the_datapath_is_told_by_the_agent_or_by_a_bound_port(cloud: OpenStack) -> None:
    details = {"datapath_type": "netdev"}
    cloud.ports = [{"id": "p", "binding:host_id": "h1", "binding:vif_type": "ovs", "binding:vif_details": details}]
    cloud.agents[1] = agent("h2", agent_type="Open vSwitch agent", configurations={"datapath_type": "system"})
    found = {each.name: each.seen for each in await everything(cloud, lambda: hosts(h1="h1", h2="h2"))}
    assert found["host h1"].endswith("datapath netdev")
    assert found["host h2"].endswith("datapath system")


async def test_hosts_that_cannot_be_listed(cloud: OpenStack) -> None:
    assert "not checked: The server is away." in (await only(cloud, HostError("The server is away."))).seen
    assert "hydria host invite" in (await only(cloud, [])).mend
    cloud.agents = []
    assert "Neutron shows no agents" in (await only(cloud)).seen
