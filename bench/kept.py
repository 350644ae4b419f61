"""What clients keep when the other amphora of a pair takes over: their member, TLS sessions, datagram flows."""

import selectors
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from msgspec import Struct

from cluster.api import LBAAS
from cluster.balancers import certificate
from cluster.cables import Fault
from cluster.machine import Cluster
from cluster.member import PORT as LINES
from cluster.plan import PREFIX_LENGTH
from cluster.probe import ask_tcp, connected
from figures import Aim, Figure, figure
from hydria.adapters.linux.netns import inside
from stand import until

PART = "hosts"
_CLIENTS = [f"10.20.0.{60 + number}" for number in range(20)]
_FLOWS = 20
_PATIENCE = 2.0
# How often each datagram flow asks (seconds).
_EVERY = 0.02


def measure(cluster: Cluster, vip: str, flavor: str, count: int) -> Iterator[Figure]:
    """Take over `count` times, and compare what each client got before and after."""
    client, api = cluster.node("client"), cluster.api()
    for address in _CLIENTS:
        client.run("ip", "address", "add", f"{address}/{PREFIX_LENGTH}", "dev", "eth0", environment={})
    balancer = _balancer(cluster, vip, flavor)
    same, resumed, kept, gaps = [], [], [], []
    visitors = [_Visitor(client.network, vip, address) for address in _CLIENTS]
    for _ in range(count):
        taken = _taken_over(cluster, vip, visitors)
        same.append(taken.same)
        resumed.append(taken.resumed)
        kept.append(taken.flows)
        gaps.append(taken.gap)
    api.call("DELETE", f"{LBAAS}/loadbalancers/{balancer['id']}?cascade=true")
    all_of_them = [Aim(least=100)]
    yield figure(PART, "clients that keep their member after a takeover (SOURCE_IP)", "%", same, aims=all_of_them)
    yield figure(PART, "TLS sessions that are resumed after a takeover", "%", resumed, aims=all_of_them)
    yield figure(PART, "datagram flows that keep their member after a takeover", "%", kept, aims=all_of_them)
    note = f"The longest of {_FLOWS} flows, which ask every {_EVERY * 1000:.0f} ms."
    yield figure(PART, "no answers to a datagram flow", "s", gaps, aims=[Aim(most=1.0)], note=note)


class _Taken(Struct, frozen=True, kw_only=True):
    """The shares of clients, TLS sessions and flows that one takeover kept (%), and the longest gap of a flow (s)."""

    same: float
    resumed: float
    flows: float
    gap: float


def _taken_over(cluster: Cluster, vip: str, visitors: "list[_Visitor]") -> _Taken:
    """Cut the cable of the active host, compare what clients get before and after, heal."""
    network = cluster.node("client").network
    until(lambda: len(cluster.holders(vip)) == 1, 60, pause=0.05)
    (active,) = cluster.holders(vip)
    others = [host for host in cluster.plan.named("host") if host != active]
    with _Flows(network, vip) as flows:
        before = {address: _member(network, vip, address) for address in _CLIENTS}
        for visitor in visitors:
            visitor.visit()
        members = flows.members()
        # The other amphora learns of a client within a moment.
        time.sleep(1)
        cut = time.monotonic()
        cluster.cut(Fault(node=active, bridges=("wire",)))
        until(lambda: any(vip in cluster.vips(host) for host in others), 60, pause=0.05)
        taken = time.monotonic()
        until(lambda: flows.answered_since(taken), 60, pause=0.05)
        after = {address: _member(network, vip, address) for address in _CLIENTS}
        resumed = [visitor.visit() for visitor in visitors]
        now = flows.members()
        gap = flows.longest_gap(cut - 0.1)
        cluster.heal(active)
    return _Taken(
        same=100 * sum(before[each] == after[each] for each in _CLIENTS) / len(_CLIENTS),
        resumed=100 * sum(resumed) / len(resumed),
        flows=100 * sum(now[each] == members[each] for each in members) / len(members),
        gap=gap,
    )


