"""Load balancers on several hosts: base ports, pairs, placement, failover, drained and silent hosts."""

from typing import Any

import pytest
from msgspec import structs

from hydria.contract import Counters, Facts, Instance
from hydria.model import LoadBalancer
from hydria.store import columns
from hydria.store.resources import Amphora, KnownHost
from tests.support.api import Api, Body
from tests.support.cloud import Cloud
from tests.support.worker import Worker

SILENCE = 61
OCTAVIA = "/load-balancer/v2.0/octavia"


class Hosts:
    """Three hosts whose agents know base ports; `step` lets those that are not `away` work until nothing changes."""

    def __init__(self, cloud: Cloud, names: tuple[str, ...] = ("h1", "h2", "h3"), **facts: Facts) -> None:
        self.cloud = cloud
        self.workers = {name: Worker(cloud, name, speaks=1, facts=facts.get(name)) for name in names}
        self.away: set[str] = set()

    def step(self) -> None:
        for _ in range(12):
            before = self.orders()
            for name, worker in self.workers.items():
                if name not in self.away:
                    worker.step()
            self.elect()
            if before == self.orders():
                return
        raise AssertionError("the hosts do not settle")

    def orders(self) -> dict[str, tuple[int, str]]:
        held = [instance for worker in self.workers.values() for instance in worker.serving.values()]
        return {each.amphora_id: (each.generation, each.duty) for each in held}

    def instances(self) -> dict[str, Instance]:
        """Return what hosts that are not away serve, by host."""
        live = {name: worker for name, worker in self.workers.items() if name not in self.away}
        return {name: one for name, worker in live.items() for one in worker.serving.values()}

    def elect(self) -> None:
        """Let the amphora of the highest priority of each pair have the VIPs, unless another one has them."""
        had = {key for worker in self.workers.values() for key in worker.elected}
        live = [(name, worker) for name, worker in self.workers.items() if name not in self.away]
        pairs: dict[str, list[Instance]] = {}
        for one in (one for _, worker in live for one in worker.serving.values()):
            if one.vrrp and one.duty == "active":
                pairs.setdefault(one.tree.load_balancer.id, []).append(one)
        chosen = set()
        for pair in pairs.values():
            keys = [one.amphora_id for one in sorted(pair, key=lambda each: -each.vrrp.priority)]  # type: ignore[union-attr]
            chosen.add(next((key for key in keys if key in had), keys[0]))
        for worker in self.workers.values():
            worker.elected = set()
        for _, worker in live:
            worker.elected = chosen & worker.serving.keys()
            for key in worker.serving:
                worker.report(key)

    def cut(self, name: str) -> None:
        """Cut a host off for longer than the operator waits."""
        self.away.add(name)
        self.cloud.clock.advance(SILENCE)
        for other, worker in self.workers.items():
            if other not in self.away:
                worker.announce()

    def set(self, name: str, **changes: Any) -> None:
        """Change a host's row as an operator's command does."""

        def work(transaction: Any) -> None:
            known = transaction.get(KnownHost, name)
            transaction.update(structs.replace(known, **changes))

        self.cloud.database.transact(work)


@pytest.fixture
def hosts(cloud: Cloud) -> Hosts:
    return Hosts(cloud)


async def make(cloud: Cloud, api: Api, topology: str = "SINGLE", **attributes: Any) -> Body:
    admin = cloud.api("admin")
    profile = await admin.create(
        "flavorprofile",
        name=topology,
        provider_name="amphora",
        flavor_data=f'{{"loadbalancer_topology": "{topology}"}}',
    )
    flavor = await admin.create("flavor", name=topology, flavor_profile_id=profile["id"])
    return await api.create("loadbalancer", vip_subnet_id=cloud.subnet.id, flavor_id=flavor["id"], **attributes)


async def fail_over(cloud: Cloud, path: str) -> None:
    answer = await cloud.api("admin").send("PUT", path)
    assert answer.status_code == 202, answer.text


async def status(api: Api, lb: Body) -> str:
    return str((await api.show("loadbalancer", lb["id"]))["provisioning_status"])


def amphorae(cloud: Cloud) -> list[Amphora]:
    c = columns(Amphora)
    return cloud.database.read(lambda tx: tx.find(Amphora, order_by=(c.created_at, c.id)))


async def shown(cloud: Cloud) -> list[Body]:
    found: list[Body] = (await cloud.api("admin").get(f"{OCTAVIA}/amphorae"))["amphorae"]
    return sorted(found, key=lambda each: str(each["role"]), reverse=True)


async def test_an_amphora_has_a_base_port_and_carries_the_vip(cloud: Cloud, api: Api, hosts: Hosts) -> None:
    lb = await make(cloud, api)
    hosts.step()
    (instance,) = hosts.instances().values()
    (amphora,) = amphorae(cloud)
    port = cloud.networking.ports[str(amphora.base_port_id)]
    base = instance.interfaces[0]
    assert (base.port_id, port.device_id) == (amphora.base_port_id, amphora.id)
    assert [each.ip for each in base.addresses] == list(amphora.base_addresses)
    assert [(each.ip, each.prefix) for each in instance.vips] == [(lb["vip_address"], 32)]
    assert [each.cidr for each in base.address_pairs] == [lb["vip_address"]]
    assert (instance.duty, instance.vrrp, instance.hand_over) == ("active", None, ())
    assert await status(api, lb) == "ACTIVE"


