"""The interfaces that an amphora should have: its base port, and one more on each other subnet that has members."""

from collections.abc import Iterable, Mapping

from msgspec import structs

from hydria.contract import DEFAULT_ROUTES, Address, Interface
from hydria.model import LoadBalancer, Tree
from hydria.protocols import Networking


def extra_subnets(load_balancer: LoadBalancer, member_subnets: Iterable[str | None]) -> list[str]:
    """Return the subnets of members on which an amphora needs a port besides its base port, in a fixed order."""
    return sorted({subnet_id for subnet_id in member_subnets if subnet_id} - set(load_balancer.vip_subnet_ids))


def interfaces(
    networking: Networking, tree: Tree, ports: Mapping[str, str], base_port_id: str | None
) -> tuple[Interface, ...] | None:
    """Return an amphora's interfaces, the one in the VIP's network first, or None while a port is missing. Only reads.

    `ports` are the ids of the amphora's ports on members' subnets, by subnet id. Without a base port the first
    interface is the VIP's port itself.
    """
    load_balancer = tree.load_balancer
    vip = networking.interface(load_balancer.vip_port_id)
    first = vip if base_port_id is None else networking.interface(base_port_id)
    if vip is None or first is None:
        return None
    # Without security groups from the owner, exactly the listeners' ports are open, because nothing else listens.
    groups = load_balancer.vip_sg_ids
    found = [
        structs.replace(
            first,
            # What the owner sets for the VIP's port holds for the amphora's.
            egress=vip.egress,
            ingress=vip.ingress,
            admin_state_up=vip.admin_state_up and first.admin_state_up,
            guard=networking.guard(groups) if groups else vip.guard,
        )
    ]
    for subnet_id in extra_subnets(load_balancer, (member.subnet_id for member in tree.members)):
        interface = networking.interface(ports[subnet_id]) if subnet_id in ports else None
        if interface is None:
            return None
        # The default route stays the VIP's: with two of them it would be open which one answers take.
        routes = tuple(route for route in interface.routes if route.destination not in DEFAULT_ROUTES)
        found.append(structs.replace(interface, routes=routes))
    return tuple(found)


def vips(load_balancer: LoadBalancer) -> tuple[Address, ...]:
    """Return the VIPs as the active amphora carries them besides the addresses of its base port."""
    return tuple(Address(ip=ip, prefix=128 if ":" in ip else 32) for ip in load_balancer.vip_addresses)
