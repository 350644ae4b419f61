"""References to the key manager that users give: refused at once when they lead nowhere, as Octavia does."""

from collections.abc import Sequence

from hydria.certificates import check_issued
from hydria.errors import Invalid, NotFound
from hydria.model import Listener, Pool
from hydria.model.acme import SCHEME
from hydria.model.references import Purpose
from hydria.protocols import Secrets


def check_listener(secrets: Secrets, listener: Listener, before: Listener | None = None) -> None:
    """Refuse a listener that refers to what is not there or is not what it must be. Raises Invalid.

    `before` is what a change began with: what it refers to already is not looked for again.
    """
    _check_certificates(secrets, listener.project_id, _certificates(listener), _certificates(before))
    given = (listener.client_ca_tls_container_ref, listener.client_crl_container_ref)
    if before is None or given != (before.client_ca_tls_container_ref, before.client_crl_container_ref):
        _check_authority(secrets, listener.project_id, *given)


def check_pool(secrets: Secrets, pool: Pool, before: Pool | None = None) -> None:
    """Refuse a pool for the same. Raises Invalid."""
    _check_own(pool.tls_container_ref)
    _check_certificates(secrets, pool.project_id, _certificates(pool), _certificates(before))
    given = (pool.ca_tls_container_ref, pool.crl_container_ref)
    if before is None or given != (before.ca_tls_container_ref, before.crl_container_ref):
        _check_authority(secrets, pool.project_id, *given)


def _certificates(resource: Listener | Pool | None) -> tuple[str, ...]:
    """Return what a resource refers to as certificates; an empty reference in a list is one that leads nowhere."""
    if resource is None:
        return ()
    if isinstance(resource, Pool):
        return (resource.tls_container_ref,) if resource.tls_container_ref else ()
    default = resource.default_tls_container_ref
    return (*((default,) if default else ()), *resource.sni_container_refs)


def _check_own(reference: str | None) -> None:
    """Refuse what authorities for host names do not make: a certificate to be a client with."""
    if reference and reference.startswith(SCHEME):
        raise Invalid(
            f"{reference}: a pool's certificate is a client's, which ACME does not make. Store one of your own."
        )


def _check_certificates(secrets: Secrets, project_id: str, wanted: Sequence[str], known: Sequence[str]) -> None:
    fresh = [reference for reference in dict.fromkeys(wanted) if reference not in known]
    _found(secrets, project_id, [(reference, "certificate") for reference in fresh])


def _check_authority(secrets: Secrets, project_id: str, authority: str | None, revoked: str | None) -> None:
    wanted: list[tuple[str, Purpose]] = []
    if authority:
        wanted.append((authority, "ca"))
    if revoked:
        wanted.append((revoked, "crl"))
    found = _found(secrets, project_id, wanted)
    if authority and revoked and all(found):
        check_issued(found[1], found[0])


def _found(secrets: Secrets, project_id: str, wanted: list[tuple[str, Purpose]]) -> list[str]:
    found, lost = [], []
    for reference, purpose in wanted:
        try:
            if not reference:
                raise NotFound("An empty reference leads nowhere.")
            found.append(secrets.pem(reference, purpose, project_id))
        except NotFound:
            lost.append(reference)
    if lost:
        raise Invalid(f"Could not retrieve certificate: {lost}")
    return found
