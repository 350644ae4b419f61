"""One host with a thousand load balancers: what it costs when idle, a restart of the agent, a reboot."""

import http.client
import os
import shutil
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from rich.progress import track

from byhand import ByHand
from figures import Aim, Figure, figure
from hydria.adapters.linux.lookout import WHOLE
from hydria.adapters.linux.netns import inside, remove_namespace
from hydria.agent.turns import AT_ONCE
from memory import processor_shares, proxies, role_pids
from stand import PREFIX, Stand, until

PART = "many"
# Requests to the load balancer that is busy before the reboot.
_REQUESTS = 2000
# How long it takes at most until the agent has seen them, and has written them down (seconds).
_NOTED = 60


def measure(stand: Stand, *, quick: bool) -> Iterator[Figure]:
    """Create the load balancers, and measure one event after the other."""
    count = 20 if quick else 1000
    begun = time.monotonic()
    made = [stand.whole_load_balancer(f"many-{number}") for number in track(range(count), "making", transient=True)]
    stand.settle(count, seconds=600)
    yield figure(PART, f"{count} load balancers: from the first call until all are ACTIVE", "s", [_since(begun)])
    yield from _idle(stand, count, seconds=5 if quick else 60)
    yield _agent_killed(stand, count)
    yield from _rebooted(stand, [each["vip_address"] for each in made])
    for each in made:
        stand.delete(each["id"], wait=False)
    until(lambda: stand.count() == 0, 600, pause=0.2)


def _since(begun: float) -> float:
    return time.monotonic() - begun


def _idle(stand: Stand, count: int, seconds: float) -> Iterator[Figure]:
    # From then on the agent checks some completely all the time.
    time.sleep(WHOLE * seconds / 60)
    roles = role_pids(stand)
    share = processor_shares([*roles.values(), *proxies(stand)], seconds)
    name = f"idle processor time of the whole host, {count} load balancers"
    yield figure(PART, name, "% of a core", [sum(share.values())], aims=[Aim(most=3)])
    for role, pid in roles.items():
        yield figure(PART, f"  of it the {role}", "% of a core", [share[pid]])


def _agent_killed(stand: Stand, count: int) -> Figure:
    """Kill the agent, create a load balancer, and measure until it is ACTIVE. The supervisor starts the agent again."""
    os.kill(role_pids(stand)["agent"], signal.SIGKILL)
    killed = time.monotonic()
    new = stand.whole_load_balancer("new")
    stand.settle(count + 1, seconds=120)
    value = _since(killed)
    stand.delete(new["id"])
    name = f"agent killed on a host with {count}: until a new load balancer is ACTIVE"
    return figure(PART, name, "s", [value], aims=[Aim(most=2)])


def _rebooted(stand: Stand, vips: list[str]) -> Iterator[Figure]:
    """Reboot the host, and measure until the busiest load balancer answers, and until all do."""
    busiest = vips[len(vips) // 2]
    for _ in range(_REQUESTS):
        _answers(stand, busiest)
    time.sleep(_NOTED)
    floor = _by_hand(stand, busiest, len(vips))
    begun = time.monotonic()
    with stand.starting_again():
        until(lambda: _answers(stand, busiest), 120)
        answered = _since(begun)
    yield figure(PART, "reboot: until the busiest load balancer answers", "s", [answered], aims=[Aim(most=3)])
    # The kernel broadcasts an ARP request for each one that is not back to all others, which would cost more than
    # bringing them back.
    until(lambda: len(proxies(stand)) >= len(vips), 300, pause=0.5)
    waiting = set(vips)
    with ThreadPoolExecutor(4) as pool:
        while waiting:
            tried = list(waiting)[:200]
            waiting -= {vip for vip, well in zip(tried, pool.map(partial(_answers, stand), tried), strict=True) if well}
            if _since(begun) > 300:
                raise TimeoutError(f"{len(waiting)} load balancers do not answer")
    name = f"reboot: until all {len(vips)} answer; floor: made by a shell script"
    yield figure(PART, name, "s", [_since(begun)], floor=[floor], aims=[Aim(most=20)])


def _by_hand(stand: Stand, vip: str, count: int) -> float:
    """Power the host off, and measure how long a shell script takes to make as many proxies, as many at a time."""
    configuration = stand.configuration(vip)
    made = [ByHand(stand, vip, configuration, name=f"floor{number}-") for number in range(count)]
    _power_off(stand)
    stand.plug()
    running = [each.running() for each in made]
    begun = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda each: each.__enter__(), running))
        taken = _since(begun)
        list(pool.map(lambda each: each.__exit__(None, None, None), running))
    _remove_namespaces(stand)
    return taken


def _power_off(stand: Stand) -> None:
    """End all programs, and remove what a reboot removes: namespaces and the run directory."""
    roles = role_pids(stand)
    for pid in (*(roles[role] for role in ("supervisor", "server", "agent")), *proxies(stand)):
        os.kill(pid, signal.SIGKILL)
    until(lambda: not role_pids(stand) and not proxies(stand), 60, pause=0.1)
    _remove_namespaces(stand)
    for path in (stand.directory / "run").iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _remove_namespaces(stand: Stand) -> None:
    for path in Path("/run/netns").glob(f"{PREFIX}-*"):
        if path.name not in (stand.client, stand.members):
            remove_namespace(path.name)


def _answers(stand: Stand, vip: str) -> bool:
    with inside(stand.client):
        connection = http.client.HTTPConnection(vip, 80, timeout=0.3)
        try:
            connection.request("GET", "/", headers={"Connection": "close"})
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