async def test_a_pair_is_on_two_hosts(cloud: Cloud, api: Api, hosts: Hosts) -> None:
    lb = await make(cloud, api, "ACTIVE_STANDBY")
    hosts.step()
    one, two = hosts.instances().values()
    assert len(hosts.instances()) == 2
    assert one.vrrp is not None
    assert two.vrrp is not None
    assert {one.vrrp.priority, two.vrrp.priority} == {100, 90}
    assert [each.amphora_id for each in one.siblings] == [two.amphora_id]
    assert [each.addresses for each in one.siblings] == [(two.interfaces[0].addresses[0].ip,)]
    assert len(one.ticket_keys) == 3
    assert one.ticket_keys == two.ticket_keys
    assert await status(api, lb) == "ACTIVE"
    first, second = await shown(cloud)
    assert (first["role"], second["role"]) == ("MASTER", "BACKUP")
    assert {first["vrrp_ip"], second["vrrp_ip"]} == {each.interfaces[0].addresses[0].ip for each in (one, two)}
    assert {each["ha_ip"] for each in (first, second)} == {lb["vip_address"]}
    assert (first["vrrp_priority"], first["vrrp_interface"], first["vrrp_id"]) == (100, "eth0", 1)
    assert {first["cached_zone"], second["cached_zone"]} == set(hosts.instances())


async def test_a_failover_is_make_before_break(cloud: Cloud, api: Api, hosts: Hosts) -> None:
    lb = await make(cloud, api)
    hosts.step()
    (before,) = amphorae(cloud)
    hosts.workers[before.host].counters = {}
    await fail_over(cloud, f"loadbalancers/{lb['id']}/failover")
    seen: list[tuple[str, ...]] = []
    for _ in range(30):
        for worker in hosts.workers.values():
            orders = worker.fetch()
            worker.serve(orders)
            served = [one for other in hosts.workers.values() for one in other.serving.values()]
            # Somebody has the VIP at each moment.
            assert [one for one in served if one.duty == "active"]
        seen.append(tuple(sorted(one.duty for one in served)))
    steps = list(dict.fromkeys(seen))
    assert steps[-1] == ("active",)
    assert ("active", "draining") in steps
    (after,) = amphorae(cloud)
    assert after.id != before.id
    assert str(before.base_port_id) not in cloud.networking.ports
    assert await status(api, lb) == "ACTIVE"


async def test_open_connections_are_waited_for(cloud: Cloud, api: Api, hosts: Hosts) -> None:
    lb = await make(cloud, api)
    listener = await api.create("listener", loadbalancer_id=lb["id"], protocol="TCP", protocol_port=80)
    hosts.step()
    (before,) = amphorae(cloud)
    hosts.workers[before.host].counters = {listener["id"]: Counters(active_connections=2)}
    await fail_over(cloud, f"{OCTAVIA}/amphorae/{before.id}/failover")
    hosts.step()
    old = next(each for each in amphorae(cloud) if each.id == before.id)
    assert (old.replacing, old.duty) == ("draining", "draining")
    new = next(one for one in hosts.instances().values() if one.amphora_id != before.id)
    assert [each.amphora_id for each in new.hand_over] == [before.id]
    given = hosts.workers[before.host].serving[before.id]
    assert [each.amphora_id for each in given.successors] == [new.amphora_id]
    assert await status(api, lb) == "ACTIVE"
    hosts.workers[before.host].counters = {listener["id"]: Counters()}
    hosts.workers[before.host].report(before.id)
    hosts.step()
    (after,) = amphorae(cloud)
    assert after.id == new.amphora_id
    assert hosts.instances()[after.host].hand_over == ()


async def test_a_silent_host_is_replaced(cloud: Cloud, api: Api, hosts: Hosts) -> None:
    lb = await make(cloud, api)
    hosts.step()
    (before,) = amphorae(cloud)
    hosts.cut(before.host)
    hosts.step()
    after = next(each for each in amphorae(cloud) if not each.leaving)
    assert after.host != before.host
    instance = hosts.instances()[after.host]
    assert (instance.duty, instance.probe) == ("active", True)
    assert await status(api, lb) == "ACTIVE"
    # The host is back and is told to remove what it has.
    hosts.away.clear()
    hosts.workers[before.host].announce()
    hosts.step()
    assert [each.id for each in amphorae(cloud)] == [after.id]


