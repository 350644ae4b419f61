"""The legs of an amphora: the VIP's port and one more for each other subnet that has members."""

from msgspec import structs

from hydria.contract import DEFAULT_ROUTES, Interface
from hydria.errors import Refusal
from hydria.model import Tree
from hydria.protocols import Device, Networking, Port
from hydria.store.resources import Amphora


class InterfaceError(Exception):
    """A leg cannot be; the message is for the load balancer's owner."""


def interfaces(networking: Networking, amphora: Amphora, tree: Tree) -> tuple[Interface, ...]:
    """Return an amphora's interfaces, the VIP's first, and make the ports that are missing. Raises InterfaceError."""
    load_balancer = tree.load_balancer
    vip = networking.interface(load_balancer.vip_port_id)
    if vip is None:
        raise InterfaceError(
            f"The VIP port {load_balancer.vip_port_id} does not exist any more. Delete the load balancer and create it "
            "again."
        )
    # Without groups of their owner's, exactly the listeners' ports are open: nothing else listens.
    groups = load_balancer.vip_sg_ids
    legs = [structs.replace(vip, guard=networking.guard(groups)) if groups else vip]
    ports = _by_subnet(networking.ports_of(amphora.id))
    for subnet_id in _member_subnets(tree):
        port = ports.get(subnet_id) or _make(networking, amphora, tree, subnet_id)
        interface = networking.interface(port.id)
        if interface is not None:
            # The way out stays the VIP's: two default routes would be a gamble.
            routes = tuple(route for route in interface.routes if route.destination not in DEFAULT_ROUTES)
            legs.append(structs.replace(interface, routes=routes))
    return tuple(legs)


def release(networking: Networking, amphora: Amphora, tree: Tree | None) -> None:
    """Give up the ports of subnets without members; all of them when there is no tree any more."""
    wanted = set(_member_subnets(tree)) if tree is not None else set()
    for subnet_id, port in _by_subnet(networking.ports_of(amphora.id)).items():
        if subnet_id not in wanted:
            networking.delete_port(port.id)


def _member_subnets(tree: Tree) -> list[str]:
    root = tree.load_balancer
    own = {root.vip_subnet_id, *(vip.subnet_id for vip in root.additional_vips)}
    return sorted({member.subnet_id for member in tree.members if member.subnet_id} - own)


def _by_subnet(ports: tuple[Port, ...]) -> dict[str, Port]:
    return {subnet_id: port for port in ports for subnet_id, _ in port.fixed_ips}


def _make(networking: Networking, amphora: Amphora, tree: Tree, subnet_id: str) -> Port:
    subnet = networking.subnet(subnet_id, None)
    if subnet is None:
        raise InterfaceError(f"The members' subnet {subnet_id} does not exist any more. Remove its members.")
    device = Device(id=amphora.id, owner="Octavia")
    name = f"octavia-lb-{tree.load_balancer.id}-members"
    try:
        return networking.create_port(name, tree.load_balancer.project_id, subnet, None, device)
    except Refusal as refusal:
        raise InterfaceError(
            f"The load balancer gets no port on the members' subnet {subnet_id}: {refusal.message}"
        ) from None
