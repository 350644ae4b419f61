"""Traffic through the VIP, in turn with a HAProxy that somebody tuned by hand for just this."""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from byhand import ByHand, tuned
from figures import Aim, Figure, figure
from h2load import Latency, latency
from probe import first_answer
from stand import LB, MEMBER_PORTS, MEMBERS, Stand
from support.certificates import leaf
from wrk import wrk

PART = "traffic"
_CONNECTIONS = 32
# Requests a second, well below what one processor does.
_RATE = 2000


def measure(stand: Stand, *, quick: bool) -> Iterator[Figure]:
    """Load both in short rounds, which of them first by turns."""
    balancer = stand.whole_load_balancer("traffic")
    vip = balancer["vip_address"]
    first_answer(stand.client, vip)
    stand.settle(1)
    configuration = stand.configuration(vip)
    bundle = leaf("bench.test")
    _terminate(stand, balancer, stand.secret(bundle))
    certificate = stand.directory / "bench.pem"
    certificate.write_text(bundle.bundle)
    servers = [f"{MEMBERS}:{port}" for port in MEMBER_PORTS[:2]]
    by_hand = ByHand(stand, vip, configuration, tuned(vip, configuration, servers, certificate))
    with by_hand.running() as other:
        first_answer(stand.client, other.address)
        _rate(stand, vip, 1)
        rounds = 2 if quick else 12
        both = (vip, other.address)
        yield _rates("requests", rounds, lambda address: _rate(stand, address), both)
        yield _rates("new connections", rounds, lambda address: _connects(stand, f"http://{address}/"), both)
        yield _rates("TLS handshakes", rounds, lambda address: _connects(stand, f"https://{address}/"), both)
        yield from _latencies(stand, rounds, both)
    stand.delete(balancer["id"])


def _terminate(stand: Stand, balancer: dict[str, Any], secret: str) -> None:
    """Give the load balancer a second listener, which ends TLS, and wait until it serves."""
    listener = {
        "loadbalancer_id": balancer["id"],
        "protocol": "TERMINATED_HTTPS",
        "protocol_port": 443,
        "default_pool_id": balancer["pools"][0]["id"],
        "default_tls_container_ref": secret,
    }
    stand.rest.call("POST", f"{LB}/listeners", {"listener": listener})
    stand.settle(1)


def _rates(what: str, rounds: int, rate: Callable[[str], float], addresses: tuple[str, str]) -> Figure:
    ours, theirs = _in_turn(rounds, rate, addresses)
    return figure(
        PART,
        f"{what} through the VIP",
        "per second",
        ours,
        floor=theirs,
        aims=[Aim(least=0.95, ratio=True)],
        note=f"wrk with {_CONNECTIONS} connections in the client's namespace; wrk and members share the processors.",
    )


def _latencies(stand: Stand, rounds: int, addresses: tuple[str, str]) -> Iterator[Figure]:
    def one(address: str) -> Latency:
        log = stand.directory / "h2load.log"
        return latency(f"http://{address}/", rate=_RATE, seconds=3, log=log, namespace=stand.client)

    ours, theirs = _in_turn(rounds, one, addresses)
    for name, of in _SHARES.items():
        yield figure(
            PART,
            f"latency at {_RATE} requests a second, {name}",
            "ms",
            [of(each) for each in ours],
            floor=[of(each) for each in theirs],
            # The farther out, the more it is the machine's own noise.
            aims=[Aim(most=1 / 0.95, ratio=True)] if name != "p99.9" else [],
            note="h2load over HTTP/1.1, 4 connections.",
        )


T = TypeVar("T")

_SHARES: dict[str, Callable[[Latency], float]] = {
    "p50": lambda each: each.p50,
    "p99": lambda each: each.p99,
    "p99.9": lambda each: each.p999,
}


def _in_turn(rounds: int, measured: Callable[[str], T], addresses: tuple[str, str]) -> tuple[list[T], list[T]]:
    """Measure at both addresses so often, which of them first by turns."""
    ours: list[T] = []
    theirs: list[T] = []
    for number in range(rounds):
        for turn in (0, 1) if number % 2 else (1, 0):
            (theirs if turn else ours).append(measured(addresses[turn]))
    return ours, theirs


def _rate(stand: Stand, address: str, seconds: float = 3) -> float:
    return wrk(f"http://{address}/", seconds=seconds, connections=_CONNECTIONS, namespace=stand.client).rate


def _connects(stand: Stand, url: str) -> float:
    close = ("-H", "Connection: close")
    return wrk(url, seconds=3, connections=_CONNECTIONS, arguments=close, namespace=stand.client).rate
