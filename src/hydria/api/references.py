"""Checks of references to the key manager: like Octavia, a wrong one is refused at once."""

from collections.abc import Sequence

from hydria.certificates import check_issued
from hydria.errors import Invalid, NotFound
from hydria.model import Listener, Pool, Tree
from hydria.model.acme import SCHEME
from hydria.model.references import Purpose, references_of
from hydria.protocols import Secrets


def check_listener(secrets: Secrets, listener: Listener, before: Listener | None = None) -> None:
    """Refuse a listener whose references lead nowhere or to the wrong kind of secret. Raises Invalid.

    `before` is the listener before a change: its references are not checked again.
    """
    _check_certificates(secrets, listener.project_id, _certificates(listener), _certificates(before))
    given = (listener.client_ca_tls_container_ref, listener.client_crl_container_ref)
    if before is None or given != (before.client_ca_tls_container_ref, before.client_crl_container_ref):
        _check_authority(secrets, listener.project_id, *given)


def check_pool(secrets: Secrets, pool: Pool, before: Pool | None = None) -> None:
    """Refuse a pool for the same reasons as a listener. Raises Invalid."""
    _check_no_acme(pool.tls_container_ref)
    _check_certificates(secrets, pool.project_id, _certificates(pool), _certificates(before))
    given = (pool.ca_tls_container_ref, pool.crl_container_ref)
    if before is None or given != (before.ca_tls_container_ref, before.crl_container_ref):
        _check_authority(secrets, pool.project_id, *given)


def doubts(secrets: Secrets, tree: Tree) -> dict[str, str]:
    """Return why references that are served cannot be read any more, by the id of the listener or pool."""
    resources: tuple[Listener | Pool, ...] = (*tree.listeners, *tree.pools)
    used = {each.id: list(references_of(each)) for each in resources}
    every = {each for references in used.values() for each in references}
    known = secrets.doubts(every, tree.load_balancer.project_id)
    return {key: known[each] for key, references in used.items() for each in reversed(references) if each in known}


def _certificates(resource: Listener | Pool | None) -> tuple[str, ...]:
    """Return the references to certificates, including empty ones in a list, which lead nowhere."""
    if resource is None:
        return ()
    if isinstance(resource, Pool):
        return (resource.tls_container_ref,) if resource.tls_container_ref else ()
    default = resource.default_tls_container_ref
    return (*((default,) if default else ()), *resource.sni_container_refs)


def _check_no_acme(reference: str | None) -> None:
    """Refuse a client certificate from ACME, whose authorities certify only host names. Raises Invalid."""
    if reference and reference.startswith(SCHEME):
        raise Invalid(
            f"{reference}: a pool's certificate is a client's, which ACME does not make. Store one of your own."
        )


def _check_certificates(secrets: Secrets, project_id: str, wanted: Sequence[str], known: Sequence[str]) -> None:
    new = [reference for reference in dict.fromkeys(wanted) if reference not in known]
    _read(secrets, project_id, [(reference, "certificate") for reference in new])


def _check_authority(secrets: Secrets, project_id: str, authority: str | None, revoked: str | None) -> None:
    wanted: list[tuple[str, Purpose]] = []
    if authority:
        wanted.append((authority, "ca"))
    if revoked:
        wanted.append((revoked, "crl"))
    found = _read(secrets, project_id, wanted)
    if authority and revoked and all(found):
        check_issued(found[1], found[0])


def _read(secrets: Secrets, project_id: str, wanted: list[tuple[str, Purpose]]) -> list[str]:
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
