"""Security groups and their rules. Every project has a default group."""

import ipaddress
from datetime import datetime
from typing import Any

from msgspec import UNSET

from hydria.homecloud.network import changes
from hydria.homecloud.network.access import creator
from hydria.homecloud.network.faults import fault, invalid_attribute, invalid_input
from hydria.homecloud.network.forms import SecurityGroupCreate, SecurityGroupRuleCreate, SecurityGroupUpdate
from hydria.homecloud.network.kinds import SECURITY_GROUP, SECURITY_GROUP_RULE
from hydria.homecloud.network.resource import given, load, load_owned, operations
from hydria.homecloud.network.rows import Port, SecurityGroup, SecurityGroupRule
from hydria.http.operation import Call, Operation
from hydria.store import Transaction, columns
from hydria.store.functions import contains_any, quoted

_DEFAULT = "default"
_ETHERTYPES = ("IPv4", "IPv6")
_DIRECTIONS = ("ingress", "egress")
_PROTOCOLS = (
    "ah", "dccp", "egp", "esp", "gre", "icmp", "icmpv6", "igmp", "ipip", "ipv6-encap", "ipv6-frag", "ipv6-icmp",
    "ipv6-nonxt", "ipv6-opts", "ipv6-route", "ospf", "pgm", "rsvp", "sctp", "tcp", "udp", "udplite", "vrrp",
)  # fmt: skip
_WITH_PORTS = ("tcp", "udp", "sctp", "dccp", "udplite", "6", "17", "132", "33", "136")
_ICMP = ("icmp", "icmpv6", "ipv6-icmp", "1", "58")


def default_group(transaction: Transaction, project_id: str, now: datetime) -> SecurityGroup:
    """Return a project's default group, made when it is first asked for."""
    c = columns(SecurityGroup)
    found = transaction.find(SecurityGroup, c.project_id == project_id, c.is_default)
    if found:
        return found[0]
    about = {"name": _DEFAULT, "description": "Default security group", "is_default": True}
    group = changes.new(SecurityGroup, now, project_id=project_id, **about)
    changes.add(transaction, group, *_usual_rules(group, now))
    return group


def _usual_rules(group: SecurityGroup, now: datetime) -> list[SecurityGroupRule]:
    """Return the rules of a new group: all egress and, in the default group, ingress from its own members."""
    directions = _DIRECTIONS if group.is_default else ("egress",)
    return [
        changes.new(
            SecurityGroupRule,
            now,
            project_id=group.project_id,
            security_group_id=group.id,
            direction=direction,
            ethertype=ethertype,
            remote_group_id=group.id if direction == "ingress" else None,
        )
        for direction in directions
        for ethertype in _ETHERTYPES
    ]


def _create(call: Call) -> SecurityGroup:
    form: SecurityGroupCreate = call.form
    project_id = creator(call, form, "create_security_group")
    if form.name == _DEFAULT:
        raise fault("SecurityGroupDefaultAlreadyExists")
    default_group(call.transaction, project_id, call.time)
    group = changes.new(SecurityGroup, call.time, project_id=project_id, **given(form, SecurityGroup))
    changes.add(call.transaction, group, *_usual_rules(group, call.time))
    return group


def _update(call: Call) -> SecurityGroup:
    group = load_owned(call, SECURITY_GROUP, SecurityGroup, "update_security_group")
    values = given(call.form, SecurityGroup)
    if group.is_default and values.get("name", group.name) != group.name:
        raise fault("SecurityGroupCannotUpdateDefault")
    return changes.change(call.transaction, group, call.time, **values)


def _delete(call: Call) -> None:
    group = load_owned(call, SECURITY_GROUP, SecurityGroup, "delete_security_group")
    if group.is_default and not call.caller.is_admin:
        raise fault("SecurityGroupCannotRemoveDefault")
    if call.transaction.find(Port, contains_any(columns(Port).security_groups, quoted([group.id]))):
        raise fault("SecurityGroupInUse", id=group.id)
    c = columns(SecurityGroupRule)
    call.transaction.delete(SecurityGroupRule, (c.security_group_id == group.id) | (c.remote_group_id == group.id))
    changes.remove(call.transaction, group)


