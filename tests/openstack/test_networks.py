"""The networks that load balancers meet in a real Neutron: of both families, given ports, shared and flat ones."""

from functools import partial
from typing import Any

import pytest

from stack.api import Api
from stack.machines import make_network
from stack.plan import KEYSTONE, url
from tests.support.real_cloud import RealCloud
from tests.support.waiting import wait_until

pytestmark = pytest.mark.xdist_group("openstack")


def listener(protocol: str, members: list[str], **member: str) -> dict[str, Any]:
    """Return the form of a listener on port 80 with a pool of members, each with these attributes."""
    places = [{"address": each, "protocol_port": 80, **member} for each in members]
    pool = {"name": protocol, "protocol": protocol, "lb_algorithm": "ROUND_ROBIN", "members": places}
    return {"name": protocol, "protocol": protocol, "protocol_port": 80, "default_pool": pool}


def create(api: Api, **values: Any) -> dict[str, Any]:
    """Create a load balancer and return it when it is ACTIVE."""
    made: dict[str, Any] = api.octavia("POST", "lbaas/loadbalancers", {"loadbalancer": values})["loadbalancer"]
    api.await_status(made["id"])
    return made


def hits(real: RealCloud, address: str, client: str, wanted: str) -> bool:
    """Say whether a machine that asks an address hits this one."""
    return real.answer(address, client) == f"you hit: {wanted}"


def test_vips_of_both_families_serve_http_and_datagrams(real: RealCloud) -> None:
    _, (four, six) = make_network(real.demo, "dual", "10.4.0.0/24", "fd00:4::/64")
    (ip4, ip6), _ = real.boot("dual1", "h1", "dual"), real.boot("dual2", "h2", "dual")
    forms = [listener("HTTP", [ip4, ip6]), listener("UDP", [ip6])]
    lb = create(real.demo, name="dual", vip_subnet_id=six, additional_vips=[{"subnet_id": four}], listeners=forms)
    first, second = lb["vip_address"], lb["additional_vips"][0]["ip_address"]
    assert ":" in first
    (amphora,) = real.amphorae(lb["id"])
    (base,) = real.ports(device_id=amphora["id"])
    assert {each["subnet_id"] for each in base["fixed_ips"]} == {four, six}
    assert {each["ip_address"] for each in base["allowed_address_pairs"]} == {first, second}
    for address in (first, second):
        wait_until(partial(hits, real, address, "dual2", "dual1"))
    wait_until(lambda: real.datagram(first, "dual2") == "you hit: dual1")
    real.demo.delete(lb["id"])


def test_a_given_port_with_members_on_another_network_and_a_qos_policy(real: RealCloud) -> None:
    back, (back_subnet,) = make_network(real.demo, "back", "10.5.0.0/24")
    members = real.boot("back1", "h3", "back")
    form = {"network_id": real.web, "name": "mine", "dns_name": "shop"}
    mine = real.demo.neutron("POST", "ports", {"port": form})["port"]
    forms = [listener(each, members, subnet_id=back_subnet) for each in ("HTTP", "UDP")]
    lb = create(real.demo, name="given", vip_port_id=mine["id"], listeners=forms)
    address = real.demo.floating_ip(mine["id"], real.public)
    wait_until(lambda: real.answer(address) == "you hit: back1")
    wait_until(lambda: real.datagram(address) == "you hit: back1")
    (amphora,) = real.amphorae(lb["id"])
    by_network = {each["network_id"]: each for each in real.ports(device_id=amphora["id"])}
    assert by_network.keys() == {real.web, back}
    assert by_network[back]["allowed_address_pairs"] == []

    policy = {"name": "slow", "shared": True}
    policy_id = real.admin.neutron("POST", "qos/policies", {"policy": policy})["policy"]["id"]
    rule = {"max_kbps": 20_000, "max_burst_kbps": 2_000, "direction": "egress"}
    real.admin.neutron("POST", f"qos/policies/{policy_id}/bandwidth_limit_rules", {"bandwidth_limit_rule": rule})
    base = by_network[real.web]["id"]
    for wanted in (policy_id, None):
        body = {"loadbalancer": {"vip_qos_policy_id": wanted}}
        real.demo.octavia("PUT", f"lbaas/loadbalancers/{lb['id']}", body)
        # It is ACTIVE when Neutron has it.
        real.demo.await_status(lb["id"])
        assert [each["qos_policy_id"] for each in real.ports(id=[mine["id"], base])] == [wanted, wanted]
        if real.stack.plan.ml2 == "ovn":
            assert (base in real.northbound("list", "qos")) == (wanted is not None)
    wait_until(lambda: real.answer(address) == "you hit: back1")

    real.demo.delete(lb["id"])
    (port,) = real.ports(id=mine["id"])
    assert (port["device_id"], port["device_owner"], port["dns_name"]) == ("", "", "shop")
    real.demo.neutron("DELETE", f"ports/{mine['id']}")


def test_another_project_uses_a_network_that_a_rule_shares(real: RealCloud) -> None:
    other = Api(real.stack.plan, real.stack.control, "other")
    found = real.admin.send("GET", f"{url(KEYSTONE)}/v3/projects?name=other").json()["projects"]
    form = {"object_type": "network", "object_id": real.web, "action": "access_as_shared"}
    body = {"rbac_policy": {**form, "target_tenant": found[0]["id"]}}
    rule = real.demo.neutron("POST", "rbac-policies", body)["rbac_policy"]["id"]
    lb = create(other, name="shared", vip_subnet_id=real.subnet, listeners=[listener("HTTP", real.members)])
    (vip,) = real.ports(id=lb["vip_port_id"])
    assert vip["project_id"] == found[0]["id"]
    wait_until(lambda: real.answer(lb["vip_address"], "web1") in ("you hit: web1", "you hit: web2"))
    other.delete(lb["id"])
    real.demo.neutron("DELETE", f"rbac-policies/{rule}")


def test_a_vip_on_a_flat_network_needs_no_router(real: RealCloud) -> None:
    (subnet,) = real.demo.neutron("GET", f"networks/{real.public}")["network"]["subnets"]
    form = listener("HTTP", real.members, subnet_id=real.subnet)
    lb = create(real.demo, name="flat", vip_subnet_id=subnet, listeners=[form])
    # Open vSwitch may end in its connection tracking beside other load, and is started again.
    wait_until(lambda: {real.answer(lb["vip_address"]) for _ in range(4)} == {"you hit: web1", "you hit: web2"}, 180)
    real.demo.delete(lb["id"])
    assert real.left() == {"ports": [], "groups": [], "rows": [], "namespaces": []}
