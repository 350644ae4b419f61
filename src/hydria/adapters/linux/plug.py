"""Attach a container's namespace or a virtual machine's tap device to a port: `hydria plug`."""

from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

from hydria.adapters.linux.bandwidth import ensure_limit
from hydria.adapters.linux.kernel import ensure_bridge, ensure_interface, ensure_switch
from hydria.adapters.linux.names import Names, switch_end
from hydria.adapters.linux.netns import OWN, exists, held, netlink, opened, reporting
from hydria.adapters.linux.port_filters import drop_filter, ensure_filter
from hydria.contract import Address, AddressPair, Interface, Limit, Route
from hydria.errors import HostError

if TYPE_CHECKING:
    from openstack.connection import Connection


def interface_of(connection: "Connection", port: Any) -> Interface:
    """Return the interface of an openstacksdk port, with its subnets' prefixes, gateways and routes."""
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
            # The default route is that of the first subnet.
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
        # As in Neutron, ports of the network service itself have no port security.
        port_security=port.is_port_security_enabled and not (port.device_owner or "").startswith("network:"),
        address_pairs=tuple(
            AddressPair(mac=pair["mac_address"], cidr=pair["ip_address"]) for pair in port.allowed_address_pairs or ()
        ),
        admin_state_up=port.is_admin_state_up,
    )


def _limits(connection: "Connection", port: Any) -> dict[str, Limit]:
    if not port.qos_policy_id:
        return {}
    rules = connection.network.get_qos_policy(port.qos_policy_id).rules
    return {rule["direction"]: Limit.of(rule["max_kbps"], rule["max_burst_kbps"]) for rule in rules}


def plug(names: Names, namespace: str, link: str, interface: Interface) -> bool:
    """Make `link` in a namespace the end of a port; return True when anything changed. Raises HostError.

    `namespace` is a name under /run/netns or a path such as `/proc/PID/ns/net`. An existing link that does not belong
    to this port is refused.
    """
    with reporting(f"The network namespace {namespace} cannot be read"), netlink(namespace) as here:
        there = here.find(link)
    if there is not None and there.get("address") != interface.mac.lower():
        raise HostError(f"{namespace} has a link {link} already, and it is not this port's. Choose another name.")
    return ensure_interface(names, namespace, link, interface)


def plug_tap(names: Names, tap: str, interface: Interface) -> bool:
    """Attach a tap device of the machine, and so its virtual machine, to a port; return True when anything changed.

    The device moves into the switch, and disappears when its virtual machine ends. Raises HostError.
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
        device, there = here.find(tap), switch.find(end)
        if device is None and there is None:
            raise HostError(f"The machine has no tap device {tap}: ip tuntap add dev {tap} mode tap")
        if device is not None and there is not None:
            raise HostError(f"Something else is on the port {interface.port_id} already. Unplug it first.")
        if device is not None:
            if device.get("kind") != "tun":
                raise HostError(f"{tap} is no tap device.")
            # A link can be renamed only while it is down.
            here.set_link(device["index"], state="down")
            with opened(names.switch) as descriptor:
                here.set_link(device["index"], net_ns_fd=descriptor, ifname=end)
            there = switch.find(end)
        assert there is not None  # noqa: S101 - it was found, or has just been moved
        switch.set_link(there["index"], master=master, mtu=interface.mtu)
        # Before the virtual machine can send anything.
        ensure_filter(names.switch, switch, there, interface)
        switch.set_link(there["index"], state="up" if interface.admin_state_up else "down")
        ensure_limit(switch, there, interface.ingress, interface.mtu)
    return device is not None


def unplug(names: Names, port_id: str) -> bool:
    """Detach a port: delete the link, or the tap device itself. Return False when there was none.

    Raises HostError.
    """
    if not exists(names.switch):
        return False
    end, removed = switch_end(port_id), False
    with reporting(f"The port {port_id} cannot be unplugged"), netlink(names.switch) as switch:
        there = switch.find(end)
        if there is not None:
            switch.delete_link(there["index"])
            removed = True
    drop_filter(names.switch, end)
    return removed


def claim(connection: "Connection", port: Any, host: str) -> Any:
    """Mark a port in the network service as plugged on a host, before it is plugged; return the port after that.

    Its addresses are not allocated again until `disclaim`. Raises HostError for a port that is used otherwise.
    """
    check_plain(port)
    if port.binding_host_id not in (None, "", host):
        raise HostError(f"The port {port.id} is plugged on host {port.binding_host_id}. Unplug it there first.")
    if port.binding_host_id != host:
        return _bound(connection, port, host)
    return port


def check_plain(port: Any) -> None:
    """Refuse a port of a load balancer, a router or a floating IP. Raises HostError."""
    if port.device_owner == "Octavia" or (port.device_owner or "").startswith("network:"):
        raise HostError(f"The port {port.id} belongs to {port.device_owner}. Use a port of your own.")


def disclaim(connection: "Connection", port: Any) -> None:
    """Mark a port in the network service as not plugged any more. Raises HostError."""
    if port.binding_host_id:
        _bound(connection, port, "")


def _bound(connection: "Connection", port: Any, host: str) -> Any:
    # Imported here, because loading the SDK takes a while.
    from openstack.exceptions import SDKException  # noqa: PLC0415

    try:
        return connection.network.update_port(port, binding_host_id=host)
    except SDKException as error:
        raise HostError(f"The port {port.id} cannot be bound: {error}") from error
