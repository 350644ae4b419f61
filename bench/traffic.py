"""Traffic through the VIP, in turn with a HAProxy that somebody tuned by hand for just this."""

from collections.abc import Callable, Iterator
from typing import TypeVar

from byhand import ByHand, tuned
from figures import Aim, Figure, figure
from h2load import Latency, latency
from probe import first_answer
from stand import MEMBER_PORTS, MEMBERS, Stand
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
    by_hand = ByHand(stand, vip, configuration, tuned(vip, configuration, MEMBERS, MEMBER_PORTS[:2]))
    with by_hand.running() as other:
        first_answer(stand.client, other.address)
        _rate(stand, vip, 1)
        rounds = 2 if quick else 12
        yield _rates("requests", rounds, lambda address: _rate(stand, address), (vip, other.address))
        yield _rates("new connections", rounds, lambda address: _connects(stand, address), (vip, other.address))
        yield from _latencies(stand, rounds, (vip, other.address))
    stand.delete(balancer["id"])


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


def _connects(stand: Stand, address: str) -> float:
    close = ("-H", "Connection: close")
    return wrk(f"http://{address}/", seconds=3, connections=_CONNECTIONS, arguments=close, namespace=stand.client).rate
