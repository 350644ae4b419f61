"""What a tree refers to in the key manager, and what each reference is to be. Pure."""

from collections.abc import Iterator
from typing import Literal

from hydria.model.listener import Listener
from hydria.model.pool import Pool
from hydria.model.tree import Tree

Kind = Literal["certificate", "ca", "crl"]


def references(tree: Tree) -> Iterator[tuple[str, Kind]]:
    """Return the references that a host needs, each with what it is; the same one may come again."""
    for listener in tree.listeners:
        if not listener.admin_state_up:
            continue
        yield from _of_listener(listener)
        for pool in tree.pools_of(listener):
            if pool.admin_state_up and pool.tls_enabled:
                yield from _of_pool(pool)


def _of_listener(listener: Listener) -> Iterator[tuple[str, Kind]]:
    for reference in (listener.default_tls_container_ref, *listener.sni_container_refs):
        if reference:
            yield reference, "certificate"
    if listener.client_ca_tls_container_ref:
        yield listener.client_ca_tls_container_ref, "ca"
    if listener.client_crl_container_ref:
        yield listener.client_crl_container_ref, "crl"


def _of_pool(pool: Pool) -> Iterator[tuple[str, Kind]]:
    if pool.tls_container_ref:
        yield pool.tls_container_ref, "certificate"
    if pool.ca_tls_container_ref:
        yield pool.ca_tls_container_ref, "ca"
    if pool.crl_container_ref:
        yield pool.crl_container_ref, "crl"
