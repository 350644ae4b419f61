"""Attach what somebody else made (a container's namespace, a virtual machine's tap) to a port: `hydria plug`."""

from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

from hydria.adapters.linux.kernel import (
    ensure_bridge,
    ensure_leg,
    ensure_switch,
    find,
    held,
    netlink,
    remove_leg,
    reporting,
)
from hydria.adapters.linux.names import Names, switch_end
from hydria.adapters.linux.netns import OWN
from hydria.adapters.linux.shaping import ensure_limit
from hydria.errors import HostError
from hydria.spec import Address, Interface, Limit, Route

if TYPE_CHECKING:
    from openstack.connection import Connection


def interface_of(connection: "Connection", port: Any) -> Interface:
    """Return what a host needs to attach an openstacksdk port: its subnets' prefixes, gateways and routes."""
    network = connection.network.get_network(port.network_id)
    addresses: list[Address] = []
    routes: dict[str, Route] = {}
    for fixed in port.fixed_ips:
        subnet = connection.network.get_subnet(fixed["subnet_id"])
        addresses.append(Address(ip=fixed["ip_address"], prefix=ip_network(subnet.cidr).prefixlen))
        ways = [(route["destination"], route["nexthop"]) for route in subnet.host_routes or ()]
        if subnet.gateway_ip:
            ways.append(("0.0.0.0/0" if subnet.ip_version == 4 else "::/0", subnet.gateway_ip))
        for destination, via in ways:
            # One default route: the first subnet's.
            routes.setdefault(destination, Route(destination=destination, via=via))
    limits = _limits(connection, port)
    return Interface(
        port_id=port.id,
        network_id=port.network_id,
        mac=port.mac_address,
        mtu=network.mtu or 1500,
        addresses=tuple(addresses),
        routes=tuple(routes.values()),
        egress=limits.get("egress"),
        ingress=limits.get("ingress"),
    )


def _limits(connection: "Connection", port: Any) -> dict[str, Limit]:
    if not port.qos_policy_id:
        return {}
    rules = connection.network.get_qos_policy(port.qos_policy_id).rules
    return {rule["direction"]: Limit.of(rule["max_kbps"], rule["max_burst_kbps"]) for rule in rules}


def plug(names: Names, namespace: str, link: str, interface: Interface) -> bool:
    """Make `link` in a namespace the end of a port; True when anything changed. Raises HostError.

    `namespace` is a name under /run/netns or a path such as `/proc/PID/ns/net`. A link that is there already and not
    this port's is left alone and refused.
    """
    with reporting(f"The network namespace {namespace} cannot be read"), netlink(namespace) as here:
        there = find(here, link)
    if there is not None and there.get("address") != interface.mac.lower():
        raise HostError(f"{namespace} has a link {link} already, and it is not this port's. Choose another name.")
    return ensure_leg(names, namespace, link, interface)


def plug_tap(names: Names, tap: str, interface: Interface) -> bool:
    """Put a tap device of the machine's, and so the virtual machine behind it, on a port; True when that changed it.

    The device moves into the switch, where it ends with its virtual machine. Raises HostError.
    """
    if interface.egress is not None:
        raise HostError(
            f"What the machine behind {tap} sends cannot be limited here. Take the egress rule out of the port's QoS "
            "policy, or plug a namespace."
        )
    ensure_switch(names)
    end = switch_end(interface.port_id)
    failure = f"The tap device {tap} cannot be plugged"
    with reporting(failure), held(names.switch), netlink(OWN) as here, netlink(names.switch) as switch:
        master, _ = ensure_bridge(switch, interface.network_id)
        device, there = find(here, tap), find(switch, end)
        if device is None and there is None:
            raise HostError(f"The machine has no tap device {tap}: ip tuntap add dev {tap} mode tap")
        if device is not None and there is not None:
            raise HostError(f"Something else is on the port {interface.port_id} already. Unplug it first.")
        if device is not None:
            if (device.get("linkinfo") or {}).get("kind") != "tun":
                raise HostError(f"{tap} is no tap device.")
            # A link that is up keeps its name.
            here.link("set", index=device["index"], state="down")
            here.link("set", index=device["index"], net_ns_fd=names.switch, ifname=end)
            there = find(switch, end)
        assert there is not None  # noqa: S101 - it is there, or just came
        switch.link("set", index=there["index"], master=master, mtu=interface.mtu, state="up")
        ensure_limit(switch, there, interface.ingress, interface.mtu)
    return device is not None


def unplug(names: Names, namespace: str, link: str) -> bool:
    """Take the link away again; False when there was none. Raises HostError."""
    return remove_leg(names, namespace, link)
