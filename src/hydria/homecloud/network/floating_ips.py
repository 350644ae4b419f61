"""Floating IPs: addresses of an external network that a router translates to an internal port."""

import ipaddress
import uuid
from typing import Any

from msgspec import UNSET, Struct, structs

from hydria.homecloud.network import allocation, changes, plugging
from hydria.homecloud.network.access import creator, for_admins
from hydria.homecloud.network.faults import bad_request, fault
from hydria.homecloud.network.forms import FloatingIpCreate, FloatingIpUpdate
from hydria.homecloud.network.kinds import FLOATING, NETWORK, PORT
from hydria.homecloud.network.plugging import Wish
from hydria.homecloud.network.resource import given, load, load_owned, operations
from hydria.homecloud.network.rows import (
    FLOATING_IP,
    ROUTER_INTERFACE,
    Address,
    FloatingIp,
    Network,
    Port,
    Router,
    Subnet,
)
from hydria.http.operation import Call
from hydria.model.network import Device
from hydria.store import Transaction, columns

# The attributes that choose the address and the port.
_SPECIAL = frozenset({"floating_network_id", "floating_ip_address", "port_id", "fixed_ip_address"})
_UNASSOCIATED: dict[str, Any] = {"port_id": None, "fixed_ip_address": None, "router_id": None}


class _Target(Struct, frozen=True, kw_only=True):
    """The port, and its address, that a floating IP is to be associated with."""

    port: Port
    address: Address


def _create(call: Call) -> FloatingIp:
    form: FloatingIpCreate = call.form
    project_id = creator(call, form, "create_floatingip")
    for_admins(call, form, "create_floatingip", {"floating_ip_address": "floating_ip_address"})
    network = load(call, NETWORK, Network, form.floating_network_id)
    if not network.external:
        raise bad_request("floatingip", f"Network {network.id} is not a valid external network")
    key = str(uuid.uuid4())
    # Without a project: tenants see the floating IP, not the port that holds its address.
    port = plugging.service_port(call.time, network.id, "", Device(id=key, owner=FLOATING_IP))
    (address,) = plugging.plug(call.transaction, port, [_requested_address(call.transaction, network, form)])
    floating_ip = changes.new(
        FloatingIp,
        call.time,
        id=key,
        project_id=project_id,
        floating_network_id=network.id,
        floating_ip_address=address.ip_address,
        floating_port_id=port.id,
        **given(form, FloatingIp, _SPECIAL),
    )
    floating_ip = structs.replace(floating_ip, **_association(call, floating_ip, form))
    changes.add(call.transaction, floating_ip)
    return floating_ip


def _update(call: Call) -> FloatingIp:
    floating_ip = load_owned(call, FLOATING, FloatingIp, "update_floatingip")
    values = given(call.form, FloatingIp, _SPECIAL) | _association(call, floating_ip, call.form)
    return changes.change(call.transaction, floating_ip, call.time, **values)


def _delete(call: Call) -> None:
    floating_ip = load_owned(call, FLOATING, FloatingIp, "delete_floatingip")
    changes.remove(call.transaction, floating_ip)
    port = call.transaction.get(Port, floating_ip.floating_port_id)
    if port is not None:
        plugging.unplug(call.transaction, port, call.time)


def _requested_address(transaction: Transaction, network: Network, form: FloatingIpCreate) -> Wish:
    """Return the subnet and the address of a new floating IP."""
    subnets = [each for each in plugging.subnets_of(transaction, network.id) if each.ip_version == 4]
    if not subnets:
        raise bad_request("floatingip", f"Network {network.id} does not contain any IPv4 subnet")
    if form.subnet_id:
        subnets = [subnet for subnet in subnets if subnet.id == form.subnet_id]
        if not subnets:
            text = f"Subnet {form.subnet_id} is not an IPv4 subnet of the external network {network.id}"
            raise bad_request("floatingip", text)
    if form.floating_ip_address:
        ip = ipaddress.ip_address(form.floating_ip_address)
        for subnet in subnets:
            if ip in ipaddress.ip_network(subnet.cidr):
                return subnet, str(ip)
        raise fault("InvalidIpForNetwork", ip=ip)
    for subnet in subnets:
        if allocation.has_free(transaction, subnet):
            return subnet, None
    raise fault("IpAddressGenerationFailure", id=network.id)


