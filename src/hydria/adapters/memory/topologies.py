"""A topology in memory, which tests change."""

from collections.abc import Collection, Mapping, Sequence

from msgspec import structs

from hydria.contract import Network, Router, Topology
from hydria.protocols import EVERYTHING, Reach


class MemoryTopologies:
    """Implements `hydria.protocols.Topologies`."""

    def __init__(self) -> None:
        self._topology = Topology(generation=0)
        # The reasons that the last report gave, by network id.
        self.down: Mapping[str, str] = {}

    def version(self) -> tuple[int, int]:
        return self._topology.generation, self._topology.change_id

    def topology(self, reach: Reach = EVERYTHING) -> Topology:
        networks = tuple(each for each in self._topology.networks if reach.has(each.physical, each.vlan))
        routers = self._topology.routers if reach.home else ()
        return structs.replace(self._topology, networks=networks, routers=routers)

    def connected(self, physical_networks: Collection[str]) -> None:
        """Count a change if there are networks on these physical networks."""
        if any(each.physical in physical_networks for each in self._topology.networks):
            self.change(self._topology.networks, self._topology.routers)

    def record_trouble(self, host: str, down: Mapping[str, str]) -> None:
        """Keep why a host could not make these networks."""
        self.down = down

    def adopt(self, wire: Network | Router) -> list[str]:
        """Add a network or router."""
        if isinstance(wire, Router):
            self.change(self._topology.networks, (*self._topology.routers, wire))
        else:
            self.change((*self._topology.networks, wire), self._topology.routers)
        return []

    def remove_unknown(self, ids: Sequence[str]) -> None:
        self.change(self._topology.networks, self._topology.routers)
        self._topology = structs.replace(self._topology, removed=tuple(ids))

    def all_have_made(self, generation: int) -> None:
        """Do nothing: `change` clears `removed`."""

    def change(self, networks: tuple[Network, ...] = (), routers: tuple[Router, ...] = ()) -> None:
        """Replace all networks and routers."""
        self._topology = Topology(generation=self._topology.generation + 1, networks=networks, routers=routers)
