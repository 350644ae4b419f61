"""The whole cloud: made, used and removed."""

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import msgspec

from cluster.nodes import Node, all_nodes, environment, missing_programs
from hydria.adapters.linux.cgroups import Cgroups
from hydria.errors import HostError
from stack import configuration, hydria, links, machines, ml2_ovs, ovn, services, switch
from stack.plan import CONTROL, ENVIRONMENT, OUTSIDE, Plan

_FILE = "cloud.json"

Say = Callable[[str], object]


class Stack:
    """The cloud in a directory, which has the disks of all nodes."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.control = self.node(CONTROL)

    @classmethod
    def at(cls, directory: Path) -> "Stack":
        """Return the cloud that was made in a directory. Raises HostError."""
        file = directory / _FILE
        if not file.exists():
            raise HostError(f"There is no cloud in {directory}: ./dev openstack up")
        return cls(msgspec.json.decode(file.read_bytes(), type=Plan, dec_hook=lambda kind, value: kind(value)))

    def refuse_another(self) -> None:
        """Raise HostError when there is a cloud in the directory: whoever made it removes it."""
        directory = self.plan.directory
        if (directory / _FILE).exists() or all_nodes(directory):
            raise HostError(f"There is a cloud in {directory} already: ./dev openstack down")

    def up(self, say: Say = lambda _: None) -> None:
        """Make it; return when everything answers. What has been made until a failure stays. Raises HostError."""
        check_machine()
        self.refuse_another()
        directory = self.plan.directory
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o711)
        (directory / _FILE).write_bytes(msgspec.json.encode(self.plan, enc_hook=str))
        for name in (CONTROL, OUTSIDE, *self.plan.host_names):
            self.node(name).start()
        links.make_bridges(self.control)
        links.plug_outside(self.control, self.node(OUTSIDE))
        if services.seeded(self.plan):
            services.take_seed(self.plan)
        configuration.write(self.plan)
        with ThreadPoolExecutor(1) as other:
            networks = other.submit(self._start_networks, say)
            self._start_keystone(say)
            networks.result()
        services.start_neutron(self.plan, self.control)
        if self.plan.barbican:
            services.start_barbican(self.plan, self.control)
        say("Neutron and Barbican")
        services.await_neutron(self.control)
        if self.plan.ml2 == "ovn":
            services.start_maintenance(self.plan, self.control)
        else:
            say("Neutron's agents")
            ml2_ovs.start_agents(self.plan, self.control, [self.node(name) for name in self.plan.host_names])
        if self.plan.barbican:
            services.await_barbican(self.control)
        if self.plan.hydria:
            say("Hydria")
            hydria.start_server(self.plan, self.control, self.plan.settings)
            for name in self.plan.host_names:
                hydria.join(self.plan, self.control, self.node(name))
                hydria.start_agent(self.node(name), self.plan.settings)

    def _start_keystone(self, say: Say) -> None:
        say("MariaDB and Keystone")
        services.start_database(self.plan, self.control)
        if services.seeded(self.plan):
            services.start_keystone(self.plan, self.control)
            return
        say("schemas and users, for the first time")
        services.make_schemas(self.plan, self.control)
        services.start_keystone(self.plan, self.control)
        services.keep_seed(self.plan, self.control)

    def _start_networks(self, say: Say) -> None:
        if self.plan.ml2 == "ovn":
            say("OVN")
            ovn.start_central(self.plan, self.control)
        else:
            say("RabbitMQ and Open vSwitch")
            ml2_ovs.start_rabbit(self.plan, self.control)
        for name in self.plan.host_names:
            self.start_host(name)

    def start_host(self, name: str) -> None:
        """Start the Open vSwitch of a host whose node runs. Raises HostError."""
        node = self.node(name)
        links.plug_host(self.control, node)
        switch.start(self.plan, node)
        if self.plan.ml2 == "ovn":
            ovn.start_host(self.plan, node)

    def power_off(self, name: str) -> None:
        """End a host as a power cut does: its disk stays. Raises HostError."""
        self.node(name).kill()
        Cgroups(self.plan.prefix(name)).remove_all()

    def power_on(self, name: str) -> None:
        """Start a host again, and its machines. Raises HostError."""
        self.node(name).start()
        self.start_host(name)
        if self.plan.ml2 == "ovs":
            ml2_ovs.start_agent(self.plan, self.node(name))
        machines.start_again(self.plan, self.control, self.node(name))
        if self.plan.hydria:
            hydria.start_agent(self.node(name), self.plan.settings)

    def node(self, name: str) -> Node:
        """Return a node. Raises HostError when there is none of this name."""
        known = (CONTROL, OUTSIDE, *self.plan.host_names)
        if name not in known:
            raise HostError(f"The cloud has no node {name}: it has {', '.join(known)}.")
        return Node(name, self.plan.home(name))

    def environment(self, cloud: str = "demo") -> dict[str, str]:
        """Return the environment of a command with the credentials of a cloud of `clouds.yaml`."""
        return environment({"OS_CLIENT_CONFIG_FILE": str(self.plan.clouds), "OS_CLOUD": cloud})


def remove(directory: Path) -> None:
    """End all nodes of a directory, whatever state they are in, and remove it. Raises HostError."""
    if not (directory / _FILE).exists() and directory.exists() and any(directory.iterdir()):
        raise HostError(f"{directory} has files that no cloud made. Name another directory by --directory.")
    nodes = all_nodes(directory)
    for node in nodes:
        node.kill()
    for node in nodes:
        if node.name not in (CONTROL, OUTSIDE):
            Cgroups(Plan(directory=directory).prefix(node.name)).remove_all()
    shutil.rmtree(directory, ignore_errors=True)


def check_machine() -> None:
    """Raise HostError when a program is missing."""
    names = ("ovs-vswitchd", "ovn-northd", "ovn-controller", "mariadbd", "mariadb", "ethtool", "nsenter", "haproxy")
    missing = missing_programs(*names)
    if missing or not (ENVIRONMENT / "bin/uwsgi").exists():
        raise HostError(f"The machine lacks {', '.join(missing) or ENVIRONMENT}. Install it by: ./dev openstack up")


@contextmanager
def running(plan: Plan, say: Say, *, keep: bool = False) -> Iterator[Stack]:
    """Start a cloud for the block, and remove it afterwards, also one that came up only in part; `keep` leaves it.

    Raises HostError, also when there is a cloud in the directory already, which stays.
    """
    stack = Stack(plan)
    stack.refuse_another()
    try:
        stack.up(say)
        yield stack
    finally:
        if not keep:
            remove(plan.directory)
