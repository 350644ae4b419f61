"""The server with many hosts: fifty agents with hosts in memory and ten thousand load balancers, on PostgreSQL."""

import asyncio
import contextlib
import multiprocessing
import subprocess
import time
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import uvloop
from rich.progress import track

from figures import Aim, Figure, figure, quantile
from hydria.adapters.memory import MemoryHost
from hydria.agent import Agent, Identity
from hydria.agent.link import Link
from hydria.contract import Facts
from memory import processor_shares, pss
from stand import LB, PORT, Stand, until
from tests.support.postgres import serving

PART = "fleet"
_PHYSICAL = "physnet1"
# The network of the load balancers has room for their VIPs and the base ports of their amphorae.
_CIDR, _POOL = "10.64.0.0/10", {"start": "10.64.1.0", "end": "10.127.255.0"}
# How many load balancers are created to be measured.
_MEASURED = 200


def measure(directory: Path, *, quick: bool) -> Iterator[Figure]:
    """Create load balancers with one host, then with all and very many load balancers beside."""
    hosts, count, measured = (3, 60, 20) if quick else (50, 10_000, _MEASURED)
    with serving() as postgres:
        stand = Stand(directory, database=postgres.empty())
        with stand.server() as server:
            network = _network(stand)
            with _agents(stand, 1):
                alone = [_create(stand, network) for _ in range(measured)]
            with _agents(stand, hosts):
                for _ in track(range(count - 2 * measured), "making", transient=True):
                    _create(stand, network, wait=False)
                until(lambda: stand.count("provisioning_status=PENDING_CREATE&") == 0, 600, pause=1)
                many = [_create(stand, network) for _ in range(measured)]
                yield from _created(alone, many, hosts, count)
                yield from _server(server, stand, hosts, count)
                yield from _idle(server.pid, postgres.pids(), hosts, 5 if quick else 60)


def _created(
    alone: list[tuple[float, float]], many: list[tuple[float, float]], hosts: int, count: int
) -> Iterator[Figure]:
    for place, what in enumerate(("answered", "ACTIVE")):
        before, after = ([each[place] for each in times] for times in (alone, many))
        name = f"create until {what}, {hosts} hosts and {count} load balancers"
        note = "The floor is the same with one host and no load balancers."
        yield figure(PART, name, "ms", after, floor=before, aims=[Aim(most=2, ratio=True)], note=note)
        p99 = [[quantile(sorted(times), 0.99)] for times in (before, after)]
        yield figure(PART, f"{name}, p99", "ms", p99[1], floor=p99[0])


def _server(server: subprocess.Popen[bytes], stand: Stand, hosts: int, count: int) -> Iterator[Figure]:
    path = f"{LB}/loadbalancers?limit=100"
    lists = []
    for _ in range(50):
        begun = time.perf_counter()
        stand.rest.call("GET", path)
        lists.append(1000 * (time.perf_counter() - begun))
    yield figure(PART, f"list of 100 of {count}", "ms", lists)
    yield figure(PART, f"memory of the server (PSS), {count} load balancers", "MB", [pss(server.pid)])


def _idle(server: int, database: list[int], hosts: int, seconds: float) -> Iterator[Figure]:
    time.sleep(seconds / 2)
    share = processor_shares([server, *database], seconds)
    for name, pids in (("the server", [server]), ("PostgreSQL", database)):
        value = sum(share[pid] for pid in pids)
        yield figure(PART, f"idle processor time of {name}, {hosts} hosts", "% of a core", [value])


def _network(stand: Stand) -> str:
    """Make a network that all hosts are connected to; return the id of its subnet."""
    net = "/network/v2.0"
    form = {"name": "fleet", "provider:network_type": "flat", "provider:physical_network": _PHYSICAL, "shared": True}
    network = stand.rest.call("POST", f"{net}/networks", {"network": form})["network"]["id"]
    subnet = {"network_id": network, "ip_version": 4, "cidr": _CIDR, "gateway_ip": None, "allocation_pools": [_POOL]}
    return str(stand.rest.call("POST", f"{net}/subnets", {"subnet": subnet})["subnet"]["id"])


def _create(stand: Stand, subnet: str, *, wait: bool = True) -> tuple[float, float]:
    """Create a load balancer; return the times until the answer and until it is ACTIVE (ms)."""
    pool = {"name": "pool", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
    pool["members"] = [{"address": f"10.64.0.{number}", "protocol_port": 80} for number in (11, 12)]  # type: ignore[assignment]
    listener = {"protocol": "HTTP", "protocol_port": 80, "default_pool": pool}
    form = {"name": "fleet", "vip_subnet_id": subnet, "listeners": [listener]}
    begun = time.perf_counter()
    key = stand.rest.call("POST", f"{LB}/loadbalancers", {"loadbalancer": form})["loadbalancer"]["id"]
    answered = 1000 * (time.perf_counter() - begun)
    path = f"{LB}/loadbalancers/{key}"
    if wait:
        until(lambda: stand.rest.call("GET", path)["loadbalancer"]["provisioning_status"] == "ACTIVE", 60)
    return answered, 1000 * (time.perf_counter() - begun)


@contextlib.contextmanager
def _agents(stand: Stand, count: int) -> Iterator[None]:
    """Run agents whose hosts are in memory, in a process of their own. The first ones are the same each time."""
    secret = stand.directory / "state" / "agent.secret"
    process = multiprocessing.get_context("spawn").Process(target=_work, args=(count, PORT, secret), daemon=True)
    process.start()
    try:
        path = "/load-balancer/v2.0/octavia/hosts"
        until(lambda: len(stand.rest.call("GET", path)["hosts"]) >= count, 120, pause=0.2)
        yield
    finally:
        process.kill()
        process.join()


def _work(count: int, port: int, secret: Path) -> None:
    uvloop.run(_serve(count, port, secret))


async def _serve(count: int, port: int, secret: Path) -> None:
    facts = partial(Facts, version="bench", physical_networks=(_PHYSICAL,))
    async with contextlib.AsyncExitStack() as stack:
        running = []
        for number in range(count):
            client = await stack.enter_async_context(httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}"))
            identity = Identity(id=str(uuid.UUID(int=number + 1)), name=f"memory-{number}")
            agent = Agent(identity, MemoryHost(), Link(client, secret), facts)
            running.append(agent.run(asyncio.Event()))
        await asyncio.gather(*running)
