"""`./dev cluster`: a simulated cluster on this machine. `./dev cluster --help` lists the commands."""

import argparse
import os
import shlex
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from cluster.cables import MANAGEMENT, WIRE, Fault, carrier
from cluster.commands import run, settings_of
from cluster.machine import DIRECTORY, Cluster, remove
from cluster.plan import Plan
from hydria.errors import HydriaError

_console = Console(highlight=False)

_NEXT = """
The cluster is ready. A shell with the openstack client:    ./dev cluster shell
A load balancer on the network of the hosts:                openstack loadbalancer create --vip-subnet-id wire-subnet
A request of the client:                                    ./dev cluster exec client curl http://ADDRESS
Members: {members}. Everything is removed by:  ./dev cluster down"""


def main() -> int:
    """Run a command; return the exit status."""
    return run(_arguments())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev cluster", description="A simulated cluster on this machine.")
    about = f"where its disks and logs are ({DIRECTORY})"
    parser.add_argument("--directory", type=Path, default=DIRECTORY, help=about)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    up = commands.add_parser("up", help="make a cluster")
    up.add_argument("--hosts", type=int, default=3, metavar="N", help="hosts (3)")
    up.add_argument("--servers", type=int, default=1, metavar="N", help="servers on one PostgreSQL (1)")
    up.add_argument("--members", type=int, default=2, metavar="N", help="web servers as members (2)")
    up.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="a setting, such as failover.after_seconds=10"
    )
    up.set_defaults(run=_up)
    commands.add_parser("status", help="show its nodes").set_defaults(run=_status)
    commands.add_parser("down", help="remove it, in whatever state it is").set_defaults(run=_down)

    cut = commands.add_parser("cut", help="cut the cables of a node")
    cut.add_argument("node")
    cut.add_argument(
        "--from",
        dest="peer",
        metavar="WHAT",
        help="only from `servers`, from another node such as h1, or its cable to the `wire` or to `management`",
    )
    cut.add_argument("--one-way", action="store_true", help="lose only what the node sends")
    cut.add_argument("--loss", type=int, default=100, metavar="PERCENT", help="lose only so many percent")
    cut.set_defaults(run=_cut)
    heal = commands.add_parser("heal", help="repair the cables of a node, or all")
    heal.add_argument("node", nargs="?")
    heal.set_defaults(run=lambda given: _cluster(given).heal(given.node))

    about = (
        'print functions for a shell, by which `openstack` and `hydria` run in the cluster: eval "$(./dev cluster env)"'
    )
    commands.add_parser("env", help=about).set_defaults(run=_env)
    for name, about in (("power-off", "cut the power of a node; its disk stays"), ("power-on", "start a node again")):
        power = commands.add_parser(name, help=about)
        power.add_argument("node")
        power.set_defaults(run=_power_off if name == "power-off" else _power_on)
    shell = commands.add_parser("shell", help="open a shell on a node (admin)")
    shell.add_argument("node", nargs="?", default="admin")
    shell.set_defaults(run=_shell)
    execute = commands.add_parser("exec", help="run a command on a node")
    execute.add_argument("node")
    execute.add_argument("command", nargs=argparse.REMAINDER)
    execute.set_defaults(run=_exec)
    return parser.parse_args()


def _cluster(given: argparse.Namespace) -> Cluster:
    return Cluster.at(given.directory)


def _up(given: argparse.Namespace) -> None:
    plan = Plan(
        directory=given.directory,
        hosts=given.hosts,
        servers=given.servers,
        members=given.members,
        settings=settings_of(given.set),
    )
    Cluster(plan).up(lambda text: _console.print(f"    {text}"))
    members = ", ".join(f"{node.name} {node.wire}" for node in plan.nodes() if node.kind == "member")
    _console.print(_NEXT.format(members=members), soft_wrap=True)


def _down(given: argparse.Namespace) -> None:
    remove(given.directory)
    _console.print("The cluster is removed.")


def _status(given: argparse.Namespace) -> None:
    cluster = _cluster(given)
    shown = Table("node", "kind", "power", "management", "wire", "amphorae", "VIPs", "faults", box=None)
    faults = cluster.cables.faults()
    for planned in cluster.plan.nodes():
        node = cluster.node(planned.name)
        on = node.pid is not None
        host = planned.kind == "host"
        wire = planned.wire or ""
        if on and (wire or host):
            wire += " plugged" if carrier(node.root, "eth0") else " unplugged"
        shown.add_row(
            planned.name,
            planned.kind,
            "on" if on else "off",
            planned.management or "",
            wire.strip(),
            str(len(cluster.amphorae(planned.name))) if on and host else "",
            " ".join(sorted(cluster.vips(planned.name))) if on and host else "",
            ", ".join(str(fault) for fault in faults if fault.node == planned.name),
        )
    _console.print(shown)


def _cut(given: argparse.Namespace) -> None:
    cluster = _cluster(given)
    cluster.cut(fault_of(cluster.plan, given.node, given.peer, one_way=given.one_way, loss=given.loss))


def fault_of(plan: Plan, node: str, peer: str | None, *, one_way: bool = False, loss: int = 100) -> Fault:
    """Return the fault that the arguments of `cut` mean."""
    for bridge in (WIRE, MANAGEMENT):
        if peer == bridge:
            return Fault(node=node, bridges=(bridge,), one_way=one_way, loss=loss)
    peers = tuple(plan.named("server")) if peer == "servers" else (peer,) if peer else ()
    return Fault(node=node, peers=peers, one_way=one_way, loss=loss)


def _env(given: argparse.Namespace) -> None:
    _cluster(given)
    # Not by ./dev, which looks first whether everything is installed.
    module = ["env", f"PYTHONPATH={Path(__file__).parents[1]}", sys.executable, "-m", "cluster"]
    program = shlex.join([*module, "--directory", str(given.directory)])
    for name, node in (("openstack", "admin"), ("hydria", "s1")):
        sys.stdout.write(f'{name}() {{ {program} exec {node} {name} "$@"; }}\nexport -f {name}\n')


def _power_off(given: argparse.Namespace) -> None:
    _cluster(given).power_off(given.node)


def _power_on(given: argparse.Namespace) -> None:
    _cluster(given).power_on(given.node)


def _shell(given: argparse.Namespace) -> None:
    cluster = _cluster(given)
    environment = cluster.environment(cluster.node(given.node).name)
    # The prompt says where the shell is.
    start = f"PS1='{given.node}# '"
    _become(cluster, given.node, ["bash", "--noprofile", "--rcfile", "/dev/fd/9", "-i"], environment, start)


def _exec(given: argparse.Namespace) -> None:
    cluster = _cluster(given)
    if not given.command:
        raise HydriaError(f"Say what to run: ./dev cluster exec {given.node} COMMAND")
    environment = cluster.environment(cluster.node(given.node).name)
    _become(cluster, given.node, given.command, environment)


def _become(cluster: Cluster, name: str, command: list[str], environment: dict[str, str], start: str = "") -> None:
    """Replace this process by a command on a node, which keeps the terminal."""
    if start:
        read, write = os.pipe()
        os.write(write, f"{start}\n".encode())
        os.close(write)
        os.dup2(read, 9)
    whole = cluster.node(name).command(*command)
    os.execvpe(whole[0], whole, environment)  # noqa: S606 - without a shell on purpose


if __name__ == "__main__":
    sys.exit(main())
