"""The topology of a host: what the server orders, and what the host has and no order removes. Pure."""

from ipaddress import ip_interface
from typing import TypeVar

from msgspec import structs

from hydria.contract import FloatingIp, Interface, Network, Router, Topology

T = TypeVar("T", Network, Router)


def merged(held: Topology | None, ordered: Topology) -> Topology:
    """Return what a host must have: what was ordered, and what it has that the server does not name at all.

    The database may be an older one or empty, so only a name in `ordered.removed` removes anything. If both have the
    same floating address, the order counts.
    """
    if held is None:
        return ordered
    known = {network.id: network for network in held.networks}
    # Kept external networks come first, so that the machine's own link stays where it is.
    networks = (*_unknown(held.networks, ordered.networks, ordered.removed), *ordered.networks)
    listed = {router.id: router for router in ordered.routers}
    given = {pair.floating_ip for router in ordered.routers for pair in router.floating_ips}
    given |= {pair.id for router in ordered.routers for pair in router.floating_ips if pair.id}
    gone, present = frozenset(ordered.removed), {network.id for network in networks} | known.keys()
    routers = []
    for router in held.routers:
        kept = _kept_parts(router, gone, present, given)
        if router.id in listed:
            listed[router.id] = _joined(listed[router.id], kept)
        elif router.id not in gone:
            routers.append(kept)
    return structs.replace(ordered, networks=networks, routers=(*routers, *listed.values()))


def unknown(held: Topology, ordered: Topology) -> Topology:
    """Return the networks, routers and parts of routers in `held` that the server did not order."""
    networks = _unknown(held.networks, ordered.networks, ())
    of = {router.id: router for router in ordered.routers}
    routers = []
    for router in held.routers:
        other = of.get(router.id)
        if other is None:
            routers.append(router)
            continue
        ports = {each.port_id for each in other.interfaces}
        pairs = {pair.floating_ip for pair in other.floating_ips}
        part = structs.replace(
            router,
            interfaces=tuple(each for each in router.interfaces if each.port_id not in ports),
            gateway=router.gateway if other.gateway is None else None,
            floating_ips=tuple(pair for pair in router.floating_ips if pair.floating_ip not in pairs),
        )
        if part.interfaces or part.gateway or part.floating_ips:
            routers.append(part)
    return Topology(generation=ordered.generation, networks=networks, routers=tuple(routers))


def _unknown(held: tuple[T, ...], ordered: tuple[T, ...], removed: tuple[str, ...]) -> tuple[T, ...]:
    named = {each.id for each in ordered} | set(removed)
    return tuple(each for each in held if each.id not in named)


def _kept_parts(router: Router, gone: frozenset[str], networks: set[str], given: set[str]) -> Router:
    """Return a router without the parts that were removed or belong to another router now."""

    def stays(each: Interface) -> bool:
        return each.port_id not in gone and each.network_id not in gone and each.network_id in networks

    gateway = router.gateway if router.gateway is not None and stays(router.gateway) else None
    return structs.replace(
        router,
        interfaces=tuple(each for each in router.interfaces if stays(each)),
        gateway=gateway,
        floating_ips=tuple(pair for pair in router.floating_ips if not _names(pair) & (gone | given)),
    )


def _joined(ordered: Router, kept: Router) -> Router:
    """Return a router that the server knows, with the parts that only the host knows."""
    ports = {each.port_id for each in ordered.interfaces}
    more = tuple(each for each in kept.interfaces if each.port_id not in ports)
    gateway = ordered.gateway or kept.gateway
    own_gateway = ordered.gateway is not None or kept.gateway is None
    translated = ordered.snat_cidrs if own_gateway else kept.snat_cidrs
    if more and translated:
        addresses = [address for interface in more for address in interface.addresses]
        own = {str(ip_interface(f"{each.ip}/{each.prefix}").network) for each in addresses}
        translated = tuple(dict.fromkeys((*translated, *(cidr for cidr in kept.snat_cidrs if cidr in own))))
    return structs.replace(
        ordered,
        interfaces=(*ordered.interfaces, *more),
        gateway=gateway,
        snat_cidrs=translated,
        floating_ips=(*ordered.floating_ips, *kept.floating_ips),
    )


def _names(pair: FloatingIp) -> set[str]:
    return {pair.floating_ip, pair.id} - {""}
