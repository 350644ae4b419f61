"""A load balancer with its whole tree in one call."""

from typing import Any

import pytest

from hydria.model.network import Device
from tests.support.api import Api
from tests.support.cloud import Cloud
from tests.support.worker import Worker

pytestmark = pytest.mark.both_databases

MONITOR = {"type": "HTTP", "delay": 5, "timeout": 3, "max_retries": 2}


def whole(cloud: Cloud) -> dict[str, Any]:
    return {
        "name": "lb",
        "vip_subnet_id": cloud.subnet.id,
        "listeners": [
            {"name": "web", "protocol": "HTTP", "protocol_port": 80, "default_pool": {"name": "shared"}},
            {
                "name": "db",
                "protocol": "TCP",
                "protocol_port": 5432,
                "default_pool": {"name": "own", "protocol": "TCP", "lb_algorithm": "LEAST_CONNECTIONS"},
            },
            {"name": "bare", "protocol": "HTTPS", "protocol_port": 443, "l7policies": []},
        ],
        "pools": [
            {
                "name": "shared",
                "protocol": "HTTP",
                "lb_algorithm": "ROUND_ROBIN",
                "healthmonitor": MONITOR,
                "members": [
                    {"address": "10.0.0.11", "protocol_port": 80, "subnet_id": cloud.subnet.id},
                    {"address": "10.0.0.12", "protocol_port": 80, "weight": 3},
                ],
            }
        ],
    }


def named(found: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in found}


async def test_the_answer_shows_all_resources_in_full(cloud: Cloud, api: Api) -> None:
    made = await api.create("loadbalancer", **whole(cloud))
    listeners, pools = named(made["listeners"]), named(made["pools"])
    assert set(listeners) == {"web", "db", "bare"}
    assert set(pools) == {"shared", "own"}
    assert listeners["web"]["default_pool_id"] == pools["shared"]["id"]
    assert listeners["db"]["default_pool_id"] == pools["own"]["id"]
    assert listeners["bare"]["default_pool_id"] is None
    shared = pools["shared"]
    weights = {each["address"]: each["weight"] for each in shared["members"]}
    assert weights == {"10.0.0.11": 1, "10.0.0.12": 3}
    assert {each["operating_status"] for each in shared["members"]} == {"NO_MONITOR"}
    assert shared["healthmonitor"]["url_path"] == "/"
    assert shared["listeners"] == [{"id": listeners["web"]["id"]}]
    # As in Octavia, no resource in the tree refers to its parent.
    assert "loadbalancers" not in listeners["web"]
    assert not {"loadbalancers", "healthmonitor_id"} & set(shared)
    assert "pools" not in shared["healthmonitor"]
    assert pools["own"]["healthmonitor"] is None
    for each in (made, *made["listeners"], *made["pools"], *shared["members"], shared["healthmonitor"]):
        assert (each["provisioning_status"], each["project_id"]) == ("PENDING_CREATE", "p-red")
    shown = await api.show("loadbalancer", made["id"])
    assert sorted(each["id"] for each in shown["listeners"]) == sorted(each["id"] for each in made["listeners"])


async def test_a_tree_settles_at_once(cloud: Cloud, api: Api, worker: Worker) -> None:
    made = await api.create("loadbalancer", **whole(cloud))
    orders = worker.fetch()
    assert [instance.generation for instance in orders.serve] == [1]
    tree = orders.serve[0].tree
    assert (len(tree.listeners), len(tree.pools), len(tree.members), len(tree.health_monitors)) == (3, 2, 2, 1)
    worker.serve(orders)
    for path in ("loadbalancers", "listeners", "pools", "healthmonitors"):
        found = next(iter((await api.get(path)).values()))
        assert {each["provisioning_status"] for each in found} == {"ACTIVE"}
    assert (await api.show("loadbalancer", made["id"]))["operating_status"] == "ONLINE"