async def test_a_pair_loses_a_host_and_gets_another(cloud: Cloud, api: Api, hosts: Hosts) -> None:
    lb = await make(cloud, api, "ACTIVE_STANDBY")
    hosts.step()
    lost = amphorae(cloud)[0].host
    hosts.cut(lost)
    hosts.step()
    staying = [each for each in amphorae(cloud) if not each.leaving]
    assert {each.host for each in staying} == {"h1", "h2", "h3"} - {lost}
    one, two = (hosts.instances()[each.host] for each in staying)
    assert [each.amphora_id for each in one.siblings] == [two.amphora_id]
    assert await status(api, lb) == "ACTIVE"


async def test_without_a_third_host_the_rest_of_a_pair_serves(cloud: Cloud, api: Api) -> None:
    hosts = Hosts(cloud, ("h1", "h2"))
    lb = await make(cloud, api, "ACTIVE_STANDBY")
    hosts.step()
    before = {each.id for each in amphorae(cloud)}
    hosts.cut("h1")
    hosts.step()
    assert await status(api, lb) == "ACTIVE"
    await api.change("loadbalancer", lb["id"], name="other")
    hosts.step()
    assert await status(api, lb) == "ACTIVE"
    hosts.away.clear()
    hosts.workers["h1"].announce()
    hosts.step()
    assert {each.id for each in amphorae(cloud)} == before
    assert {each.generation for each in hosts.instances().values()} == {hosts.instances()["h2"].generation}


async def test_a_drained_host_gives_its_amphorae_away(cloud: Cloud, api: Api, hosts: Hosts) -> None:
    single = await make(cloud, api)
    hosts.step()
    (before,) = amphorae(cloud)
    hosts.set(before.host, enabled=False, draining=True)
    hosts.step()
    (after,) = amphorae(cloud)
    assert after.host != before.host
    assert await status(api, single) == "ACTIVE"


async def test_hosts_that_do_not_fit_are_named_with_the_reason(cloud: Cloud, api: Api) -> None:
    hosts = Hosts(cloud, ("h1", "h2"), h1=Facts(), h2=Facts(physical_networks=("physnet",)))
    hosts.set("h2", enabled=False)
    lb = await make(cloud, api)
    hosts.step()
    found = (await api.get(f"loadbalancers/{lb['id']}/status"))["statuses"]["loadbalancer"]
    assert found["provisioning_status"] == "ERROR"
    assert found["provisioning_status_reason"] == (
        "No host can have this load balancer. h1: it is not connected to the physical network physnet; "
        "h2: it is disabled."
    )
    hosts.set("h2", enabled=True)
    hosts.step()
    assert await status(api, lb) == "ACTIVE"


async def test_a_zone_is_respected(cloud: Cloud, api: Api) -> None:
    physical = ("physnet",)
    hosts = Hosts(
        cloud,
        ("h1", "h2"),
        h1=Facts(zone="east", physical_networks=physical),
        h2=Facts(zone="west", physical_networks=physical),
    )
    admin = cloud.api("admin")
    data = '{"compute_zone": "west"}'
    profile = await admin.create(
        "availability_zone_profile", name="w", provider_name="amphora", availability_zone_data=data
    )
    await admin.create("availability_zone", name="west", availability_zone_profile_id=profile["id"])
    for _ in range(2):
        await api.create("loadbalancer", vip_subnet_id=cloud.subnet.id, availability_zone="west")
    hosts.step()
    assert {each.host for each in amphorae(cloud)} == {"h2"}
    assert {each["cached_zone"] for each in await shown(cloud)} == {"west"}


async def test_a_pair_on_the_only_host_shares_it(cloud: Cloud, api: Api) -> None:
    hosts = Hosts(cloud, ("h1",))
    lb = await make(cloud, api, "ACTIVE_STANDBY")
    hosts.step()
    assert [each.host for each in amphorae(cloud)] == ["h1", "h1"]
    assert await status(api, lb) == "ACTIVE"
    # Another host takes one of them.
    hosts.workers["h2"] = Worker(cloud, "h2", speaks=1)
    hosts.step()
    assert {each.host for each in amphorae(cloud)} == {"h1", "h2"}
    assert len(amphorae(cloud)) == 2


async def test_deleting_a_pair_leaves_nothing(cloud: Cloud, api: Api, hosts: Hosts) -> None:
    before = dict(cloud.networking.ports)
    lb = await make(cloud, api, "ACTIVE_STANDBY")
    hosts.step()
    await api.delete(f"loadbalancers/{lb['id']}")
    hosts.step()
    assert amphorae(cloud) == []
    assert cloud.networking.ports == before
    assert cloud.database.read(lambda tx: tx.find(LoadBalancer)) == []


async def test_a_pair_gets_new_ticket_keys_each_day(cloud: Cloud, api: Api, hosts: Hosts) -> None:
    await make(cloud, api, "ACTIVE_STANDBY")
    hosts.step()
    before = {each.ticket_keys for each in hosts.instances().values()}
    for _ in range(25):
        cloud.clock.advance(hours=1)
        for worker in hosts.workers.values():
            worker.announce()
    hosts.step()
    after = {each.ticket_keys for each in hosts.instances().values()}
    assert len(before) == len(after) == 1
    # The key of the day before is still known, so that sessions go on.
    assert before.pop()[1:] == after.pop()[:2]
