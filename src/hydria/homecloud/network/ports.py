"""Ports of networks."""

import ipaddress
from collections.abc import Sequence
from typing import Any

from msgspec import UNSET, structs
from sqlalchemy import update

from hydria.homecloud.network import allocation, changes, plugging
from hydria.homecloud.network.access import creator, for_admins, forbidden, may_write
from hydria.homecloud.network.faults import fault, invalid_input
from hydria.homecloud.network.forms import FixedIp, PairForm, PortCreate, PortUpdate
from hydria.homecloud.network.kinds import NETWORK, PORT, QOS_POLICY
from hydria.homecloud.network.plugging import Wish
from hydria.homecloud.network.resource import given, load, operations
from hydria.homecloud.network.rows import (
    HELD,
    Address,
    AddressPair,
    FloatingIp,
    Network,
    Port,
    QosPolicy,
    SecurityGroup,
    Subnet,
)
from hydria.homecloud.network.security_groups import default_group
from hydria.http.operation import Call
from hydria.model.network import PORT_OWNER
from hydria.store import Transaction, columns
from hydria.store.tables import rows_of
from hydria.times import zoned_stamp

# Attributes that are fixed while a host has the port.
_FIXED = ("device_id", "device_owner", "mac_address", "binding_host_id")
_BINDING = {"binding_host_id": "binding:host_id", "binding_profile": "binding:profile"}
_SPECIAL = frozenset({
    "network_id", "mac_address", "security_groups", "allowed_address_pairs", "qos_policy_id", "binding_vnic_type",
    *_BINDING,
})  # fmt: skip
_VNIC_TYPES = ("normal",)
_MAX_PAIRS = 10


def _create(call: Call) -> Port:
    form: PortCreate = call.form
    transaction = call.transaction
    project_id = creator(call, form, "create_port")
    network = load(call, NETWORK, Network, form.network_id)
    _check_rights(call, form, network, "create_port")
    if form.device_owner is not UNSET and form.device_owner in HELD:
        raise fault("UnsupportedPortDeviceOwner", op="create", owner=form.device_owner, id="of this request")
    mac = form.mac_address or None
    if mac is None:
        mac = plugging.new_mac()
    else:
        plugging.check_mac(transaction, network.id, mac)
    subnets = plugging.subnets_of(transaction, network.id)
    asked = None if form.fixed_ips is UNSET else form.fixed_ips
    wishes = plugging.wishes_of(transaction, network.id, subnets, asked)
    values = given(form, Port, _SPECIAL) | _bound(form) | _shaped(call, form)
    secured = values.setdefault("port_security_enabled", network.port_security_enabled)
    port = plugging.new_port(
        call.time,
        network.id,
        project_id,
        mac_address=mac,
        security_groups=_groups(call, form, project_id, secured=bool(secured and wishes)),
        allowed_address_pairs=_pairs(form, mac, secured=secured),
        **values,
    )
    plugging.plug(transaction, port, wishes)
    return port


def _update(call: Call) -> Port:
    form: PortUpdate = call.form
    port, network = _owned(call, "update_port")
    _check_rights(call, form, network, "update_port")
    values = given(form, Port, _SPECIAL) | _bound(form) | _shaped(call, form)
    if port.device_owner in HELD or values.get("device_owner") in HELD:
        _check_held(call.transaction, port, form)
    elif port.binding_host_id:
        _check_plugged(call.transaction, port, form)
    if form.mac_address and form.mac_address != port.mac_address:
        values["mac_address"] = plugging.check_mac(call.transaction, port.network_id, form.mac_address)
    secured = values.get("port_security_enabled", port.port_security_enabled)
    groups, pairs = port.security_groups, port.allowed_address_pairs
    if form.security_groups is not UNSET:
        groups = _groups(call, form, port.project_id, secured=secured)
    if form.allowed_address_pairs is not UNSET:
        pairs = _pairs(form, values.get("mac_address", port.mac_address), secured=secured)
    if not secured and groups:
        raise fault("PortSecurityPortHasSecurityGroup")
    if not secured and pairs:
        raise fault("AddressPairAndPortSecurityRequired")
    if form.fixed_ips is not UNSET and form.fixed_ips is not None and _move(call.transaction, port, form.fixed_ips):
        # Addresses are rows of their own, so the port's revision must be incremented for them.
        port = structs.replace(port, revision_number=port.revision_number + 1, updated_at=zoned_stamp(call.time))
        call.transaction.update(port)
        changes.alter(call.transaction, [port.id])
        changes.alter_guards(call.transaction, port)
    values |= {"security_groups": groups, "allowed_address_pairs": pairs}
    return changes.change(call.transaction, port, call.time, **values)


