"""The steps that bring Neutron to what one load balancer wants: delete what is gone, then groups, then ports."""

from collections.abc import Callable
from typing import Any

import structlog
from msgspec import structs

from hydria.errors import Refusal, Unavailable
from hydria.model import LoadBalancer
from hydria.model.neutron import AMPHORA_OWNER, VIF_OVS, GroupRule, NeutronNetwork, NeutronPort
from hydria.neutron.calls import Calls
from hydria.neutron.rows import Applied, WantedPort
from hydria.neutron.situation import Situation
from hydria.neutron.wanted import group_name, wanted_rules
from hydria.store import Database, Transaction, columns

log = structlog.get_logger(__name__)

# Hints for the controller, which goes on when ports are there, and for open polls.
_MADE = ("ports", "hosts", "instances")


class Steps:
    """The work for one load balancer."""

    def __init__(
        self, neutron: Calls, database: Database, situation: Situation, networks: dict[str, NeutronNetwork]
    ) -> None:
        """`networks` are those that are known already, to which others are added."""
        self._networks = networks
        self._neutron = neutron
        self._database = database
        self._situation = situation

    async def take(self) -> None:
        """Take all steps. Raises a Refusal, whose sentence is also in the row of a port that it concerns."""
        situation = self._situation
        for port in situation.gone:
            await self._remove(port)
        if situation.tree is None:
            if situation.applied is not None and situation.applied.leaving and not situation.ports:
                await self._remove_group(situation.applied)
            return
        applied = await self._apply(situation.tree.load_balancer)
        for port in situation.missing:
            await self._make(port, situation.tree.load_balancer, applied)

    # --- what goes ---

    async def _remove(self, port: WantedPort) -> None:
        neutron = self._neutron
        if port.port_id is None:
            # A crash may have left it.
            for found in await neutron.ports(device_id=port.device_id):
                if port.subnet_id in dict(found.addresses):
                    await neutron.delete_port(found.id)
        elif port.owned:
            await neutron.delete_port(port.port_id)
        else:
            await self._free(port.port_id)

        def work(transaction: Transaction) -> None:
            transaction.delete(WantedPort, columns(WantedPort).id == port.id)
            _hint(transaction)

        await self._database.run(work, writing=True)

    async def _free(self, port_id: str) -> None:
        """Give a user's port back."""
        found = await self._neutron.port(port_id)
        applied = self._situation.applied
        if found is not None:
            own = set(applied.vip_groups) if applied is not None else set()
            groups = [each for each in found.security_groups if each not in own]
            await self._neutron.update_port(port_id, device_id="", device_owner="", security_groups=groups)

    async def _remove_group(self, applied: Applied) -> None:
        if applied.group_id is not None:
            await self._neutron.delete_group(applied.group_id)

        def work(transaction: Transaction) -> None:
            transaction.delete(Applied, columns(Applied).id == applied.id)
            _hint(transaction)

        await self._database.run(work, writing=True)

    # --- security groups and QoS ---

    async def _apply(self, load_balancer: LoadBalancer) -> Applied:
        """Bring the security group, and the ports that are made already, to what the load balancer wants."""
        situation, before = self._situation, self._situation.applied
        assert situation.tree is not None  # noqa: S101 - `take`
        wanted = Applied(
            id=load_balancer.id,
            group_id=before.group_id if before is not None else None,
            rules=wanted_rules(situation.tree),
            vip_groups=load_balancer.vip_sg_ids,
            qos_policy_id=load_balancer.vip_qos_policy_id,
            generation=load_balancer.generation,
        )
        if before is None or before.group_id is None or before.rules != wanted.rules:
            group_id, rules = await self._group(load_balancer.id)
            there = {GroupRule.of(each): str(each["id"]) for each in rules}
            new = [rule for rule in wanted.rules if rule not in there]
            if new:
                await self._neutron.add_rules(group_id, new)
            for rule, rule_id in there.items():
                if rule not in wanted.rules:
                    await self._neutron.delete_rule(rule_id)
            wanted = structs.replace(wanted, group_id=group_id)
        asked = (wanted.vip_groups, wanted.qos_policy_id)
        if before is None or before.group_id is None or (before.vip_groups, before.qos_policy_id) != asked:
            await self._update_ports(wanted, before)
        if wanted != before:
            await self._store(wanted)
        return wanted

    async def _group(self, load_balancer_id: str) -> tuple[str, list[dict[str, Any]]]:
        """Return the id and the rules of the security group, which is made if it is missing."""
        name = group_name(load_balancer_id)
        if self._situation.applied is not None:
            return await self._neutron.ensure_group(name)
        # Written down first, so that the one that a crash may leave is looked for.
        begun = Applied(id=load_balancer_id)
        await self._database.run(lambda transaction: transaction.ensure(begun), writing=True)
        return await self._neutron.create_group(name)

    async def _update_ports(self, wanted: Applied, before: Applied | None) -> None:
        """Give the made ports their groups and QoS policy.

        Only what differs is sent: a Neutron without an extension refuses its attributes, whatever their value.
        """
        for port in self._situation.ports:
            if port.port_id is None or port.kind == "member":
                continue
            changes = self._changes_of_vip if port.kind == "vip" else self._changes_of_base
            values = await changes(port, wanted, before)
            if values:
                await self._neutron.update_port(port.port_id, **values)

    async def _changes_of_vip(self, port: WantedPort, wanted: Applied, before: Applied | None) -> dict[str, Any]:
        """Return what is to change of a VIP's port; its other groups stay."""
        if port.owned and before is None and not wanted.vip_groups and wanted.qos_policy_id is None:
            return {}
        found = await self._neutron.port(port.port_id or "")
        if found is None:
            return {}
        old = set(before.vip_groups) if before is not None else set()
        kept = [each for each in found.security_groups if each not in old]
        groups = list(dict.fromkeys([*kept, *wanted.vip_groups]))
        values: dict[str, Any] = {}
        if groups != list(found.security_groups):
            values["security_groups"] = groups
        if found.qos_policy_id != wanted.qos_policy_id:
            values["qos_policy_id"] = wanted.qos_policy_id
        return values

    async def _changes_of_base(self, port: WantedPort, wanted: Applied, before: Applied | None) -> dict[str, Any]:
        """Return what is to change of an amphora's base port, which has what was applied before."""
        values: dict[str, Any] = {}
        if (before is None or _groups(before) != _groups(wanted)) and await self._secured(port.network_id):
            values["security_groups"] = _groups(wanted)
        if (None if before is None else before.qos_policy_id) != wanted.qos_policy_id:
            values["qos_policy_id"] = wanted.qos_policy_id
        return values

    async def _store(self, wanted: Applied) -> None:
        def work(transaction: Transaction) -> None:
            there = transaction.get(Applied, wanted.id)
            if there is None:
                transaction.insert(wanted)
            else:
                transaction.update(structs.replace(wanted, leaving=there.leaving))
            _hint(transaction)

        await self._database.run(work, writing=True)

    # --- ports ---

    async def _make(self, port: WantedPort, load_balancer: LoadBalancer, applied: Applied) -> None:
        """Make a port of an amphora, and bind it to its host."""
        try:
            network = await self._network(port.network_id)
            mtu = 1500 if network is None else network.mtu
            found = await self._existing(port) if port.tried else None
            if found is None:
                if not port.tried:
                    # Written down first, so that the one that a crash may leave is looked for.
                    port = structs.replace(port, tried=True)
                    await self._database.run(_storing(port, hint=False), writing=True)
                secured = await self._secured(port.network_id)
                found = await self._neutron.create_port(**_values(port, load_balancer, applied, secured=secured))
            reason = _trouble(port, found)
            if reason is not None:
                await self._neutron.delete_port(found.id)
        except Unavailable:
            raise
        except Refusal as refusal:
            await self._failed(port, refusal.message)
            raise
        if reason is not None:
            await self._failed(port, reason)
            raise Refusal(reason)
        made = structs.replace(
            port,
            port_id=found.id,
            network_id=found.network_id,
            mac=found.mac_address,
            mtu=mtu,
            fixed_ips=found.addresses,
            plug=found.plug(),
            reason=None,
        )
        await self._database.run(_storing(made), writing=True)
        log.info("port_made", load_balancer=load_balancer.id, amphora=port.device_id, port=found.id, host=port.host)

    async def _network(self, network_id: str) -> NeutronNetwork | None:
        if network_id not in self._networks:
            found = await self._neutron.network(network_id)
            if found is None:
                return None
            self._networks[network_id] = found
        return self._networks[network_id]

    async def _secured(self, network_id: str) -> bool:
        """Say whether ports of a network can have security groups and address pairs."""
        network = await self._network(network_id)
        return network is None or network.port_security_enabled

    async def _existing(self, port: WantedPort) -> NeutronPort | None:
        """Return the port if an earlier attempt has made it; one that is bound to another host is deleted."""
        for found in await self._neutron.ports(device_id=port.device_id):
            if port.subnet_id not in dict(found.addresses):
                continue
            if found.host == port.host and found.vif_type == VIF_OVS:
                return found
            await self._neutron.delete_port(found.id)
        return None

    async def _failed(self, port: WantedPort, reason: str) -> None:
        if port.reason != reason:
            await self._database.run(_storing(structs.replace(port, reason=reason)), writing=True)


