"""Subnets: address ranges of a network, their allocation pools, gateways, name servers and host routes."""

import ipaddress
import uuid
from collections.abc import Sequence
from typing import Any

from msgspec import UNSET

from hydria.homecloud.network import addresses, changes, released
from hydria.homecloud.network.access import creator, forbidden, may_write
from hydria.homecloud.network.addresses import IpNetwork
from hydria.homecloud.network.faults import bad_request, fault, invalid_attribute, invalid_input, still_on_a_host
from hydria.homecloud.network.forms import PoolForm, RouteForm, SubnetCreate, SubnetUpdate
from hydria.homecloud.network.kinds import NETWORK, SUBNET
from hydria.homecloud.network.plugging import subnets_of
from hydria.homecloud.network.resource import given, load, load_owned, operations
from hydria.homecloud.network.rows import ROUTER_INTERFACE, Address, HostRoute, Network, Pool, Port, Subnet
from hydria.http.operation import Call
from hydria.store import Transaction, columns

_MAX_NAMESERVERS = 5
_MAX_ROUTES = 20
# Attributes that are checked or computed before they are stored.
_SPECIAL = frozenset({
    "network_id", "ip_version", "cidr", "gateway_ip", "allocation_pools", "dns_nameservers", "host_routes",
    "ipv6_ra_mode", "ipv6_address_mode",
})  # fmt: skip


def _create(call: Call) -> Subnet:
    form: SubnetCreate = call.form
    network = load(call, NETWORK, Network, form.network_id)
    if not may_write(call.caller, network.project_id):
        raise forbidden("create_subnet")
    project_id = creator(call, form, "create_subnet") if call.caller.is_admin else network.project_id
    cidr = _cidr(form)
    _check_range(cidr, dhcp=form.enable_dhcp is not False)
    if any(cidr.overlaps(other) for other in _ranges(call.transaction, network.id) if other.version == cidr.version):
        raise invalid_input(
            f"Requested subnet with cidr: {cidr} for network: {network.id} overlaps with another subnet"
        )
    if cidr.version == 6 and network.mtu < 1280:
        raise fault("NetworkMTUSubnetConflict", id=network.id, mtu=1280)
    gateway = _gateway(form, cidr)
    key = str(uuid.uuid4())
    subnet = changes.new(
        Subnet,
        call.time,
        id=key,
        project_id=project_id,
        network_id=network.id,
        ip_version=cidr.version,
        cidr=str(cidr),
        gateway_ip=gateway,
        allocation_pools=_pools(form.allocation_pools or None, cidr, gateway),
        **given(form, Subnet, _SPECIAL),
        **_host_options(form, key, cidr),
    )
    changes.add(call.transaction, subnet)
    released.move_to(call.transaction, subnet)
    return subnet


def _update(call: Call) -> Subnet:
    subnet = load_owned(call, SUBNET, Subnet, "update_subnet")
    form: SubnetUpdate = call.form
    cidr = ipaddress.ip_network(subnet.cidr)
    values = given(form, Subnet, _SPECIAL) | _host_options(form, subnet.id, cidr)
    pools = subnet.allocation_pools
    if form.allocation_pools is not UNSET:
        pools = _pools(form.allocation_pools, cidr, subnet.gateway_ip)
    if form.gateway_ip is not UNSET:
        gateway = form.gateway_ip
        if gateway is not None:
            addresses.check_gateway(cidr, gateway, pools)
        if gateway != subnet.gateway_ip:
            _check_gateway_free(call.transaction, subnet, gateway)
        values["gateway_ip"] = gateway
    return changes.change(call.transaction, subnet, call.time, **values, allocation_pools=pools)


def _delete(call: Call) -> None:
    subnet = load_owned(call, SUBNET, Subnet, "delete_subnet")
    if released.in_use(call.transaction, subnet.id):
        raise fault("SubnetInUse", id=subnet.id)
    changes.remove(call.transaction, subnet)


def _cidr(form: SubnetCreate) -> IpNetwork:
    if form.ip_version not in (4, 6):
        raise invalid_attribute("ip_version", f"'{form.ip_version}' is not in [4, 6]")
    if form.subnetpool_id:
        raise fault("SubnetPoolNotFound", id=form.subnetpool_id)
    if form.use_default_subnetpool:
        raise bad_request("subnets", f"No default subnetpool found for IPv{form.ip_version}")
    if not form.cidr:
        raise bad_request("subnets", "a subnetpool must be specified in the absence of a cidr")
    if form.prefixlen:
        raise bad_request("subnets", "cidr and prefixlen must not be supplied together")
    for name in ("ipv6_ra_mode", "ipv6_address_mode"):
        if getattr(form, name):
            if form.ip_version == 4:
                raise invalid_input(f"{name} is not valid when ip_version is 4")
            raise invalid_input(f"{name} '{getattr(form, name)}' is not supported: leave it out, addresses are fixed")
    cidr = ipaddress.ip_network(form.cidr)
    if cidr.version != form.ip_version:
        raise invalid_input(f"'cidr' '{cidr}' does not match the ip_version '{form.ip_version}'")
    return cidr


