"""The faults of a fault run: each breaks something of a cluster and knows how it is repaired."""

import random
import signal
from collections.abc import Callable

from msgspec import Struct

from cluster.api import OCTAVIA
from cluster.cables import WIRE, Fault
from cluster.machine import Cluster
from cluster.nodes import STATE, environment
from cluster.programs import set_database_clock

Undo = Callable[[], object]


class Broken(Struct, frozen=True):
    """A fault that was caused, and its repair."""

    what: str
    undo: Undo


Break = Callable[[Cluster, random.Random], Broken]


def _nothing() -> None:
    """Do nothing: what was killed is started again by itself."""


def _host(cluster: Cluster, choice: random.Random) -> str:
    return choice.choice(cluster.plan.named("host"))


def _cut(cluster: Cluster, fault: Fault) -> Broken:
    cluster.cut(fault)
    return Broken(f"{fault.node}: {fault}", lambda: cluster.heal(fault.node))


def cable(cluster: Cluster, choice: random.Random) -> Broken:
    """Cut a host off from everything."""
    return _cut(cluster, Fault(node=_host(cluster, choice)))


def wire_cable(cluster: Cluster, choice: random.Random) -> Broken:
    """Cut a host off from the wire; it still reaches the servers."""
    return _cut(cluster, Fault(node=_host(cluster, choice), bridges=(WIRE,)))


def one_way(cluster: Cluster, choice: random.Random) -> Broken:
    """Lose what a host sends."""
    return _cut(cluster, Fault(node=_host(cluster, choice), one_way=True))


def loss(cluster: Cluster, choice: random.Random) -> Broken:
    """Lose 30 % of all packets of a host."""
    return _cut(cluster, Fault(node=_host(cluster, choice), loss=30))


def servers_only(cluster: Cluster, choice: random.Random) -> Broken:
    """Cut a host off from the servers."""
    return _cut(cluster, Fault(node=_host(cluster, choice), peers=tuple(cluster.plan.named("server"))))


def hosts_only(cluster: Cluster, choice: random.Random) -> Broken:
    """Cut a host off from all other hosts."""
    host = _host(cluster, choice)
    others = tuple(each for each in cluster.plan.named("host") if each != host)
    return _cut(cluster, Fault(node=host, bridges=(WIRE,), peers=others))


def power(cluster: Cluster, choice: random.Random) -> Broken:
    """Cut a host's power."""
    host = _host(cluster, choice)
    cluster.power_off(host)
    return Broken(f"{host}: power off", lambda: cluster.power_on(host))


def drain(cluster: Cluster, choice: random.Random) -> Broken:
    """Drain a host, which is no fault: it is enabled again while amphorae may still be moving."""
    host, api = _host(cluster, choice), cluster.api()
    api.call("PUT", f"{OCTAVIA}/hosts/{host}/drain")
    return Broken(f"{host}: drained", lambda: api.call("PUT", f"{OCTAVIA}/hosts/{host}/enable"))


def agent_stopped(cluster: Cluster, choice: random.Random) -> Broken:
    """Stop an agent with SIGSTOP."""
    host = _host(cluster, choice)
    _signal(cluster, host, signal.SIGSTOP, "agent")
    return Broken(f"{host}: agent stopped", lambda: _signal(cluster, host, signal.SIGCONT, "agent"))


def agent_killed(cluster: Cluster, choice: random.Random) -> Broken:
    """Kill an agent."""
    host = _host(cluster, choice)
    _signal(cluster, host, signal.SIGKILL, "agent")
    return Broken(f"{host}: agent killed", _nothing)


def haproxies_killed(cluster: Cluster, choice: random.Random) -> Broken:
    """Kill all HAProxy processes of a host."""
    host = _host(cluster, choice)
    _signal(cluster, host, signal.SIGKILL, "haproxy")
    return Broken(f"{host}: every haproxy killed", _nothing)


def keepalived_killed(cluster: Cluster, choice: random.Random) -> Broken:
    """Kill all keepalived processes of a host."""
    host = _host(cluster, choice)
    _signal(cluster, host, signal.SIGKILL, "keepalived")
    return Broken(f"{host}: every keepalived killed", _nothing)


def server_killed(cluster: Cluster, choice: random.Random) -> Broken:
    """Kill a server."""
    server = choice.choice(cluster.plan.named("server"))
    _signal(cluster, server, signal.SIGKILL, "server")
    return Broken(f"{server}: server killed", _nothing)


def server_stopped(cluster: Cluster, choice: random.Random) -> Broken:
    """Stop a server with SIGSTOP: it accepts connections and answers nothing."""
    server = choice.choice(cluster.plan.named("server"))
    _signal(cluster, server, signal.SIGSTOP, "server")
    return Broken(f"{server}: server stopped", lambda: _signal(cluster, server, signal.SIGCONT, "server"))


def server_power(cluster: Cluster, choice: random.Random) -> Broken:
    """Cut a server's power."""
    server = choice.choice(cluster.plan.named("server"))
    cluster.power_off(server)
    return Broken(f"{server}: power off", lambda: cluster.power_on(server))


def database_killed(cluster: Cluster, choice: random.Random) -> Broken:
    """Kill PostgreSQL, the first process of it and so all."""
    del choice
    _signal(cluster, "db", signal.SIGKILL, "postgres")
    return Broken("PostgreSQL killed", _nothing)


def disk_full(cluster: Cluster, choice: random.Random) -> Broken:
    """Fill the disk of a host, or the directory of its memory where the running amphorae are."""
    host = _host(cluster, choice)
    return _fill(cluster, host, choice.choice((str(cluster.plan.home(host) / STATE), "/run")))


def database_disk_full(cluster: Cluster, choice: random.Random) -> Broken:
    """Fill the disk of PostgreSQL."""
    del choice
    return _fill(cluster, "db", str(cluster.plan.home("db") / STATE))


def clock_jump(cluster: Cluster, choice: random.Random) -> Broken:
    """Set the clock of the database wrong, which all servers go by; the repair is a jump too."""
    seconds, database = choice.choice((-3600, -600, -30, 30, 600, 3600)), cluster.node("db")
    set_database_clock(database, seconds)
    return Broken(f"clock of PostgreSQL {seconds:+d} s", lambda: set_database_clock(database, 0))


FAULTS: dict[str, Break] = {
    each.__name__.replace("_", "-"): each
    for each in (
        cable,
        wire_cable,
        one_way,
        loss,
        servers_only,
        hosts_only,
        power,
        drain,
        agent_stopped,
        agent_killed,
        haproxies_killed,
        keepalived_killed,
        server_killed,
        server_stopped,
        server_power,
        database_killed,
        disk_full,
        database_disk_full,
        clock_jump,
    )
}


def _fill(cluster: Cluster, name: str, directory: str) -> Broken:
    """Write a file until nothing is left."""
    node, file = cluster.node(name), f"{directory}/filler"
    own = environment({})
    node.run("sh", "-c", f"dd if=/dev/zero of={file} bs=4k 2>/dev/null || true", environment=own)
    return Broken(f"{name}: no space left in {directory}", lambda: node.run("rm", "-f", file, environment=own))


def _signal(cluster: Cluster, node: str, number: signal.Signals, program: str) -> None:
    for process in cluster.node(node).processes(program):
        process.signal(number)
        process.close()