def _association(call: Call, floating_ip: FloatingIp, form: FloatingIpUpdate) -> dict[str, Any]:
    """Return the values that associate a floating IP as the form asks."""
    if form.port_id is None:
        if form.fixed_ip_address:
            raise bad_request("floatingip", "fixed_ip_address cannot be specified without a port_id")
        return _UNASSOCIATED
    port_id = floating_ip.port_id if form.port_id is UNSET else form.port_id
    if form.port_id is UNSET and form.fixed_ip_address is UNSET:
        return {}
    if port_id is None:
        if form.fixed_ip_address:
            raise bad_request("floatingip", "fixed_ip_address cannot be specified without a port_id")
        return {}
    port = load(call, PORT, Port, port_id)
    if port.project_id != floating_ip.project_id and not call.caller.is_admin:
        text = f"Port {port.id} is associated with a different project than Floating IP {floating_ip.id} and "
        raise bad_request("floatingip", text + "therefore cannot be bound")
    target = _Target(port=port, address=_address(call.transaction, port, form.fixed_ip_address or None))
    _check_single(call.transaction, floating_ip, target)
    router_id = _router_between(call.transaction, floating_ip, target)
    return {"port_id": port.id, "fixed_ip_address": target.address.ip_address, "router_id": router_id}


def _address(transaction: Transaction, port: Port, asked: str | None) -> Address:
    addresses = plugging.addresses_of(transaction, port.id)[port.id]
    inside = [each for each in addresses if ipaddress.ip_address(each.ip_address).version == 4]
    if asked is not None:
        for address in inside:
            if address.ip_address == asked:
                return address
        raise bad_request("floatingip", f"Port {port.id} does not have fixed ip {asked}")
    if not inside:
        raise bad_request("floatingip", f"Cannot add floating IP to port {port.id} that has no fixed IPv4 addresses")
    if len(inside) > 1:
        text = f"Port {port.id} has multiple fixed IPv4 addresses.  Must provide a specific IPv4 address when "
        raise bad_request("floatingip", text + "assigning a floating IP")
    return inside[0]


def _check_single(transaction: Transaction, floating_ip: FloatingIp, target: _Target) -> None:
    c = columns(FloatingIp)
    others = transaction.find(
        FloatingIp,
        c.port_id == target.port.id,
        c.fixed_ip_address == target.address.ip_address,
        c.floating_network_id == floating_ip.floating_network_id,
        c.id != floating_ip.id,
    )
    if others:
        raise fault(
            "FloatingIPPortAlreadyAssociated",
            ip=floating_ip.floating_ip_address,
            id=floating_ip.id,
            port=target.port.id,
            fixed=target.address.ip_address,
            network=floating_ip.floating_network_id,
        )


def _router_between(transaction: Transaction, floating_ip: FloatingIp, target: _Target) -> str:
    """Return the router between the external network and the port's subnet, or refuse (404)."""
    subnet = transaction.get(Subnet, target.address.subnet_id)
    assert subnet is not None  # noqa: S101 - a subnet with addresses is not deleted
    routers = _routers_of(transaction, subnet)
    # Prefer the router that is the subnet's gateway: answers of its hosts go there.
    for _, router in sorted(routers, key=lambda found: found[0] != subnet.gateway_ip):
        gateway = None if router.gw_port_id is None else transaction.get(Port, router.gw_port_id)
        if gateway is not None and gateway.network_id == floating_ip.floating_network_id:
            return router.id
    raise fault(
        "ExternalGatewayForFloatingIPNotFound",
        network=floating_ip.floating_network_id,
        subnet=subnet.id,
        port=target.port.id,
    )


def _routers_of(transaction: Transaction, subnet: Subnet) -> list[tuple[str, Router]]:
    """Return the routers of a subnet with their addresses on it."""
    ports = columns(Port)
    routers = []
    on_network = transaction.find(
        Port, ports.network_id == subnet.network_id, ports.device_owner == ROUTER_INTERFACE, order_by=(ports.id,)
    )
    addresses = plugging.addresses_of(transaction, *(port.id for port in on_network))
    for port in on_network:
        router = transaction.get(Router, port.device_id)
        if router is not None:
            routers += [(each.ip_address, router) for each in addresses[port.id] if each.subnet_id == subnet.id]
    return routers


OPERATIONS = operations(
    FLOATING, create=(FloatingIpCreate, _create), update=(FloatingIpUpdate, _update), delete=_delete
)