@pytest.mark.parametrize(
    ("change", "status", "sentence"),
    [
        (
            {"listeners": [{"protocol": "HTTP", "protocol_port": 80, "default_pool": {"protocol": "HTTP"}}]},
            400,
            "Validation failure: Pools must be named when creating a fully populated loadbalancer.",
        ),
        (
            {"listeners": [{"protocol": "HTTP", "protocol_port": 80, "default_pool": {"name": "lost"}}]},
            400,
            "Validation failure: Pool 'lost' was referenced but no full definition was found.",
        ),
        (
            {"pools": [{"name": "p", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}] * 2},
            400,
            "Validation failure: Pool names must be unique when creating a fully populated loadbalancer.",
        ),
        (
            {"pools": [{"name": "p", "protocol": "HTTP"}]},
            400,
            "Validation failure: Pool definition for 'p' missing required attribute: lb_algorithm",
        ),
        (
            {"listeners": [{"protocol": "HTTP", "protocol_port": 80}, {"protocol": "TCP", "protocol_port": 80}]},
            409,
            "Another Listener on this Load Balancer is already using protocol HTTP and protocol_port 80",
        ),
        (
            {
                "pools": [
                    {
                        "name": "p",
                        "protocol": "HTTP",
                        "lb_algorithm": "ROUND_ROBIN",
                        "members": [{"address": "10.0.0.11", "protocol_port": 80}] * 2,
                    }
                ]
            },
            409,
            "Another member on this pool is already using ip 10.0.0.11 on protocol_port 80",
        ),
        (
            {
                "pools": [
                    {
                        "name": "p",
                        "protocol": "HTTP",
                        "lb_algorithm": "ROUND_ROBIN",
                        "members": [
                            {
                                "address": "10.0.0.11",
                                "protocol_port": 80,
                                "subnet_id": "00000000-0000-0000-0000-000000000009",
                            }
                        ],
                    }
                ]
            },
            400,
            "Subnet 00000000-0000-0000-0000-000000000009 not found.",
        ),
        (
            {
                "listeners": [
                    {
                        "protocol": "HTTP",
                        "protocol_port": 80,
                        "default_pool_id": "00000000-0000-0000-0000-000000000009",
                    }
                ]
            },
            404,
            "Pool 00000000-0000-0000-0000-000000000009 not found.",
        ),
        (
            {
                "listeners": [{"protocol": "HTTP", "protocol_port": 80, "default_pool": {"name": "p"}}],
                "pools": [{"name": "p", "protocol": "TCP", "lb_algorithm": "ROUND_ROBIN"}],
            },
            400,
            "Validation failure: The pool protocol 'TCP' is invalid while the listener protocol is 'HTTP'.",
        ),
        (
            {"listeners": [{"protocol": "UDP", "protocol_port": 53, "l7policies": [{"action": "REJECT"}]}]},
            501,
            "Provider 'amphora' does not support a requested option: UDP protocol listeners do not support L7 policies",
        ),
    ],
)
async def test_a_refused_tree_leaves_nothing(
    cloud: Cloud, api: Api, change: dict[str, Any], status: int, sentence: str
) -> None:
    body = {"loadbalancer": {"vip_subnet_id": cloud.subnet.id, **change}}
    assert await api.fault("POST", "loadbalancers", status, body) == sentence
    assert (await api.get("loadbalancers"))["loadbalancers"] == []
    assert cloud.networking.ports == {}


async def test_a_listener_with_its_pool(cloud: Cloud, api: Api) -> None:
    lb = await api.create("loadbalancer", vip_subnet_id=cloud.subnet.id)
    pool = {
        "protocol": "HTTP",
        "lb_algorithm": "ROUND_ROBIN",
        "members": [{"address": "10.0.0.11", "protocol_port": 80}],
        "healthmonitor": MONITOR,
    }
    listener = await api.create(
        "listener", loadbalancer_id=lb["id"], protocol="HTTP", protocol_port=80, default_pool=pool
    )
    made = await api.show("pool", listener["default_pool_id"])
    assert (len(made["members"]), made["listeners"]) == (1, [{"id": listener["id"]}])
    assert made["healthmonitor_id"]


async def test_a_pool_with_its_members(cloud: Cloud, api: Api) -> None:
    lb = await api.create("loadbalancer", vip_subnet_id=cloud.subnet.id)
    made = await api.create(
        "pool",
        loadbalancer_id=lb["id"],
        protocol="HTTP",
        lb_algorithm="ROUND_ROBIN",
        members=[{"address": "10.0.0.11", "protocol_port": 80}, {"address": "10.0.0.12", "protocol_port": 80}],
        healthmonitor=MONITOR,
    )
    assert (len(made["members"]), bool(made["healthmonitor_id"])) == (2, True)


