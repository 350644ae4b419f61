"""OVN: its central databases, and its controller on each host."""

from cluster.nodes import Node, environment, until
from hydria.errors import HostError
from stack import switch
from stack.plan import PHYSICAL_NETWORK, Plan, underlay_address

_SECONDS = 30.0


def start_central(plan: Plan, control: Node) -> None:
    """Start the northbound and southbound databases and northd. Raises HostError."""
    there = control.home / "ovn"
    there.mkdir(exist_ok=True)
    own = environment({})
    for name in ("nb", "sb"):
        database = there / f"{name}.db"
        if not database.exists():
            control.run("ovsdb-tool", "create", str(database), f"/usr/share/ovn/ovn-{name}.ovsschema", environment=own)
        control.run(
            "ovsdb-server",
            str(database),
            f"--remote=punix:{there}/{name}.sock",
            *switch.daemon(there, name),
            environment=own,
        )
        control.run(f"ovn-{name}ctl", f"--db={plan.ovn_socket(name)}", "init", environment=own)
    databases = (f"--ovnnb-db={plan.ovn_socket('nb')}", f"--ovnsb-db={plan.ovn_socket('sb')}")
    control.run("ovn-northd", *databases, *switch.daemon(there, "northd"), environment=own)


def start_host(plan: Plan, host: Node) -> None:
    """Have a host's Open vSwitch controlled by ovn-controller, and wait until OVN knows the host. Raises HostError."""
    ids = {
        "ovn-remote": plan.ovn_socket("sb"),
        "ovn-encap-type": "geneve",
        "ovn-encap-ip": underlay_address(host.name),
        "ovn-bridge-datapath-type": "netdev",
        "ovn-bridge-mappings": f"{PHYSICAL_NETWORK}:br-ex",
        "ovn-cms-options": "enable-chassis-as-gw",
    }
    words = [f"external-ids:{key}={value}" for key, value in ids.items()]
    switch.vsctl(plan, host, "set", "open_vswitch", ".", *words)
    start_controller(plan, host)
    name = ["get", "chassis", f"chassis-{host.name}", "name"]
    asked = ["ovn-sbctl", f"--db={plan.ovn_socket('sb')}", "--timeout=2", *name]
    until(
        lambda: _works(host, asked),
        f"OVN does not know {host.name}, see {plan.ovs(host.name)}/controller.log",
        _SECONDS,
    )


def start_controller(plan: Plan, host: Node) -> None:
    """Start a host's ovn-controller. Raises HostError."""
    there = plan.ovs(host.name)
    logs = (f"--pidfile={there}/controller.pid", f"--log-file={there}/controller.log")
    quiet = ("-vconsole:off", "-vsyslog:off", "--detach", "--no-chdir")
    host.run("ovn-controller", f"unix:{there}/db.sock", *logs, *quiet, environment=switch.environment_of(there))


def _works(node: Node, command: list[str]) -> bool:
    try:
        node.run(*command, environment=environment({}))
    except HostError:
        return False
    return True
