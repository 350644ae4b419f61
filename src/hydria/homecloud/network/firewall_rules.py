"""Ingress rules of security groups for hosts, with the addresses of the remote groups filled in."""

from collections.abc import Iterable, Sequence

from hydria.contract import FirewallRule
from hydria.homecloud.network.rows import Address, Port, SecurityGroupRule
from hydria.store import Transaction, columns
from hydria.store.functions import contains_any, quoted


def guard(transaction: Transaction, security_group_ids: Sequence[str]) -> tuple[FirewallRule, ...]:
    """Return the ingress rules of security groups. Egress rules are not enforced on the interfaces of services."""
    c = columns(SecurityGroupRule)
    rules = transaction.find(
        SecurityGroupRule,
        c.security_group_id.in_(security_group_ids),
        c.direction == "ingress",
        order_by=(c.created_at, c.id),
    )
    remote = {rule.remote_group_id for rule in rules if rule.remote_group_id is not None}
    members = {group: _addresses(transaction, group) for group in remote}
    return tuple(
        FirewallRule(
            ethertype=rule.ethertype,
            protocol=rule.protocol,
            port_min=rule.port_range_min,
            port_max=rule.port_range_max,
            sources=_sources(rule, members.get(rule.remote_group_id or "", ())),
        )
        for rule in rules
    )


def _sources(rule: SecurityGroupRule, members: Iterable[str]) -> tuple[str, ...] | None:
    if rule.remote_group_id is not None:
        return tuple(members)
    return None if rule.remote_ip_prefix is None else (rule.remote_ip_prefix,)


def _addresses(transaction: Transaction, group: str) -> tuple[str, ...]:
    """Return the source addresses that the ports of a group may use."""
    ports = transaction.find(Port, contains_any(columns(Port).security_groups, quoted([group])))
    c = columns(Address)
    own = transaction.find(Address, c.port_id.in_([port.id for port in ports]))
    pairs = [pair.ip_address for port in ports for pair in port.allowed_address_pairs]
    return tuple(sorted({address.ip_address for address in own} | set(pairs)))
