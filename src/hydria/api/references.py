"""References to the key manager that users give: refused at once when they lead nowhere, as Octavia does."""

from collections.abc import Iterable

from msgspec import UnsetType

from hydria.certificates import check_issued
from hydria.errors import Invalid, NotFound
from hydria.model import Listener, Pool
from hydria.model.acme import SCHEME
from hydria.model.listener import ListenerUpdate
from hydria.model.pool import PoolUpdate
from hydria.model.references import Purpose
from hydria.ports import Secrets

_Given = str | UnsetType | None


def check_listener(secrets: Secrets, listener: Listener) -> None:
    """Refuse a new listener that refers to what is not there or is not what it must be. Raises Invalid."""
    _check_certificates(
        secrets, listener.project_id, (listener.default_tls_container_ref, *listener.sni_container_refs)
    )
    _check_authority(
        secrets, listener.project_id, listener.client_ca_tls_container_ref, listener.client_crl_container_ref
    )


def check_listener_change(secrets: Secrets, before: Listener, form: ListenerUpdate) -> None:
    """Refuse a change of a listener for the same. Raises Invalid."""
    _check_certificates(secrets, before.project_id, (form.default_tls_container_ref, *(form.sni_container_refs or ())))
    given = (form.client_ca_tls_container_ref, form.client_crl_container_ref)
    if any(given):
        authority = _after(before.client_ca_tls_container_ref, given[0])
        _check_authority(secrets, before.project_id, authority, _after(before.client_crl_container_ref, given[1]))


def check_pool(secrets: Secrets, pool: Pool) -> None:
    """Refuse a new pool that refers to what is not there or is not what it must be. Raises Invalid."""
    _check_own(pool.tls_container_ref)
    _check_certificates(secrets, pool.project_id, (pool.tls_container_ref,))
    _check_authority(secrets, pool.project_id, pool.ca_tls_container_ref, pool.crl_container_ref)


def check_pool_change(secrets: Secrets, before: Pool, form: PoolUpdate) -> None:
    """Refuse a change of a pool for the same. Raises Invalid."""
    _check_own(form.tls_container_ref)
    _check_certificates(secrets, before.project_id, (form.tls_container_ref,))
    given = (form.ca_tls_container_ref, form.crl_container_ref)
    if any(given):
        authority = _after(before.ca_tls_container_ref, given[0])
        _check_authority(secrets, before.project_id, authority, _after(before.crl_container_ref, given[1]))


def _check_own(reference: _Given) -> None:
    """Refuse what authorities for host names do not make: a certificate to be a client with."""
    if isinstance(reference, str) and reference.startswith(SCHEME):
        raise Invalid(
            f"{reference}: a pool's certificate is a client's, which ACME does not make. Store one of your own."
        )


def _after(stored: str | None, given: _Given) -> str | None:
    return stored if isinstance(given, UnsetType) else given


def _check_certificates(secrets: Secrets, project_id: str, references: Iterable[_Given]) -> None:
    wanted = dict.fromkeys(each for each in references if isinstance(each, str) and each)
    _found(secrets, project_id, [(reference, "certificate") for reference in wanted])


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
            found.append(secrets.pem(reference, purpose, project_id))
        except NotFound:
            lost.append(reference)
    if lost:
        raise Invalid(f"Could not retrieve certificate: {lost}")
    return found
