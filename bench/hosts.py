"""Several hosts: takeover after a cut cable, planned moves under load, and what a pair costs beside a single."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from rich.progress import track

import kept
from bare_pair import ADDRESS, BarePair
from cluster.api import AMPHORAE, LBAAS, OCTAVIA
from cluster.balancers import pair_flavor
from cluster.cables import Fault
from cluster.machine import Cluster
from cluster.member import PORT as LINES
from cluster.plan import Plan
from cluster.probe import Probe, Sessions, Summary
from figures import Aim, Figure, figure, quantile
from memory import processor_shares, pss
from stand import until

PART = "hosts"
# The default of controller.advertisement_seconds.
_INTERVAL = 0.1
_VIP, _KEPT_VIP = "10.20.0.25", "10.20.0.26"
_RATE = 100.0
# A host that is silent for so long is given up: less than by default, to save the bench's time.
_AFTER_SECONDS = 10
# A takeover is measured by requests that must be answered before a SYN is sent again.
_PATIENCE = 0.9


def measure(directory: Path, *, quick: bool) -> Iterator[Figure]:
    """Make a cluster of three hosts and measure on it."""
    settings = {"HYDRIA_FAILOVER_AFTER_SECONDS": str(_AFTER_SECONDS)}
    cluster = Cluster(Plan(directory=directory / "cluster", hosts=3, servers=1, settings=settings))
    try:
        cluster.up()
        flavor = pair_flavor(cluster.api())
        yield from _takeovers(cluster, flavor, 3 if quick else 100)
        yield from kept.measure(cluster, _KEPT_VIP, flavor, 1 if quick else 10)
        yield from _planned(cluster, flavor, quick=quick)
        yield from _cost(cluster, flavor, quick=quick)
        yield from _lost_host(cluster, flavor, 4 if quick else 200)
    finally:
        cluster.down()


# --- a cut cable ---


def _takeovers(cluster: Cluster, flavor: str, count: int) -> Iterator[Figure]:
    balancer = cluster.http_load_balancer("pair", _VIP, flavor_id=flavor)
    _settle(cluster, balancer)
    bare = BarePair(cluster)
    bare.start(_INTERVAL)
    ours: list[tuple[float, float]] = []
    floor: list[tuple[float, float]] = []
    with _probe(cluster, _VIP) as probe, _probe(cluster, ADDRESS) as bare_probe:
        for _ in track(range(count), "cutting cables", transient=True):
            floor.append(_cut(cluster, bare.holders, bare_probe))
            ours.append(_cut(cluster, lambda: cluster.holders(_VIP), probe))
    cut, bare_cut = [each for each, _ in ours], [each for each, _ in floor]
    yield figure(
        PART,
        "takeover after a cut cable",
        "s",
        cut,
        floor=bare_cut,
        aims=[Aim(most=0.5), Aim(most=1.3, ratio=True)],
        note=f"{count} times, advertisements every {_INTERVAL} s; the floor is bare keepalived in front of nginx.",
    )
    p99 = [[quantile(sorted(each), 0.99)] for each in (cut, bare_cut)]
    yield figure(PART, "takeover after a cut cable, p99", "s", p99[0], floor=p99[1], aims=[Aim(most=1.0)])
    name = "no answers after the cable is plugged in again"
    yield figure(PART, name, "s", [each for _, each in ours], note=f"Bare keepalived: {[each for _, each in floor]}.")
    _delete(cluster, balancer)


def _probe(cluster: Cluster, address: str) -> Probe:
    return Probe(cluster.node("client").network, address, rate=_RATE, timeout=_PATIENCE)


def _cut(cluster: Cluster, holders: Callable[[], list[str]], probe: Probe) -> tuple[float, float]:
    """Cut the cable of the active host, wait for the takeover, heal.

    Return the times without an answer after the cut and after the cable was plugged in again (s).
    """
    until(lambda: len(holders()) == 1 and probe.steady(), 60, pause=0.05)
    (active,) = holders()
    cut = time.monotonic()
    cluster.cut(Fault(node=active, bridges=("wire",)))
    until(lambda: time.monotonic() > cut + 1 and probe.steady(), 60, pause=0.05)
    healed = time.monotonic()
    cluster.heal(active)
    until(lambda: time.monotonic() > healed + 1 and len(holders()) == 1 and probe.steady(), 60, pause=0.05)
    return probe.between(cut - 0.1, healed).gap, probe.between(healed, time.monotonic()).gap


# --- what a pair costs ---


def _cost(cluster: Cluster, flavor: str, *, quick: bool) -> Iterator[Figure]:
    """Compare idle pairs with idle singles: the memory of their processes, the processor time of all hosts."""
    count, seconds = (4, 3) if quick else (20, 20)
    idle = _busy(cluster, seconds)
    costs: dict[str, tuple[float, float]] = {}
    for name, attributes in (("single", {}), ("pair", {"flavor_id": flavor})):
        made = [
            cluster.http_load_balancer(f"{name}-{number}", f"10.20.0.{30 + number}", **attributes)
            for number in range(count)
        ]
        for each in made:
            _settle(cluster, each)
        # Work that their creation left must be finished.
        time.sleep(1 if quick else 5)
        memory = sum(pss(pid) for pid in _pids(cluster, "haproxy", "keepalived"))
        costs[name] = (memory / count, (_busy(cluster, seconds) - idle) / count)
        for each in made:
            _delete(cluster, each)
    for place, (what, unit) in enumerate((("memory (PSS)", "MB"), ("processor time", "% of a core"))):
        pair, single = costs["pair"][place], costs["single"][place]
        note = f"{count} of each, idle; the floor is a single. The processor time includes the agents'."
        aims = [Aim(most=2.2, ratio=True)] if single > 0 else []
        floor = [single] if single > 0 else []
        yield figure(PART, f"an idle pair: {what}", unit, [pair], floor=floor, aims=aims, note=note)


def _pids(cluster: Cluster, *names: str) -> list[int]:
    found = []
    for host in cluster.plan.named("host"):
        for process in cluster.node(host).processes(*names):
            found.append(process.pid)
            process.close()
    return found


def _busy(cluster: Cluster, seconds: float) -> float:
    """Return the processor time of the programs of all hosts (% of a core)."""
    return sum(processor_shares(_pids(cluster, "agent", "haproxy", "keepalived"), seconds).values())


# --- a lost host ---


def _lost_host(cluster: Cluster, flavor: str, count: int) -> Iterator[Figure]:
    """Cut the power of a host that has a third of many load balancers, and measure until all serve again."""
    kinds: dict[str, dict[str, Any]] = {"pair": {"flavor_id": flavor}, "single": {}}
    made: dict[str, list[dict[str, Any]]] = {
        kind: [
            cluster.http_load_balancer(f"{kind}-{n}", f"10.20.3.{start + n}", **attributes) for n in range(count // 2)
        ]
        for (kind, attributes), start in zip(kinds.items(), (1, 101), strict=True)
    }
    for each in [*made["pair"], *made["single"]]:
        _settle(cluster, each)
    # All probes together must leave the hosts, which are on this machine too, most of its time.
    network, rate = cluster.node("client").network, min(5.0, 400 / count)
    with ExitStack() as stack:
        probes = {
            kind: [
                stack.enter_context(Probe(network, each["vip_address"], rate=rate, timeout=_PATIENCE)) for each in own
            ]
            for kind, own in made.items()
        }
        time.sleep(2)
        lost = time.monotonic()
        cluster.power_off("h2")
        every = [probe for own in probes.values() for probe in own]
        until(lambda: time.monotonic() > lost + 2 and all(probe.steady() for probe in every), 120, pause=0.2)
        gaps = {kind: [probe.between(lost, time.monotonic()).gap for probe in own] for kind, own in probes.items()}
    cluster.power_on("h2")
    for kind, aim in (("pair", 1.0), ("single", _AFTER_SECONDS + 10.0)):
        hit = [gap for gap in gaps[kind] if gap > 0]
        note = f"{len(hit)} of {len(gaps[kind])} were on the host. failover.after_seconds is {_AFTER_SECONDS}."
        if hit:
            name = f"a host with {count} load balancers on 3 hosts lost: the last {kind} serves again after"
            yield figure(PART, name, "s", [max(hit)], aims=[Aim(most=aim)], note=note)
    for each in [*made["pair"], *made["single"]]:
        _delete(cluster, each)


# --- planned moves ---


def _planned(cluster: Cluster, flavor: str, *, quick: bool) -> Iterator[Figure]:
    kinds: dict[str, dict[str, Any]] = {"single": {}, "pair": {"flavor_id": flavor}}
    for name, attributes in kinds.items():
        balancer = _with_lines(cluster, name, attributes)
        fail_over = partial(cluster.api().call, "PUT", f"{LBAAS}/loadbalancers/{balancer['id']}/failover")
        try:
            seen, cut = _under_load(cluster, fail_over, balancer, quick=quick)
            yield from _losses(f"failover of a {name}", seen, cut)
            seen, cut = _under_load(cluster, partial(_drain, cluster), balancer, quick=quick)
            yield from _losses(f"drain of the host of a {name}", seen, cut)
        finally:
            for host in cluster.plan.named("host"):
                cluster.api().call("PUT", f"{OCTAVIA}/hosts/{host}/enable")
            _delete(cluster, balancer)


def _drain(cluster: Cluster) -> None:
    """Drain the active host."""
    (active,) = cluster.holders(_VIP)
    cluster.api().call("PUT", f"{OCTAVIA}/hosts/{active}/drain")


def _losses(what: str, seen: Summary, cut: int) -> Iterator[Figure]:
    note = f"{seen}."
    yield figure(PART, f"{what}: requests lost", f"of {seen.requests}", [seen.lost], aims=[Aim(most=0)], note=note)
    yield figure(PART, f"{what}: connections cut", "of 10", [cut], aims=[Aim(most=0)])


def _under_load(
    cluster: Cluster, move: Callable[[], object], balancer: dict[str, Any], *, quick: bool
) -> tuple[Summary, int]:
    """Move a load balancer under 500 requests a second and ten open connections; return what the client saw."""
    network, vip = cluster.node("client").network, balancer["vip_address"]
    before = cluster.holders(vip)
    with Probe(network, vip, rate=500, timeout=10) as probe:
        begun = time.monotonic()
        with Sessions(network, vip, LINES) as sessions:
            time.sleep(2)
            move()
            until(lambda: len(now := cluster.holders(vip)) == 1 and now != before, 120, pause=0.1)
            time.sleep(3 if quick else 15)
        # The old amphora goes when the connections have ended.
        _settle(cluster, balancer)
        time.sleep(max(1.0, (4 if quick else 22) - (time.monotonic() - begun)))
    return probe.between(begun, time.monotonic()), len(sessions.cut)


def _with_lines(cluster: Cluster, name: str, attributes: dict[str, Any]) -> dict[str, Any]:
    """Create a load balancer with a second listener, for connections that stay open."""
    balancer = cluster.http_load_balancer(name, _VIP, **attributes)
    api = cluster.api()
    members = [{"address": node.wire, "protocol_port": LINES} for node in cluster.plan.nodes() if node.kind == "member"]
    pool = {"protocol": "TCP", "lb_algorithm": "ROUND_ROBIN", "members": members}
    listener = {"protocol": "TCP", "protocol_port": LINES, "default_pool": pool}
    api.make(f"{LBAAS}/listeners", "listener", loadbalancer_id=balancer["id"], **listener)
    _settle(cluster, balancer)
    return balancer


def _delete(cluster: Cluster, balancer: dict[str, Any]) -> None:
    """Delete a load balancer, and wait until its VIP is free."""
    api, name = cluster.api(), balancer["name"]
    api.call("DELETE", f"{LBAAS}/loadbalancers/{balancer['id']}?cascade=true")
    until(lambda: not api.get(f"{LBAAS}/loadbalancers?name={name}")["loadbalancers"], 120, pause=0.1)


def _settle(cluster: Cluster, balancer: dict[str, Any]) -> None:
    """Wait until a load balancer is ACTIVE, all its amphorae are ALLOCATED, and the client gets answers."""
    api = cluster.api()
    amphorae = f"{AMPHORAE}?loadbalancer_id={balancer['id']}"

    def settled() -> bool:
        status = api.get(f"{LBAAS}/loadbalancers/{balancer['id']}")["loadbalancer"]["provisioning_status"]
        found = api.get(amphorae)["amphorae"]
        return status == "ACTIVE" and bool(found) and all(each["status"] == "ALLOCATED" for each in found)

    until(settled, 120, pause=0.2)
    with _probe(cluster, balancer["vip_address"]) as probe:
        if not probe.wait_for_answer(0, 30):
            raise RuntimeError(f"{balancer['vip_address']} does not answer")
