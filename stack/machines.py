"""Stand-ins for virtual machines: a namespace on a host with a bound port, and a web server in it."""

from typing import Any

from cluster.nodes import Node, environment
from hydria.errors import HostError
from stack import hydria, switch
from stack.api import Api
from stack.plan import EXTERNAL_CIDR, EXTERNAL_GATEWAY, EXTERNAL_POOL, PHYSICAL_NETWORK, Plan

# It answers on port 80 of TCP and UDP, by IPv4 and IPv6.
_WEB = """\
import http.server, socket, socketserver, sys, threading
BODY = ("you hit: " + sys.argv[1] + "\\n").encode()
class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)
    def log_message(self, *words):
        pass
class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
    request_queue_size = 1024
class Datagram(socketserver.BaseRequestHandler):
    def handle(self):
        self.request[1].sendto(BODY, self.client_address)
class Datagrams(socketserver.UDPServer):
    address_family = socket.AF_INET6
threading.Thread(target=Datagrams(("::", 80), Datagram).serve_forever, daemon=True).start()
Server(("::", 80), Answer).serve_forever()
"""

# The owner of a machine's port, as Nova names it.
_OWNER = "compute:nova"


def make_networks(plan: Plan, control: Node) -> tuple[str, str]:
    """Make the external network `public`, and demo's network `web` with a router; return the ids of public and web.

    Raises HostError.
    """
    admin, demo = Api(plan, control, "admin"), Api(plan, control)
    provider = {"provider:network_type": "flat", "provider:physical_network": PHYSICAL_NETWORK}
    public = _make(admin, "network", name="public", shared=True, **{"router:external": True}, **provider)
    pools = [{"start": EXTERNAL_POOL[0], "end": EXTERNAL_POOL[1]}]
    outside = {"gateway_ip": EXTERNAL_GATEWAY, "enable_dhcp": False, "allocation_pools": pools}
    _make(admin, "subnet", network_id=public, ip_version=4, cidr=EXTERNAL_CIDR, name="public-subnet", **outside)
    web, (subnet,) = make_network(demo, "web", "10.0.0.0/24")
    router = _make(demo, "router", name="edge", external_gateway_info={"network_id": public})
    demo.neutron("PUT", f"routers/{router}/add_router_interface", {"subnet_id": subnet})
    return public, web


def make_network(api: Api, name: str, *cidrs: str) -> tuple[str, list[str]]:
    """Make a network without a router; return its id and those of its subnets, which have these CIDRs."""
    network = _make(api, "network", name=name)
    subnets = []
    for cidr in cidrs:
        version = 6 if ":" in cidr else 4
        named = f"{name}-subnet" if len(cidrs) == 1 else f"{name}-subnet-v{version}"
        subnets.append(_make(api, "subnet", network_id=network, ip_version=version, cidr=cidr, name=named))
    return network, subnets


def _make(api: Api, kind: str, **values: Any) -> str:
    return str(api.neutron("POST", f"{kind}s", {kind: values})[kind]["id"])


def boot(plan: Plan, control: Node, host: Node, name: str, network: str) -> str:
    """Start a machine on a host with a port on a network (its name); return its address. Raises HostError."""
    api = Api(plan, control, "admin")
    found = api.neutron("GET", f"networks?name={network}")["networks"]
    if not found:
        raise HostError(f"There is no network {network}: openstack network create {network}")
    group = _open_group(api, found[0]["project_id"])
    values = {
        "name": name,
        "network_id": found[0]["id"],
        "project_id": found[0]["project_id"],
        "binding:host_id": host.name,
        "device_owner": _OWNER,
        "device_id": name,
        "security_groups": [group],
    }
    port = api.neutron("POST", "ports", {"port": values})["port"]
    _start(plan, api, host, port)
    return str(port["fixed_ips"][0]["ip_address"])


def start_again(plan: Plan, control: Node, host: Node) -> None:
    """Start all machines of a host whose power was cut. Raises HostError."""
    api = Api(plan, control, "admin")
    for port in api.neutron("GET", f"ports?device_owner={_OWNER}&binding:host_id={host.name}")["ports"]:
        _start(plan, api, host, port)


def _start(plan: Plan, api: Api, host: Node, port: dict[str, Any]) -> None:
    """Make the namespace and the link of a machine's port, and start its web server."""
    name, tap, own = str(port["device_id"]), f"tap{port['id'][:11]}", environment({})
    network = api.neutron("GET", f"networks/{port['network_id']}")["network"]
    subnets = api.neutron("GET", f"subnets?network_id={port['network_id']}")["subnets"]
    cidrs, mtu, inner = {each["id"]: each for each in subnets}, str(network["mtu"]), ("ip", "-n", name)
    near = ("name", "eth0", "address", port["mac_address"], "netns", name)
    commands: list[tuple[str, ...]] = [
        ("ip", "netns", "add", name),
        ("ip", "link", "add", tap, "type", "veth", "peer", *near),
        ("ip", "link", "set", tap, "mtu", mtu, "up"),
        (*inner, "link", "set", "lo", "up"),
        (*inner, "link", "set", "eth0", "mtu", mtu, "up"),
        ("ip", "netns", "exec", name, "ethtool", "-K", "eth0", "tx", "off"),
    ]
    for fixed in port["fixed_ips"]:
        subnet = cidrs[fixed["subnet_id"]]
        address = f"{fixed['ip_address']}/{subnet['cidr'].rpartition('/')[2]}"
        commands.append((*inner, "addr", "add", address, "dev", "eth0", *(("nodad",) if ":" in address else ())))
        if subnet["gateway_ip"]:
            commands.append((*inner, "route", "add", "default", "via", subnet["gateway_ip"]))
    for command in commands:
        host.run(*command, environment=own)
    ids = (f"external_ids:iface-id={port['id']}", f"external_ids:attached-mac={port['mac_address']}")
    # After a power cut it is in Open vSwitch's database, for a link that is gone.
    switch.vsctl(plan, host, "--if-exists", "del-port", "br-int", tap)
    switch.vsctl(plan, host, "add-port", "br-int", tap, "--", "set", "interface", tap, *ids)
    script = host.home / "web.py"
    script.write_text(_WEB)
    host.keep(f"web-{name}", ["ip", "netns", "exec", name, hydria.program("python"), str(script), name], own)


def _open_group(api: Api, project_id: str) -> str:
    """Return a security group of a project that lets everything in; make it when it is missing."""
    name = "machines"
    found = api.neutron("GET", f"security-groups?name={name}&project_id={project_id}")["security_groups"]
    if found:
        return str(found[0]["id"])
    body = {"security_group": {"name": name, "project_id": project_id}}
    group = api.neutron("POST", "security-groups", body)["security_group"]
    for ethertype in ("IPv4", "IPv6"):
        rule = {"security_group_id": group["id"], "direction": "ingress", "ethertype": ethertype}
        api.neutron("POST", "security-group-rules", {"security_group_rule": {**rule, "project_id": project_id}})
    return str(group["id"])
