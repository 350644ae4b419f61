"""The Open vSwitch of a host, with the userspace datapath: it needs no kernel module."""

from pathlib import Path

from cluster.nodes import Node, environment
from stack.plan import Plan, underlay_address


def start(plan: Plan, host: Node) -> None:
    """Start a host's Open vSwitch, with a bridge for tunnels and one on the external network. Raises HostError."""
    there = plan.ovs(host.name)
    there.mkdir(exist_ok=True)
    own = environment_of(there)
    database, socket = there / "conf.db", f"unix:{there}/db.sock"
    if not database.exists():
        schema = "/usr/share/openvswitch/vswitch.ovsschema"
        host.run("ovsdb-tool", "create", str(database), schema, environment=own)
    host.run("ovsdb-server", str(database), f"--remote=p{socket}", *daemon(there, "ovsdb"), environment=own)
    host.run("ovs-vsctl", f"--db={socket}", "--no-wait", "init", environment=own)
    host.run("ovs-vswitchd", socket, *daemon(there, "vswitchd"), environment=own)
    address = underlay_address(host.name)
    for bridge, port in (("br-under", "under0"), ("br-ex", "prov0")):
        words = ["--may-exist", "add-br", bridge, "--", "set", "bridge", bridge, "datapath_type=netdev"]
        words += ["--", "--may-exist", "add-port", bridge, port]
        host.run("ovs-vsctl", f"--db={socket}", "--timeout=20", *words, environment=own)
    # Tunnels of the userspace datapath leave only by a bridge of its own, which has the address.
    for words in (
        ["addr", "replace", f"{address}/24", "dev", "br-under"],
        ["link", "set", "br-under", "up"],
        ["link", "set", "br-ex", "up"],
    ):
        host.run("ip", *words, environment=own)
    # They differ on purpose: Neutron binds ports to the host name.
    names = (f"external-ids:system-id=chassis-{host.name}", f"external-ids:hostname={host.name}")
    vsctl(plan, host, "set", "open_vswitch", ".", *names)


def vsctl(plan: Plan, host: Node, *words: str) -> str:
    """Run `ovs-vsctl` on a host and return its output. Raises HostError."""
    there = plan.ovs(host.name)
    command = ("ovs-vsctl", f"--db=unix:{there}/db.sock", "--timeout=10", *words)
    return host.run(*command, environment=environment_of(there))


def daemon(there: Path, name: str) -> list[str]:
    """Return the options of a daemon of Open vSwitch or OVN, whose files are in a directory."""
    files = [f"--unixctl={there}/{name}.ctl", f"--pidfile={there}/{name}.pid", f"--log-file={there}/{name}.log"]
    # As the init scripts do: ovs-vswitchd 3.1 may fail an assertion of its userspace connection tracking.
    return [*files, "-vconsole:off", "-vsyslog:off", "--detach", "--no-chdir", "--monitor"]


def environment_of(there: Path) -> dict[str, str]:
    """Return the environment of programs whose files are in a directory."""
    names = ("OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVN_RUNDIR", "OVN_LOGDIR")
    return environment({name: str(there) for name in names})
