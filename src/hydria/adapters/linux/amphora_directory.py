"""The directory of one amphora, the account of its processes, and the sockets between HAProxy and the agent."""

import shutil

from hydria.adapters.linux.jail import Jail, release
from hydria.adapters.linux.parts import Part, Place
from hydria.contract import Instance
from hydria.files import make_directory


class AmphoraDirectory(Part):
    """The files that all other parts need."""

    def __init__(self, place: Place, jail: Jail) -> None:
        self._place = place
        self._jail = jail

    async def ensure(self, instance: Instance) -> bool:
        """Make the directory, give the amphora its account, and open its sockets."""
        drifted = self._jail.drifted
        make_directory(self._place.directory)
        _, gid = self._place.host.accounts.keep(self._place.amphora_id)
        await self._jail.open(gid, scraped=any(each.protocol == "PROMETHEUS" for each in instance.tree.listeners))
        return drifted

    @property
    def drifted(self) -> bool:
        """Whether somebody removed a socket."""
        return self._jail.drifted

    def refresh(self) -> None:
        """Bring in the syslog socket that is there now."""
        self._jail.refresh()

    async def close(self) -> None:
        """Close the sockets."""
        self._jail.close()

    async def remove(self) -> None:
        """Remove the directory with all files in it, and take the account back."""
        await self.close()
        if self._place.directory.exists():
            release(self._place.directory)
            shutil.rmtree(self._place.directory)
        self._place.host.accounts.forget(self._place.amphora_id)
