"""Additional VIPs, QoS policies and security groups of a load balancer."""

from pathlib import Path

import pytest

from hydria.model.network import Device, Subnet
from tests.support.api import Api, Body
from tests.support.cloud import Cloud
from tests.support.worker import Worker

UNKNOWN = "00000000-0000-0000-0000-000000000001"
QOS = "00000000-0000-0000-0000-0000000000a0"
GROUP = "00000000-0000-0000-0000-0000000000b0"
SAY = "Validation failure: "


@pytest.fixture
def six(cloud: Cloud) -> Subnet:
    return cloud.networking.add_subnet(cloud.network_id, "2001:db8::/64")


async def test_additional_vips(cloud: Cloud, api: Api, six: Subnet, worker: Worker) -> None:
    third = cloud.networking.add_subnet(cloud.network_id, "198.51.100.0/24")
    asked = [{"subnet_id": six.id, "ip_address": "2001:db8::42"}, {"subnet_id": third.id}]
    lb = await api.create("loadbalancer", vip_subnet_id=cloud.subnet.id, additional_vips=asked)
    port = cloud.networking.ports[lb["vip_port_id"]]
    assert lb["additional_vips"] == [
        {"subnet_id": six.id, "ip_address": "2001:db8::42", "port_id": port.id},
        {"subnet_id": third.id, "ip_address": "198.51.100.2", "port_id": port.id},
    ]
    # One port has all addresses.
    assert list(port.fixed_ips) == [
        (cloud.subnet.id, lb["vip_address"]),
        (six.id, "2001:db8::42"),
        (third.id, "198.51.100.2"),
    ]
    listener = {"loadbalancer_id": lb["id"], "protocol": "HTTP", "protocol_port": 80}
    await api.create("listener", **listener, allowed_cidrs=["2001:db8::/32", "10.0.0.0/8"])
    worker.step()
    served = next(iter(worker.serving.values()))
    assert served.tree.load_balancer.vip_addresses == (lb["vip_address"], "2001:db8::42", "198.51.100.2")
    assert [each.ip for each in served.interfaces[0].addresses] == [lb["vip_address"], "2001:db8::42", "198.51.100.2"]
    await api.delete(f"loadbalancers/{lb['id']}", cascade="true")
    worker.step()
    cloud.controller.work()
    assert cloud.networking.ports == {}


async def test_addresses_are_shown_in_canonical_form(cloud: Cloud, api: Api, six: Subnet, worker: Worker) -> None:
    asked = [{"subnet_id": six.id, "ip_address": "2001:0DB8:0:0::42"}]
    lb = await api.create(
        "loadbalancer", vip_subnet_id=cloud.subnet.id, vip_address="::ffff:10.0.0.77", additional_vips=asked
    )
    assert (lb["vip_address"], lb["additional_vips"][0]["ip_address"]) == ("10.0.0.77", "2001:db8::42")
    for query, number in (("::FFFF:10.0.0.77", 1), ("10.0.0.77", 1), ("10.0.0.7", 0), ("nonsense", 0)):
        assert len((await api.get("loadbalancers", vip_address=query))["loadbalancers"]) == number, query
    pool = await api.create("pool", loadbalancer_id=lb["id"], protocol="HTTP", lb_algorithm="ROUND_ROBIN")
    members = f"pools/{pool['id']}/members"
    one = await api.add_member(
        pool["id"], address="2001:DB8:0::0a", protocol_port=80, monitor_address="2001:DB8:0:0::B", name="kept"
    )
    assert (one["address"], one["monitor_address"]) == ("2001:db8::a", "2001:db8::b")
    again = {"member": {"address": "2001:db8:0:0:0:0:0:a", "protocol_port": 80}}
    assert "already using ip 2001:db8::a" in await api.fault("POST", members, 409, again)
    assert len((await api.get(members, address="2001:DB8::000A"))["members"]) == 1
    batch = {"members": [{"address": "2001:0db8::A", "protocol_port": 80, "weight": 7}]}
    assert (await api.send("PUT", members, json=batch)).status_code == 202
    (after,) = (await api.get(members))["members"]
    assert (after["id"], after["weight"], after["name"]) == (one["id"], 7, "kept")
    twice = [{"address": "2001:db8::1", "protocol_port": 80}, {"address": "2001:DB8::1", "protocol_port": 80}]
    await api.fault("PUT", members, 409, {"members": twice})
    worker.step()
    served = next(iter(worker.serving.values()))
    assert set(served.tree.load_balancer.vip_addresses) <= {each.ip for each in served.interfaces[0].addresses}


