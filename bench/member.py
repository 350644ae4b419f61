"""From the POST of a member to its first request, while a client asks a thousand times a second."""

import time
from collections.abc import Iterator

from figures import Aim, Figure, figure
from probe import Load, first_answer
from stand import LB, MEMBER_PORTS, MEMBERS, Stand, until

PART = "member"


def measure(stand: Stand, *, quick: bool) -> Iterator[Figure]:
    """Add and remove one member again and again."""
    balancer = stand.whole_load_balancer("member")
    first_answer(stand.client, balancer["vip_address"])
    stand.settle(1)
    path = f"{LB}/pools/{balancer['pools'][0]['id']}/members"
    # Not always the same one: a server that is still leaving would come back quicker.
    fresh = [MEMBER_PORTS[2 + number % (len(MEMBER_PORTS) - 2)] for number in range(5 if quick else 50)]
    with Load(stand.client, balancer["vip_address"]) as load:
        samples = [_add(stand, load, path, port) for port in fresh]
    stand.delete(balancer["id"])
    note = "One client on one kept connection, a request each millisecond; two other members."
    yield figure(PART, "POST of a member to its first request", "ms", samples, aims=[Aim(most=50)], note=note)


def _add(stand: Stand, load: Load, path: str, port: int) -> float:
    text = str(port)
    load.forget(text)
    form = {"address": MEMBERS, "protocol_port": port, "subnet_id": stand.subnet_id}
    begun = time.perf_counter()
    made = stand.rest.call("POST", path, {"member": form})
    until(lambda: load.seen(text) is not None, 10, pause=0.01)
    seen = load.seen(text)
    assert seen is not None  # noqa: S101 - it was waited for
    stand.settle(1)
    stand.rest.call("DELETE", f"{path}/{made['member']['id']}")
    until(lambda: load.quiet(text, 0.05), 10)
    stand.settle(1)
    return 1000 * (seen - begun)
