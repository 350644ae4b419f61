"""The certificates of a listener, and a client's own, for the explanation of a request."""

from datetime import datetime

from msgspec import structs

from hydria.errors import Invalid, Refusal
from hydria.model import Tree
from hydria.model.references import has_certificates, references_of
from hydria.protocols import Secrets
from hydria.render.explain import ListenerTls, Request
from hydria.render.explain.tls import Offered, chain_of, subject_of, verified

# The longest PEM text of a client's certificate with its intermediates (characters).
_LONGEST = 65536


def tls_of(secrets: Secrets, tree: Tree, port: int) -> tuple[ListenerTls | None, tuple[str, ...]]:
    """Return the certificates of the TLS listener at a port, if there is one, and why some cannot be read."""
    listener = next((each for each in tree.listeners if each.protocol_port == port and has_certificates(each)), None)
    if listener is None:
        return None, ()
    offered: list[Offered] = []
    others = {"ca": "", "crl": ""}
    notes: list[str] = []
    for reference, purpose in references_of(listener):
        try:
            text = secrets.pem(reference, purpose, tree.load_balancer.project_id)
            if purpose == "certificate":
                offered.append(Offered.of(reference, text))
            else:
                others[purpose] = text
        except Refusal as refusal:
            notes.append(f"{reference} cannot be read: {refusal}")
        except (ValueError, IndexError):
            notes.append(f"{reference} has no certificate that can be read.")
    return ListenerTls(offered=tuple(offered), authorities=others["ca"], revocations=others["crl"]), tuple(notes)


def with_certificate(request: Request, pem: str, tls: ListenerTls | None, now: datetime) -> Request:
    """Return a request whose client has a certificate, verified as the listener verifies it. Raises Invalid."""
    if len(pem) > _LONGEST:
        raise Invalid(f"A client's certificate has at most {_LONGEST} characters.")
    chain = chain_of(pem)
    result = 0 if tls is None else verified(chain, tls, now)
    return structs.replace(request, certificate=subject_of(chain[0]), verify_result=result)