async def test_wrong_additional_vips_are_refused(cloud: Cloud, api: Api, six: Subnet) -> None:
    elsewhere = cloud.networking.add_subnet(cloud.networking.add_network("p-red"), "192.0.2.0/24")
    same = SAY + "Duplicate VIP subnet(s) specified. Only one IP can be bound per subnet."
    for asked, status, sentence in (
        ([{"subnet_id": cloud.subnet.id}], 400, same),
        ([{"subnet_id": six.id}, {"subnet_id": six.id}], 400, same),
        ([{"subnet_id": UNKNOWN}], 400, f"{SAY}Subnet {UNKNOWN} not found"),
        ([{"subnet_id": elsewhere.id}], 400, SAY + "All VIP subnets must belong to the same network."),
        (
            [{"subnet_id": six.id, "ip_address": "192.0.2.1"}],
            400,
            "IP address 192.0.2.1 is not a valid IP for the specified subnet.",
        ),
        ([{"ip_address": "2001:db8::1"}], 400, None),
    ):
        body = {"loadbalancer": {"vip_subnet_id": cloud.subnet.id, "additional_vips": asked}}
        found = await api.fault("POST", "loadbalancers", status, body)
        assert sentence in (None, found)
    # Nothing is left of a refused load balancer.
    assert cloud.networking.ports == {}
    assert (await api.get("loadbalancers"))["loadbalancers"] == []


async def test_additional_vips_on_a_users_own_port(cloud: Cloud, api: Api, six: Subnet) -> None:
    nobody = Device(id="", owner="")
    port = cloud.networking.create_port("mine", "p-red", cloud.subnet, "10.0.0.50", nobody)
    asked = {"vip_port_id": port.id, "additional_vips": [{"subnet_id": six.id}]}
    assert await api.fault("POST", "loadbalancers", 400, {"loadbalancer": asked}) == (
        SAY + "No VIP address found on the specified VIP port within the specified subnet."
    )
    cloud.networking.add_address(port.id, six, "2001:db8::7")
    lb = await api.create("loadbalancer", **asked, vip_address="10.0.0.50")
    assert [each["ip_address"] for each in lb["additional_vips"]] == ["2001:db8::7"]


async def test_qos_policies(cloud: Cloud, api: Api) -> None:
    vip = {"vip_subnet_id": cloud.subnet.id}
    none = SAY + "VIP QoS policy is not allowed in this deployment."
    body = {"loadbalancer": {**vip, "vip_qos_policy_id": QOS}}
    assert await api.fault("POST", "loadbalancers", 400, body) == none
    lb = await api.create("loadbalancer", **vip, vip_qos_policy_id=None)
    path = f"loadbalancers/{lb['id']}"
    assert await api.fault("PUT", path, 400, {"loadbalancer": {"vip_qos_policy_id": None}}) == none
    cloud.networking.qos_policies.add(QOS)
    assert (await api.create("loadbalancer", **vip, vip_qos_policy_id=QOS))["vip_qos_policy_id"] == QOS
    assert (await api.change("loadbalancer", lb["id"], vip_qos_policy_id=QOS))["vip_qos_policy_id"] == QOS
    unknown = {"loadbalancer": {"vip_qos_policy_id": UNKNOWN}}
    assert await api.fault("PUT", path, 400, unknown) == f"qos_policy {UNKNOWN} not found."
    assert (await api.change("loadbalancer", lb["id"], vip_qos_policy_id=None))["vip_qos_policy_id"] is None


