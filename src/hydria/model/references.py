"""The references of a listener or a pool to the key manager, each with its purpose. Pure."""

from collections.abc import Iterator
from typing import Literal

from hydria.model.listener import Listener
from hydria.model.pool import Pool

# A certificate with its private key, the CA of the other side's certificates, or the CA's revocation list.
Purpose = Literal["certificate", "ca", "crl"]


def references_of(resource: Listener | Pool) -> Iterator[tuple[str, Purpose]]:
    """Yield the references of a listener or a pool, the default certificate first and each certificate once."""
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


def needed_references(resource: Listener | Pool) -> Iterator[tuple[str, Purpose]]:
    """Yield the references that must be readable for the resource to be served: none where it does not speak TLS."""
    speaks_tls = resource.tls_enabled if isinstance(resource, Pool) else has_certificates(resource)
    if speaks_tls:
        yield from references_of(resource)


def has_certificates(listener: Listener) -> bool:
    """Say whether a listener terminates TLS: it refers to a certificate."""
    return bool(listener.default_tls_container_ref or listener.sni_container_refs)