def _delete(call: Call) -> None:
    port, _ = _owned(call, "delete_port")
    if port.device_owner in HELD:
        raise fault("ServicePortInUse", id=port.id, reason=f"has device owner {port.device_owner}")
    if port.binding_host_id:
        reason = f"it is plugged on host {port.binding_host_id}, unplug it first (hydria unplug {port.id})"
        raise fault("ServicePortInUse", id=port.id, reason=reason)
    plugging.unplug(call.transaction, port, call.time)


def _owned(call: Call, action: str) -> tuple[Port, Network]:
    """Return the port and its network; refuse callers who own neither."""
    port = load(call, PORT, Port, call.path["id"])
    network = call.transaction.get(Network, port.network_id)
    assert network is not None  # noqa: S101 - a network with ports is not deleted
    if not may_write(call.caller, port.project_id) and not may_write(call.caller, network.project_id):
        raise forbidden(action)
    return port, network


def _check_rights(call: Call, form: PortUpdate, network: Network, action: str) -> None:
    """Refuse attributes that only administrators, or owners of the network, may set."""
    for_admins(call, form, action, _BINDING)
    if may_write(call.caller, network.project_id):
        return
    for_admins(call, form, action, {"mac_address": "mac_address", "allowed_address_pairs": "allowed_address_pairs"})
    if form.port_security_enabled is not UNSET:
        raise forbidden(action, "port_security_enabled")
    if form.device_owner is not UNSET and form.device_owner.startswith("network:"):
        raise forbidden(action, "device_owner")
    for fixed in form.fixed_ips or ():
        if fixed.ip_address is not UNSET:
            raise forbidden(action, "fixed_ips")


def _check_held(transaction: Transaction, port: Port, form: PortUpdate) -> None:
    """Refuse changes of ports that a router, floating IP or service uses, and forged owners."""
    changed = [name for name in _FIXED if getattr(form, name) not in (UNSET, None, getattr(port, name))]
    if port.device_owner != PORT_OWNER and form.qos_policy_id not in (UNSET, port.qos_policy_id):
        changed.append("qos_policy_id")
    if changed or _moves(transaction, port, form):
        owner = port.device_owner if port.device_owner in HELD else form.device_owner
        op = f"update of {changed[0] if changed else 'fixed_ips'}"
        raise fault("UnsupportedPortDeviceOwner", op=op, owner=owner, id=port.id)


def _check_plugged(transaction: Transaction, port: Port, form: PortUpdate) -> None:
    """Refuse other addresses for a port that is plugged on a host."""
    other_mac = form.mac_address not in (UNSET, None, port.mac_address)
    if other_mac or _moves(transaction, port, form):
        raise fault("PortInUse", id=port.id, network=port.network_id, device=f"on host {port.binding_host_id}")


def _moves(transaction: Transaction, port: Port, form: PortUpdate) -> bool:
    """Say whether a form asks for other addresses than the port has."""
    if form.fixed_ips is UNSET or form.fixed_ips is None:
        return False
    subnets = plugging.subnets_of(transaction, port.network_id)
    left = plugging.addresses_of(transaction, port.id)[port.id]
    _, missing = _match(plugging.wishes_of(transaction, port.network_id, subnets, form.fixed_ips), left)
    return bool(left or missing)


