"""Rendering, checks, secrets and limits agree on the live listeners and pools, whatever is switched off."""

from typing import Any

import pytest
from msgspec import structs

from hydria.adapters.linux.datagram_rows import datagram_rows
from hydria.adapters.linux.pings import pinged
from hydria.contract import Instance
from hydria.model import Tree
from hydria.render.datagram import counts_flows, ruleset
from hydria.render.haproxy import needs_no_haproxy, ports, render
from hydria.render.haproxy.tls import secret_files
from hydria.render.serving import serving
from tests.support.trees import (
    SURROUNDINGS,
    instance,
    key,
    listener,
    load_balancer,
    member,
    monitor,
    policy,
    pool,
    rule,
)

HAPROXYS = ["HTTP", "HTTPS", "PROMETHEUS", "TCP", "TERMINATED_HTTPS"]
DATAGRAMS = ["SCTP", "UDP"]
POOL_PROTOCOLS = {"PROMETHEUS": None, "TERMINATED_HTTPS": "HTTP"}
PORT = 8443


def tree_of(protocol: str, off: str | None) -> Instance:
    """Return an instance with one listener of a protocol, its pool, member and monitor; `off` is switched off."""

    def up(which: str) -> dict[str, Any]:
        return {"admin_state_up": which != off}

    pool_protocol = POOL_PROTOCOLS.get(protocol, protocol)
    secure: dict[str, Any] = {"default_tls_container_ref": "leaf"} if protocol == "TERMINATED_HTTPS" else {}
    default: dict[str, Any] = {"default_pool_id": key("2", 1) if pool_protocol else None}
    children: list[Any] = [listener(protocol=protocol, protocol_port=PORT, **default, **secure, **up("listener"))]
    if pool_protocol:
        tls: dict[str, Any] = {} if protocol in DATAGRAMS else {"tls_enabled": True, "ca_tls_container_ref": "ca"}
        values = tls | up("pool") | {"lb_algorithm": "LEAST_CONNECTIONS"}
        children += [pool(protocol=pool_protocol, **values), member(1), monitor(type="PING")]
    return instance(*children, root=load_balancer(**up("load_balancer")), secrets={"leaf": "PEM", "ca": "PEM"})


def frontends(given: Instance) -> list[str]:
    lines = render(given, SURROUNDINGS).text.splitlines()
    return [line.removeprefix("frontend ") for line in lines if line.startswith("frontend ")]


@pytest.mark.parametrize("off", [None, "load_balancer", "listener", "pool"])
@pytest.mark.parametrize("protocol", [*HAPROXYS, *DATAGRAMS])
def test_all_consumers_agree_on_what_is_served(protocol: str, off: str | None) -> None:
    given = tree_of(protocol, off)
    live = given.tree.live()
    listening, balancing = off in (None, "pool"), off is None and protocol != "PROMETHEUS"
    datagrams = protocol in DATAGRAMS
    listener_ids = [key("1", 1)] * listening
    pool_ids = [key("2", 1)] * balancing
    assert [each.id for each in live.datagram_listeners] == listener_ids * datagrams
    assert [each.id for each in live.haproxy_listeners] == listener_ids * (not datagrams)
    # HAProxy's configuration, and the ports that the firewall knows.
    rendering = render(given, SURROUNDINGS)
    assert frontends(given) == listener_ids * (not datagrams)
    assert [each.name for each in rendering.servers] == [key("3", 1)] * (balancing and not datagrams)
    assert ports(given) == ({PORT} if not datagrams else set())
    assert needs_no_haproxy(given) == datagrams
    # Secrets: those that the server sends, those that the host writes, and the trouble when one is lost.
    wanted = {"leaf"} if listening and protocol == "TERMINATED_HTTPS" else set()
    wanted |= {"ca"} if balancing and not datagrams else set()
    assert {reference for reference, _ in live.references()} == wanted
    assert {each.reference for each in secret_files(live)} == wanted
    lost = structs.replace(given, secrets={}, lost={"leaf": "lost", "ca": "lost"})
    assert bool(serving(lost, {}, {}).unserved) == bool(wanted)
    # Datagram rules and their counters.
    rules = ruleset(given.tree, {})
    assert bool(rules.ends) == (listening and datagrams)
    assert [member_id for _, member_id in rules.marks.values()] == [key("3", 1)] * (balancing and datagrams)
    assert counts_flows(given.tree) == (balancing and datagrams)
    rows = [row["svname"] for row in datagram_rows(given.tree, {}, {}, {})]
    assert ("FRONTEND" in rows, "BACKEND" in rows) == (listening and datagrams, balancing and datagrams)
    # Checks, and the sockets that HAProxy needs.
    assert [each.id for each in pinged(given.tree)] == pool_ids * (not datagrams)
    assert [each.id for each in live.datagram_pools] == pool_ids * datagrams
    assert live.haproxy_sockets == (0 if datagrams else listening + balancing)


@pytest.mark.parametrize("off", [None, "load_balancer", "listener"])
def test_port_80_is_free_for_challenges_while_no_live_listener_has_it(off: str | None) -> None:
    given = tree_of("HTTP", off)
    on_80 = structs.replace(given.tree.listeners[0], protocol_port=80)
    tree = structs.replace(given.tree, listeners=(on_80,))
    challenged = structs.replace(given, tree=tree, challenges={"token": "answer"})
    names = {None: [key("1", 1)], "listener": ["hydria-metrics:acme"], "load_balancer": []}
    assert frontends(challenged) == names[off]


def test_a_pool_is_served_through_a_policy_that_can_match() -> None:
    redirect = policy(action="REDIRECT_TO_POOL", redirect_pool_id=key("2", 2))
    served = (listener(), pool(1), pool(2), pool(3), redirect, rule())
    assert pools_of(instance(*served).tree) == [key("2", 1), key("2", 2)]
    off = structs.replace(redirect, admin_state_up=False)
    assert pools_of(instance(*served[:4], off, rule()).tree) == [key("2", 1)]
    assert pools_of(instance(*served[:4], redirect, rule(admin_state_up=False)).tree) == [key("2", 1)]


def pools_of(tree: Tree) -> list[str]:
    return [each.id for each in tree.live().haproxy_pools]
