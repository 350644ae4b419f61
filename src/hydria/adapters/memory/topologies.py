"""Networks and routers for hosts, as they were put here."""

from collections.abc import Mapping, Sequence

from msgspec import structs

from hydria.contract import Network, Router, Topology


class MemoryTopologies:
    """Implements `hydria.protocols.Topologies`."""

    def __init__(self) -> None:
        self._topology = Topology(generation=0)
        # What was told last.
        self.down: Mapping[str, str] = {}

    def version(self) -> tuple[int, int]:
        """Return the number of changes so far, and the number of the newest."""
        return self._topology.generation, self._topology.change_id

    def topology(self) -> Topology:
        """Return all of it."""
        return self._topology

    def tell(self, down: Mapping[str, str]) -> None:
        """Keep why the host could not make these networks."""
        self.down = down

    def adopt(self, wire: Network | Router) -> list[str]:
        """Add a network or router."""
        if isinstance(wire, Router):
            self.change(self._topology.networks, (*self._topology.routers, wire))
        else:
            self.change((*self._topology.networks, wire), self._topology.routers)
        return []

    def remove_unknown(self, ids: Sequence[str]) -> None:
        """Name what hosts must remove."""
        self.change(self._topology.networks, self._topology.routers)
        self._topology = structs.replace(self._topology, removed=tuple(ids))

    def forget_removed(self, generation: int) -> None:
        """Forget nothing: `change` says each time what is removed."""

    def change(self, networks: tuple[Network, ...] = (), routers: tuple[Router, ...] = ()) -> None:
        """Replace all of it by these networks and routers."""
        self._topology = Topology(generation=self._topology.generation + 1, networks=networks, routers=routers)
