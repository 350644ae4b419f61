"""HTTP-01: the answers to an ACME authority on port 80 while a certificate is ordered. Pure."""

from hydria.contract import Instance
from hydria.model import Listener
from hydria.model.tree import Live
from hydria.render.haproxy.parts import Section, endpoint
from hydria.render.haproxy.prometheus import INTERNAL
from hydria.render.quoting import quote

PORT = 80
_PATH = "/.well-known/acme-challenge/"


def challenge_lines(instance: Instance, listener: Listener) -> list[str]:
    """Return the answers in the frontend of a listener; they precede rules that redirect or reject."""
    return _answers(instance) if listener.protocol == "HTTP" and listener.protocol_port == PORT else []


def challenge_frontend(instance: Instance, live: Live) -> Section | None:
    """Return a frontend for port 80 where no listener has the port, or None where none is needed."""
    answers = _answers(instance)
    taken = any(each.protocol_port == PORT for each in live.haproxy_listeners)
    if not answers or taken or not instance.tree.load_balancer.admin_state_up:
        return None
    addresses = instance.tree.load_balancer.vip_addresses
    return [
        f"frontend {INTERNAL}acme",
        "mode http",
        f"bind {','.join(endpoint(each, PORT) for each in addresses)}",
        "timeout client 10s",
        *answers,
        "http-request return status 404",
    ]


def _answers(instance: Instance) -> list[str]:
    return [
        f"http-request return status 200 content-type text/plain string {quote(answer)}"
        f" if {{ path -m str -- {quote(_PATH + token)} }}"
        for token, answer in sorted(instance.challenges.items())
    ]
