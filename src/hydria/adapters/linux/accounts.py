"""The user and group ids of HAProxy: each amphora has its own, so that it cannot affect another's processes."""

import grp
import hashlib
import pwd
from pathlib import Path

from hydria.errors import HostError
from hydria.files import write_private
from hydria.settings import AgentSettings

# The file in the amphora's directory that has its id.
_FILE = "account"


class Accounts:
    """Gives each amphora an id of its own from the range of the settings.

    An id is derived from a hash of the amphora's id, so that it is usually the same after a reboot, and another Hydria
    on this machine uses others. On a collision the second amphora gets the next free id. Ids are kept in files.
    """

    def __init__(self, settings: AgentSettings, amphorae: Path) -> None:
        self._settings = settings
        self._amphorae = amphorae
        self._given: dict[str, int] | None = None

    def of(self, amphora_id: str) -> tuple[int, int]:
        """Return the user and the group id of an amphora. Raises HostError when there is none left."""
        if self._settings.haproxy_user is not None:
            return named(self._settings.haproxy_user, self._settings.haproxy_group)
        given = self._all()
        if amphora_id not in given:
            given[amphora_id] = self._free(amphora_id, frozenset(given.values()))
        return given[amphora_id], given[amphora_id]

    def keep(self, amphora_id: str) -> tuple[int, int]:
        """Return the same as `of`, and write it to a file; the amphora's directory must exist."""
        uid, gid = self.of(amphora_id)
        file = self._amphorae / amphora_id / _FILE
        if self._settings.haproxy_user is None and _read(file) != uid:
            write_private(file, f"{uid}\n".encode())
        return uid, gid

    def forget(self, amphora_id: str) -> None:
        """Free an id that no process has any more."""
        self._all().pop(amphora_id, None)

    def _all(self) -> dict[str, int]:
        if self._given is None:
            self._given = {}
            for file in self._amphorae.glob(f"*/{_FILE}"):
                number = _read(file)
                if number in self._range and number not in self._given.values():
                    self._given[file.parent.name] = number
        return self._given

    @property
    def _range(self) -> range:
        return range(self._settings.first_uid, self._settings.first_uid + self._settings.uids)

    def _free(self, amphora_id: str, taken: frozenset[int]) -> int:
        ids = self._range
        digest = hashlib.sha256(f"{self._settings.prefix}/{amphora_id}".encode()).digest()
        start = int.from_bytes(digest[:8]) % len(ids)
        for step in range(min(len(ids), len(taken) + 1)):
            number = ids[(start + step) % len(ids)]
            if number not in taken:
                return number
        raise HostError(f"All {len(ids)} user ids of this host are given to amphorae. Raise agent.uids.")


def named(user: str, group: str | None) -> tuple[int, int]:
    """Return the ids of an account and of a group, by default the account's. Raises HostError if there are none."""
    try:
        entry = pwd.getpwnam(user)
        return entry.pw_uid, entry.pw_gid if group is None else grp.getgrnam(group).gr_gid
    except KeyError as error:
        raise HostError(f"The host has no such account: {error.args[0]}.") from None


def _read(file: Path) -> int:
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return -1
