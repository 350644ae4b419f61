"""Restores rows from what a host still has: for operators who adopt orphans after a database was lost."""

import ipaddress
import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from hydria import contract
from hydria.homecloud.network import changes, plugging
from hydria.homecloud.network.addresses import default_pools, key_of
from hydria.homecloud.network.faults import fault
from hydria.homecloud.network.rows import (
    FLOATING_IP,
    ROUTER_GATEWAY,
    ROUTER_INTERFACE,
    Address,
    FloatingIp,
    HostRoute,
    Network,
    Port,
    Router,
    SecurityGroup,
    SecurityGroupRule,
    Subnet,
)
from hydria.model.network import Device
from hydria.store import Transaction, columns
from hydria.times import zoned_stamp

_RESTORED = "restored"


class Restoring:
    """Makes missing rows in one transaction; rows that exist are left alone."""

    def __init__(self, transaction: Transaction, now: datetime, project_id: str) -> None:
        self._transaction = transaction
        self._now = now
        time = zoned_stamp(now)
        self._common: dict[str, Any] = {"project_id": project_id, "created_at": time, "updated_at": time}

    def network(self, wanted: contract.Network) -> Network:
        """Return a network's row."""
        found = self._transaction.get(Network, wanted.id)
        if found is None:
            found = Network(
                id=wanted.id,
                name=_RESTORED,
                mtu=wanted.mtu,
                external=wanted.external,
                physical_network=wanted.physical,
                segmentation_id=wanted.vlan,
                **self._common,
            )
            changes.add(self._transaction, found)
            for address in wanted.host_addresses:
                self._subnet(found, address, None, (contract.Route(destination="0.0.0.0/0", via=address.ip),))
        return found

    def port(
        self,
        interface: contract.Interface,
        subnet_ids: Sequence[str | None],
        name: str,
        device: Device,
        groups: Sequence[str] = (),
    ) -> Port:
        """Return the row of a port as a host has it, with its network and subnets. Raises Conflict or Invalid."""
        found = self._transaction.get(Port, interface.port_id)
        if found is not None:
            return found
        network = self.network(contract.Network(id=interface.network_id, mtu=interface.mtu))
        # An address without a subnet's id is on whatever subnet of the network has it.
        ids = [*subnet_ids, *[None] * len(interface.addresses)]
        wishes = [
            (self._subnet(network, address, subnet_id, interface.routes), address.ip)
            for address, subnet_id in zip(interface.addresses, ids, strict=False)
        ]
        for group in groups:
            self._security_group(group, interface.guard or (), first=group == groups[0])
        plugging.check_mac(self._transaction, network.id, interface.mac)
        port = Port(
            id=interface.port_id,
            network_id=network.id,
            name=name,
            mac_address=interface.mac,
            device_id=device.id,
            device_owner=device.owner,
            port_security_enabled=device.owner not in (ROUTER_INTERFACE, ROUTER_GATEWAY),
            security_groups=tuple(groups),
            **self._common,
        )
        plugging.plug(self._transaction, port, wishes)
        return port

    def router(self, wanted: contract.Router) -> list[str]:
        """Make a router's row or its missing parts, and return what could not be made."""
        router = self._transaction.get(Router, wanted.id)
        if router is None:
            snat = bool(wanted.snat_cidrs) or wanted.gateway is None
            router = Router(id=wanted.id, name=_RESTORED, enable_snat=snat, **self._common)
            changes.add(self._transaction, router)
        for interface in wanted.interfaces:
            self.port(interface, (), "", Device(id=router.id, owner=ROUTER_INTERFACE))
        if wanted.gateway is not None and router.gw_port_id is None:
            gateway = self.port(wanted.gateway, (), "", Device(id=router.id, owner=ROUTER_GATEWAY))
            router = changes.change(self._transaction, router, self._now, gw_port_id=gateway.id)
        return [
            f"floating IP {pair.floating_ip}: no network of the router has {pair.fixed_ip}"
            for pair in wanted.floating_ips
            if not self._floating_ip(router, pair)
        ]

    def _subnet(
        self, network: Network, address: contract.Address, subnet_id: str | None, routes: Sequence[contract.Route]
    ) -> Subnet:
        cidr = ipaddress.ip_interface(f"{address.ip}/{address.prefix}").network
        there = plugging.subnets_of(self._transaction, network.id)
        found = next((each for each in there if each.id == subnet_id or ipaddress.ip_network(each.cidr) == cidr), None)
        if found is not None:
            if subnet_id not in (None, found.id):
                raise fault("HTTPBadRequest", msg=f"{cidr} is the subnet {found.id} already, not {subnet_id}.")
            return found
        # A router's interface is the gateway of its subnet; without a default route the first address is kept free.
        ways = [route.via for route in routes if route.destination in contract.DEFAULT_ROUTES and route.via is not None]
        gateway = next((via for via in ways if ipaddress.ip_address(via) in cidr), str(cidr[1]))
        subnet = Subnet(
            id=subnet_id or str(uuid.uuid4()),
            network_id=network.id,
            name=_RESTORED,
            ip_version=cidr.version,
            cidr=str(cidr),
            gateway_ip=gateway,
            allocation_pools=default_pools(cidr, gateway),
            host_routes=tuple(
                HostRoute(destination=route.destination, nexthop=route.via)
                for route in routes
                if route.via is not None
                and route.destination not in contract.DEFAULT_ROUTES
                and ipaddress.ip_network(route.destination).version == cidr.version
            ),
            **self._common,
        )
        changes.add(self._transaction, subnet)
        return subnet

    def _security_group(self, key: str, rules: Sequence[contract.FirewallRule], *, first: bool) -> None:
        """Make a group; the first of several gets all rules, because the host does not know which group has which."""
        if self._transaction.get(SecurityGroup, key) is not None:
            return
        changes.add(self._transaction, SecurityGroup(id=key, name=_RESTORED, **self._common))
        for rule in rules if first else ():
            for source in rule.sources if rule.sources is not None else (None,):
                row = SecurityGroupRule(
                    id=str(uuid.uuid4()),
                    security_group_id=key,
                    direction="ingress",
                    ethertype=rule.ethertype,
                    protocol=rule.protocol,
                    port_range_min=rule.port_min,
                    port_range_max=rule.port_max,
                    remote_ip_prefix=source,
                    **self._common,
                )
                changes.add(self._transaction, row)

    def _floating_ip(self, router: Router, pair: contract.FloatingIp) -> bool:
        """Make a floating IP, and a port for its fixed address if there is none; return whether it was possible."""
        gateway = None if router.gw_port_id is None else self._transaction.get(Port, router.gw_port_id)
        c = columns(Port)
        interfaces = self._transaction.find(Port, c.device_id == router.id, c.device_owner == ROUTER_INTERFACE)
        inside = [
            each for interface in interfaces for each in plugging.subnets_of(self._transaction, interface.network_id)
        ]
        fixed = ipaddress.ip_address(pair.fixed_ip)
        subnet = next((each for each in inside if fixed in ipaddress.ip_network(each.cidr)), None)
        outside = [] if gateway is None else plugging.subnets_of(self._transaction, gateway.network_id)
        floating = ipaddress.ip_address(pair.floating_ip)
        place = next((each for each in outside if floating in ipaddress.ip_network(each.cidr)), None)
        if gateway is None or subnet is None or place is None:
            return False
        key = pair.id or str(uuid.uuid4())
        held = self._holder(place, pair.floating_ip, Device(id=key, owner=FLOATING_IP))
        leads_to = self._holder(subnet, pair.fixed_ip, Device(id="", owner=""))
        row = FloatingIp(
            id=key,
            floating_network_id=gateway.network_id,
            floating_ip_address=pair.floating_ip,
            floating_port_id=held,
            port_id=leads_to,
            fixed_ip_address=pair.fixed_ip,
            router_id=router.id,
            **self._common,
        )
        changes.add(self._transaction, row)
        return True

    def _holder(self, subnet: Subnet, ip: str, device: Device) -> str:
        """Return the id of the port that has an address, made if there is none."""
        c = columns(Address)
        found = self._transaction.find(Address, c.subnet_id == subnet.id, c.key == key_of(ip), c.port_id != "")
        if found:
            return found[0].port_id
        port = Port(
            id=str(uuid.uuid4()),
            network_id=subnet.network_id,
            name=_RESTORED,
            mac_address=plugging.new_mac(),
            device_id=device.id,
            device_owner=device.owner,
            port_security_enabled=device.owner == "",
            **self._common,
        )
        plugging.plug(self._transaction, port, [(subnet, ip)])
        return port.id
