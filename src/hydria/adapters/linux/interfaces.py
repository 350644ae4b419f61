"""The network namespace of one amphora and the interfaces in it, named eth0 (in the VIP's network), eth1 and so on."""

import asyncio
from ipaddress import ip_address

from hydria.adapters.linux import kernel
from hydria.adapters.linux.netns import configure_namespace, ensure_namespace, remove_namespace
from hydria.adapters.linux.parts import Part, Place
from hydria.adapters.linux.policy_routing import ensure_policy_routing, remove_policy_routing
from hydria.adapters.linux.port_filters import drop_filters
from hydria.adapters.linux.watch import NamespaceWatch
from hydria.contract import Instance, Interface
from hydria.errors import HostError
from hydria.render.port_filter import Forward

VIP_INTERFACE = "eth0"


def _name(index: int) -> str:
    return f"eth{index}"


class Namespace(Part):
    """The namespace, which every later part is in. It also notices when somebody else changes nftables rules there."""

    def __init__(self, place: Place, watch: NamespaceWatch) -> None:
        """`watch` is the one that `Interfaces` starts."""
        self._place = place
        self._watch = watch
        # The state of the namespace's rules (`Tables.place`) that `ensure` went through last.
        self._rules: object = None

    async def ensure(self, instance: Instance) -> bool:
        """Make the namespace."""
        return await asyncio.to_thread(self._ensure)

    def _ensure(self) -> bool:
        drifted = self.drifted
        changed = ensure_namespace(self._place.namespace)
        if self._watch.moved and not changed:
            configure_namespace(self._place.namespace)
        self._place.tables.look()
        self._rules = self._place.tables.place
        return changed or drifted

    @property
    def drifted(self) -> bool:
        """Whether another namespace has the name, or somebody else changed rules in it."""
        if self._watch.moved:
            return True
        try:
            self._place.tables.look()
        except (HostError, OSError):
            return True
        return self._place.tables.place != self._rules

    async def remove(self) -> None:
        """Remove the namespace, with every interface in it."""
        await asyncio.to_thread(remove_namespace, self._place.namespace)
        await asyncio.to_thread(drop_filters, self._place.host.names.switch)


class Interfaces(Part):
    """The interfaces with their addresses and routes, without the VIPs of an amphora with a base port (`vips`).

    They may go on to exist longer: see `StaleInterfaces`.
    """

    def __init__(self, place: Place, watch: NamespaceWatch) -> None:
        self._place = place
        self._watch = watch
        # The ports of a Neutron that `ensure` has plugged.
        self._plugged: tuple[Interface, ...] = ()

    async def ensure(self, instance: Instance) -> bool:
        """Make the interfaces, and watch the namespace for changes by others."""
        changed = await asyncio.to_thread(self._ensure, instance)
        self._plugged = tuple(each for each in instance.interfaces if each.plug is not None)
        # Begun last, so that it does not hear of what this made.
        self._watch.watch()
        return changed

    def _ensure(self, instance: Instance) -> bool:
        changed, namespace, names = False, self._place.namespace, self._place.host.names
        vips = [str(ip_address(address.ip)) for address in instance.vips]
        handed = [Forward(each.mac, vip) for each in (*instance.hand_over, *instance.successors) for vip in vips]
        for index, interface in enumerate(instance.interfaces):
            others, forwards = (vips, handed) if index == 0 else ((), ())
            if interface.plug is not None:
                integration, key = self._place.host.integration, self._place.amphora_id
                changed |= integration.ensure_interface(key, namespace, _name(index), interface, others)
            else:
                changed |= kernel.ensure_interface(
                    names, namespace, _name(index), interface, others=others, forwards=forwards
                )
            if index == 0 and len(instance.interfaces) > 1:
                changed |= ensure_policy_routing(namespace, VIP_INTERFACE, interface, vips)
        return changed

    async def unplugged(self) -> bool:
        """Say whether a port of a Neutron is not plugged any more: links of these have no watch."""
        if not self._plugged:
            return False
        return await asyncio.to_thread(self._place.host.integration.drifted, self._plugged)

    async def close(self) -> None:
        """Stop watching."""
        self._watch.close()

    async def remove(self) -> None:
        """Unplug the ports of a Neutron, before their links go with the namespace."""
        await self.close()
        await asyncio.to_thread(self._place.host.integration.unplug, self._place.amphora_id)


class StaleInterfaces(Part):
    """The removal of interfaces that the instance does not have any more."""

    def __init__(self, place: Place) -> None:
        self._place = place
        # How many interfaces there are since the last look; None where there may be others.
        self._count: int | None = None

    async def ensure(self, instance: Instance) -> bool:
        """Remove the interfaces that the instance does not have."""
        count = len(instance.interfaces)
        if self._count == count:
            return False
        self._count = None
        ports = {each.port_id for each in instance.interfaces}
        await asyncio.to_thread(self._place.host.integration.unplug, self._place.amphora_id, but=ports)
        await asyncio.to_thread(self._remove_all_from, count)
        self._count = count
        return False

    def _remove_all_from(self, count: int) -> None:
        wanted, namespace = {_name(index) for index in range(count)}, self._place.namespace
        stale = [link for link in kernel.links(namespace) if link.startswith("eth") and link not in wanted]
        if stale and count == 1:
            # Before the last interface goes: a restarted agent knows by it that there may be policy routing.
            remove_policy_routing(namespace)
        for link in stale:
            kernel.remove_interface(self._place.host.names, namespace, link)