async def test_security_groups(cloud: Cloud, api: Api) -> None:
    vip = {"vip_subnet_id": cloud.subnet.id}
    body = {"loadbalancer": {**vip, "vip_sg_ids": [GROUP]}}
    assert await api.fault("POST", "loadbalancers", 400, body) == f"Security Group {GROUP} not found."
    cloud.networking.security_groups.add(GROUP)
    lb = await api.create("loadbalancer", **vip, vip_sg_ids=[GROUP])
    assert lb["vip_sg_ids"] == [GROUP]
    listener: Body = {"loadbalancer_id": lb["id"], "protocol": "HTTP", "protocol_port": 80}
    limited = listener | {"allowed_cidrs": ["10.0.0.0/8"]}
    say = SAY + "Allowed CIDRs are not allowed when using custom VIP Security Groups."
    assert await api.fault("POST", "listeners", 400, {"listener": limited}) == say
    made = await api.create("listener", **listener)
    change = {"listener": {"allowed_cidrs": ["10.0.0.0/8"]}}
    assert await api.fault("PUT", f"listeners/{made['id']}", 400, change) == say
    wrong = {"loadbalancer": {"vip_sg_ids": [UNKNOWN]}}
    assert await api.fault("PUT", f"loadbalancers/{lb['id']}", 400, wrong) == f"Security Group {UNKNOWN} not found."
    assert (await api.change("loadbalancer", lb["id"], vip_sg_ids=None))["vip_sg_ids"] == []


async def test_allowed_cidrs_are_checked_before_the_address_is_known(cloud: Cloud, api: Api, tmp_path: Path) -> None:
    listener = {"protocol": "HTTP", "protocol_port": 80, "allowed_cidrs": ["2001:db8::/32"]}
    body = {"loadbalancer": {"vip_subnet_id": cloud.subnet.id, "listeners": [listener]}}
    assert await api.fault("POST", "loadbalancers", 400, body) == (
        SAY + "CIDR 2001:db8::/32 IP version incompatible with all VIPs ['10.0.0.0/24'] IP version."
    )
    assert cloud.networking.ports == {}


async def test_a_whole_tree_with_policies(cloud: Cloud, api: Api) -> None:
    rule = {"type": "PATH", "compare_type": "STARTS_WITH", "value": "/"}
    pool = {"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
    policies = [
        {"name": "b", "action": "REDIRECT_TO_POOL", "redirect_pool": {"name": "shared"}, "rules": [rule, rule]},
        {"name": "a", "action": "REDIRECT_TO_POOL", "redirect_pool": {"name": "inside", **pool}, "position": 1},
        {"name": "c", "action": "REDIRECT_TO_URL", "redirect_url": "https://www.example.com"},
    ]
    made = await api.create(
        "loadbalancer",
        vip_subnet_id=cloud.subnet.id,
        listeners=[{"protocol": "HTTP", "protocol_port": 80, "l7policies": policies}],
        pools=[{"name": "shared", **pool}],
    )
    (listener,) = made["listeners"]
    assert [each["name"] for each in listener["l7policies"]] == ["a", "b", "c"]
    assert [each["position"] for each in listener["l7policies"]] == [1, 2, 3]
    second = listener["l7policies"][1]
    pools = {each["name"]: each for each in made["pools"]}
    assert (second["redirect_pool_id"], second["listener_id"]) == (pools["shared"]["id"], listener["id"])
    assert [each["value"] for each in second["rules"]] == ["/", "/"]
    assert pools["shared"]["listeners"] == [{"id": listener["id"]}]
    lost = [{"action": "REDIRECT_TO_POOL", "redirect_pool": {"name": "lost"}}]
    body = {"vip_subnet_id": cloud.subnet.id, "listeners": [{**listener_form(), "l7policies": lost}]}
    assert await api.fault("POST", "loadbalancers", 400, {"loadbalancer": body}) == (
        SAY + "Pool 'lost' was referenced but no full definition was found."
    )


def listener_form() -> Body:
    return {"protocol": "HTTP", "protocol_port": 80}
