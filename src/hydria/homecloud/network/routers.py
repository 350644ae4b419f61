"""Routers: their gateways to external networks and their interfaces in subnets."""

import ipaddress
from typing import Any

from msgspec import UNSET

from hydria.homecloud.network import changes, gateways, plugging
from hydria.homecloud.network.access import creator
from hydria.homecloud.network.faults import bad_request, fault
from hydria.homecloud.network.forms import RouterCreate, RouterInterface, RouterUpdate
from hydria.homecloud.network.kinds import PORT, ROUTER, SUBNET
from hydria.homecloud.network.resource import given, load, load_owned, operations
from hydria.homecloud.network.rows import ROUTER_INTERFACE, FloatingIp, Port, Router, Subnet
from hydria.http.operation import Call, Operation
from hydria.model.network import Device
from hydria.store import Transaction, columns


def _create(call: Call) -> Router:
    form: RouterCreate = call.form
    project_id = creator(call, form, "create_router")
    router = changes.new(Router, call.time, project_id=project_id, **given(form, Router))
    changes.add(call.transaction, router)
    return gateways.apply(call, router, form.external_gateway_info)


def _update(call: Call) -> Router:
    form: RouterUpdate = call.form
    router = load_owned(call, ROUTER, Router, "update_router")
    router = gateways.apply(call, router, form.external_gateway_info)
    return changes.change(call.transaction, router, call.time, **given(form, Router))


def _delete(call: Call) -> None:
    router = load_owned(call, ROUTER, Router, "delete_router")
    interfaces = _interfaces(call.transaction, router.id)
    if interfaces:
        raise fault("RouterInUse", id=router.id, ports=", ".join(sorted(port.id for port in interfaces)))
    gateways.clear(call.transaction, router, call.time)
    changes.remove(call.transaction, router)


def _add_interface(call: Call) -> dict[str, Any]:
    form: RouterInterface = call.form
    router = load_owned(call, ROUTER, Router, "add_router_interface")
    if form.subnet_id is not UNSET and form.port_id is not UNSET:
        raise bad_request("router", "Cannot specify both subnet-id and port-id")
    if form.port_id is not UNSET:
        port, subnets = _add_port(call, router, form.port_id)
    elif form.subnet_id is not UNSET:
        port, subnets = _add_subnet(call, router, form.subnet_id)
    else:
        raise bad_request("router", "Either subnet_id or port_id must be specified")
    return _interface(router, port, subnets)


def _add_subnet(call: Call, router: Router, subnet_id: str) -> tuple[Port, list[Subnet]]:
    subnet = load(call, SUBNET, Subnet, subnet_id)
    if subnet.gateway_ip is None:
        raise bad_request("router", "Subnet for router interface must have a gateway IP")
    if subnet.project_id != call.caller.project_id and not call.caller.is_admin:
        raise bad_request(
            "router",
            f"Cannot add interface to router because subnet {subnet_id} is not owned by project making the request",
        )
    _check_overlaps(call.transaction, router, [subnet])
    device = Device(id=router.id, owner=ROUTER_INTERFACE)
    port = plugging.service_port(call.time, subnet.network_id, router.project_id, device)
    plugging.plug(call.transaction, port, [(subnet, subnet.gateway_ip)])
    return port, [subnet]


def _add_port(call: Call, router: Router, port_id: str) -> tuple[Port, list[Subnet]]:
    port = load(call, PORT, Port, port_id)
    user = port.device_id or port.binding_host_id
    if user:
        raise fault("PortInUse", id=port.id, network=port.network_id, device=user)
    subnets = _subnets(call.transaction, [port])
    if not subnets:
        raise bad_request("router", f"Router port must have at least one fixed IP: {port.id} has none")
    if sum(subnet.ip_version == 4 for subnet in subnets) > 1:
        raise bad_request("router", "Cannot have multiple IPv4 subnets on router port")
    _check_overlaps(call.transaction, router, subnets)
    values = {"device_id": router.id, "device_owner": ROUTER_INTERFACE}
    port = changes.change(call.transaction, port, call.time, **values)
    changes.rewire(call.transaction)
    return port, subnets


