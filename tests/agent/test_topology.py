"""The networks that a host keeps when the server orders others."""

from msgspec import structs

from hydria.agent.topology import merged, unknown
from hydria.contract import Address, FloatingIp, Interface, Network, Router, Topology


def nic(port: str, network: str, ip: str) -> Interface:
    return Interface(port_id=port, network_id=network, mac="02:00:00:00:00:01", addresses=(Address(ip=ip, prefix=24),))


PROVIDER, INNER = Network(id="provider", external=True), Network(id="inner")
PAIR = FloatingIp(id="f1", floating_ip="203.0.113.10", fixed_ip="10.0.0.5")
ROUTER = Router(
    id="r",
    interfaces=(nic("p1", "inner", "10.0.0.1"),),
    gateway=nic("g", "provider", "203.0.113.2"),
    snat_cidrs=("10.0.0.0/24",),
    floating_ips=(PAIR,),
)
HELD = Topology(generation=8, change_id=5, networks=(PROVIDER, INNER), routers=(ROUTER,))


def test_an_empty_database_removes_nothing() -> None:
    other = Network(id="other", external=True)
    kept = merged(HELD, Topology(generation=1, change_id=9, networks=(other,)))
    assert (kept.generation, kept.change_id) == (1, 9)
    # The first external network is the one that the machine's own link stays on.
    assert kept.networks == (PROVIDER, INNER, other)
    assert kept.routers == (ROUTER,)
    assert unknown(kept, Topology(generation=1, networks=(other,))).routers == (ROUTER,)


def test_removed_names_are_removed() -> None:
    assert merged(HELD, Topology(generation=9, networks=(PROVIDER, INNER), removed=("r",))).routers == ()
    for name, part in (("p1", {"interfaces": ()}), ("f1", {"floating_ips": ()}), ("g", {"gateway": None})):
        ordered = structs.replace(
            HELD, generation=9, routers=(structs.replace(ROUTER, **part, snat_cidrs=()),), removed=(name,)
        )
        assert merged(HELD, ordered) == ordered, name


def test_parts_of_a_known_router_that_an_older_database_lacks_stay() -> None:
    older = structs.replace(ROUTER, interfaces=(), gateway=None, snat_cidrs=(), floating_ips=())
    kept = merged(HELD, structs.replace(HELD, generation=3, routers=(older,)))
    assert kept.routers == (ROUTER,)
    (part,) = unknown(kept, structs.replace(HELD, routers=(older,))).routers
    assert (part.interfaces, part.gateway, part.floating_ips) == (ROUTER.interfaces, ROUTER.gateway, (PAIR,))


def test_another_subnet_of_a_known_router_is_translated_as_before() -> None:
    second = nic("p2", "inner", "10.0.1.1")
    held = structs.replace(ROUTER, interfaces=(*ROUTER.interfaces, second), snat_cidrs=("10.0.0.0/24", "10.0.1.0/24"))
    kept = merged(structs.replace(HELD, routers=(held,)), HELD)
    assert kept.routers == (held,)


def test_an_address_that_moved_belongs_to_the_ordered_router() -> None:
    taken = Router(id="new", floating_ips=(FloatingIp(id="f2", floating_ip=PAIR.floating_ip, fixed_ip="10.9.0.5"),))
    kept = merged(HELD, Topology(generation=1, networks=(PROVIDER, INNER), routers=(taken,)))
    assert [router.floating_ips for router in kept.routers] == [(), taken.floating_ips]


def test_a_floating_ip_that_moved_leaves_its_router() -> None:
    moved = Router(id="new", floating_ips=(structs.replace(PAIR, fixed_ip="10.9.0.5"),))
    kept = merged(HELD, Topology(generation=9, networks=(PROVIDER, INNER), routers=(moved,)))
    assert [router.floating_ips for router in kept.routers] == [(), moved.floating_ips]


def test_a_host_without_a_topology_takes_the_ordered_one() -> None:
    assert merged(None, HELD) == HELD