def _balancer(cluster: Cluster, vip: str, flavor: str) -> dict[str, Any]:
    """Create a pair with listeners for TCP with persistence, TLS and UDP, and wait until it serves."""
    api = cluster.api()
    web = [node.wire for node in cluster.plan.nodes() if node.kind == "member"]

    def listener(protocol: str, port: int, inner: str, to: int, **more: Any) -> dict[str, Any]:
        members = [{"address": address, "protocol_port": to} for address in web]
        pool = {
            "name": f"{protocol}-{port}",
            "protocol": inner,
            "lb_algorithm": "ROUND_ROBIN",
            "members": members,
            **more.pop("pool", {}),
        }
        return {"protocol": protocol, "protocol_port": port, "default_pool": pool, **more}

    reference = certificate(api)
    listeners = [
        listener("TCP", LINES, "TCP", LINES, pool={"session_persistence": {"type": "SOURCE_IP"}}),
        listener("TERMINATED_HTTPS", 443, "HTTP", 80, default_tls_container_ref=reference),
        listener("UDP", LINES, "UDP", LINES),
    ]
    form = {"name": "kept", "vip_subnet_id": cluster.subnet_id(), "vip_address": vip, "flavor_id": flavor}
    made = api.make(f"{LBAAS}/loadbalancers", "loadbalancer", **form, listeners=listeners)
    path = f"{LBAAS}/loadbalancers/{made['id']}"
    until(lambda: api.get(path)["loadbalancer"]["provisioning_status"] == "ACTIVE", 120, pause=0.2)
    until(lambda: len(cluster.holders(vip)) == 1, 60, pause=0.1)
    return made


def _member(network: str, vip: str, source: str) -> str:
    """Return the member that a client reaches over TCP. Raises OSError."""
    return ask_tcp(network, vip, LINES, _PATIENCE, source)


class _Visitor:
    """A TLS client with a session."""

    def __init__(self, network: str, vip: str, source: str) -> None:
        self._network, self._vip, self._source = network, vip, source
        self._how = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._how.check_hostname = False
        self._how.verify_mode = ssl.CERT_NONE
        # Its tickets come with the handshake.
        self._how.maximum_version = ssl.TLSVersion.TLSv1_2
        self._session: ssl.SSLSession | None = None

    def visit(self) -> bool:
        """Connect; say whether the session of the connection before was resumed."""
        plain = connected(self._network, (self._vip, 443), _PATIENCE, self._source)
        with plain, self._how.wrap_socket(plain, session=self._session) as wrapped:
            self._session = wrapped.session
            return bool(wrapped.session_reused)


class _Flows:
    """Datagram flows that ask at a rate while the block runs."""

    def __init__(self, network: str, vip: str) -> None:
        with inside(network):
            self._sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(_FLOWS)]
        for each in self._sockets:
            each.setblocking(False)
            each.connect((vip, LINES))
        # By flow: when each answer came (monotonic seconds), and the member that sent it.
        self._answers: list[list[tuple[float, str]]] = [[] for _ in self._sockets]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "_Flows":
        self._thread.start()
        until(lambda: all(self._answers), 60, pause=0.05)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        for each in self._sockets:
            each.close()

    def members(self) -> dict[int, str]:
        """Return the member that answered each flow last."""
        return {flow: answers[-1][1] for flow, answers in enumerate(self._answers)}

    def answered_since(self, moment: float) -> bool:
        """Say whether every flow has had an answer since a moment."""
        return all(answers[-1][0] > moment for answers in self._answers)

    def longest_gap(self, since: float) -> float:
        """Return the longest time that a flow was without an answer since a moment (s)."""
        times = [[when for when, _ in answers if when >= since] for answers in self._answers]
        return max(later - earlier for each in times for earlier, later in pairwise(each))

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            for flow, each in enumerate(self._sockets):
                selector.register(each, selectors.EVENT_READ, flow)
            due = time.monotonic()
            while not self._over.is_set():
                if time.monotonic() >= due:
                    due += _EVERY
                    for each in self._sockets:
                        _send(each)
                for key, _ in selector.select(max(0.0, due - time.monotonic())):
                    self._take(key.data)

    def _take(self, flow: int) -> None:
        try:
            content = self._sockets[flow].recv(100)
        except OSError:
            # An ICMP error of a moment without a member.
            return
        self._answers[flow].append((time.monotonic(), content.decode().split()[0]))


def _send(client: socket.socket) -> None:
    try:
        client.send(b"?")
    except OSError:
        # The VIP was on no host for a moment; the client asks again.
        return
