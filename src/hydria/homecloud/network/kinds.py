"""The resource types of the API: who sees them, their bodies, and what lists can filter and sort by."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import Boolean, ColumnElement, Text, and_, case, cast, false, literal, null, or_, select, true

from hydria.homecloud.network import views
from hydria.homecloud.network.access import networks_seen, of_open_network, of_own_network, own
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
from hydria.homecloud.network.views import Shape
from hydria.model.caller import Caller
from hydria.store import Transaction, columns
from hydria.store.functions import contains_any, is_among, quoted
from hydria.store.tables import as_stored, rows_of

Column = ColumnElement[Any]
Match = Callable[[Sequence[str]], ColumnElement[bool]]
View = Callable[[Transaction, Any, Caller], list[dict[str, Any]]]

# Attributes that bodies show and that are always null.
_NOTHING = cast(null(), Text)


class Kind(Struct, frozen=True, kw_only=True):
    """One resource type.

    `name` and `plural` are the bodies' keys, `missing` the fault's name. `attributes` are what lists compare and
    sort by, `matches` the filters that are more than a comparison. `seen_by` is for callers who are no admins.
    """

    name: str
    plural: str
    path: str
    row: type[Row]
    missing: str
    seen_by: Callable[[Caller], ColumnElement[bool]]
    view: View
    attributes: Mapping[str, Any]
    matches: Mapping[str, Match] = {}

    def visible(self, caller: Caller) -> ColumnElement[bool]:
        """Return the condition that a caller may see a row."""
        return true() if caller.is_admin else self.seen_by(caller)


def _attributes(kind: type[Row], shape: Shape, **more: Column) -> dict[str, Column]:
    """Return what a kind can be filtered and sorted by: its scalars, also by their wire names, and more."""
    c = columns(kind)
    found: dict[str, Column] = {name: c[name] for name in rows_of(kind).scalars}
    wire = {shown: c[name] for name, shown in {**shape.names, **shape.for_admins}.items() if name in found}
    return found | wire | {"tenant_id": c.project_id} | more


def _fixed_ips(values: Sequence[str]) -> ColumnElement[bool]:
    """Match ports by `ip_address=…`, `ip_address_substr=…` and `subnet_id=…`; of each, any of those given."""
    c = columns(Address)
    asked: dict[str, list[str]] = {}
    for value in values:
        name, _, wanted = value.partition("=")
        asked.setdefault(name if name in _FIXED_IPS or not value else "unknown", []).append(wanted)
    conditions: list[ColumnElement[bool]] = []
    for name, wanted_ones in asked.items():
        if name == "ip_address":
            conditions.append(is_among(c.ip_address, [as_stored(c.ip_address, each) for each in wanted_ones]))
        elif name == "subnet_id":
            conditions.append(is_among(c.subnet_id, wanted_ones))
        elif name == "ip_address_substr" and "" not in wanted_ones:
            conditions.append(contains_any(c.ip_address, [each.lower() for each in wanted_ones]))
        elif name == "unknown":
            conditions.append(false())
    return columns(Port).id.in_(select(c.port_id).where(*conditions))


_FIXED_IPS = frozenset({"ip_address", "ip_address_substr", "subnet_id"})


def _groups(values: Sequence[str]) -> ColumnElement[bool]:
    return contains_any(columns(Port).security_groups, quoted(values))


def _subnets_seen(caller: Caller) -> ColumnElement[bool]:
    return or_(own(Subnet, caller), of_open_network(columns(Subnet).network_id))


def _ports_seen(caller: Caller) -> ColumnElement[bool]:
    return or_(own(Port, caller), of_own_network(columns(Port).network_id, caller))


_network, _subnet, _port, _router = columns(Network), columns(Subnet), columns(Port), columns(Router)
_floating_ip = columns(FloatingIp)

NETWORK = Kind(
    name="network",
    plural="networks",
    path="/networks",
    row=Network,
    missing="NetworkNotFound",
    seen_by=networks_seen,
    view=views.networks,
    attributes=_attributes(
        Network,
        views.NETWORK,
        **{
            "status": case((_network.trouble.is_(None), "ACTIVE"), else_="DOWN"),
            "provider:network_type": case(
                (_network.physical_network.is_(None), "local"),
                (_network.segmentation_id.is_(None), "flat"),
                else_="vlan",
            ),
        },
    ),
)

SUBNET = Kind(
    name="subnet",
    plural="subnets",
    path="/subnets",
    row=Subnet,
    missing="SubnetNotFound",
    seen_by=_subnets_seen,
    view=views.subnets,
    attributes=_attributes(
        Subnet,
        views.SUBNET,
        subnetpool_id=_NOTHING,
        segment_id=_NOTHING,
        service_types=_NOTHING,
        **{"router:external": _subnet.network_id.in_(select(_network.id).where(_network.external))},
    ),
)

PORT = Kind(
    name="port",
    plural="ports",
    path="/ports",
    row=Port,
    missing="PortNotFound",
    seen_by=_ports_seen,
    view=views.ports,
    attributes=_attributes(
        Port,
        views.PORT,
        status=case(
            (_port.device_owner == FLOATING_IP, "N/A"),
            (and_(_port.admin_state_up, or_(_port.device_id != "", _port.binding_host_id != "")), "ACTIVE"),
            else_="DOWN",
        ),
    ),
    matches={"fixed_ips": _fixed_ips, "security_groups": _groups},
)

ROUTER = Kind(
    name="router",
    plural="routers",
    path="/routers",
    row=Router,
    missing="RouterNotFound",
    seen_by=lambda caller: own(Router, caller),
    view=views.routers,
    attributes=_attributes(
        Router,
        views.ROUTER,
        status=literal("ACTIVE"),
        flavor_id=_NOTHING,
        distributed=cast(literal(value=False), Boolean),
        ha=cast(literal(value=False), Boolean),
    ),
)

FLOATING = Kind(
    name="floatingip",
    plural="floatingips",
    path="/floatingips",
    row=FloatingIp,
    missing="FloatingIPNotFound",
    seen_by=lambda caller: own(FloatingIp, caller),
    view=views.floating_ips,
    attributes=_attributes(
        FloatingIp,
        views.FLOATING,
        status=case((_floating_ip.router_id.is_not(None), "ACTIVE"), else_="DOWN"),
        qos_policy_id=_NOTHING,
    ),
)

SECURITY_GROUP = Kind(
    name="security_group",
    plural="security_groups",
    path="/security-groups",
    row=SecurityGroup,
    missing="SecurityGroupNotFound",
    seen_by=lambda caller: own(SecurityGroup, caller),
    view=views.security_groups,
    attributes=_attributes(SecurityGroup, views.SECURITY_GROUP, shared=cast(literal(value=False), Boolean)),
)

SECURITY_GROUP_RULE = Kind(
    name="security_group_rule",
    plural="security_group_rules",
    path="/security-group-rules",
    row=SecurityGroupRule,
    missing="SecurityGroupRuleNotFound",
    seen_by=lambda caller: own(SecurityGroupRule, caller),
    view=views.security_group_rules,
    attributes=_attributes(SecurityGroupRule, views.SECURITY_GROUP_RULE, remote_address_group_id=_NOTHING),
)

QOS_POLICY = Kind(
    name="policy",
    plural="policies",
    path="/qos/policies",
    row=QosPolicy,
    missing="QosPolicyNotFound",
    seen_by=lambda caller: or_(own(QosPolicy, caller), columns(QosPolicy).shared),
    view=views.qos_policies,
    attributes=_attributes(QosPolicy, views.QOS_POLICY, is_default=cast(literal(value=False), Boolean)),
)

KINDS = (NETWORK, SUBNET, PORT, ROUTER, FLOATING, SECURITY_GROUP, SECURITY_GROUP_RULE, QOS_POLICY)
