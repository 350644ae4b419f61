"""The part of an instance that can be served, and the reasons why the rest cannot. Pure.

Protection fails closed. A listener without its certificate, its client CA or one of its policies is not served at all;
a pool whose TLS or persistence cannot be configured is served without members.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct, structs

from hydria.contract import Instance
from hydria.model import Listener, Pool, Tree
from hydria.model.references import needed_references, references_of

_PLACE = re.compile(r"candidate\.cfg:(\d+)\]")


# The alert that may be gone at the next attempt: another program uses the port.
_PASSING = "cannot bind socket"


class Refusal(Struct, frozen=True):
    """Why HAProxy refused a resource, and the resource's state then; a `passing` reason may go away by itself."""

    reason: str
    fingerprint: tuple[Any, ...]
    passing: bool = False


class RefusedSecret(Struct, frozen=True):
    """The content of a secret that HAProxy refused, and the reason."""

    content: str
    reason: str


class Serving(Struct, frozen=True, kw_only=True):
    """The part of an instance that is served. `troubles` are reasons by id, `unserved` the ids of what is left out."""

    instance: Instance
    troubles: dict[str, str]
    unserved: frozenset[str]


def serving(instance: Instance, kept: Mapping[str, str], refused: Mapping[str, Refusal]) -> Serving:
    """Return the part of an instance that can be served.

    `kept` are secrets by reference that the host still has, for those that the server could not read. `refused` are
    HAProxy's refusals by id; each counts while its resource is unchanged.
    """
    secrets = dict(instance.secrets)
    secrets |= {key: kept[key] for key in instance.lost if key in kept and not secrets.get(key)}
    filled = structs.replace(instance, secrets=secrets, lost={})
    troubles: dict[str, str] = {}
    unserved: set[str] = set()
    for resource in instance.tree.live().haproxy_resources:
        why = _unprotected(resource) or _missing(resource, instance, secrets)
        known = refused.get(resource.id)
        if why is None and known is not None and known.fingerprint == fingerprint(filled, resource):
            why = known.reason
        if why is not None:
            unserved.add(resource.id)
        else:
            why = next((instance.lost[key] for key, _ in needed_references(resource) if key in instance.lost), None)
        if why is not None:
            troubles[resource.id] = why
    for policy in instance.tree.l7_policies:
        known = refused.get(policy.id)
        if known is not None and policy.listener_id in unserved and policy.listener_id in refused:
            troubles[policy.id] = known.reason
            unserved.add(policy.id)
    tree = _without(instance.tree, unserved)
    return Serving(instance=structs.replace(filled, tree=tree), troubles=troubles, unserved=frozenset(unserved))


def blame(instance: Instance, text: str, alerts: Iterable[str], refused: Mapping[str, Refusal]) -> dict[str, Refusal]:
    """Return HAProxy's refusals by id: the resources whose lines of the configuration its alerts name.

    When a pool is named that is already served without members, the listener is refused instead. The result is empty
    when the alerts name no resource.
    """
    lines = text.splitlines()
    found: dict[str, Refusal] = {}
    for alert in alerts:
        for number in map(int, _PLACE.findall(alert)):
            for resource in _owners(instance.tree, lines, number, refused):
                reason = f"HAProxy cannot serve this: {alert[:400]}"
                found[resource.id] = Refusal(reason, fingerprint(instance, resource), _PASSING in alert)
    return found


def without_refused(instance: Instance, refused: Mapping[str, RefusedSecret]) -> Instance:
    """Return an instance without the secrets of refused content, so that the host keeps those it had before."""
    bad = {key: each.reason for key, each in refused.items() if instance.secrets.get(key) == each.content}
    if not bad:
        return instance
    good = {key: content for key, content in instance.secrets.items() if key not in bad}
    return structs.replace(instance, secrets=good, lost={**instance.lost, **bad})


def replaceable(instance: Instance, found: Mapping[str, Refusal], kept: Mapping[str, str]) -> dict[str, RefusedSecret]:
    """Return the refused secrets by reference for which the host has other content from before."""
    offered = instance.secrets
    return {
        reference: RefusedSecret(content=offered[reference], reason=found[resource.id].reason)
        for resource in instance.tree.live().haproxy_resources
        if resource.id in found
        for reference, _ in references_of(resource)
        if reference in offered and kept.get(reference) not in (None, offered[reference])
    }


def fingerprint(instance: Instance, resource: Any) -> tuple[Any, ...]:
    """Return everything that decides whether HAProxy accepts a resource."""
    tree = instance.tree
    if isinstance(resource, Listener):
        policies = tree.policies_of(resource.id)
        parts: tuple[Any, ...] = (policies, tuple(tree.rules_of(policy.id) for policy in policies))
    elif isinstance(resource, Pool):
        parts = (tree.monitor_of(resource.id), tree.members_of(resource.id))
    else:
        return (resource, tree.rules_of(resource.id))
    return (resource, parts, tuple(instance.secrets.get(key) for key, _ in references_of(resource)))


def _missing(resource: Listener | Pool, instance: Instance, secrets: Mapping[str, str]) -> str | None:
    for reference, _ in needed_references(resource):
        if reference not in secrets:
            unsent = f"The server did not send what {reference} leads to. Name it again in its listener or pool."
            return instance.lost.get(reference, unsent)
    return None


def _unprotected(resource: Listener | Pool) -> str | None:
    """Return what a resource lacks for its protection, or None. The API does not accept such resources any more."""
    if isinstance(resource, Pool):
        if resource.tls_enabled and resource.crl_container_ref and not resource.ca_tls_container_ref:
            return "The pool has a revocation list without a CA. Set ca_tls_container_ref."
        return None
    secure = resource.protocol == "TERMINATED_HTTPS" or resource.client_authentication != "NONE"
    if secure and not any(purpose == "certificate" for _, purpose in references_of(resource)):
        return "The listener has no certificate. Set default_tls_container_ref or sni_container_refs."
    if resource.client_authentication != "NONE" and not resource.client_ca_tls_container_ref:
        return "Clients' certificates are asked for without a CA. Set client_ca_tls_container_ref."
    return None


def _without(tree: Tree, unserved: set[str]) -> Tree:
    if not unserved:
        return tree
    return structs.replace(
        tree,
        listeners=tuple(each for each in tree.listeners if each.id not in unserved),
        pools=tuple(_empty(each) if each.id in unserved else each for each in tree.pools),
        members=tuple(each for each in tree.members if each.pool_id not in unserved),
        health_monitors=tuple(each for each in tree.health_monitors if each.pool_id not in unserved),
    )


def _empty(pool: Pool) -> Pool:
    # It has no members, so nothing is sent without TLS.
    return structs.replace(pool, tls_enabled=False, session_persistence=None)


def _owners(tree: Tree, lines: list[str], number: int, refused: Mapping[str, Refusal]) -> list[Any]:
    """Return the resources that a line of the configuration belongs to."""
    index = min(number, len(lines)) - 1
    head = next((line for line in lines[index::-1] if line and not line.startswith(" ")), "")
    kind, _, name = head.partition(" ")
    pool_id, _, listener_id = name.partition(":")
    listeners = {each.id: each for each in tree.listeners}
    if kind == "backend" and (pool := tree.pool(pool_id)) is not None:
        if pool.id not in refused:
            return [pool]
        return [listeners[listener_id]] if listener_id in listeners else []
    if kind != "frontend" or name not in listeners:
        return []
    words = lines[index].split()
    policies = [
        policy
        for policy in tree.policies_of(name)
        if any(rule.id in word for rule in tree.rules_of(policy.id) for word in words)
    ]
    return [listeners[name], *policies]