def _create_rule(call: Call) -> SecurityGroupRule:
    form: SecurityGroupRuleCreate = call.form
    project_id = creator(call, form, "create_security_group_rule")
    group = load(call, SECURITY_GROUP, SecurityGroup, form.security_group_id)
    values = _rule(form)
    if values.get("remote_group_id"):
        load(call, SECURITY_GROUP, SecurityGroup, values["remote_group_id"])
    c = columns(SecurityGroupRule)
    for other in call.transaction.find(SecurityGroupRule, c.security_group_id == group.id):
        if all(getattr(other, name) == value for name, value in values.items()):
            raise fault("SecurityGroupRuleExists", id=other.id)
    plain = given(form, SecurityGroupRule, frozenset({"security_group_id", *values}))
    about = {"project_id": project_id, "security_group_id": group.id, **plain, **values}
    rule = changes.new(SecurityGroupRule, call.time, **about)
    changes.add(call.transaction, rule)
    return rule


def _delete_rule(call: Call) -> None:
    rule = load_owned(call, SECURITY_GROUP_RULE, SecurityGroupRule, "delete_security_group_rule")
    changes.remove(call.transaction, rule)


def _rule(form: SecurityGroupRuleCreate) -> dict[str, Any]:
    """Return the checked attributes that distinguish a rule from others."""
    if form.direction not in _DIRECTIONS:
        raise invalid_attribute("direction", f"'{form.direction}' is not in {list(_DIRECTIONS)}")
    ethertype = _ethertype(form)
    protocol = _protocol(form.protocol)
    ports = [None if value is UNSET else value for value in (form.port_range_min, form.port_range_max)]
    _check_ports(protocol, *ports)
    prefix = None if not form.remote_ip_prefix else form.remote_ip_prefix
    group = None if not form.remote_group_id else form.remote_group_id
    if prefix is not None and group is not None:
        raise fault("HTTPBadRequest", msg="Only remote_ip_prefix or remote_group_id may be provided.")
    if prefix is not None and f"IPv{ipaddress.ip_network(prefix).version}" != ethertype:
        raise fault("HTTPBadRequest", msg=f"Conflicting value ethertype {ethertype} for CIDR {prefix}")
    return {
        "direction": form.direction,
        "ethertype": ethertype,
        "protocol": protocol,
        "port_range_min": ports[0],
        "port_range_max": ports[1],
        "remote_ip_prefix": prefix,
        "remote_group_id": group,
    }


def _ethertype(form: SecurityGroupRuleCreate) -> str:
    if form.ethertype is UNSET:
        return "IPv4"
    for known in _ETHERTYPES:
        if form.ethertype.lower() == known.lower():
            return known
    text = f"Security group rule for ethertype '{form.ethertype}' not supported. Allowed values are ['IPv4', 'IPv6']."
    raise fault("HTTPBadRequest", msg=text)


def _protocol(asked: Any) -> str | None:
    if asked is UNSET or asked is None or asked == "any":
        return None
    text = str(asked).lower()
    if text in _PROTOCOLS or (len(text) <= 3 and text.isascii() and text.isdigit() and int(text) <= 255):
        return text
    raise fault("HTTPBadRequest", msg=f"Security group rule protocol {text[:40]} not supported.")


def _check_ports(protocol: str | None, low: int | None, high: int | None) -> None:
    if low is None and high is None:
        return
    if protocol in _ICMP:
        for name, value in (("port_range_min", low), ("port_range_max", high)):
            if value is not None and not 0 <= value <= 255:
                raise invalid_attribute(name, f"'{value}' is not a valid ICMP type or code")
        return
    if protocol not in _WITH_PORTS:
        raise invalid_input("Port range cannot be specified without a protocol that has ports")
    if low is None or high is None or not 0 < low <= high <= 65535:
        text = "For TCP/UDP protocols, port_range_min must be <= port_range_max, both between 1 and 65535"
        raise fault("HTTPBadRequest", msg=text)


def _with_default(operation: Operation) -> Operation:
    """Return a read that makes the caller's default group first."""

    def work(call: Call) -> Any:
        if call.caller.project_id:
            default_group(call.transaction, call.caller.project_id, call.time)
        return operation.work(call)

    return Operation(method="GET", path=operation.path, work=work, writes=True)


_GROUPS = operations(
    SECURITY_GROUP,
    create=(SecurityGroupCreate, _create),
    update=(SecurityGroupUpdate, _update),
    delete=_delete,
)

OPERATIONS = (
    *(_with_default(each) if each.method == "GET" else each for each in _GROUPS),
    *operations(SECURITY_GROUP_RULE, create=(SecurityGroupRuleCreate, _create_rule), update=None, delete=_delete_rule),
)
