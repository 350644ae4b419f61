"""Traffic through the VIP, in turn with a HAProxy that is hand-tuned for it."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Struct

import h2load
from ahead import ahead, processor_time, put_ahead
from byhand import ByHand, tuned
from figures import Aim, Figure, figure
from probe import first_answer
from stand import LB, MEMBER_PORTS, MEMBERS, Stand
from tests.support.certificates import leaf

PART = "traffic"
_CONNECTIONS = 32
# Requests a second, well below the capacity of one processor.
_RATE = 2000
# Clients and members never wait for a processor, so that the proxy is always busy.
_PROXIES, _OTHERS = 0, 1


class Proxy(Struct, frozen=True):
    """A measured proxy: its address and its process."""

    address: str
    pid: int


class Kind(Struct, frozen=True):
    """A kind of request: the number in one round, and h2load's arguments."""

    name: str
    requests: int
    scheme: str = "http"
    arguments: Sequence[str] = ()


_CLOSE = ("--header=Connection: close",)
_REQUESTS = Kind("requests", 5000)
_KINDS = (
    _REQUESTS,
    Kind("new connections", 1200, arguments=_CLOSE),
    Kind("TLS handshakes", 250, "https", _CLOSE),
)
# Octavia's monitor, which defines the errors of a member.
_MONITOR = {"type": "HTTP", "delay": 5, "timeout": 1, "max_retries": 2}


def measure(stand: Stand, *, quick: bool) -> Iterator[Figure]:
    """Load both in short rounds, with alternating order."""
    balancer = stand.whole_load_balancer("traffic")
    vip = balancer["vip_address"]
    first_answer(stand.client, vip)
    stand.settle(1)
    configuration = stand.configuration(vip)
    bundle = leaf("bench.test")
    _below(stand, "listeners", "listener", _terminating(balancer, stand.secret(bundle)))
    certificate = stand.directory / "bench.pem"
    certificate.write_text(bundle.bundle)
    servers = [f"{MEMBERS}:{port}" for port in MEMBER_PORTS[:2]]
    by_hand = ByHand(stand, vip, configuration, tuned(vip, configuration, servers, certificate))
    rounds = 3 if quick else 60
    put_ahead(stand.member_pid, _OTHERS)
    with by_hand.running() as made:
        first_answer(stand.client, made.address)
        both = (_amphora(stand, vip), Proxy(made.address, made.pid))
        put_ahead(made.pid, _PROXIES)
        for kind in _KINDS:
            yield from _rates(stand, kind, rounds, both)
        yield from _latencies(stand, 2 if quick else 30, both)
        _below(stand, "healthmonitors", "healthmonitor", {**_MONITOR, "pool_id": balancer["pools"][0]["id"]})
        both = (_amphora(stand, vip), both[1])
        yield from _rates(stand, _REQUESTS, rounds, both, "with a HTTP monitor, so that GETs may be asked again: ")
    yield from _samples(stand, vip, configuration, rounds)
    stand.delete(balancer["id"])


# What ties a configuration to its amphora, and is not there when it is run by hand.
_OWN = ("chroot ", "uid ", "gid ", "log-tag ", "server-state-file ", "load-server-state-from-file ")


def _samples(stand: Stand, vip: str, configuration: Path, rounds: int) -> Iterator[Figure]:
    """Measure what it costs that some successful requests are logged, beside the same configuration without that."""
    silent = "http-response set-log-level silent if { status 200:399 } !{ date,sub(proc.watched) lt 0 }"
    lines = [line for line in configuration.read_text().splitlines() if not line.strip().startswith(_OWN)]
    others = [silent if " set-log-level silent " in line else line for line in lines]
    without = [line for line in others if "proc.sampled" not in line]
    ours = ByHand(stand, vip, configuration, "\n".join(lines) + "\n", "sampled")
    theirs = ByHand(stand, vip, configuration, "\n".join(without) + "\n", "unsampled")
    with ours.running() as one, theirs.running() as other:
        both = (Proxy(one.address, one.pid), Proxy(other.address, other.pid))
        for proxy in both:
            first_answer(stand.client, proxy.address)
            put_ahead(proxy.pid, _PROXIES)
        yield from _rates(stand, _REQUESTS, rounds, both, "some successful ones logged: ")


