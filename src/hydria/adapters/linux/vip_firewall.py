"""The nftables rules of security groups at an amphora's VIP, in its namespace."""

import asyncio
from collections.abc import Collection
from pathlib import Path

from hydria.adapters.linux.nft import Tables
from hydria.adapters.linux.parts import Part
from hydria.contract import FirewallRule, Instance
from hydria.errors import HostError
from hydria.files import write_private
from hydria.render.haproxy import ports
from hydria.render.vip_firewall import Pair, render_vip_firewall


class VipFirewall(Part):
    """The rules of one namespace. They cost nothing for a single amphora whose VIP has no security groups.

    `file`, in the amphora's directory, exists while there may be rules of security groups.
    """

    def __init__(self, tables: Tables, directory: Path, interface: str) -> None:
        """`interface` is the name of the VIP's."""
        self._tables = tables
        self.file = directory / "guard.nft"
        # The same for an amphora of a pair without security groups, whose rules have the kernel remember no flows.
        self._pair_file = directory / "pair.nft"
        self._interface = interface
        # The text that was loaded last, and `Tables.place` then.
        self._loaded: tuple[object, str] | None = None

    async def ensure(self, instance: Instance) -> bool:
        """Let in what the rules say; everything where there are none."""
        rules, pair = instance.interfaces[0].guard, _pair(instance)
        if rules is None and pair is None and not (self.file.exists() or self._pair_file.exists()):
            return False
        await asyncio.to_thread(self._ensure, rules, ports(instance), pair)
        return False

    def _ensure(self, rules: tuple[FirewallRule, ...] | None, tcp_ports: Collection[int], pair: Pair | None) -> None:
        try:
            text = render_vip_firewall(rules, self._interface, tcp_ports, pair)
        except ValueError as error:
            raise HostError(f"A security group's rule cannot be kept: {error}.") from error
        self._tables.look()
        if self._loaded == (self._tables.place, text):
            return
        self._loaded = None
        wanted = self.file if rules is not None else self._pair_file
        write_private(wanted, text.encode())
        self._tables.load(text)
        for file in (self.file, self._pair_file):
            if file != wanted or (rules is None and pair is None):
                file.unlink(missing_ok=True)
        if rules is not None or pair is not None:
            self._loaded = self._tables.place, text


def _pair(instance: Instance) -> Pair | None:
    if not instance.siblings:
        return None
    return Pair(
        base=tuple(address.ip for address in instance.interfaces[0].addresses),
        siblings=tuple(address for each in instance.siblings for address in each.addresses),
    )