def _remove_interface(call: Call) -> dict[str, Any]:
    form: RouterInterface = call.form
    router = load_owned(call, ROUTER, Router, "remove_router_interface")
    if form.subnet_id is UNSET and form.port_id is UNSET:
        raise bad_request("router", "Either subnet_id or port_id must be specified")
    port, subnets = _named_interface(call.transaction, router, form)
    transaction = call.transaction
    fixed = transaction.find(FloatingIp, columns(FloatingIp).router_id == router.id)
    for subnet in subnets:
        cidr = ipaddress.ip_network(subnet.cidr)
        if any(each.fixed_ip_address and ipaddress.ip_address(each.fixed_ip_address) in cidr for each in fixed):
            raise fault("RouterInterfaceInUseByFloatingIP", subnet=subnet.id, id=router.id)
    plugging.unplug(transaction, port, call.time)
    return _interface(router, port, subnets)


def _named_interface(transaction: Transaction, router: Router, form: RouterInterface) -> tuple[Port, list[Subnet]]:
    """Return the interface that the form names, and its subnets."""
    for port in _interfaces(transaction, router.id):
        subnets = _subnets(transaction, [port])
        on_subnet = any(subnet.id == form.subnet_id for subnet in subnets)
        if form.port_id is UNSET and on_subnet:
            return port, subnets
        if port.id == form.port_id:
            if form.subnet_id is not UNSET and not on_subnet:
                raise fault("SubnetMismatchForPort", port=port.id, subnet=form.subnet_id)
            return port, subnets
    if form.port_id is not UNSET:
        raise fault("RouterInterfaceNotFound", id=router.id, port=form.port_id)
    raise fault("RouterInterfaceNotFoundForSubnet", id=router.id, subnet=form.subnet_id)


def _interfaces(transaction: Transaction, router_id: str) -> list[Port]:
    c = columns(Port)
    return transaction.find(Port, c.device_id == router_id, c.device_owner == ROUTER_INTERFACE)


def _subnets(transaction: Transaction, ports: list[Port]) -> list[Subnet]:
    addresses = plugging.addresses_of(transaction, *(port.id for port in ports))
    ids = {address.subnet_id for each in addresses.values() for address in each}
    return transaction.find(Subnet, columns(Subnet).id.in_(ids)) if ids else []


def _check_overlaps(transaction: Transaction, router: Router, new: list[Subnet]) -> None:
    """Refuse a subnet that the router has already, or that overlaps with another one of the router."""
    ports = _interfaces(transaction, router.id)
    gateway = None if router.gw_port_id is None else transaction.get(Port, router.gw_port_id)
    for old in _subnets(transaction, ports if gateway is None else [*ports, gateway]):
        for subnet in new:
            if old.id == subnet.id:
                raise bad_request("router", f"Router already has a port on subnet {subnet.id}")
            gateways.check_apart(subnet, old)


def _interface(router: Router, port: Port, subnets: list[Subnet]) -> dict[str, Any]:
    return {
        "id": router.id,
        "project_id": router.project_id,
        "tenant_id": router.project_id,
        "port_id": port.id,
        "network_id": port.network_id,
        "subnet_id": subnets[0].id,
        "subnet_ids": [subnet.id for subnet in subnets],
        "tags": list(router.tags),
    }


OPERATIONS = (
    *operations(ROUTER, create=(RouterCreate, _create), update=(RouterUpdate, _update), delete=_delete),
    Operation(method="PUT", path="/routers/{id}/add_router_interface", work=_add_interface, form=RouterInterface),
    Operation(method="PUT", path="/routers/{id}/remove_router_interface", work=_remove_interface, form=RouterInterface),
)