def _below(stand: Stand, collection: str, kind: str, form: dict[str, Any]) -> None:
    """Create a resource of the load balancer, and wait until it is served."""
    stand.rest.call("POST", f"{LB}/{collection}", {kind: form})
    stand.settle(1)


def _terminating(balancer: dict[str, Any], secret: str) -> dict[str, Any]:
    return {
        "loadbalancer_id": balancer["id"],
        "protocol": "TERMINATED_HTTPS",
        "protocol_port": 443,
        "default_pool_id": balancer["pools"][0]["id"],
        "default_tls_container_ref": secret,
    }


def _amphora(stand: Stand, vip: str) -> Proxy:
    """Return the amphora's current process (a reload replaces it), with its rank set."""
    pid = int(stand.configuration(vip).with_name("haproxy.pid").read_text())
    put_ahead(pid, _PROXIES)
    return Proxy(vip, pid)


class _Round(Struct, frozen=True):
    """The result of a round: answers a second, the proxy's processor time for each (µs)."""

    rate: float
    cost: float


def _rates(stand: Stand, kind: Kind, rounds: int, both: tuple[Proxy, Proxy], prefix: str = "") -> Iterator[Figure]:
    def one(proxy: Proxy) -> _Round:
        before = processor_time(proxy.pid)
        url = f"{kind.scheme}://{proxy.address}/"
        with ahead(_OTHERS):
            rate = h2load.rate(url, kind.requests, _CONNECTIONS, kind.arguments, namespace=stand.client)
        return _Round(rate, 1e6 * (processor_time(proxy.pid) - before) / kind.requests)

    _in_turn(1, one, both)
    ours, theirs = _in_turn(rounds, one, both)
    # The aim applies where both do the same work.
    aims = [] if prefix else [Aim(least=0.95, ratio=True)]
    costs = [] if prefix else [Aim(most=1 / 0.95, ratio=True)]
    note = f"h2load with {_CONNECTIONS} connections; proxy, clients and members on one processor, before all else."
    yield figure(
        PART,
        f"{prefix}{kind.name} through the VIP",
        "per second",
        [each.rate for each in ours],
        floor=[each.rate for each in theirs],
        aims=aims,
        note=note,
    )
    yield figure(
        PART,
        f"{prefix}HAProxy's processor time, {kind.name}",
        "µs for each",
        [each.cost for each in ours],
        floor=[each.cost for each in theirs],
        aims=costs,
        note=note,
    )


def _latencies(stand: Stand, rounds: int, both: tuple[Proxy, Proxy]) -> Iterator[Figure]:
    def one(proxy: Proxy) -> h2load.Latency:
        log = stand.directory / "h2load.log"
        with ahead(_OTHERS):
            return h2load.latency(f"http://{proxy.address}/", rate=_RATE, seconds=1, log=log, namespace=stand.client)

    ours, theirs = _in_turn(rounds, one, both)
    for name, of in _SHARES.items():
        yield figure(
            PART,
            f"latency at {_RATE} requests a second, {name}",
            "ms",
            [of(each) for each in ours],
            floor=[of(each) for each in theirs],
            # Higher percentiles are mostly the machine's noise.
            aims=[Aim(most=1 / 0.95, ratio=True)] if name != "p99.9" else [],
            note="h2load over HTTP/1.1, 4 connections.",
        )


T = TypeVar("T")

_SHARES: dict[str, Callable[[h2load.Latency], float]] = {
    "p50": lambda each: each.p50,
    "p99": lambda each: each.p99,
    "p99.9": lambda each: each.p999,
}


def _in_turn(rounds: int, measured: Callable[[Proxy], T], both: tuple[Proxy, Proxy]) -> tuple[list[T], list[T]]:
    """Measure both in `rounds` rounds, with alternating order."""
    ours: list[T] = []
    theirs: list[T] = []
    for number in range(rounds):
        for turn in (0, 1) if number % 2 else (1, 0):
            (theirs if turn else ours).append(measured(both[turn]))
    return ours, theirs
