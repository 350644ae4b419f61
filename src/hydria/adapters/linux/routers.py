"""A home-cloud router on the host: a namespace that forwards between its interfaces and translates addresses."""

import os
from collections.abc import Collection

from msgspec import structs

from hydria.adapters.linux.kernel import ensure_interface, links, remove_interface
from hydria.adapters.linux.names import GATEWAY, Names, router_interface
from hydria.adapters.linux.netns import ensure_namespace, sysctl
from hydria.adapters.linux.nft import Tables
from hydria.contract import Address, Interface, Router
from hydria.errors import HostError
from hydria.render.nftables import render_router


class Routers:
    """The routers of one machine. It remembers loaded rules, so that an unchanged router costs no process."""

    def __init__(self, names: Names) -> None:
        self._names = names
        # By router id: the tables of its namespace, and `Tables.place` with the text that was loaded last.
        self._tables: dict[str, Tables] = {}
        self._loaded: dict[str, tuple[object, str]] = {}

    def ensure(self, router: Router, removed: Collection[str] = ()) -> None:
        """Make or repair a router; remove only the interfaces of removed ports. Raises HostError."""
        namespace = self._names.router(router.id)
        ensure_namespace(namespace)
        sysctl(namespace, "net.ipv4.ip_forward", "1")
        if os.path.exists("/proc/sys/net/ipv6"):
            sysctl(namespace, "net.ipv6.conf.all.forwarding", "1")
        # Rules are loaded before there are addresses, so that no packet passes untranslated.
        self._load(router, namespace)
        wanted = {router_interface(each.port_id): _inner(each) for each in router.interfaces}
        if router.gateway is not None:
            wanted[GATEWAY] = _outer(router, router.gateway)
        gone = {GATEWAY, *map(router_interface, removed)}
        for link in links(namespace):
            if link in gone and link not in wanted:
                remove_interface(self._names, namespace, link)
        for link, interface in wanted.items():
            ensure_interface(self._names, namespace, link, interface)

    @property
    def drifted(self) -> bool:
        """Whether somebody else changed the rules of a router, by a few system calls for each."""
        return any(self._changed(router_id) for router_id in list(self._loaded))

    def _changed(self, router_id: str) -> bool:
        tables, loaded = self._tables.get(router_id), self._loaded.get(router_id)
        if tables is None or loaded is None:
            return False
        try:
            tables.look()
        except (HostError, OSError):
            return True
        return tables.place != loaded[0]

    def forget(self, router_id: str) -> None:
        """Forget a router that is gone."""
        self._loaded.pop(router_id, None)
        self._tables.pop(router_id, None)

    def _load(self, router: Router, namespace: str) -> None:
        try:
            text = render_router(router, GATEWAY)
        except ValueError as error:
            raise HostError(f"The router {router.id} cannot be made: {error}.") from error
        tables = self._tables.setdefault(router.id, Tables(namespace))
        tables.look()
        if self._loaded.get(router.id) != (tables.place, text):
            tables.load(text)
            self._loaded[router.id] = tables.place, text


def _inner(interface: Interface) -> Interface:
    # The subnet's routes are for its hosts, and lead to this router.
    return structs.replace(interface, routes=())


def _outer(router: Router, gateway: Interface) -> Interface:
    floating = tuple(Address(ip=pair.floating_ip, prefix=32) for pair in router.floating_ips)
    return structs.replace(gateway, addresses=gateway.addresses + floating)
