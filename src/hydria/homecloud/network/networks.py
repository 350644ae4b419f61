"""Networks: layer 2, of one project, shared, or external."""

import re
from typing import Any

from msgspec import UNSET
from sqlalchemy import or_

from hydria.homecloud.network import changes
from hydria.homecloud.network.access import creator, for_admins
from hydria.homecloud.network.faults import fault, invalid_input
from hydria.homecloud.network.forms import NetworkCreate, NetworkUpdate
from hydria.homecloud.network.kinds import NETWORK
from hydria.homecloud.network.plugging import subnets_of
from hydria.homecloud.network.resource import given, load_owned, operations
from hydria.homecloud.network.rows import FLOATING_IP, ROUTER_GATEWAY, Network, NetworkTrouble, Port, Subnet
from hydria.homecloud.network.views import network_type
from hydria.http.operation import Call
from hydria.store import Transaction, columns

_FOR_ADMINS = {
    "shared": "shared",
    "external": "router:external",
    "is_default": "is_default",
}
_PROVIDER = {
    "network_type": "provider:network_type",
    "physical_network": "provider:physical_network",
    "segmentation_id": "provider:segmentation_id",
}

_PHYSICAL = re.compile(r"[A-Za-z0-9_.-]{1,64}")
# The first and the last VLAN id.
_VLANS = (1, 4094)

_GATEWAY_HERE = "A {kind} network cannot be external here: this machine is the external network's gateway"

_MTU = 1500
_MAX_MTU = 65535
# The smallest MTU of each IP version; Linux makes no link below the first.
_MIN_MTU = {4: 68, 6: 1280}


def _create(call: Call) -> Network:
    form: NetworkCreate = call.form
    project_id = creator(call, form, "create_network")
    for_admins(call, form, "create_network", _FOR_ADMINS | _PROVIDER)
    values = _values(call.transaction, form, None) | _provider(call.transaction, form)
    network = changes.new(Network, call.time, project_id=project_id, **values)
    changes.add(call.transaction, network)
    return network


def _update(call: Call) -> Network:
    network = load_owned(call, NETWORK, Network, "update_network")
    for_admins(call, call.form, "update_network", _FOR_ADMINS)
    values = _values(call.transaction, call.form, network)
    if network.shared and values.get("shared") is False:
        _check_unshared(call.transaction, network)
    if values.get("external"):
        _check_not_physical(network)
    if network.external and values.get("external") is False:
        _check_internal(call.transaction, network)
    return changes.change(call.transaction, network, call.time, **values)


def _delete(call: Call) -> None:
    network = load_owned(call, NETWORK, Network, "delete_network")
    ports = call.transaction.find(Port, columns(Port).network_id == network.id)
    if ports:
        raise fault("NetworkInUse", id=network.id, ports=", ".join(sorted(port.id for port in ports)))
    for kind in (Subnet, NetworkTrouble):
        call.transaction.delete(kind, columns(kind).network_id == network.id)
    changes.remove(call.transaction, network)


def _values(transaction: Transaction, form: NetworkUpdate, network: Network | None) -> dict[str, Any]:
    values = given(form, Network, frozenset(_PROVIDER))
    if "mtu" in values:
        values["mtu"] = _checked_mtu(transaction, values["mtu"], network)
    if values.get("is_default"):
        c = columns(Network)
        others = transaction.find(Network, c.is_default, c.external)
        if others and (network is None or others[0].id != network.id):
            raise fault("DefaultExternalNetworkExists", id=others[0].id)
    return values


def _checked_mtu(transaction: Transaction, asked: int, network: Network | None) -> int:
    mtu = asked or _MTU
    if mtu > _MAX_MTU:
        raise invalid_input(f"Requested MTU is too big, maximum is {_MAX_MTU}")
    versions = {4} if network is None else {4} | {each.ip_version for each in subnets_of(transaction, network.id)}
    least = max(_MIN_MTU[version] for version in versions)
    if mtu < least:
        raise fault("NetworkMTUSubnetConflict", id="the network" if network is None else network.id, mtu=least)
    return mtu


def _provider(transaction: Transaction, form: NetworkCreate) -> dict[str, Any]:
    """Return the provider attributes of a form, or refuse those that no host can make."""
    physical, vlan = _place(form)
    if physical is None:
        return {}
    kind = "flat" if vlan is None else "vlan"
    if not _PHYSICAL.fullmatch(physical):
        raise invalid_input(f"physical_network '{physical[:40]}' cannot be the name of a bridge or in agent.bridges")
    if form.external is not UNSET and form.external:
        raise invalid_input(_GATEWAY_HERE.format(kind=kind))
    c = columns(Network)
    if transaction.find(Network, c.physical_network == physical, c.segmentation_id.is_not_distinct_from(vlan)):
        if vlan is None:
            raise fault("FlatNetworkInUse", physical=physical)
        raise fault("VlanIdInUse", vlan=vlan, physical=physical)
    return {"physical_network": physical, "segmentation_id": vlan}


def _place(form: NetworkCreate) -> tuple[str | None, int | None]:
    """Return the physical network and the VLAN id of a form, None where its type has none, as Neutron checks them."""
    kind, physical = form.network_type or "local", form.physical_network or None
    vlan = None if form.segmentation_id is UNSET else form.segmentation_id
    if kind not in ("local", "flat", "vlan"):
        raise invalid_input(f"network_type value '{kind}' not supported")
    if kind == "vlan":
        return _vlan(physical, vlan)
    if vlan is not None:
        raise invalid_input(f"segmentation_id prohibited for {kind} provider network")
    if kind == "local" and physical is not None:
        raise invalid_input("provider:physical_network prohibited for local provider network")
    if kind == "flat" and physical is None:
        raise invalid_input("physical_network required for flat provider network")
    return physical, None


def _vlan(physical: str | None, vlan: int | None) -> tuple[str, int]:
    if physical is None:
        if vlan is None:
            raise invalid_input("physical_network required for vlan provider network")
        raise invalid_input("segmentation_id requires physical_network for VLAN provider network")
    if vlan is None:
        raise invalid_input(
            f"Physical network {physical} requires segmentation_id to be specified when creating a provider network"
        )
    if not _VLANS[0] <= vlan <= _VLANS[1]:
        raise invalid_input(f"segmentation_id out of range ({_VLANS[0]} through {_VLANS[1]})")
    return physical, vlan


def _check_unshared(transaction: Transaction, network: Network) -> None:
    c = columns(Port)
    others = (c.project_id != network.project_id) & (c.project_id != "")
    if transaction.find(Port, c.network_id == network.id, others):
        raise fault("InvalidSharedSetting", network=network.name)


def _check_not_physical(network: Network) -> None:
    if network.physical_network is not None:
        raise invalid_input(_GATEWAY_HERE.format(kind=network_type(network)))


def _check_internal(transaction: Transaction, network: Network) -> None:
    c = columns(Port)
    gateways = or_(c.device_owner == ROUTER_GATEWAY, c.device_owner == FLOATING_IP)
    if transaction.find(Port, c.network_id == network.id, gateways):
        raise fault("ExternalNetworkInUse", id=network.id)


OPERATIONS = operations(NETWORK, create=(NetworkCreate, _create), update=(NetworkUpdate, _update), delete=_delete)
