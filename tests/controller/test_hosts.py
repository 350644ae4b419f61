"""What hosts say about themselves when they poll, and what follows for their networks and amphorae."""

from msgspec import structs

from hydria.contract import Facts, Holding, Network, Topology
from hydria.controller.hosts import BASE_PORTS, reach_of
from hydria.model import LoadBalancer
from hydria.protocols import Reach
from hydria.store.resources import KnownHost
from tests.support.api import Api
from tests.support.cloud import Cloud
from tests.support.worker import Worker


def heard(cloud: Cloud, host: str, *physical_networks: str, speaks: int = BASE_PORTS) -> KnownHost:
    """Let a host poll, and return its row."""
    facts = Facts(version="1", zone="z", physical_networks=physical_networks)
    holding = Holding(host=host, name=host, speaks=speaks, facts=facts if speaks else Facts())
    cloud.database.transact(lambda tx: cloud.desired_state.heard_from(tx, holding, cloud.clock.now()))
    found = cloud.database.read(lambda tx: tx.get(KnownHost, host))
    assert found is not None
    return found


def topology(cloud: Cloud, host: str) -> Topology:
    orders = cloud.database.read(lambda tx: cloud.desired_state.orders(tx, Holding(host=host, name=host, topology=-1)))
    assert orders.topology is not None
    return orders.topology


def test_the_first_host_is_the_home_and_facts_are_stored(cloud: Cloud) -> None:
    assert heard(cloud, "one", "br0") == KnownHost(
        id="one",
        name="one",
        seen_at=int(cloud.clock.now().timestamp()),
        speaks=BASE_PORTS,
        facts=Facts(version="1", zone="z", physical_networks=("br0",)),
        home=True,
    )
    assert not heard(cloud, "two").home


def test_a_poll_changes_nothing_that_administrators_set(cloud: Cloud) -> None:
    host = heard(cloud, "one")
    kept = structs.replace(host, enabled=False, draining=True, wired=7, secret_hash="x")
    cloud.database.transact(lambda tx: tx.update(kept))
    after = heard(cloud, "one", "br0")
    assert after == structs.replace(kept, facts=after.facts)


def test_hosts_get_the_networks_of_their_physical_networks(cloud: Cloud) -> None:
    networks = (
        Network(id="local"),
        Network(id="here", physical="here"),
        Network(id="there", physical="there"),
        Network(id="tagged", physical="there", vlan=5),
        Network(id="nowhere", physical="nowhere"),
    )
    cloud.topologies.change(networks)
    heard(cloud, "one", "here")
    heard(cloud, "two", "there", "here")
    assert {each.id for each in topology(cloud, "one").networks} == {"local", "here", "nowhere"}
    assert {each.id for each in topology(cloud, "two").networks} == {"here", "there", "tagged"}
    assert topology(cloud, "unknown").networks == ()


def test_facts_that_decide_about_networks_count_as_a_change_of_the_topology(cloud: Cloud) -> None:
    cloud.topologies.change((Network(id="n", physical="br0"),))
    heard(cloud, "one")
    generation = cloud.topologies.version()[0]
    heard(cloud, "one", "docker0")
    assert cloud.topologies.version()[0] == generation
    heard(cloud, "one", "docker0", "br0")
    assert cloud.topologies.version()[0] == generation + 1
    heard(cloud, "one", "docker0", "br0")
    assert cloud.topologies.version()[0] == generation + 1


def test_an_old_agent_has_the_networks_of_the_home_without_vlans(cloud: Cloud) -> None:
    cloud.topologies.change((Network(id="flat", physical="br0"), Network(id="tagged", physical="br0", vlan=5)))
    heard(cloud, "one", speaks=0)
    assert {each.id for each in topology(cloud, "one").networks} == {"flat"}


def test_hints_tell_of_changed_facts(cloud: Cloud) -> None:
    topics: list[frozenset[str]] = []
    heard(cloud, "one")
    cloud.database.subscribe(topics.append)
    heard(cloud, "one")
    assert topics == []
    heard(cloud, "one", "br0")
    assert "hosts" in topics[0]


async def test_amphorae_get_a_new_generation_when_their_agent_can_make_base_ports(
    cloud: Cloud, api: Api, worker: Worker
) -> None:
    shown = await api.create("loadbalancer", vip_subnet_id=cloud.subnet.id)
    worker.step()

    def generation() -> int:
        found = cloud.database.read(lambda tx: tx.get(LoadBalancer, shown["id"]))
        assert found is not None
        return found.generation

    def poll(holding: Holding) -> None:
        cloud.database.transact(lambda tx: cloud.desired_state.heard_from(tx, holding, cloud.clock.now()))

    before = generation()
    host = worker.holding.host
    poll(worker.holding)
    assert generation() == before
    for _ in range(2):
        poll(structs.replace(worker.holding, speaks=BASE_PORTS))
        assert generation() == before + 1
    assert cloud.database.read(lambda tx: reach_of(tx, host)) == Reach(home=True, tagged=False)