def _check_range(cidr: IpNetwork, *, dhcp: bool) -> None:
    if cidr.prefixlen == 0:
        raise invalid_input("0 is not allowed as CIDR prefix length")
    if not dhcp:
        return
    if cidr.prefixlen > cidr.max_prefixlen - 2:
        raise invalid_input("Subnet has a prefix length that is incompatible with DHCP service enabled")
    for kind in ("multicast", "loopback"):
        if getattr(cidr, f"is_{kind}"):
            raise invalid_input(f"{kind.capitalize()} IP subnet is not supported if enable_dhcp is True")


def _ranges(transaction: Transaction, network_id: str) -> list[Any]:
    return [ipaddress.ip_network(subnet.cidr) for subnet in subnets_of(transaction, network_id)]


def _gateway(form: SubnetCreate, cidr: IpNetwork) -> str | None:
    if form.gateway_ip is UNSET:
        return addresses.default_gateway(cidr)
    return form.gateway_ip


def _pools(asked: Sequence[PoolForm] | None, cidr: IpNetwork, gateway: str | None) -> tuple[Pool, ...]:
    if asked is None:
        pools = addresses.default_pools(cidr, gateway)
    else:
        pools = addresses.checked_pools(cidr, [(pool.start, pool.end) for pool in asked])
    if gateway is not None:
        addresses.check_gateway(cidr, gateway, pools)
    return pools


def _host_options(form: SubnetUpdate, key: str, cidr: IpNetwork) -> dict[str, Any]:
    """Return the name servers and host routes of a form."""
    values: dict[str, Any] = {}
    if form.dns_nameservers is not UNSET:
        values["dns_nameservers"] = _nameservers(form.dns_nameservers or (), key)
    if form.host_routes is not UNSET:
        values["host_routes"] = _routes(form.host_routes or (), key, cidr)
    return values


def _nameservers(asked: Sequence[str], key: str) -> tuple[str, ...]:
    if len(asked) > _MAX_NAMESERVERS:
        raise fault("DNSNameServersExhausted", id=key, quota=_MAX_NAMESERVERS)
    servers = tuple(asked)
    for server in servers:
        if servers.count(server) > 1:
            raise invalid_attribute("dns_nameservers", f"Duplicate nameserver '{server}'")
    return servers


def _routes(asked: Sequence[RouteForm], key: str, cidr: IpNetwork) -> tuple[HostRoute, ...]:
    if len(asked) > _MAX_ROUTES:
        raise fault("HostRoutesExhausted", id=key, quota=_MAX_ROUTES)
    routes = []
    for each in asked:
        destination, via = ipaddress.ip_network(each.destination), ipaddress.ip_address(each.nexthop)
        if destination.version != cidr.version or via.version != cidr.version:
            raise invalid_input(f"'host_routes' '{destination}' does not match the ip_version '{cidr.version}'")
        route = HostRoute(destination=str(destination), nexthop=str(via))
        if route in routes:
            raise invalid_attribute("host_routes", f"Duplicate hostroute '{destination}'")
        routes.append(route)
    return tuple(routes)


def _check_gateway_free(transaction: Transaction, subnet: Subnet, gateway: str | None) -> None:
    """Refuse to move the gateway away from a router, or to an address of a port that is not a router's."""
    c = columns(Address)
    moved = [ip for ip in (subnet.gateway_ip, gateway) if ip is not None]
    for address in transaction.find(Address, c.subnet_id == subnet.id, c.ip_address.in_(moved)):
        if released.is_released(address):
            network = transaction.get(Network, subnet.network_id)
            if network is not None and network.external and address.ip_address == gateway:
                # The machine itself would have the address.
                raise still_on_a_host(address.ip_address, subnet.id)
            continue
        port = transaction.get(Port, address.port_id)
        routed = port is not None and port.device_owner == ROUTER_INTERFACE
        if routed == (address.ip_address == subnet.gateway_ip):
            raise fault("GatewayIpInUse", ip=address.ip_address, port=address.port_id)


OPERATIONS = operations(SUBNET, create=(SubnetCreate, _create), update=(SubnetUpdate, _update), delete=_delete)
