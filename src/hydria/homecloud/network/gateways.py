"""Gateways of routers: the port on an external network that `external_gateway_info` asks for."""

import ipaddress
from datetime import datetime

from msgspec import UNSET, UnsetType, structs

from hydria.homecloud.network import changes, plugging
from hydria.homecloud.network.access import forbidden
from hydria.homecloud.network.faults import bad_request, fault
from hydria.homecloud.network.forms import GatewayForm
from hydria.homecloud.network.kinds import NETWORK
from hydria.homecloud.network.resource import load
from hydria.homecloud.network.rows import ROUTER_GATEWAY, Address, FloatingIp, Network, Port, Router, Subnet
from hydria.http.operation import Call
from hydria.model.network import Device
from hydria.store import Transaction, columns


def apply(call: Call, router: Router, form: GatewayForm | UnsetType | None) -> Router:
    """Set a router's gateway as a form asks and return the router. UNSET changes nothing; an empty form clears it."""
    if form is UNSET:
        return router
    if form is None or form.network_id is UNSET:
        if form is not None and structs.asdict(form) != structs.asdict(GatewayForm()):
            raise bad_request("router", "external_gateway_info needs a network_id")
        return clear(call.transaction, router, call.time)
    assert isinstance(form, GatewayForm)  # noqa: S101 - mypy does not narrow UNSET here
    _check_rights(call, form)
    network = load(call, NETWORK, Network, form.network_id)
    if not network.external:
        raise bad_request("router", f"Network {network.id} is not an external network")
    snat = True if form.enable_snat is UNSET else form.enable_snat
    old = None if router.gw_port_id is None else call.transaction.get(Port, router.gw_port_id)
    if old is not None and old.network_id == network.id and not form.external_fixed_ips:
        return changes.change(call.transaction, router, call.time, enable_snat=snat)
    router = clear(call.transaction, router, call.time)
    port = _plug(call, router, network, form)
    return changes.change(call.transaction, router, call.time, enable_snat=snat, gw_port_id=port.id)


def clear(transaction: Transaction, router: Router, now: datetime) -> Router:
    """Clear a router's gateway and return the router. Refuses while floating IPs use it."""
    if router.gw_port_id is None:
        return router
    port = transaction.get(Port, router.gw_port_id)
    if transaction.find(FloatingIp, columns(FloatingIp).router_id == router.id):
        network_id = "of the router" if port is None else port.network_id
        raise fault("RouterExternalGatewayInUseByFloatingIp", id=router.id, network=network_id)
    if port is not None:
        plugging.unplug(transaction, port, now)
    return changes.change(transaction, router, now, gw_port_id=None, enable_snat=True)


def check_apart(new: Subnet, old: Subnet) -> None:
    """Refuse two subnets of one router that have addresses in common."""
    one, other = ipaddress.ip_network(new.cidr), ipaddress.ip_network(old.cidr)
    if one.version == other.version and one.overlaps(other):
        text = f"Cidr {new.cidr} of subnet {new.id} overlaps with cidr {old.cidr} of subnet {old.id}"
        raise bad_request("router", text)


def _check_rights(call: Call, form: GatewayForm) -> None:
    if call.caller.is_admin:
        return
    action = "update_router" if "id" in call.path else "create_router"
    if form.enable_snat is not UNSET:
        raise forbidden(action, "external_gateway_info:enable_snat")
    if form.external_fixed_ips:
        raise forbidden(action, "external_gateway_info:external_fixed_ips")


def _plug(call: Call, router: Router, network: Network, form: GatewayForm) -> Port:
    transaction = call.transaction
    subnets = plugging.subnets_of(transaction, network.id)
    _check_interfaces(transaction, router, subnets)
    # Without a project: tenants do not see the ports that their routers have outside.
    port = plugging.service_port(call.time, network.id, "", Device(id=router.id, owner=ROUTER_GATEWAY))
    asked = form.external_fixed_ips or None
    plugging.plug(transaction, port, plugging.wishes_of(transaction, network.id, subnets, asked))
    return port


def _check_interfaces(transaction: Transaction, router: Router, subnets: list[Subnet]) -> None:
    ports, addresses = columns(Port), columns(Address)
    ids = [port.id for port in transaction.find(Port, ports.device_id == router.id)]
    inside = {each.subnet_id for each in transaction.find(Address, addresses.port_id.in_(ids))}
    for old in transaction.find(Subnet, columns(Subnet).id.in_(inside)):
        for subnet in subnets:
            check_apart(subnet, old)
