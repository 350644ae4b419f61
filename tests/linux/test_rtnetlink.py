"""What is read of links, addresses and routes, beside what pyroute2 reads."""

from collections.abc import Iterator
from typing import Any

import pytest

from hydria.adapters.linux.names import Names
from hydria.adapters.linux.netns import ensure_namespace, netlink
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
