"""Ports of a real Neutron: a veth pair between a namespace and the integration bridge of Open vSwitch."""

import ctypes
import fcntl
import socket
import struct
from collections.abc import Collection
from typing import Any

import structlog

from hydria.adapters.linux import kernel
from hydria.adapters.linux.netns import OWN, inside, netlink, reporting
from hydria.adapters.linux.ovsdb import Ovsdb, OvsPort
from hydria.adapters.linux.rtnetlink import Netlink
from hydria.contract import Interface
from hydria.errors import HostError
from hydria.model.network import Plug

log = structlog.get_logger(__name__)

# Open vSwitch's datapath that needs no kernel module: it fills in no checksums that were left to the hardware.
_USERSPACE = "netdev"
_SIOCETHTOOL, _GET_TX_CHECKSUMS, _SET_TX_CHECKSUMS = 0x8946, 0x16, 0x17


def bridge_end(port_id: str) -> str:
    """Return the end of a port's veth pair at the integration bridge, named as Neutron's own are."""
    return f"tap{port_id[:11]}"


class Integration:
    """The integration bridge of this host, if it has one."""

    def __init__(self, ovsdb: Ovsdb | None) -> None:
        self._ovsdb = ovsdb

    def ensure_interface(
        self, amphora_id: str, namespace: str, link: str, interface: Interface, others: Collection[str] = ()
    ) -> bool:
        """Attach a namespace to a port of Neutron; return whether anything was changed.

        When it returns, OVN, or Neutron's agent, lets the port's packets pass, and new addresses were announced.
        `others` are IP addresses that the link may have besides. Raises HostError.
        """
        ovsdb, plug = self._required(), interface.plug or Plug()
        end = OvsPort(name=bridge_end(interface.port_id), amphora_id=amphora_id, port_id=interface.port_id)
        failure = f"The link {link} of the network namespace {namespace} cannot be plugged"
        with reporting(failure), netlink(namespace) as here, netlink(OWN) as host:
            near, changed = _ensure_pair(ovsdb, here, host, namespace, link, interface)
            fresh, readdressed = kernel.ensure_addresses(here, near["index"], interface, others)
            raised = kernel.ensure_state(here, near, "up")
            raised |= kernel.ensure_state(host, kernel.get_link(host, end.name), "up")
            fresh |= kernel.ensure_connected(here, near["index"], interface)
            fresh |= kernel.ensure_link_local(here, near["index"], interface)
            if plug.datapath == _USERSPACE:
                changed |= _compute_checksums(namespace, link)
            changed |= _ensure_port(ovsdb, end, plug, interface.mac)
            if changed or raised or fresh:
                kernel.announce(here, namespace, link, near["index"], interface.mac)
            rerouted = kernel.ensure_routes(here, near["index"], interface.routes)
        return changed or fresh or readdressed or raised or rerouted

    def unplug(self, amphora_id: str, *, but: Collection[str] = ()) -> None:
        """Remove the ports of an amphora but those of some ids: first the row, then the link. Raises HostError."""
        if self._ovsdb is not None:
            for port in self._ovsdb.ports():
                if port.amphora_id == amphora_id and port.port_id not in but:
                    _unplug(self._ovsdb, port.name)

    def remove_stale(self, amphora_ids: Collection[str]) -> None:
        """Remove rows without a link of amphorae that this host does not have: rows outlive reboots, links do not."""
        if self._ovsdb is None:
            return
        try:
            with netlink(OWN) as host:
                for port in self._ovsdb.ports():
                    if port.amphora_id not in amphora_ids and host.find(port.name) is None:
                        log.info("stale_port_removed", port=port.port_id, amphora=port.amphora_id)
                        self._ovsdb.delete(port.name)
        except HostError as error:
            log.warning("stale_ports_not_removed", reason=str(error))

    def drifted(self, interfaces: Collection[Interface]) -> bool:
        """Say whether one of the ports is not plugged as it was; what cannot be read has not drifted."""
        if self._ovsdb is None:
            return False
        try:
            there = {port.port_id for port in self._ovsdb.ports() if not port.error}
        except HostError:
            return False
        return any(each.port_id not in there for each in interfaces)

    def _required(self) -> Ovsdb:
        if self._ovsdb is None:
            raise HostError("The port is one of Neutron's, and this host has no integration bridge. Set agent.ovsdb.")
        return self._ovsdb


def _ensure_pair(
    ovsdb: Ovsdb, here: Netlink, host: Netlink, namespace: str, link: str, interface: Interface
) -> tuple[dict[str, Any], bool]:
    """Make or mend the veth pair; return its end in the namespace, and whether anything was changed."""
    name = bridge_end(interface.port_id)
    near, end = here.find(link), host.find(name)
    if near is None or end is None or near.get("link") != end["index"] or end.get("link") != near["index"]:
        # A row whose link comes again under the same name would carry nothing.
        ovsdb.delete(name)
        kernel.delete_link(here, near)
        kernel.delete_link(host, end)
        kernel.make_pair(host, namespace, link, interface, ifname=name)
        return kernel.get_link(here, link), True
    changed = kernel.repair_link(here, near, {"address": interface.mac.lower(), "mtu": interface.mtu})
    changed |= kernel.repair_link(host, end, {"mtu": interface.mtu})
    return near, changed


def _ensure_port(ovsdb: Ovsdb, end: OvsPort, plug: Plug, mac: str) -> bool:
    """Add the port to the bridge, and wait until it is wired; return whether it was added."""
    found = ovsdb.port(end.name)
    if found is not None and (found.port_id != end.port_id or found.amphora_id != end.amphora_id or found.error):
        ovsdb.delete(end.name)
        found = None
    if found is None:
        ovsdb.add(plug.bridge, end, mac)
    by_agent = plug.driver != "ovn"
    if (found is None or not found.wired) and not ovsdb.await_wired(end.name, by_agent=by_agent):
        who, program = ("Neutron's agent", "neutron-openvswitch-agent") if by_agent else ("OVN", "ovn-controller")
        raise HostError(
            f"{who} does not wire the port {end.port_id} on this host. See whether {program} runs, and whether the"
            " port is bound to this host in Neutron."
        )
    return found is None


def _unplug(ovsdb: Ovsdb, name: str) -> None:
    ovsdb.delete(name)
    with reporting(f"The link {name} cannot be removed"), netlink(OWN) as host:
        kernel.delete_link(host, host.find(name))


def _compute_checksums(namespace: str, link: str) -> bool:
    """Have the kernel compute the checksums of what a link sends; return whether that had been left to hardware."""
    with inside(namespace), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        if _ethtool(control, link, _GET_TX_CHECKSUMS, 0) == 0:
            return False
        _ethtool(control, link, _SET_TX_CHECKSUMS, 0)
    return True


def _ethtool(control: socket.socket, link: str, command: int, value: int) -> int:
    """Call the kernel's ethtool interface with one value (struct ethtool_value) and return the value after that."""
    data = ctypes.create_string_buffer(struct.pack("II", command, value), 8)
    request = struct.pack("16sP", link.encode(), ctypes.addressof(data)).ljust(40, b"\0")
    fcntl.ioctl(control.fileno(), _SIOCETHTOOL, request)
    return int(struct.unpack("II", data.raw)[1])
