"""Reading and changing links, addresses and routes gives the same as pyroute2."""

import errno
import os
from collections.abc import Callable, Iterator
from ipaddress import ip_interface, ip_network
from typing import Any

import pytest

from hydria.adapters.linux.names import Names
from hydria.adapters.linux.netns import ensure_namespace, netlink, opened
from hydria.adapters.linux.rtnetlink import Netlink

LINK_KEYS = ("ifname", "address", "mtu", "link", "master", "group", "qdisc", "ifalias")


@pytest.fixture
def here(names: Names) -> Iterator[Netlink]:
    """A namespace with links of several kinds."""
    namespace = names.lab("reading")
    ensure_namespace(namespace)
    with netlink(namespace) as here:
        here.link("add", ifname="b0", kind="bridge")
        master = here.link_lookup(ifname="b0")[0]
        here.link("add", ifname="v0", kind="veth", master=master, group=7, mtu=1400, peer={"ifname": "v1"})
        for name in ("b0", "v0", "v1"):
            here.link("set", index=here.link_lookup(ifname=name)[0], state="up")
        here.link("set", index=here.link_lookup(ifname="v0")[0], ifalias="a note")
        yield here


def index(here: Netlink, name: str) -> int:
    return int(here.link_lookup(ifname=name)[0])


def test_links_are_those_of_pyroute2(here: Netlink) -> None:
    theirs = {link["index"]: link for link in here.link("dump")}
    ours = {link["index"]: link for link in here.get_links()}
    assert ours.keys() == theirs.keys()
    for key, link in ours.items():
        assert [link[name] for name in LINK_KEYS] == [theirs[key].get(name) for name in LINK_KEYS]
        assert link["state"] == theirs[key]["state"]
        assert here.find(link["ifname"]) == link
    # This kernel may have no bridges that filter VLANs.
    assert not any(link["vlan_filtering"] for link in ours.values())
    kinds = {link["ifname"]: link["kind"] for link in ours.values()}
    assert kinds == {"lo": None, "b0": "bridge", "v0": "veth", "v1": "veth"}


def test_a_link_that_is_not_there_is_none(here: Netlink) -> None:
    assert here.find("nothing") is None


def test_more_links_than_fit_into_one_answer_are_read(here: Netlink) -> None:
    for number in range(150):
        here.link("add", ifname=f"d{number}", kind="bridge")
    names = {link["ifname"] for link in here.get_links()}
    assert names >= {f"d{number}" for number in range(150)}


def test_addresses_are_those_of_pyroute2(here: Netlink) -> None:
    for ip, prefix in (("10.0.0.1", 24), ("10.0.0.2", 24), ("10.0.0.3", 32), ("2001:db8::1", 64)):
        here.addr("add", index=index(here, "v1"), address=ip, prefixlen=prefix)
    keys = ("family", "prefixlen", "flags", "scope", "index")

    def seen(rows: Any) -> set[tuple[object, ...]]:
        return {(*(row[key] for key in keys), row.get("address")) for row in rows}

    assert seen(here.get_addr()) == seen(here.addr("dump"))
    mine = seen(here.get_addr(index=index(here, "v1")))
    assert {"10.0.0.1", "10.0.0.2", "10.0.0.3", "2001:db8::1"} <= {address for *_, address in mine}
    assert {number for *_, number, _ in mine} == {index(here, "v1")}


@pytest.mark.parametrize("table", [254, 1, 5000])
def test_routes_are_those_of_pyroute2(here: Netlink, table: int) -> None:
    link = index(here, "v1")
    here.addr("add", index=link, address="10.0.0.1", prefixlen=24)
    here.addr("add", index=link, address="2001:db8::1", prefixlen=64, flags=2)
    here.route("add", dst="198.51.100.0/24", gateway="10.0.0.7", table=table)
    here.route("add", dst="0.0.0.0/0", gateway="10.0.0.8", table=table)
    here.route("add", dst="2001:db8:1::/48", gateway="2001:db8::7", table=table)
    here.route("add", dst="203.0.113.0/24", oif=link, scope=253, table=table)
    keys, named = ("family", "dst_len", "proto", "scope", "type"), ("dst", "oif", "gateway", "table")

    def seen(rows: Any) -> set[tuple[object, ...]]:
        return {(*(row[key] for key in keys), *(row.get(key) for key in named)) for row in rows}

    theirs = seen(row for row in here.route("dump") if row.get("table") == table)
    assert seen(here.get_routes(table=table)) == theirs
    assert len(theirs) >= 4