def _storing(row: WantedPort, *, hint: bool = True) -> Callable[[Transaction], None]:
    def work(transaction: Transaction) -> None:
        there = transaction.get(WantedPort, row.id)
        # It may have been given up meanwhile; then the next look deletes the port.
        if there is not None:
            transaction.update(structs.replace(row, leaving=there.leaving))
            if hint:
                _hint(transaction)

    return work


def _hint(transaction: Transaction) -> None:
    for topic in _MADE:
        transaction.hint(topic)


def _values(port: WantedPort, load_balancer: LoadBalancer, applied: Applied, *, secured: bool) -> dict[str, Any]:
    """Return what an amphora's port is created with: of extensions that a Neutron may lack only what is wanted.

    Where the network has no port security, none can be had.
    """
    subnets = load_balancer.vip_subnet_ids if port.kind == "base" else [port.subnet_id]
    prefix = "octavia-lb-vrrp-" if port.kind == "base" else "octavia-lb-member-"
    values: dict[str, Any] = {
        "name": prefix + port.device_id,
        "network_id": port.network_id,
        "fixed_ips": [{"subnet_id": each} for each in subnets],
        "device_id": port.device_id,
        "device_owner": AMPHORA_OWNER,
        "binding:host_id": port.host,
    }
    if port.kind == "base":
        if applied.qos_policy_id is not None:
            values["qos_policy_id"] = applied.qos_policy_id
        if secured:
            values["allowed_address_pairs"] = [{"ip_address": each} for each in load_balancer.vip_addresses]
            values["security_groups"] = _groups(applied)
    return values


def _groups(applied: Applied) -> list[str]:
    return list(dict.fromkeys(each for each in (applied.group_id, *applied.vip_groups) if each is not None))


def _trouble(port: WantedPort, found: NeutronPort) -> str | None:
    """Return why a host cannot attach a port as Neutron has bound it, or None."""
    if found.vif_type == "binding_failed":
        return (
            f"Neutron cannot bind a port to the host {port.host}: no agent of it that is alive has the network. See"
            " 'openstack network agent list', and agent.neutron_host on that host."
        )
    if found.vif_type != VIF_OVS:
        return (
            f"Neutron has bound the port for the host {port.host} as {found.vif_type!r}, not for Open vSwitch. Give"
            " Hydria's user the role admin, and see the mechanism drivers of ML2."
        )
    if found.vif_details.get("ovs_hybrid_plug"):
        return (
            f"Neutron's agent on {port.host} uses the iptables firewall driver, which Hydria does not support. Set"
            " firewall_driver = openvswitch there."
        )
    return None
