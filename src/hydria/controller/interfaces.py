"""The interfaces that an amphora should have: the VIP's port and one more on each other subnet that has members."""

from collections.abc import Iterable, Mapping

from msgspec import structs

from hydria.contract import DEFAULT_ROUTES, Interface
from hydria.model import LoadBalancer, Tree
from hydria.protocols import Networking


def extra_subnets(load_balancer: LoadBalancer, member_subnets: Iterable[str | None]) -> list[str]:
    """Return the subnets of members on which an amphora needs a port besides the VIP's, in a fixed order."""
    of_vips = {load_balancer.vip_subnet_id, *(vip.subnet_id for vip in load_balancer.additional_vips)}
    return sorted({subnet_id for subnet_id in member_subnets if subnet_id} - of_vips)


def interfaces(networking: Networking, tree: Tree, ports: Mapping[str, str]) -> tuple[Interface, ...] | None:
    """Return an amphora's interfaces, the VIP's first, or None while a port is missing. Only reads.

    `ports` are the ids of the amphora's own ports by subnet id.
    """
    load_balancer = tree.load_balancer
    vip = networking.interface(load_balancer.vip_port_id)
    if vip is None:
        return None
    # Without security groups from the owner, exactly the listeners' ports are open, because nothing else listens.
    groups = load_balancer.vip_sg_ids
    found = [structs.replace(vip, guard=networking.guard(groups)) if groups else vip]
    for subnet_id in extra_subnets(load_balancer, (member.subnet_id for member in tree.members)):
        interface = networking.interface(ports[subnet_id]) if subnet_id in ports else None
        if interface is None:
            return None
        # The default route stays the VIP's: with two of them it would be open which one answers take.
        routes = tuple(route for route in interface.routes if route.destination not in DEFAULT_ROUTES)
        found.append(structs.replace(interface, routes=routes))
    return tuple(found)
