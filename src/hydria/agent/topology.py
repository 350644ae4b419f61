"""What a host keeps of its networks when the server orders others: everything that was not named as removed. Pure."""

from ipaddress import ip_interface
from typing import TypeVar

from msgspec import structs

from hydria.contract import FloatingIp, Interface, Network, Router, Topology

T = TypeVar("T", Network, Router)


def merged(held: Topology | None, ordered: Topology) -> Topology:
    """Return what a host must have: what was ordered, and what it has that the server does not name at all.

    The database may be an older one or empty, so only a name in `ordered.removed` removes anything. Where both claim
    the same address, the server's is right.
    """
    if held is None:
        return ordered
    known = {network.id: network for network in held.networks}
    # Kept external networks come first: the machine's own link stays on the one that it is on.
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
    """Return what of `held` the server did not order: whole networks and routers, and parts of routers."""
    networks = _unknown(held.networks, ordered.networks, ())
    of = {router.id: router for router in ordered.routers}
    routers = []
    for router in held.routers:
        other = of.get(router.id)
        if other is None:
            routers.append(router)
            continue
        ports = {leg.port_id for leg in other.interfaces}
        pairs = {pair.floating_ip for pair in other.floating_ips}
        part = structs.replace(
            router,
            interfaces=tuple(leg for leg in router.interfaces if leg.port_id not in ports),
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
    """Return a router without what was removed of it, or given to another."""

    def stays(leg: Interface) -> bool:
        return leg.port_id not in gone and leg.network_id not in gone and leg.network_id in networks

    gateway = router.gateway if router.gateway is not None and stays(router.gateway) else None
    return structs.replace(
        router,
        interfaces=tuple(leg for leg in router.interfaces if stays(leg)),
        gateway=gateway,
        floating_ips=tuple(pair for pair in router.floating_ips if not _names(pair) & (gone | given)),
    )


def _joined(ordered: Router, kept: Router) -> Router:
    """Return a router that the server knows, with what only the host knows of it."""
    ports = {leg.port_id for leg in ordered.interfaces}
    more = tuple(leg for leg in kept.interfaces if leg.port_id not in ports)
    gateway = ordered.gateway or kept.gateway
    own_gateway = ordered.gateway is not None or kept.gateway is None
    translated = ordered.snat_cidrs if own_gateway else kept.snat_cidrs
    if more and translated:
        own = {str(ip_interface(f"{each.ip}/{each.prefix}").network) for leg in more for each in leg.addresses}
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