async def test_a_vip_on_a_network_takes_the_subnet_with_most_free_addresses(cloud: Cloud, api: Api) -> None:
    networking = cloud.networking
    network = networking.add_network("p-red")
    # Without the gateway's, they have five addresses, and one.
    small, full = networking.add_subnet(network, "10.9.0.0/29"), networking.add_subnet(network, "10.9.1.0/30")
    six = networking.add_subnet(network, "2001:db8::/64")
    nobody = Device(id="", owner="")
    networking.create_port("taken", "p-red", full, None, nobody)
    for _ in range(2):
        networking.create_port("taken", "p-red", small, None, nobody)
    large = networking.add_subnet(network, "10.9.2.0/28")

    async def subnet(**more: Any) -> str:
        return str((await api.create("loadbalancer", vip_network_id=network, **more))["vip_subnet_id"])

    assert await subnet() == large.id
    # The first VIP does not take the subnet of an additional one.
    assert await subnet(additional_vips=[{"subnet_id": large.id}]) == small.id
    while networking.free_addresses(large):
        networking.create_port("taken", "p-red", large, None, nobody)
    assert [await subnet() for _ in range(3)] == [small.id, small.id, six.id]


async def test_vips(cloud: Cloud, api: Api) -> None:
    networking = cloud.networking
    by_network = await api.create("loadbalancer", vip_network_id=cloud.network_id)
    assert by_network["vip_subnet_id"] == cloud.subnet.id
    by_address = await api.create("loadbalancer", vip_network_id=cloud.network_id, vip_address="10.0.0.99")
    assert by_address["vip_address"] == "10.0.0.99"
    second = networking.add_subnet(cloud.network_id, "2001:db8::/64")
    assert (await api.create("loadbalancer", vip_network_id=cloud.network_id))["vip_subnet_id"] == cloud.subnet.id
    six = await api.create("loadbalancer", vip_network_id=cloud.network_id, vip_address="2001:db8::42")
    assert (six["vip_subnet_id"], six["vip_address"]) == (second.id, "2001:db8::42")
    empty = networking.add_network("p-red")
    unknown = "00000000-0000-0000-0000-000000000009"
    for vip, status, sentence in (
        ({"vip_subnet_id": unknown}, 400, f"Subnet {unknown} not found."),
        ({"vip_network_id": unknown}, 400, f"Network {unknown} not found."),
        ({"vip_port_id": unknown}, 400, f"Port {unknown} not found."),
        ({"vip_network_id": empty}, 400, "Validation failure: Supplied network does not contain a subnet."),
        ({"vip_network_id": empty, "vip_subnet_id": cloud.subnet.id}, 400, f"Subnet {cloud.subnet.id} not found."),
        (
            {"vip_network_id": cloud.network_id, "vip_address": "192.0.2.1"},
            400,
            "Validation failure: Supplied network does not contain a subnet for VIP address specified.",
        ),
        (
            {"vip_subnet_id": cloud.subnet.id, "vip_address": "192.0.2.1"},
            400,
            "IP address 192.0.2.1 is not a valid IP for the specified subnet.",
        ),
        (
            {"vip_subnet_id": cloud.subnet.id, "vip_address": "10.0.0.99"},
            409,
            f"IP address 10.0.0.99 already allocated in subnet {cloud.subnet.id}",
        ),
    ):
        assert await api.fault("POST", "loadbalancers", status, {"loadbalancer": vip}) == sentence


async def test_a_vip_on_a_full_subnet_is_refused(cloud: Cloud, api: Api) -> None:
    small = cloud.networking.add_subnet(cloud.networking.add_network("p-red", key="small"), "192.0.2.0/30")
    await api.create("loadbalancer", vip_subnet_id=small.id)
    body = {"loadbalancer": {"vip_subnet_id": small.id}}
    assert await api.fault("POST", "loadbalancers", 409, body) == "No more IP addresses available on network small."
