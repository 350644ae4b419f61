"""The topology on one machine: bridges in one namespace, routers in theirs, one link in the machine's own."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from hydria.adapters.linux.kernel import ensure_bridge, ensure_switch, remove_all_interfaces
from hydria.adapters.linux.names import Names, bridge, switch_end, trunk_end
from hydria.adapters.linux.netns import held, namespaces, netlink, remove_namespace, reporting
from hydria.adapters.linux.physical_networks import bridge_of, ensure_physical_network, remove_trunks
from hydria.adapters.linux.port_filters import repair_filters
from hydria.adapters.linux.routers import Routers
from hydria.adapters.linux.uplink import ensure_uplink, remove_uplink
from hydria.contract import Interface, Topology
from hydria.errors import HostError, WiringError

# The file below run_dir with the reason why networks or routers could not be made.
TROUBLE = "wiring-trouble"


@contextmanager
def _noting(reasons: dict[str, str], key: str) -> Iterator[None]:
    """Suppress a HostError and add its message to a list."""
    try:
        yield
    except HostError as error:
        reasons[key] = str(error)


def links_of(topology: Topology) -> frozenset[str]:
    """Return the names of the links in the switch of networks and routers."""
    bridges = {bridge(network.id) for network in topology.networks}
    trunks = {trunk_end(network.id) for network in topology.networks}
    ports = [each for router in topology.routers for each in (*router.interfaces, router.gateway) if each is not None]
    return frozenset(bridges | trunks | {switch_end(port.port_id) for port in ports})


class TopologyWiring:
    """The networks and routers of one machine."""

    def __init__(self, names: Names, bridges: str | None = None) -> None:
        """`bridges` is the setting `agent.bridges`."""
        self._names = names
        self._bridges = bridges
        self.routers = Routers(names)
        # Bridges of removed networks that still have ports.
        self._doomed: set[str] = set()

    def wire(self, topology: Topology) -> None:
        """Make networks and routers, and remove those that are named as removed; everything else stays.

        A failure does not stop the rest. Raises WiringError with all reasons at the end.
        """
        ensure_switch(self._names)
        reasons: dict[str, str] = {}
        with reporting("The bridges cannot be made"), netlink(self._names.switch) as switch:
            for network in topology.networks:
                ensure_bridge(switch, network.id)
            apart = {network.id for network in topology.networks if network.physical is None}
            remove_trunks(switch, {trunk_end(key) for key in (*topology.removed, *apart)})
        for network in topology.networks:
            if network.physical is not None:
                with _noting(reasons, network.id):
                    ensure_physical_network(self._names, network, bridge_of(network.physical, self._bridges))
        self._remove_routers(topology.removed)
        external = [network for network in topology.networks if network.external]
        with _noting(reasons, external[0].id if external else ""):
            if external:
                ensure_uplink(self._names, external[0])
            elif topology.networks or topology.removed:
                remove_uplink(self._names)
        for router in topology.routers:
            with _noting(reasons, router.id):
                self.routers.ensure(router, topology.removed)
        with _noting(reasons, "ports"):
            self._attach(topology.plugged)
            repair_filters(self._names.switch, topology.plugged)
        self._doomed |= {bridge(key) for key in topology.removed}
        self._doomed -= {bridge(network.id) for network in topology.networks}
        self._remove_bridges()
        if reasons:
            ids = {network.id for network in topology.networks}
            raise WiringError(" ".join(reasons.values()), {key: reasons[key] for key in reasons if key in ids})

    def remove_all(self) -> None:
        """Remove every link and namespace of this prefix. The caller ends the processes in them before."""
        remove_uplink(self._names)
        remove_all_interfaces(self._names)
        for namespace in namespaces(self._names.prefix):
            remove_namespace(namespace)
        self.routers = Routers(self._names)

    def _remove_routers(self, removed: Collection[str]) -> None:
        begin = self._names.router("")
        for namespace in namespaces(self._names.prefix):
            router_id = namespace.removeprefix(begin)
            if namespace.startswith(begin) and router_id in removed:
                remove_namespace(namespace)
                self.routers.forget(router_id)

    def _attach(self, plugged: Collection[Interface]) -> None:
        """Put ports of `hydria plug` back on the bridges of their networks."""
        if not plugged:
            return
        switch_name = self._names.switch
        with reporting("The ports cannot be attached"), held(switch_name), netlink(switch_name) as switch:
            for interface in plugged:
                end = switch.find(switch_end(interface.port_id))
                if end is not None:
                    master, _ = ensure_bridge(switch, interface.network_id)
                    if end.get("master") != master:
                        switch.set_link(end["index"], master=master)

    def _remove_bridges(self) -> None:
        if not self._doomed:
            return
        switch_name = self._names.switch
        with reporting("A bridge cannot be removed"), held(switch_name, alone=True), netlink(switch_name) as switch:
            links = switch.get_links()
            used = {link.get("master") for link in links}
            for link in links:
                if link.get("kind") == "bridge" and link.get("ifname") in self._doomed and link["index"] not in used:
                    switch.delete_link(link["index"])
