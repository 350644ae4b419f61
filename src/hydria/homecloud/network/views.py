"""Rows as Neutron's bodies: one function for each kind, many rows at once so that a list costs few statements."""

from collections.abc import Sequence
from typing import Any, TypeAlias

from msgspec import structs

from hydria.homecloud.network import plugging
from hydria.homecloud.network.rows import (
    FLOATING_IP,
    Address,
    FloatingIp,
    Network,
    Port,
    QosPolicy,
    Router,
    Row,
    SecurityGroup,
    SecurityGroupRule,
    Subnet,
)
from hydria.protocols import Caller
from hydria.store import Transaction, columns

Body: TypeAlias = dict[str, Any]

ZONE = "nova"


def networks(transaction: Transaction, rows: Sequence[Network], caller: Caller) -> list[Body]:
    """Return networks with the ids of their subnets."""
    c = columns(Subnet)
    subnets: dict[str, list[str]] = {row.id: [] for row in rows}
    for subnet in transaction.find(Subnet, c.network_id.in_(subnets), order_by=(c.created_at, c.id)):
        subnets[subnet.network_id].append(subnet.id)
    return [_network(row, subnets[row.id], caller) for row in rows]


def _network(row: Network, subnets: list[str], caller: Caller) -> Body:
    body = _common(row) | {
        "name": row.name,
        "admin_state_up": row.admin_state_up,
        "status": "ACTIVE" if row.trouble is None else "DOWN",
        "shared": row.shared,
        "router:external": row.external,
        "mtu": row.mtu,
        "port_security_enabled": row.port_security_enabled,
        "subnets": subnets,
        "availability_zone_hints": [],
        "availability_zones": [ZONE],
        "ipv4_address_scope": None,
        "ipv6_address_scope": None,
        "qos_policy_id": None,
    }
    if row.external:
        body["is_default"] = row.is_default
    if caller.is_admin:
        body |= {
            "provider:network_type": "local" if row.physical_network is None else "flat",
            "provider:physical_network": row.physical_network,
            "provider:segmentation_id": None,
        }
        if row.trouble is not None:
            # Neutron has no word for why.
            body["hydria:trouble"] = row.trouble
    return body


def subnets(_transaction: Transaction, rows: Sequence[Subnet], _caller: Caller) -> list[Body]:
    """Return subnets."""
    return [
        _common(row)
        | {
            "name": row.name,
            "network_id": row.network_id,
            "ip_version": row.ip_version,
            "cidr": row.cidr,
            "gateway_ip": row.gateway_ip,
            "enable_dhcp": row.enable_dhcp,
            "allocation_pools": [structs.asdict(pool) for pool in row.allocation_pools],
            "dns_nameservers": list(row.dns_nameservers),
            "host_routes": [structs.asdict(route) for route in row.host_routes],
            "ipv6_ra_mode": row.ipv6_ra_mode,
            "ipv6_address_mode": row.ipv6_address_mode,
            "subnetpool_id": None,
            "service_types": [],
        }
        for row in rows
    ]


def ports(transaction: Transaction, rows: Sequence[Port], caller: Caller) -> list[Body]:
    """Return ports with their addresses."""
    addresses = plugging.addresses_of(transaction, *(row.id for row in rows))
    return [port(row, addresses[row.id], caller) for row in rows]


def port(row: Port, addresses: Sequence[Address], caller: Caller) -> Body:
    """Return a port whose addresses are at hand."""
    body = _common(row) | {
        "name": row.name,
        "network_id": row.network_id,
        "mac_address": row.mac_address,
        "admin_state_up": row.admin_state_up,
        "status": port_status(row),
        "device_id": row.device_id,
        "device_owner": row.device_owner,
        "fixed_ips": fixed_ips(addresses),
        "security_groups": list(row.security_groups),
        "allowed_address_pairs": [structs.asdict(pair) for pair in row.allowed_address_pairs],
        "port_security_enabled": row.port_security_enabled,
        "binding:vnic_type": row.binding_vnic_type,
        "extra_dhcp_opts": [],
        "ip_allocation": "immediate",
        "qos_policy_id": row.qos_policy_id,
        "qos_network_policy_id": None,
    }
    if caller.is_admin:
        body |= {
            "binding:host_id": row.binding_host_id,
            "binding:profile": row.binding_profile,
            "binding:vif_type": "bridge" if row.device_id or row.binding_host_id else "unbound",
            "binding:vif_details": {},
        }
    return body


