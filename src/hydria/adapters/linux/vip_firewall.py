"""Who may speak to an amphora's VIP: the rules of security groups in its namespace."""

from collections.abc import Collection
from pathlib import Path

from hydria.adapters.linux.nft import Tables
from hydria.contract import FirewallRule
from hydria.errors import HostError
from hydria.files import write_private
from hydria.render.vip_firewall import render_vip_firewall


class VipFirewall:
    """The rules of one namespace; costs nothing where nobody asks for any.

    `guard.nft` in the amphora's directory is there while there may be rules.
    """

    def __init__(self, tables: Tables, directory: Path, link: str) -> None:
        self._tables = tables
        self._file = directory / "guard.nft"
        self._link = link
        # What was loaded, and where.
        self._loaded: tuple[object, str] | None = None

    def ensure(self, rules: tuple[FirewallRule, ...] | None, ports: Collection[int]) -> None:
        """Let in what the rules say, everything without; the namespace is there. Raises HostError.

        `ports` are those on which the amphora takes connections of TCP.
        """
        if rules is None and not self._file.exists():
            return
        try:
            text = render_vip_firewall(rules, self._link, ports)
        except ValueError as error:
            raise HostError(f"A security group's rule cannot be kept: {error}.") from error
        self._tables.look()
        if self._loaded == (self._tables.place, text):
            return
        self._loaded = None
        write_private(self._file, text.encode())
        self._tables.load(text)
        if rules is None:
            self._file.unlink()
        else:
            self._loaded = self._tables.place, text
