"""Networks and routers for hosts, as they were put here."""

from collections.abc import Mapping

from hydria.spec import Network, Router, Topology


class MemoryTopologies:
    """Implements `hydria.ports.Topologies`."""

    def __init__(self) -> None:
        self._topology = Topology(generation=0)
        # What was told last.
        self.down: Mapping[str, str] = {}

    def generation(self) -> int:
        """Return the number of changes so far."""
        return self._topology.generation

    def topology(self) -> Topology:
        """Return all of it."""
        return self._topology

    def tell(self, down: Mapping[str, str]) -> None:
        """Keep why the host could not make these networks."""
        self.down = down

    def change(self, networks: tuple[Network, ...] = (), routers: tuple[Router, ...] = ()) -> None:
        """Replace all of it by these networks and routers."""
        self._topology = Topology(generation=self._topology.generation + 1, networks=networks, routers=routers)
