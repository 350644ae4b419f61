"""`./dev openstack`: a real OpenStack on this machine. `./dev openstack --help` lists the commands."""

import argparse
import os
import sys
import time
from pathlib import Path

from rich.console import Console

from cluster.commands import run, settings_of
from hydria.errors import HydriaError
from stack import hydria, machines
from stack.bench import bench
from stack.cloud import Stack, remove
from stack.demo import demo
from stack.plan import CONTROL, DIRECTORY, OUTSIDE, Plan
from stack.tempest import Given, tempest

_console = Console(highlight=False)

_NEXT = """
OpenStack is ready after {seconds:.0f} s. A shell with the openstack client:    ./dev openstack shell
Clouds admin, demo and hydria:    openstack --os-cloud admin network list
A command on a node (control, outside, {hosts}):    ./dev openstack exec outside ip addr
Everything is removed by:    ./dev openstack down"""


def main() -> int:
    """Run a command; return the exit status."""
    return run(_arguments())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev openstack", description="A real OpenStack on this machine.")
    about = f"where its disks and logs are ({DIRECTORY})"
    parser.add_argument("--directory", type=Path, default=DIRECTORY, help=about)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    up = commands.add_parser("up", help="start Keystone, Neutron with OVN, Barbican and hosts")
    up.add_argument("--hosts", type=int, default=2, metavar="N", help="hosts (2)")
    drivers = ("ovn", "ovs")
    about = "Neutron's mechanism driver: OVN, or Open vSwitch with Neutron's agents (needs RabbitMQ and iptables)"
    up.add_argument("--ml2", choices=drivers, default="ovn", help=about)
    up.add_argument("--without-barbican", action="store_true", help="leave Barbican out")
    up.add_argument("--without-hydria", action="store_true", help="start no server and no agents of Hydria")
    up.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="a setting, such as failover.after_seconds=10"
    )
    up.set_defaults(run=_up)
    commands.add_parser("down", help="remove it, in whatever state it is").set_defaults(run=_down)
    for name, about in (
        ("power-off", "cut the power of a host; its disk stays"),
        ("power-on", "start a host again, and its machines"),
    ):
        power = commands.add_parser(name, help=about)
        power.add_argument("node")
        power.set_defaults(run=_power_off if name == "power-off" else _power_on)
    tour = commands.add_parser("demo", help="start it and go through the tutorial with the stock client")
    tour.add_argument("--once", action="store_true", help="remove everything at the end")
    tour.set_defaults(run=lambda given: demo(given.directory, _console, once=given.once))
    figures = commands.add_parser("bench", help="start it and measure what load balancers cost in it")
    figures.add_argument("--quick", action="store_true", help="a few of each, to see whether it works")
    figures.set_defaults(run=lambda given: bench(given.directory, _console, quick=given.quick))
    about = "start it and run Octavia's scenario tests that start no virtual machine"
    suite = commands.add_parser("tempest", help=about)
    suite.add_argument("pattern", nargs="*", help="only tests whose names match one of these regular expressions")
    suite.add_argument("--concurrency", type=int, default=2, help="processes with tests (2)")
    suite.add_argument("--logs", type=Path, help="a directory where all logs are kept")
    suite.set_defaults(run=_tempest)
    about = "end Hydria's server and agents, which start again, with new code"
    commands.add_parser("restart", help=about).set_defaults(run=_restart)
    machine = commands.add_parser("boot", help="start a web server on a host, as a machine in a network")
    machine.add_argument("name")
    machine.add_argument("--host", default="h1", help="host (h1)")
    machine.add_argument("--network", required=True, help="name of the network")
    machine.set_defaults(run=_boot)
    shell = commands.add_parser("shell", help="open a shell on a node (control)")
    shell.add_argument("node", nargs="?", default=CONTROL)
    shell.set_defaults(run=_shell)
    execute = commands.add_parser("exec", help=f"run a command on a node: {CONTROL}, {OUTSIDE} or a host")
    execute.add_argument("node")
    execute.add_argument("command", nargs=argparse.REMAINDER)
    execute.set_defaults(run=_exec)
    return parser.parse_args()


def _up(given: argparse.Namespace) -> None:
    begun = time.monotonic()
    plan = Plan(
        directory=given.directory,
        hosts=given.hosts,
        barbican=not given.without_barbican,
        hydria=not given.without_hydria,
        ml2=given.ml2,
        settings=settings_of(given.set),
    )
    Stack(plan).up(lambda text: _console.print(f"    {text}"))
    hosts = ", ".join(plan.host_names)
    _console.print(_NEXT.format(seconds=time.monotonic() - begun, hosts=hosts), soft_wrap=True)


def _tempest(given: argparse.Namespace) -> None:
    chosen = Given(patterns=given.pattern, concurrency=given.concurrency, logs=given.logs)
    tempest(given.directory, _console, chosen)


def _down(given: argparse.Namespace) -> None:
    remove(given.directory)
    _console.print("The cloud is removed.")


def _power_off(given: argparse.Namespace) -> None:
    Stack.at(given.directory).power_off(given.node)


def _power_on(given: argparse.Namespace) -> None:
    Stack.at(given.directory).power_on(given.node)


def _restart(given: argparse.Namespace) -> None:
    stack = Stack.at(given.directory)
    for name in (CONTROL, *stack.plan.host_names):
        hydria.restart(stack.node(name))


def _boot(given: argparse.Namespace) -> None:
    stack = Stack.at(given.directory)
    address = machines.boot(stack.plan, stack.control, stack.node(given.host), given.name, given.network)
    sys.stdout.write(f"{address}\n")


def _shell(given: argparse.Namespace) -> None:
    _become(given, ["bash", "--noprofile", "--norc", "-i"], {"PS1": f"{given.node}# "})


def _exec(given: argparse.Namespace) -> None:
    if not given.command:
        raise HydriaError(f"Say what to run: ./dev openstack exec {given.node} COMMAND")
    _become(given, given.command, {})


def _become(given: argparse.Namespace, command: list[str], more: dict[str, str]) -> None:
    """Replace this process by a command on a node, which keeps the terminal."""
    stack = Stack.at(given.directory)
    whole = stack.node(given.node).command(*command)
    os.execvpe(whole[0], whole, {**stack.environment(), **more})  # noqa: S606 - without a shell on purpose


if __name__ == "__main__":
    sys.exit(main())
