"""Namespaces and interfaces in the real kernel: made, repaired, moved, removed, from many threads."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from hydria.adapters.linux.kernel import ensure_interface, links, remove_interface
from hydria.adapters.linux.names import Names, bridge, switch_end
from hydria.adapters.linux.netns import (
    ensure_namespace,
    inside,
    namespace_path,
    namespaces,
    netlink,
    remove_namespace,
    sysctl,
)
from hydria.contract import Limit, Route
from hydria.errors import HostError
from tests.linux.wires import addresses, ask, host, interface, server, uuid


def _read(namespace: str, key: str) -> str:
    with inside(namespace):
        return Path("/proc/sys", *key.split(".")).read_text().strip()


def test_a_namespace_is_made_once_and_configured_for_a_proxy(names: Names) -> None:
    name = names.amphora(uuid())
    assert ensure_namespace(name)
    assert not ensure_namespace(name)
    assert name in namespaces(names.prefix)
    assert links(name) == []
    with netlink(name) as socket:
        assert socket.link("get", index=1)[0]["state"] == "up"
    assert _read(name, "net.ipv4.ip_nonlocal_bind") == "1"
    assert int(_read(name, "net.core.somaxconn")) >= 4096
    sysctl(name, "net.ipv4.ip_forward", "1")
    assert _read(name, "net.ipv4.ip_forward") == "1"
    assert remove_namespace(name)
    assert not remove_namespace(name)
    assert namespaces(names.prefix) == []


def test_names_of_another_prefix_are_not_ours(names: Names) -> None:
    other = Names(f"{names.prefix}x")
    ensure_namespace(other.switch)
    assert namespaces(names.prefix) == []
    remove_namespace(other.switch)


def test_a_namespace_that_a_crash_left_incomplete_is_completed(names: Names) -> None:
    name = names.amphora(uuid())
    Path(namespace_path(name)).touch()
    assert ensure_namespace(name)
    assert links(name) == []


def test_an_interface_has_all_attributes_of_its_port_and_works_at_once(names: Names) -> None:
    network = uuid()
    nic = structs.replace(interface(network, "10.0.0.10/24", "10.0.0.20/24", via="10.0.0.1"), mtu=1400)
    amphora = host(names, "a", nic)
    web = host(names, "b", interface(network, "10.0.0.11/24"))
    with netlink(amphora) as socket:
        link = socket.find("eth0")
        assert link is not None
        assert (link.get("address"), link.get("mtu"), link["state"]) == (nic.mac, 1400, "up")
        assert [route.get("gateway") for route in socket.get_default_routes()] == ["10.0.0.1"]
    assert addresses(amphora, "eth0") == {"10.0.0.10/24", "10.0.0.20/24"}
    with server(web, "10.0.0.11"):
        assert ask(amphora, "10.0.0.11") == "10.0.0.10"


def test_no_timer_of_a_bridge_reports_its_ports_as_changed(names: Names) -> None:
    nic = interface(uuid(), "10.0.0.10/24")
    host(names, "client", nic)
    with netlink(names.switch) as switch:
        found = switch.find(bridge(nic.network_id))
        assert found is not None
        (made,) = switch.link("get", index=found["index"])
    # With a delay the kernel sends a notification for each port when it is over, and the amphora would be checked.
    assert made.get(("linkinfo", "data", "br_forward_delay")) == 0


def test_ipv6_works_at_once(names: Names) -> None:
    network = uuid()
    one = host(names, "a", interface(network, "2001:db8::1/64"))
    other = host(names, "b", interface(network, "2001:db8::2/64"))
    with server(one, "2001:db8::1"):
        assert ask(other, "2001:db8::1") == "2001:db8::2"


def test_a_second_call_changes_nothing(names: Names) -> None:
    nic = interface(uuid(), "10.0.0.10/24", "2001:db8::1/64", via="10.0.0.1")
    v6 = Route(destination="::/0", via="2001:db8::ff")
    nic = structs.replace(nic, routes=(*nic.routes, v6, Route(destination="198.51.100.0/24", via="10.0.0.2")))
    amphora = host(names, "a", nic)
    assert not ensure_interface(names, amphora, "eth0", nic)


_Break = Callable[[Any, Any, int, int], object]


@pytest.mark.parametrize(
    "damage",
    [
        lambda here, switch, nic, end: here.link("set", index=nic, state="down"),
        lambda here, switch, nic, end: here.link("set", index=nic, mtu=1300),
        lambda here, switch, nic, end: here.link("set", index=nic, address="fa:16:3e:00:00:99"),
        lambda here, switch, nic, end: here.link("del", index=nic),
        lambda here, switch, nic, end: switch.link("set", index=end, state="down"),
        lambda here, switch, nic, end: switch.link("set", index=end, master=0),
        lambda here, switch, nic, end: here.flush_addr(index=nic),
        lambda here, switch, nic, end: here.addr("add", index=nic, address="10.0.0.99", prefixlen=24),
        lambda here, switch, nic, end: here.route("del", dst="0.0.0.0/0", gateway="10.0.0.1"),
        lambda here, switch, nic, end: here.route("add", dst="198.51.100.0/24", gateway="10.0.0.7"),
        lambda here, switch, nic, end: switch.link("del", index=switch.link_lookup(kind="bridge")[0]),
    ],
)
def test_a_damaged_interface_is_repaired(names: Names, damage: _Break) -> None:
    network = uuid()
    nic = interface(network, "10.0.0.10/24", via="10.0.0.1")
    amphora = host(names, "a", nic)
    peer = interface(network, "10.0.0.11/24")
    other = host(names, "b", peer)
    with netlink(amphora) as here, netlink(names.switch) as switch:
        end = switch.link_lookup(ifname=switch_end(nic.port_id))[0]
        damage(here, switch, here.link_lookup(ifname="eth0")[0], end)
    assert ensure_interface(names, amphora, "eth0", nic)
    ensure_interface(names, other, "eth0", peer)
    assert not ensure_interface(names, amphora, "eth0", nic)
    assert addresses(amphora, "eth0") == {"10.0.0.10/24"}
    with server(amphora, "10.0.0.10"):
        assert ask(other, "10.0.0.10") == "10.0.0.11"


def test_an_interface_changes_addresses_and_keeps_the_others(names: Names) -> None:
    nic = interface(uuid(), "10.0.0.10/24", "10.0.0.11/24")
    amphora = host(names, "a", nic)
    changed = structs.replace(nic, addresses=(nic.addresses[1], structs.replace(nic.addresses[0], ip="10.0.0.12")))
    assert ensure_interface(names, amphora, "eth0", changed)
    assert addresses(amphora, "eth0") == {"10.0.0.11/24", "10.0.0.12/24"}


def test_bandwidth_limits_are_set_changed_and_removed(names: Names) -> None:
    nic = interface(uuid(), "10.0.0.11/24")
    web = host(names, "web", nic)

    def shaped() -> tuple[str | None, str | None]:
        with netlink(web) as here, netlink(names.switch) as switch:
            ends = here.find("eth0"), switch.find(switch_end(nic.port_id))
            assert all(ends)
            one, other = (end.get("qdisc") for end in ends if end)
            return one, other

    slow, fast = Limit(kbps=8000, burst_kbit=400), Limit(kbps=80_000_000, burst_kbit=2**31 - 1)
    for limits, links_ in (
        ({"egress": slow, "ingress": Limit(kbps=1, burst_kbit=2**31 - 1)}, ("tbf", "tbf")),
        ({"egress": fast, "ingress": None}, ("tbf", "noqueue")),
        ({"egress": None, "ingress": slow}, ("noqueue", "tbf")),
        ({"egress": None, "ingress": None}, ("noqueue", "noqueue")),
    ):
        wanted = structs.replace(nic, **limits)
        assert ensure_interface(names, web, "eth0", wanted)
        assert not ensure_interface(names, web, "eth0", wanted)
        assert [one if one == "tbf" else "noqueue" for one in shaped()] == list(links_)


def test_neighbours_learn_that_an_address_moved(names: Names) -> None:
    network = uuid()
    client = host(names, "client", interface(network, "10.0.0.5/24"))
    first, second = interface(network, "10.0.0.10/24"), interface(network, "10.0.0.11/24")
    old, new = host(names, "old", first), host(names, "new", second)
    with server(old, "10.0.0.10", "old "):
        assert ask(client, "10.0.0.10") == "old 10.0.0.5"
    ensure_interface(names, old, "eth0", structs.replace(first, addresses=()))
    ensure_interface(names, new, "eth0", structs.replace(second, addresses=first.addresses))
    with server(new, "10.0.0.10", "new "):
        assert ask(client, "10.0.0.10") == "new 10.0.0.5"


def test_a_port_moves_to_another_namespace(names: Names) -> None:
    nic = interface(uuid(), "10.0.0.10/24")
    old = host(names, "old", nic)
    new = host(names, "new", nic)
    assert links(old) == []
    assert addresses(new, "eth0") == {"10.0.0.10/24"}


def test_a_link_changes_to_another_port_and_network(names: Names) -> None:
    before, after = interface(uuid(), "10.0.0.10/24"), interface(uuid(), "192.0.2.10/24")
    namespace = host(names, "a", before)
    assert ensure_interface(names, namespace, "eth0", after)
    assert addresses(namespace, "eth0") == {"192.0.2.10/24"}
    assert switch_end(before.port_id) not in links(names.switch)
    assert bridge(after.network_id) in links(names.switch)


def test_removal_leaves_nothing_and_may_be_repeated(names: Names) -> None:
    nic = interface(uuid(), "10.0.0.10/24")
    namespace = host(names, "a", nic)
    assert remove_interface(names, namespace, "eth0")
    assert not remove_interface(names, namespace, "eth0")
    assert links(names.switch) == [bridge(nic.network_id)]
    ensure_interface(names, namespace, "eth0", nic)
    remove_namespace(namespace)
    assert links(names.switch) == [bridge(nic.network_id)]
    assert not remove_interface(names, namespace, "eth0")


def test_many_threads_at_once(names: Names) -> None:
    network = uuid()
    nics = [interface(network, f"10.0.0.{number}/24") for number in range(10, 34)]
    own = os.stat("/proc/thread-self/ns/net").st_ino
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda nic: host(names, nic.port_id, nic), nics))
        again = pool.map(lambda pair: ensure_interface(names, pair[0], "eth0", pair[1]), zip(made, nics, strict=True))
        assert not any(again)
        assert set(pool.map(lambda _: os.stat("/proc/thread-self/ns/net").st_ino, nics)) == {own}
    with server(made[0], "10.0.0.10"):
        assert ask(made[-1], "10.0.0.10") == "10.0.0.33"


@pytest.mark.parametrize(
    ("attempt", "words"),
    [
        (
            lambda names: ensure_interface(names, names.lab("none"), "eth0", interface(uuid(), "10.0.0.1/24")),
            "cannot be entered",
        ),
        (lambda names: links(names.lab("none")), "No such file or directory"),
        (lambda names: ensure_namespace(f"{names.prefix}-../x"), "cannot be the name"),
        (lambda names: host(names, "a", interface(uuid(), "10.0.0.5/24", via="192.0.2.1")), "cannot be attached"),
    ],
)
def test_a_failure_is_a_host_error_and_the_thread_returns(
    names: Names, attempt: Callable[[Names], object], words: str
) -> None:
    own = os.stat("/proc/thread-self/ns/net").st_ino
    with pytest.raises(HostError, match=words):
        attempt(names)
    assert os.stat("/proc/thread-self/ns/net").st_ino == own
