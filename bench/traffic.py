"""Requests a second through the VIP, in turn with a HAProxy by hand that has the same configuration."""

from collections.abc import Iterator

from byhand import ByHand
from figures import Aim, Figure, figure
from probe import first_answer
from stand import Stand
from wrk import wrk

PART = "traffic"
_CONNECTIONS = 32


def measure(stand: Stand, *, quick: bool) -> Iterator[Figure]:
    """Load both in short rounds, which of them first by turns."""
    balancer = stand.whole_load_balancer("traffic")
    vip = balancer["vip_address"]
    first_answer(stand.client, vip)
    stand.settle(1)
    ours, theirs = [], []
    by_hand = ByHand(stand, vip, stand.configuration(vip))
    with by_hand.running() as other:
        first_answer(stand.client, other.address)
        _rate(stand, vip, 1)
        for number in range(2 if quick else 12):
            if number % 2:
                ours.append(_rate(stand, vip))
                theirs.append(_rate(stand, other.address))
            else:
                theirs.append(_rate(stand, other.address))
                ours.append(_rate(stand, vip))
    stand.delete(balancer["id"])
    yield figure(
        PART,
        "requests through the VIP",
        "per second",
        ours,
        floor=theirs,
        aims=[Aim(least=0.95, ratio=True)],
        note=f"wrk with {_CONNECTIONS} connections in the client's namespace; wrk and members share the processors.",
    )


def _rate(stand: Stand, address: str, seconds: float = 3) -> float:
    return wrk(f"http://{address}/", seconds=seconds, connections=_CONNECTIONS, namespace=stand.client).rate
