"""Load balancers in a real OpenStack: Keystone's users, Neutron's ports and floating IPs, OVN on two hosts."""

import signal
import time

import httpx
import pytest

from hydria.errors import HostError
from stack import hydria, switch
from stack.plan import KEYSTONE, OCTAVIA, url
from tests.support.real_cloud import RealCloud
from tests.support.waiting import wait_until

pytestmark = pytest.mark.xdist_group("openstack")

NOTHING: dict[str, list[str]] = {"ports": [], "groups": [], "rows": [], "namespaces": []}


def test_a_load_balancer_serves_through_a_floating_ip(real: RealCloud) -> None:
    lb = real.load_balancer("single")
    address = real.demo.floating_ip(lb["vip_port_id"], real.public)
    wait_until(lambda: {real.answer(address) for _ in range(4)} == {"you hit: web1", "you hit: web2"})

    (vip,) = real.ports(id=lb["vip_port_id"])
    assert (vip["device_owner"], vip["device_id"], vip["binding:vif_type"]) == ("Octavia", f"lb-{lb['id']}", "unbound")
    (amphora,) = real.amphorae(lb["id"])
    (base,) = real.ports(device_id=amphora["id"])
    assert base["binding:host_id"] == real.host_of(amphora)
    assert [pair["ip_address"] for pair in base["allowed_address_pairs"]] == [lb["vip_address"]]
    wait_until(lambda: real.ports(id=base["id"])[0]["status"] == "ACTIVE")

    # Its namespace goes behind the agent's back: a port that is plugged again under the same name carries packets.
    host = real.stack.node(real.host_of(amphora))
    host.run("ip", "netns", "del", real.namespace(host.name, amphora["id"]), environment={"PATH": "/usr/sbin:/usr/bin"})
    wait_until(lambda: real.answers(address))
    hydria.restart(host)
    wait_until(lambda: real.answers(address))

    # A planned move: another amphora takes the VIP, and nothing of the first one is left.
    path = f"lbaas/loadbalancers/{lb['id']}/failover"
    real.admin.octavia("PUT", path)
    wait_until(lambda: [each["id"] for each in real.amphorae(lb["id"])] not in ([], [amphora["id"]]))
    wait_until(lambda: len(real.amphorae(lb["id"])) == 1)
    real.demo.await_status(lb["id"])
    wait_until(lambda: real.answers(address))
    wait_until(lambda: real.ports(device_id=amphora["id"]) == [])

    real.demo.delete(lb["id"])
    wait_until(lambda: real.left() == NOTHING)


def test_neutron_refuses_in_its_own_words(real: RealCloud) -> None:
    taken = real.members[0]
    body = {"loadbalancer": {"vip_subnet_id": real.subnet, "vip_address": taken}}
    with pytest.raises(HostError, match=f"IP address {taken} already allocated in subnet {real.subnet}"):
        real.demo.octavia("POST", "lbaas/loadbalancers", body)
    other = type(real.demo)(real.stack.plan, real.stack.control, "other")
    with pytest.raises(HostError, match=f"Subnet {real.subnet} not found"):
        other.octavia("POST", "lbaas/loadbalancers", {"loadbalancer": {"vip_subnet_id": real.subnet}})
    assert real.left() == NOTHING


def test_while_neutron_does_not_answer_nothing_is_lost_or_left(real: RealCloud) -> None:
    balancers = f"{url(OCTAVIA)}/load-balancer/v2.0/lbaas/loadbalancers"
    halted = list(real.stack.control.processes("neutron.wsgi.api:application"))
    assert halted
    for process in halted:
        process.signal(signal.SIGSTOP)
    try:
        answer = real.demo.send("POST", balancers, {"loadbalancer": {"vip_network_id": real.web}})
        assert (answer.status_code, answer.json()["faultstring"]) == (503, "Neutron does not answer. Please try again.")
        begun = time.monotonic()
        assert real.demo.send("GET", balancers).status_code == httpx.codes.OK
        # A read never waits for Neutron: less than its timeout is proof.
        assert time.monotonic() - begun < 10
    finally:
        for process in halted:
            process.signal(signal.SIGCONT)
            process.close()
    lb: dict[str, str] = {}

    def made() -> bool:
        answer = real.demo.send("POST", balancers, {"loadbalancer": {"vip_subnet_id": real.subnet}})
        lb.update(answer.json().get("loadbalancer", {}))
        return answer.is_success

    wait_until(made)
    real.demo.await_status(lb["id"])
    real.demo.delete(lb["id"])
    wait_until(lambda: real.left() == NOTHING)


def test_a_quota_that_is_used_up_is_said_and_waited_for(real: RealCloud) -> None:
    balancers = f"{url(OCTAVIA)}/load-balancer/v2.0/lbaas/loadbalancers"
    (project,) = real.admin.send("GET", f"{url(KEYSTONE)}/v3/projects?name=service").json()["projects"]
    quota = f"quotas/{project['id']}"
    used = real.admin.neutron("GET", f"{quota}/details.json")["quota"]["security_group"]["used"]
    real.admin.neutron("PUT", quota, {"quota": {"security_group": used}})
    form = {"vip_subnet_id": real.subnet}
    lb = real.demo.octavia("POST", "lbaas/loadbalancers", {"loadbalancer": form})["loadbalancer"]
    real.demo.await_status(lb["id"], "ERROR")
    found = real.demo.send("GET", f"{balancers}/{lb['id']}/status").json()["statuses"]["loadbalancer"]
    assert "Quota exceeded for resources: ['security_group']" in found["provisioning_status_reason"]
    found = real.demo.send("GET", f"{balancers}/{lb['id']}/explain").json()["explain"]
    assert found["waiting_for"][0]["sentence"].startswith("Neutron refuses what is needed, and is asked again: Quota")
    real.admin.neutron("PUT", quota, {"quota": {"security_group": -1}})
    real.demo.await_status(lb["id"])
    real.demo.delete(lb["id"])
    wait_until(lambda: real.left() == NOTHING)


def test_a_pair_survives_the_loss_of_a_host(real: RealCloud) -> None:
    profile = {"name": "pair", "provider_name": "octavia", "flavor_data": '{"loadbalancer_topology": "ACTIVE_STANDBY"}'}
    made = real.admin.octavia("POST", "lbaas/flavorprofiles", {"flavorprofile": profile})["flavorprofile"]
    flavor = {"name": "pair", "flavor_profile_id": made["id"], "enabled": True}
    flavor_id = real.admin.octavia("POST", "lbaas/flavors", {"flavor": flavor})["flavor"]["id"]
    lb = real.load_balancer("pair", flavor_id=flavor_id)
    address = real.demo.floating_ip(lb["vip_port_id"], real.public)
    wait_until(lambda: real.answers(address))
    wait_until(lambda: [each["role"] for each in real.amphorae(lb["id"])].count("MASTER") == 1)
    master = next(each for each in real.amphorae(lb["id"]) if each["role"] == "MASTER")
    lost = real.host_of(master)
    real.stack.power_off(lost)
    wait_until(lambda: real.answers(address))
    real.stack.power_on(lost)
    wait_until(lambda: len({real.host_of(each) for each in real.amphorae(lb["id"])}) == 2)
    # The machine of the host is back, too.
    wait_until(lambda: {real.answer(address) for _ in range(4)} == {"you hit: web1", "you hit: web2"})
    # Open vSwitch's database still has the ports from before the power cut, but their links are gone.
    real.demo.await_status(lb["id"])
    real.demo.delete(lb["id"])
    wait_until(lambda: real.left() == NOTHING)
    assert switch.vsctl(real.stack.plan, real.stack.node(lost), "show")
