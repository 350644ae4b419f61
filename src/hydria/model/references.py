"""What a tree refers to in the key manager, and what each reference is to be. Pure."""

from collections.abc import Iterator
from typing import Literal

from hydria.model.listener import Listener
from hydria.model.pool import Pool
from hydria.model.tree import Tree

# What a reference is to be: a certificate with its private key, the authorities of clients', or what they revoked.
Purpose = Literal["certificate", "ca", "crl"]


def references(tree: Tree) -> Iterator[tuple[str, Purpose]]:
    """Return the references that a host needs, each with what it is; the same one may come again."""
    for listener in tree.listeners:
        if not (listener.admin_state_up and tree.load_balancer.admin_state_up):
            continue
        yield from references_of(listener)
        for pool in tree.active_pools_of(listener):
            if pool.tls_enabled:
                yield from references_of(pool)


def references_of(resource: Listener | Pool) -> Iterator[tuple[str, Purpose]]:
    """Return the references of a listener or a pool, the default certificate first and each certificate once."""
    if isinstance(resource, Listener):
        certificates = (resource.default_tls_container_ref, *resource.sni_container_refs)
        authority, revoked = resource.client_ca_tls_container_ref, resource.client_crl_container_ref
    else:
        certificates = (resource.tls_container_ref,)
        authority, revoked = resource.ca_tls_container_ref, resource.crl_container_ref
    for reference in dict.fromkeys(certificates):
        if reference:
            yield reference, "certificate"
    if authority:
        yield authority, "ca"
    if revoked:
        yield revoked, "crl"
