"""`hydria host join`: how a machine becomes a host of a server elsewhere."""

import hashlib
import hmac
import re
import ssl
import time
from pathlib import Path
from typing import Any

import httpx
import msgspec

from hydria.agent.membership import Membership
from hydria.backoff import Backoff
from hydria.contract import Joined, Joining
from hydria.errors import HostError

_PATIENCE = 30.0
# How long a connection may be refused (seconds).
_OPENING = 5.0
_INVITATION = re.compile(r"(?P<url>https://[^\s/#?]+)/?#(?P<token>[A-Za-z0-9_-]+)\.(?P<fingerprint>[0-9a-f]{64})")


def join(invitation: str, host: str, name: str, state_dir: Path) -> Membership:
    """Join by an invitation, and write the membership. Raises HostError."""
    parts = _INVITATION.fullmatch(invitation.strip())
    if parts is None:
        raise HostError(
            "This is not an invitation. Copy all that hydria host invite prints, in quotes: "
            "hydria host join 'https://ADDRESS:PORT#TOKEN.FINGERPRINT'"
        )
    url = parts["url"]
    authority = _authority(url, parts["fingerprint"])
    draft = Membership(secret="", authority=authority, servers=(url,))
    answer = _ask("POST", f"{url}/agent/v1/join", draft.context(), Joining(token=parts["token"], host=host, name=name))
    joined = msgspec.json.decode(answer.content, type=Joined)
    # The URL that just worked comes first.
    servers = tuple(dict.fromkeys((url, *joined.servers)))
    found = Membership(secret=joined.secret, authority=authority, servers=servers, zone=joined.zone)
    found.write(state_dir)
    return found


def _authority(url: str, fingerprint: str) -> str:
    """Return the certificate of the servers' authority, which the invitation names. Raises HostError."""
    # The answer is trusted by its fingerprint, and nothing is said to the server before.
    unverified = ssl.create_default_context()
    unverified.check_hostname = False
    unverified.verify_mode = ssl.CERT_NONE
    pem = _opened(f"{url}/agent/v1/authority", unverified).text
    try:
        found = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()
    except ValueError:
        raise HostError(f"{url} is not a server of Hydria: it answers no certificate.") from None
    if not hmac.compare_digest(found, fingerprint):
        raise HostError(
            f"{url} is not the server that invited this host: its authority has another fingerprint ({found}). Check "
            "the address and what is between."
        )
    return pem


def _opened(url: str, context: ssl.SSLContext) -> httpx.Response:
    """Ask a server that begins to listen for agents when the first host is invited. Raises HostError."""
    end, backoff = time.monotonic() + _OPENING, Backoff(0.1, 1.0)
    while True:
        try:
            return _ask("GET", url, context, None)
        except HostError as error:
            if not isinstance(error.__cause__, httpx.ConnectError) or time.monotonic() > end:
                raise
            time.sleep(backoff.next())


def _ask(method: str, url: str, context: ssl.SSLContext, body: Any) -> httpx.Response:
    content = None if body is None else msgspec.json.encode(body)
    try:
        with httpx.Client(verify=context, trust_env=False, timeout=_PATIENCE) as client:
            answer = client.request(method, url, content=content)
    except httpx.HTTPError as error:
        raise HostError(f"{url} is not reached: {error or type(error).__name__}") from error
    if not answer.is_success:
        raise HostError(answer.text[:500] or f"The server answers {answer.status_code}.")
    return answer