def test_a_veth_pair_over_two_namespaces_is_made_as_asked(here: Netlink, names: Names) -> None:
    there_name = names.lab("changing")
    ensure_namespace(there_name)
    with opened(there_name) as descriptor, netlink(there_name) as there:
        here.add_veth(
            {"ifname": "far", "net_ns_fd": descriptor, "address": "02:00:00:00:00:07", "mtu": 1300},
            ifname="near",
            mtu=1300,
            master=index(here, "b0"),
            group=7,
        )
        here.set_link(index(here, "near"), ifalias="a note", state="up")
        near, far = here.link("get", ifname="near")[0], there.link("get", ifname="far")[0]
        master = index(here, "b0")
    wanted = {"mtu": 1300, "master": master, "group": 7, "ifalias": "a note", "state": "up", "link": far["index"]}
    assert {key: near.get(key) for key in wanted} == wanted
    wanted = {"mtu": 1300, "address": "02:00:00:00:00:07", "state": "down", "link": near["index"]}
    assert {key: far.get(key) for key in wanted} == wanted


def test_what_is_set_of_a_link_changes_and_the_rest_stays(here: Netlink) -> None:
    link, before = index(here, "v0"), here.find("v0")
    assert before is not None
    here.set_link(link, mtu=1280, ifalias="", state="down")
    assert here.find("v0") == before | {"mtu": 1280, "ifalias": None, "state": "down", "port_state": 0}
    here.set_link(link, ifname="v9", state="up")
    assert here.find("v0") is None
    assert index(here, "v9") == link


def test_links_are_deleted_one_by_one_and_by_their_group(here: Netlink) -> None:
    here.add_veth({"ifname": "x1", "group": 9}, ifname="x0", group=9)
    here.delete_link(index(here, "b0"))
    here.delete_links(9)
    assert {link["ifname"] for link in here.get_links()} == {"lo", "v0", "v1"}


def test_addresses_are_added_replaced_and_removed(here: Netlink) -> None:
    link = index(here, "v1")
    wanted = [ip_interface(text) for text in ("10.0.0.1/24", "10.0.0.2/32", "2001:db8::1/64", "2001:db8::2/128")]
    for address in wanted[:3]:
        here.add_address(link, address)
    here.replace_address(link, wanted[3], deprecated=True)
    here.replace_address(link, wanted[0])

    def rows() -> dict[str, Any]:
        return {f"{row.get('address')}/{row['prefixlen']}": row for row in here.addr("dump", index=link)}

    there = rows()
    assert there.keys() >= {str(each) for each in wanted}
    lifetimes = {str(each): there[str(each)].get("cacheinfo")["ifa_preferred"] for each in wanted}
    assert lifetimes == {str(each): 0 if each is wanted[3] else 2**32 - 1 for each in wanted}
    # None of them waits for the network to say whether somebody has it.
    assert not any(there[str(each)]["flags"] & 0x40 for each in wanted)
    assert there["10.0.0.1/24"].get("local") == "10.0.0.1"
    for address in wanted:
        here.delete_address(link, address)
    assert not rows().keys() & {str(each) for each in wanted}


@pytest.mark.parametrize("table", [254, 5000])
def test_routes_are_made_replaced_and_removed(here: Netlink, table: int) -> None:
    link = index(here, "v1")
    here.add_address(link, ip_interface("10.0.0.1/24"))
    here.add_address(link, ip_interface("2001:db8::1/64"))
    wanted = [
        ("198.51.100.0/24", "10.0.0.7"),
        ("0.0.0.0/0", "10.0.0.8"),
        ("203.0.113.0/24", None),
        ("2001:db8:1::/48", "2001:db8::7"),
        ("::/0", "2001:db8::8"),
    ]
    here.replace_route(link, ip_network("0.0.0.0/0"), "10.0.0.9", table)
    for destination, via in wanted:
        here.replace_route(link, ip_network(destination), via, table)

    def static() -> set[tuple[str, str | None]]:
        rows = [row for row in here.route("dump") if row.get("table") == table and row["proto"] == 4]
        assert {(row.get("oif"), row["type"]) for row in rows} <= {(link, 1)}
        anywhere = {2: "0.0.0.0", 10: "::"}  # noqa: S104 - a destination of routes
        return {(f"{row.get('dst') or anywhere[row['family']]}/{row['dst_len']}", row.get("gateway")) for row in rows}

    assert static() == set(wanted)
    for destination, via in wanted:
        here.delete_route(link, ip_network(destination), via, table)
    assert static() == set()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda here: here.delete_link(99999), errno.ENODEV),
        (lambda here: here.set_link(99999, state="up"), errno.ENODEV),
        (lambda here: here.add_veth({"ifname": "v1"}, ifname="v0"), errno.EEXIST),
        (lambda here: here.delete_address(1, ip_interface("192.0.2.1/24")), errno.EADDRNOTAVAIL),
        (lambda here: here.delete_route(1, ip_network("192.0.2.0/24"), None, 254), errno.ESRCH),
    ],
)
def test_a_refused_change_is_the_kernels_error_and_the_socket_goes_on(
    here: Netlink, change: Callable[[Netlink], None], code: int
) -> None:
    with pytest.raises(OSError, match=os.strerror(code)) as refused:
        change(here)
    assert refused.value.errno == code
    assert here.find("v0") is not None