def _bound(form: PortUpdate) -> dict[str, Any]:
    values = {name: value for name in _BINDING if (value := getattr(form, name)) not in (UNSET, None)}
    if form.binding_vnic_type is not UNSET:
        if form.binding_vnic_type not in _VNIC_TYPES:
            raise invalid_input(f"binding:vnic_type '{form.binding_vnic_type}' not supported")
        values["binding_vnic_type"] = form.binding_vnic_type
    return values


def _shaped(call: Call, form: PortUpdate) -> dict[str, Any]:
    if form.qos_policy_id:
        load(call, QOS_POLICY, QosPolicy, form.qos_policy_id)
    return {} if form.qos_policy_id is UNSET else {"qos_policy_id": form.qos_policy_id}


def _groups(call: Call, form: PortUpdate, project_id: str, *, secured: bool) -> tuple[str, ...]:
    """Return the security groups that the form asks for, by default the project's default group."""
    asked = form.security_groups
    if asked is UNSET or asked is None:
        return (default_group(call.transaction, project_id, call.time).id,) if secured else ()
    if asked and not secured:
        raise fault("PortSecurityAndIPRequiredForSecurityGroups")
    c = columns(SecurityGroup)
    wanted = list(dict.fromkeys(asked))
    owner = c.project_id.in_([project_id, call.caller.project_id or project_id])
    known = {group.id for group in call.transaction.find(SecurityGroup, c.id.in_(wanted), owner)} if wanted else set()
    for each in wanted:
        if each not in known:
            raise fault("SecurityGroupNotFound", id=each)
    return tuple(wanted)


def _pairs(form: PortUpdate, mac: str, *, secured: bool) -> tuple[AddressPair, ...]:
    asked: Sequence[PairForm] = form.allowed_address_pairs or ()
    if asked and not secured:
        raise fault("AddressPairAndPortSecurityRequired")
    if len(asked) > _MAX_PAIRS:
        raise fault("AllowedAddressPairExhausted", quota=_MAX_PAIRS)
    pairs: list[AddressPair] = []
    for each in asked:
        network = ipaddress.ip_network(each.ip_address)
        ip = str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)
        pair = AddressPair(ip_address=ip, mac_address=each.mac_address or mac)
        if pair in pairs:
            raise fault("DuplicateAddressPairInRequest", mac=pair.mac_address, ip=pair.ip_address)
        pairs.append(pair)
    return tuple(pairs)


def _move(transaction: Transaction, port: Port, asked: Sequence[FixedIp]) -> bool:
    """Change a port's addresses and return whether any changed; those that stay are not touched."""
    subnets = plugging.subnets_of(transaction, port.network_id)
    wishes = plugging.wishes_of(transaction, port.network_id, subnets, asked)
    left = plugging.addresses_of(transaction, port.id)[port.id]
    kept, missing = _match(wishes, left)
    if not left and not missing:
        return False
    c, f = columns(Address), columns(FloatingIp)
    if left:
        gone = [address.ip_address for address in left]
        if transaction.find(FloatingIp, f.port_id == port.id, f.fixed_ip_address.in_(gone)):
            raise fault("FipAssociated", id=port.id)
    allocation.free(transaction, *left)
    for position, address in enumerate(kept):
        # Only the position: freeing others may have changed `next` of this row.
        own = (c.subnet_id == address.subnet_id) & (c.key == address.key)
        transaction.execute(update(rows_of(Address).table).where(own).values(position=position))
    plugging.give(transaction, port, missing, first=len(kept))
    return True


def _match(wishes: Sequence[Wish], left: list[Address]) -> tuple[list[Address], list[tuple[Subnet, str | None]]]:
    """Return the addresses that meet requests and the requests that none meets; `left` keeps the other addresses."""
    kept, missing = [], []
    # Requests for a certain address choose first.
    for subnet, ip in sorted(wishes, key=lambda wish: wish[1] is None):
        found = next((a for a in left if a.subnet_id == subnet.id and ip in (None, a.ip_address)), None)
        if found is None:
            missing.append((subnet, ip))
        else:
            kept.append(found)
            left.remove(found)
    return kept, missing


OPERATIONS = operations(PORT, create=(PortCreate, _create), update=(PortUpdate, _update), delete=_delete)
