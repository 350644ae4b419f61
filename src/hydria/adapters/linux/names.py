"""Names on the host. Every name that is visible in the machine begins with the prefix of the settings.

The interfaces of an amphora are eth0 (the VIP's), eth1 and so on; a router's gateway interface is `GATEWAY`.
"""

from msgspec import Struct

GATEWAY = "g0"


class Names(Struct, frozen=True):
    """The names of one Hydria on one machine; several with different prefixes do not conflict."""

    prefix: str

    @property
    def switch(self) -> str:
        """The namespace of all bridges."""
        return f"{self.prefix}-switch"

    @property
    def uplink(self) -> str:
        """The interface in the machine's own namespace, on the external network."""
        return f"{self.prefix}0"

    def trunk(self, network_id: str) -> str:
        """Return the end in the machine's own namespace of the veth pair between its bridge and a network's."""
        return f"{self.prefix}{network_id.replace('-', '')}"[:15]

    def amphora(self, amphora_id: str) -> str:
        """Return the namespace of an amphora."""
        return f"{self.prefix}-{amphora_id}"

    def router(self, router_id: str) -> str:
        """Return the namespace of a router."""
        return f"{self.prefix}-router-{router_id}"

    def lab(self, name: str) -> str:
        """Return the namespace of a host of the lab."""
        return f"{self.prefix}-lab-{name}"


def bridge(network_id: str) -> str:
    """Return the bridge of a network in the switch."""
    return "b" + _short(network_id)


def trunk_end(network_id: str) -> str:
    """Return the end in the switch of the veth pair between a network's bridge and the machine's."""
    return "t" + _short(network_id)


def switch_end(port_id: str) -> str:
    """Return the end of a port's veth pair in the switch."""
    return "p" + _short(port_id)


def router_interface(port_id: str) -> str:
    """Return the end of a router interface's veth pair in the router."""
    return "q" + _short(port_id)


def _short(uuid: str) -> str:
    # A link's name has at most 15 characters.
    return uuid.replace("-", "")[:12]
