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
from hydria.render.vip_firewall import render_vip_firewall


class VipFirewall(Part):
    """The rules of one namespace. They cost nothing where the VIP has no security groups.

    `file`, in the amphora's directory, exists while there may be rules.
    """

    def __init__(self, tables: Tables, directory: Path, interface: str) -> None:
        """`interface` is the name of the VIP's."""
        self._tables = tables
        self.file = directory / "guard.nft"
        self._interface = interface
        # The text that was loaded last, and `Tables.place` then.
        self._loaded: tuple[object, str] | None = None

    async def ensure(self, instance: Instance) -> bool:
        """Let in what the rules say; everything where there are none."""
        rules = instance.interfaces[0].guard
        if rules is None and not self.file.exists():
            return False
        await asyncio.to_thread(self._ensure, rules, ports(instance))
        return False

    def _ensure(self, rules: tuple[FirewallRule, ...] | None, tcp_ports: Collection[int]) -> None:
        try:
            text = render_vip_firewall(rules, self._interface, tcp_ports)
        except ValueError as error:
            raise HostError(f"A security group's rule cannot be kept: {error}.") from error
        self._tables.look()
        if self._loaded == (self._tables.place, text):
            return
        self._loaded = None
        write_private(self.file, text.encode())
        self._tables.load(text)
        if rules is None:
            self.file.unlink()
        else:
            self._loaded = self._tables.place, text
