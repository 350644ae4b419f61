"""A part of an amphora: one thing that this host does for it. A new part is a new file and a line in `amphora`."""

import asyncio
from abc import ABC, abstractmethod
from pathlib import Path

from msgspec import Struct

from hydria.adapters.linux.accounts import Accounts
from hydria.adapters.linux.cgroups import Cgroups
from hydria.adapters.linux.events import Events
from hydria.adapters.linux.integration import Integration
from hydria.adapters.linux.names import Names
from hydria.adapters.linux.nft import Tables
from hydria.adapters.linux.remembered import Remembered
from hydria.contract import Instance
from hydria.settings import AgentSettings


class HostServices(Struct, frozen=True, kw_only=True):
    """The objects that all amphorae of a host share; `amphorae` is the directory with a directory for each."""

    settings: AgentSettings
    names: Names
    amphorae: Path
    accounts: Accounts
    cgroups: Cgroups
    events: Events
    remembered: Remembered
    integration: Integration


class Place(Struct, frozen=True, kw_only=True):
    """The places of one amphora on this host: its namespace, directory and files."""

    amphora_id: str
    host: HostServices
    tables: Tables
    # Held while the amphora is changed.
    lock: asyncio.Lock

    @property
    def directory(self) -> Path:
        """The directory with the amphora's files."""
        return self.host.amphorae / self.amphora_id

    @property
    def namespace(self) -> str:
        """The name of the amphora's network namespace."""
        return self.tables.namespace

    def notify(self) -> None:
        """Have the agent observe the amphora: its health, or a process of it, has changed."""
        self.host.events.add(self.amphora_id)


class Part(ABC):
    """One part of one amphora. Every method may run again at any time, also after a crash in the middle of it."""

    @abstractmethod
    async def ensure(self, instance: Instance) -> bool:
        """Make the part as the instance says. Raises HostError or OSError.

        Return True when something had to be made or repaired. Changes that follow traffic and health do not count.
        """

    @property
    def drifted(self) -> bool:
        """Whether the part is not as `ensure` left it, as far as a few system calls show."""
        return False

    async def close(self) -> None:  # noqa: B027 - many parts have no tasks
        """Stop the tasks that look after the part; what it made stays, and traffic goes on."""

    async def remove(self) -> None:
        """Undo `ensure`, as far as it was done. Raises HostError or OSError."""
        await self.close()
