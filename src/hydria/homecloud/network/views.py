"""Rows as Neutron's bodies: one function for each kind, many rows at once so that a list costs few statements.

A body has what the row has, by the names of the form that makes it; a `Shape` says what differs.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeAlias

from msgspec import Struct, structs

from hydria.homecloud.network import forms, plugging
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
from hydria.model.caller import Caller
from hydria.store import Transaction, columns

Body: TypeAlias = dict[str, Any]

ZONE = "nova"


class Shape(Struct, frozen=True, kw_only=True):
    """How rows of a kind look to clients.

    `names` are the wire names of the row's attributes that everybody sees, `for_admins` of those that only an
    administrator sees; `always` and `always_for_admins` are the attributes that are the same for all rows.
    """

    names: Mapping[str, str]
    for_admins: Mapping[str, str]
    always: Body
    always_for_admins: Body

    def body(self, row: Row, caller: Caller, **more: Any) -> Body:
        """Return a row's body, with more attributes."""
        found = {wire: getattr(row, name) for name, wire in self.names.items()}
        found |= {"tenant_id": row.project_id} | self.always | more
        if caller.is_admin:
            found |= {wire: getattr(row, name) for name, wire in self.for_admins.items()} | self.always_for_admins
        return found


def _shape(
    row: type[Row],
    form: type[Struct],
    *,
    hidden: Collection[str] = (),
    for_admins: Collection[str] = (),
    always: Body | None = None,
    always_for_admins: Body | None = None,
) -> Shape:
    wire = dict(zip(form.__struct_fields__, form.__struct_encode_fields__, strict=True))
    names = {name: wire.get(name, name) for name in row.__struct_fields__ if name not in hidden}
    return Shape(
        names={name: shown for name, shown in names.items() if name not in for_admins},
        for_admins={name: shown for name, shown in names.items() if name in for_admins},
        always=always or {},
        always_for_admins=always_for_admins or {},
    )


NETWORK = _shape(
    Network,
    forms.NetworkCreate,
    hidden=("trouble", "is_default"),
    for_admins=("physical_network", "segmentation_id"),
    always={
        "availability_zone_hints": [],
        "availability_zones": [ZONE],
        "ipv4_address_scope": None,
        "ipv6_address_scope": None,
        "qos_policy_id": None,
    },
)
SUBNET = _shape(Subnet, forms.SubnetCreate, always={"subnetpool_id": None, "service_types": []})
PORT = _shape(
    Port,
    forms.PortCreate,
    for_admins=("binding_host_id", "binding_profile"),
    always={"extra_dhcp_opts": [], "ip_allocation": "immediate", "qos_network_policy_id": None},
    always_for_admins={"binding:vif_details": {}},
)
ROUTER = _shape(
    Router,
    forms.RouterCreate,
    hidden=("enable_snat", "gw_port_id"),
    always={
        "status": "ACTIVE",
        "routes": [],
        "availability_zone_hints": [],
        "availability_zones": [ZONE],
        "flavor_id": None,
    },
    always_for_admins={"distributed": False, "ha": False},
)
FLOATING = _shape(
    FloatingIp,
    forms.FloatingIpCreate,
    hidden=("floating_port_id",),
    always={"port_forwardings": [], "qos_policy_id": None},
)
SECURITY_GROUP = _shape(SecurityGroup, forms.SecurityGroupCreate, hidden=("is_default",), always={"shared": False})
SECURITY_GROUP_RULE = _shape(
    SecurityGroupRule,
    forms.SecurityGroupRuleCreate,
    always={"remote_address_group_id": None, "belongs_to_default_sg": None},
)
QOS_POLICY = _shape(QosPolicy, forms.QosPolicyCreate, hidden=("rules",), always={"is_default": False})


def networks(transaction: Transaction, rows: Sequence[Network], caller: Caller) -> list[Body]:
    """Return networks with the ids of their subnets."""
    c = columns(Subnet)
    subnets: dict[str, list[str]] = {row.id: [] for row in rows}
    for subnet in transaction.find(Subnet, c.network_id.in_(subnets), order_by=(c.created_at, c.id)):
        subnets[subnet.network_id].append(subnet.id)
    return [_network(row, subnets[row.id], caller) for row in rows]


def network_type(row: Network) -> str:
    """Return a network's type: `local`, `flat` or `vlan`."""
    if row.physical_network is None:
        return "local"
    return "flat" if row.segmentation_id is None else "vlan"


def _network(row: Network, subnets: list[str], caller: Caller) -> Body:
    body = NETWORK.body(row, caller, status="ACTIVE" if row.trouble is None else "DOWN", subnets=subnets)
    if row.external:
        body["is_default"] = row.is_default
    if caller.is_admin:
        body["provider:network_type"] = network_type(row)
        if row.trouble is not None:
            # Neutron has no attribute for the reason.
            body["hydria:trouble"] = row.trouble
    return body


def subnets(_transaction: Transaction, rows: Sequence[Subnet], caller: Caller) -> list[Body]:
    """Return subnets."""
    return [SUBNET.body(row, caller) for row in rows]


def ports(transaction: Transaction, rows: Sequence[Port], caller: Caller) -> list[Body]:
    """Return ports with their addresses."""
    addresses = plugging.addresses_of(transaction, *(row.id for row in rows))
    return [port(row, addresses[row.id], caller) for row in rows]


def port(row: Port, addresses: Sequence[Address], caller: Caller) -> Body:
    """Return a port whose addresses are known already."""
    body = PORT.body(row, caller, status=port_status(row), fixed_ips=fixed_ips(addresses))
    if caller.is_admin:
        body["binding:vif_type"] = "bridge" if row.device_id or row.binding_host_id else "unbound"
    return body


def port_status(row: Port) -> str:
    """Return the status of a port: ACTIVE when it is in use and not switched off."""
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

    def gateway(row: Router) -> Body | None:
        if row.gw_port_id not in found:
            return None
        return {
            "network_id": found[row.gw_port_id].network_id,
            "enable_snat": row.enable_snat,
            "external_fixed_ips": fixed_ips(addresses[row.gw_port_id]),
        }

    return [ROUTER.body(row, caller, external_gateway_info=gateway(row)) for row in rows]


def floating_ips(transaction: Transaction, rows: Sequence[FloatingIp], caller: Caller) -> list[Body]:
    """Return floating IPs with a summary of their ports."""
    used = [row.port_id for row in rows if row.port_id is not None]
    found = {each.id: each for each in transaction.find(Port, columns(Port).id.in_(used))} if used else {}
    return [
        FLOATING.body(
            row,
            caller,
            status="ACTIVE" if row.router_id is not None else "DOWN",
            port_details=None if row.port_id is None else _details(found[row.port_id]),
        )
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
        SECURITY_GROUP.body(row, caller, security_group_rules=security_group_rules(transaction, rules[row.id], caller))
        for row in rows
    ]


def security_group_rules(_transaction: Transaction, rows: Sequence[SecurityGroupRule], caller: Caller) -> list[Body]:
    """Return rules of security groups."""
    return [SECURITY_GROUP_RULE.body(row, caller, normalized_cidr=row.remote_ip_prefix) for row in rows]


def qos_policies(_transaction: Transaction, rows: Sequence[QosPolicy], caller: Caller) -> list[Body]:
    """Return QoS policies with their rules."""
    return [
        QOS_POLICY.body(
            row,
            caller,
            rules=[structs.asdict(rule) | {"qos_policy_id": row.id, "type": "bandwidth_limit"} for rule in row.rules],
        )
        for row in rows
    ]