def port_status(row: Port) -> str:
    """Say ACTIVE of a port that somebody uses and that is not switched off."""
    if row.device_owner == FLOATING_IP:
        return "N/A"
    used = row.device_id or row.binding_host_id
    return "ACTIVE" if used and row.admin_state_up else "DOWN"


def fixed_ips(addresses: Sequence[Address]) -> list[Body]:
    """Return addresses as Neutron lists them."""
    return [{"subnet_id": address.subnet_id, "ip_address": address.ip_address} for address in addresses]


def routers(transaction: Transaction, rows: Sequence[Router], caller: Caller) -> list[Body]:
    """Return routers with their gateways."""
    gateways = [row.gw_port_id for row in rows if row.gw_port_id is not None]
    found = {each.id: each for each in transaction.find(Port, columns(Port).id.in_(gateways))} if gateways else {}
    addresses = plugging.addresses_of(transaction, *found)
    bodies = []
    for row in rows:
        body = _common(row) | {
            "name": row.name,
            "admin_state_up": row.admin_state_up,
            "status": "ACTIVE",
            "external_gateway_info": None,
            "routes": [],
            "availability_zone_hints": [],
            "availability_zones": [ZONE],
            "flavor_id": None,
        }
        if row.gw_port_id in found:
            body["external_gateway_info"] = {
                "network_id": found[row.gw_port_id].network_id,
                "enable_snat": row.enable_snat,
                "external_fixed_ips": fixed_ips(addresses[row.gw_port_id]),
            }
        if caller.is_admin:
            body |= {"distributed": False, "ha": False}
        bodies.append(body)
    return bodies


def floating_ips(transaction: Transaction, rows: Sequence[FloatingIp], _caller: Caller) -> list[Body]:
    """Return floating IPs with what there is to say of their ports."""
    used = [row.port_id for row in rows if row.port_id is not None]
    found = {each.id: each for each in transaction.find(Port, columns(Port).id.in_(used))} if used else {}
    return [
        _common(row)
        | {
            "floating_ip_address": row.floating_ip_address,
            "floating_network_id": row.floating_network_id,
            "fixed_ip_address": row.fixed_ip_address,
            "port_id": row.port_id,
            "router_id": row.router_id,
            "status": "ACTIVE" if row.router_id is not None else "DOWN",
            "port_details": None if row.port_id is None else _details(found[row.port_id]),
            "port_forwardings": [],
            "qos_policy_id": None,
        }
        for row in rows
    ]


def _details(row: Port) -> Body:
    names = ("name", "network_id", "mac_address", "admin_state_up", "device_id", "device_owner")
    return {name: getattr(row, name) for name in names} | {"status": port_status(row)}


def security_groups(transaction: Transaction, rows: Sequence[SecurityGroup], caller: Caller) -> list[Body]:
    """Return security groups with their rules."""
    c = columns(SecurityGroupRule)
    rules: dict[str, list[SecurityGroupRule]] = {row.id: [] for row in rows}
    for rule in transaction.find(SecurityGroupRule, c.security_group_id.in_(rules), order_by=(c.created_at, c.id)):
        rules[rule.security_group_id].append(rule)
    return [
        _common(row)
        | {
            "name": row.name,
            "stateful": row.stateful,
            "shared": False,
            "security_group_rules": security_group_rules(transaction, rules[row.id], caller),
        }
        for row in rows
    ]


def security_group_rules(_transaction: Transaction, rows: Sequence[SecurityGroupRule], _caller: Caller) -> list[Body]:
    """Return rules of security groups."""
    names = (
        "security_group_id", "direction", "ethertype", "protocol", "port_range_min", "port_range_max",
        "remote_ip_prefix", "remote_group_id",
    )  # fmt: skip
    return [
        _common(row)
        | {name: getattr(row, name) for name in names}
        | {"normalized_cidr": row.remote_ip_prefix, "remote_address_group_id": None, "belongs_to_default_sg": None}
        for row in rows
    ]


def qos_policies(_transaction: Transaction, rows: Sequence[QosPolicy], _caller: Caller) -> list[Body]:
    """Return QoS policies with their rules."""
    return [
        _common(row)
        | {
            "name": row.name,
            "shared": row.shared,
            "is_default": False,
            "rules": [
                structs.asdict(rule) | {"qos_policy_id": row.id, "type": "bandwidth_limit"} for rule in row.rules
            ],
        }
        for row in rows
    ]


def _common(row: Row) -> Body:
    return {
        "id": row.id,
        "project_id": row.project_id,
        "tenant_id": row.project_id,
        "description": row.description,
        "tags": list(row.tags),
        "created_at": row.created_at,
        "updated_at": row.updated_at,
        "revision_number": row.revision_number,
    }
