"""ML2 with Open vSwitch in the place of OVN: RabbitMQ, and Neutron's agents on the hosts. They are slow to start."""

import socket
from collections.abc import Sequence

from cluster.nodes import Node, environment, missing_programs, until
from hydria.adapters.linux.netns import inside
from hydria.errors import HostError
from stack.api import Api
from stack.configuration import TRANSPORT
from stack.plan import CONTROL, ENVIRONMENT, PHYSICAL_NETWORK, RABBIT, Plan, management_address, underlay_address

_SECONDS = 180.0
_SERVER = "/usr/lib/rabbitmq/bin/rabbitmq-server"
# What these need besides the programs of ML2/OVN, with their Debian packages.
_PROGRAMS = {"iptables": "iptables", "conntrack": "conntrack", "rabbitmqctl": "rabbitmq-server"}

_AGENT = """\
[DEFAULT]
host = {host}
transport_url = {transport}
state_path = {state}
use_stderr = true
interface_driver = openvswitch
agent_mode = legacy
metadata_workers = 0
enable_metadata_proxy = false
[oslo_concurrency]
lock_path = {state}/lock
[ovs]
datapath_type = netdev
local_ip = {address}
bridge_mappings = {physical}:br-ex
ovsdb_connection = unix:{ovs}/db.sock
[agent]
tunnel_types = vxlan
root_helper = env
[privsep]
helper_command = {environment}/bin/privsep-helper --config-file {file}
[securitygroup]
firewall_driver = openvswitch
enable_security_group = true
"""


def start_rabbit(plan: Plan, control: Node) -> None:
    """Start RabbitMQ, which the agents and Neutron speak by. Raises HostError."""
    missing = missing_programs(*_PROGRAMS)
    if missing:
        packages = " ".join(_PROGRAMS[name] for name in missing)
        raise HostError(f"ML2/OVS needs {', '.join(missing)}: apt-get install --no-install-recommends {packages}")
    there, address = plan.control / "rabbit", management_address(CONTROL)
    (there / "home").mkdir(parents=True, exist_ok=True)
    (there / "rabbitmq.conf").write_text(f"loopback_users = none\nlisteners.tcp.default = {address}:{RABBIT}\n")
    settings = {
        "HOME": str(there / "home"),
        "RABBITMQ_NODENAME": "rabbit@localhost",
        "RABBITMQ_MNESIA_BASE": str(there),
        "RABBITMQ_LOG_BASE": str(there),
        "RABBITMQ_CONFIG_FILE": str(there / "rabbitmq"),
        "RABBITMQ_PID_FILE": str(there / "pid"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(there / "plugins"),
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_DIST_PORT": "25672",
    }
    control.keep("rabbit", [_SERVER], environment(settings))
    until(lambda: _listens(control, address), f"RabbitMQ does not answer, see {there}", _SECONDS)


def start_agents(plan: Plan, control: Node, hosts: Sequence[Node]) -> None:
    """Start the agents, and wait until Neutron takes them for alive. Raises HostError."""
    files = [word for name in ("neutron.conf", "ml2.ini") for word in ("--config-file", str(plan.configuration / name))]
    own = environment({"TMPDIR": str(control.home / "tmp"), "PYTHONWARNINGS": "ignore"})
    control.keep("neutron-rpc", [str(ENVIRONMENT / "bin/neutron-rpc-server"), *files], own)
    for host in hosts:
        start_agent(plan, host)
    # Routers are on one host: the first.
    _keep(plan, hosts[0], "neutron-l3-agent")
    admin = Api(plan, control, "admin")
    wanted = len(hosts) + 1

    def alive() -> bool:
        return len([each for each in admin.neutron("GET", "agents")["agents"] if each["alive"]]) >= wanted

    until(alive, "Neutron's agents do not come alive, see neutron-*.log of the hosts", _SECONDS)


def start_agent(plan: Plan, host: Node) -> None:
    """Start a host's agent of Open vSwitch. Raises HostError."""
    file, state = host.home / "neutron.ini", host.home / "neutron"
    (state / "lock").mkdir(parents=True, exist_ok=True)
    values = {"host": host.name, "transport": TRANSPORT, "state": state, "address": underlay_address(host.name)}
    places = {"physical": PHYSICAL_NETWORK, "ovs": plan.ovs(host.name), "environment": ENVIRONMENT, "file": file}
    file.write_text(_AGENT.format(**values, **places))
    _keep(plan, host, "neutron-openvswitch-agent")


def _keep(plan: Plan, host: Node, program: str) -> None:
    there = plan.ovs(host.name)
    own = environment({"OVS_RUNDIR": str(there), "PYTHONWARNINGS": "ignore"})
    own["PATH"] = f"{ENVIRONMENT}/bin:{own['PATH']}"
    command = [str(ENVIRONMENT / "bin" / program), "--config-file", str(host.home / "neutron.ini")]
    host.keep(program, command, own)


def _listens(control: Node, address: str) -> bool:
    with inside(control.network):
        try:
            socket.create_connection((address, RABBIT), timeout=1).close()
        except OSError:
            return False
    return True
