"""From the POST of a member to its first request under load, and from the PUT of a batch until all are served."""

import time
from collections.abc import Iterator

from figures import Aim, Figure, figure
from probe import Load, first_answer
from stand import LB, MEMBER_PORTS, MEMBERS, Stand, until

PART = "member"


def measure(stand: Stand, *, quick: bool) -> Iterator[Figure]:
    """Add and remove one member repeatedly."""
    balancer = stand.whole_load_balancer("member")
    first_answer(stand.client, balancer["vip_address"])
    stand.settle(1)
    path = f"{LB}/pools/{balancer['pools'][0]['id']}/members"
    # Different members: a server that HAProxy still drains would be back sooner.
    fresh = [MEMBER_PORTS[2 + number % (len(MEMBER_PORTS) - 2)] for number in range(5 if quick else 50)]
    with Load(stand.client, balancer["vip_address"]) as load:
        samples = [_add(stand, load, path, port) for port in fresh]
    stand.delete(balancer["id"])
    note = "One client on one connection, a request each millisecond; two other members."
    yield figure(PART, "POST of a member to its first request", "ms", samples, aims=[Aim(most=50)], note=note)


def measure_batch(stand: Stand, *, quick: bool) -> Iterator[Figure]:
    """Add 160 members to a pool of two and remove them again, repeatedly."""
    balancer = stand.whole_load_balancer("batch")
    stand.settle(1)
    one = f"{LB}/loadbalancers/{balancer['id']}"
    path = f"{LB}/pools/{balancer['pools'][0]['id']}/members"
    # Any address on the subnet and any port will do: they get no requests.
    few, many = _members(stand, 2), _members(stand, 160)
    answered, served = [], []
    for _ in range(3 if quick else 20):
        begun = time.perf_counter()
        stand.rest.call("PUT", path, many)
        answered.append(1000 * (time.perf_counter() - begun))
        until(lambda: _served(stand, one), 30, pause=0.001)
        served.append(1000 * (time.perf_counter() - begun))
        stand.rest.call("PUT", path, few)
        until(lambda: _served(stand, one), 30)
    stand.delete(balancer["id"])
    yield figure(PART, "PUT of 160 members to its answer", "ms", answered)
    note = "Until the host has reported that it serves them, as `provisioning_status` shows."
    yield figure(PART, "PUT of 160 members to all served", "ms", served, aims=[Aim(most=100)], note=note)


def _members(stand: Stand, count: int) -> dict[str, list[dict[str, object]]]:
    ports = range(MEMBER_PORTS[0], MEMBER_PORTS[0] + count)
    return {"members": [{"address": MEMBERS, "protocol_port": port, "subnet_id": stand.subnet_id} for port in ports]}


def _served(stand: Stand, path: str) -> bool:
    return bool(stand.rest.call("GET", path)["loadbalancer"]["provisioning_status"] == "ACTIVE")


def _add(stand: Stand, load: Load, path: str, port: int) -> float:
    text = str(port)
    load.forget(text)
    form = {"address": MEMBERS, "protocol_port": port, "subnet_id": stand.subnet_id}
    begun = time.perf_counter()
    made = stand.rest.call("POST", path, {"member": form})
    until(lambda: load.seen(text) is not None, 10, pause=0.01)
    seen = load.seen(text)
    assert seen is not None  # noqa: S101 - the wait before ensures it
    stand.settle(1)
    stand.rest.call("DELETE", f"{path}/{made['member']['id']}")
    until(lambda: load.quiet(text, 0.05), 10)
    stand.settle(1)
    return 1000 * (seen - begun)
