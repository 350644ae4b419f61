"""Networks: layer 2, of one project, shared, or external."""

import uuid
from typing import Any

from msgspec import UNSET
from sqlalchemy import or_

from hydria.homecloud.network import changes
from hydria.homecloud.network.access import creator, for_admins
from hydria.homecloud.network.faults import fault, invalid_input
from hydria.homecloud.network.forms import NetworkCreate, NetworkUpdate
from hydria.homecloud.network.kinds import NETWORK
from hydria.homecloud.network.plugging import subnets_of
from hydria.homecloud.network.resource import given, operations, owned
from hydria.homecloud.network.rows import FLOATING_IP, ROUTER_GATEWAY, Network, Port, Subnet
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
_ATTRIBUTES = (
    "name", "description", "admin_state_up", "shared", "external", "is_default", "mtu", "port_security_enabled",
)  # fmt: skip

_MTU = 1500
_MAX_MTU = 65535
# What a link of each version must carry at least; Linux makes none below the first.
_MIN_MTU = {4: 68, 6: 1280}


def _create(call: Call) -> Network:
    form: NetworkCreate = call.form
    project_id = creator(call, form, "create_network")
    for_admins(call, form, "create_network", _FOR_ADMINS | _PROVIDER)
    _check_provider(form)
    values = _values(call.transaction, form, None)
    now = changes.stamp(call.time)
    network = Network(id=str(uuid.uuid4()), project_id=project_id, created_at=now, updated_at=now, **values)
    changes.add(call.transaction, network)
    return network


def _update(call: Call) -> Network:
    network = owned(call, NETWORK, Network, "update_network")
    for_admins(call, call.form, "update_network", _FOR_ADMINS)
    values = _values(call.transaction, call.form, network)
    if network.shared and values.get("shared") is False:
        _check_unshared(call.transaction, network)
    if network.external and values.get("external") is False:
        _check_internal(call.transaction, network)
    return changes.change(call.transaction, network, call.time, **values)


def _delete(call: Call) -> None:
    network = owned(call, NETWORK, Network, "delete_network")
    ports = call.transaction.find(Port, columns(Port).network_id == network.id)
    if ports:
        raise fault("NetworkInUse", id=network.id, ports=", ".join(sorted(port.id for port in ports)))
    call.transaction.delete(Subnet, columns(Subnet).network_id == network.id)
    changes.remove(call.transaction, network)


def _values(transaction: Transaction, form: NetworkUpdate, network: Network | None) -> dict[str, Any]:
    values = given(form, *_ATTRIBUTES)
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


def _check_provider(form: NetworkCreate) -> None:
    """Refuse what asks for another kind of network than those that this machine makes."""
    kind = form.network_type
    if kind not in (UNSET, None, "local"):
        raise invalid_input(f"network_type value '{kind}' not supported")
    for name in ("physical_network", "segmentation_id"):
        if getattr(form, name) not in (UNSET, None):
            raise invalid_input(f"{_PROVIDER[name]} prohibited for local provider network")


def _check_unshared(transaction: Transaction, network: Network) -> None:
    c = columns(Port)
    others = (c.project_id != network.project_id) & (c.project_id != "")
    if transaction.find(Port, c.network_id == network.id, others):
        raise fault("InvalidSharedSetting", network=network.name)


def _check_internal(transaction: Transaction, network: Network) -> None:
    c = columns(Port)
    gateways = or_(c.device_owner == ROUTER_GATEWAY, c.device_owner == FLOATING_IP)
    if transaction.find(Port, c.network_id == network.id, gateways):
        raise fault("ExternalNetworkInUse", id=network.id)


OPERATIONS = operations(NETWORK, create=(NetworkCreate, _create), update=(NetworkUpdate, _update), delete=_delete)
