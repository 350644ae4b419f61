"""`/dashboard/v1/loadbalancers/{id}/certificates`: whom the certificates in use name, and when they expire."""

from collections.abc import Callable, Iterator
from typing import Any

from cryptography import x509

from hydria.api.access import permitted
from hydria.api.resource_types import LOAD_BALANCER
from hydria.errors import Refusal
from hydria.http.operation import Call, Operation
from hydria.model import Listener, Pool
from hydria.model.references import Purpose, references_of
from hydria.protocols import Secrets
from hydria.store import Transaction
from hydria.store.resources import tree
from hydria.times import stamp


class Certificates:
    """The operation. No private key leaves the server: only what every client of the listener sees, too."""

    def __init__(self, secrets_of: Callable[[Transaction], Secrets]) -> None:
        self._secrets_of = secrets_of

    def operations(self) -> tuple[Operation, ...]:
        rule = LOAD_BALANCER.rule("get_one")
        return (Operation(method="GET", path="/loadbalancers/{id}/certificates", work=self._list, rule=rule),)

    def _list(self, call: Call) -> Any:
        load_balancer = permitted(call, LOAD_BALANCER, call.path["id"]).resource
        whole = tree(call.transaction, load_balancer)
        # It shows what is served, and asks no other service.
        call.transaction.answers = None
        secrets = self._secrets_of(call.transaction)
        project, used = load_balancer.project_id, list(_used((*whole.listeners, *whole.pools)))
        doubts = secrets.doubts([(reference, purpose) for _, reference, purpose in used], project)
        return {
            "certificates": [
                {"resource_id": resource.id, "reference": reference, "purpose": purpose, **facts}
                for resource, reference, purpose in used
                for facts in _facts(secrets, reference, purpose, project, doubts.get((reference, purpose)))
            ]
        }


def _used(resources: tuple[Listener | Pool, ...]) -> Iterator[tuple[Listener | Pool, str, Purpose]]:
    for resource in resources:
        for reference, purpose in references_of(resource):
            # A revocation list names nobody.
            if purpose != "crl":
                yield resource, reference, purpose


def _facts(
    secrets: Secrets, reference: str, purpose: Purpose, project_id: str, doubt: str | None
) -> Iterator[dict[str, Any]]:
    """Yield the facts of a reference's certificate, or the reason why there are none.

    `doubt` is why what is served cannot be read any more.
    """
    try:
        text = secrets.pem(reference, purpose, project_id)
        # The leaf comes first; what follows are its intermediates. Of authorities each counts.
        found = x509.load_pem_x509_certificates(text.encode()) if text else []
    except Refusal as refusal:
        yield {"reason": str(refusal)}
    except ValueError as error:
        yield {"reason": f"The certificate cannot be read: {error}"}
    else:
        for one in found[:1] if purpose == "certificate" else found:
            yield {
                "names": _names(one),
                "issuer": one.issuer.rfc4514_string(),
                "not_after": stamp(one.not_valid_after_utc),
                **({} if doubt is None else {"doubt": doubt}),
            }


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return [certificate.subject.rfc4514_string()]
    addresses = alternatives.get_values_for_type(x509.IPAddress)
    return [*alternatives.get_values_for_type(x509.DNSName), *map(str, addresses)]
