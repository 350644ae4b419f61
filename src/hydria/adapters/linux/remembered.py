"""The instances and the topology of this host on its disk, so that it serves after a restart without the server."""

import contextlib
from collections.abc import Collection, Mapping, Set
from pathlib import Path

import msgspec
import structlog
from msgspec import structs

from hydria.contract import Instance, Interface, Topology
from hydria.files import has, make_directory, narrow, write_private
from hydria.model.references import has_certificates
from hydria.render.haproxy import tls

log = structlog.get_logger(__name__)


class Remembered:
    """A file for each amphora, without its secrets: those are in the amphora's directory, which a reboot empties."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def open(self) -> None:
        """Make the directory."""
        make_directory(self._directory)
        narrow(*self._directory.glob("*.json"))

    @property
    def _topology(self) -> Path:
        # Not in the directory, which has only files of amphorae.
        return self._directory.with_name(f"{self._directory.name}-topology.json")

    def write_topology(self, topology: Topology) -> None:
        """Write networks and routers, completely or not at all."""
        write_private(self._topology, msgspec.json.encode(topology))

    def topology(self) -> Topology | None:
        """Return the networks and routers that were written last, or None."""
        return read_topology(self._topology)

    def write(self, instance: Instance) -> None:
        """Write an instance, completely or not at all. A partial one (generation 0) does not replace the last one."""
        if instance.generation == 0:
            return
        # Secrets are only in memory and on tmpfs. Of keys, their number is written.
        content = msgspec.json.encode(
            structs.replace(instance, secrets={}, ticket_keys=("",) * len(instance.ticket_keys))
        )
        path = self._path(instance.amphora_id)
        # After a reboot the server orders what is written already.
        if not has(path, content):
            write_private(path, content)

    def forget(self, amphora_id: str) -> None:
        """Remove the file of an amphora, if there is one."""
        self._path(amphora_id).unlink(missing_ok=True)

    def read(self, amphora_id: str) -> Instance | None:
        """Return the instance of an amphora without its secrets, or None."""
        try:
            text = self._path(amphora_id).read_bytes()
            instance = msgspec.json.decode(text, type=Instance)
        except (OSError, msgspec.DecodeError):
            return None
        # Fields that an earlier version did not know, port security for example, have to come from the server.
        return instance if _is_complete(text) else structs.replace(instance, generation=0)

    def secrets(self, amphora_id: str, directory: Path, wanted: Collection[str]) -> dict[str, str]:
        """Return the wanted secrets by reference that are in an amphora's directory."""
        instance = self.read(amphora_id) if wanted else None
        if instance is None:
            return {}
        found = {}
        for each in tls.secret_files(instance.tree.live()):
            if each.reference in wanted:
                with contextlib.suppress(OSError):
                    found[each.reference] = Path(tls.place(str(directory), each.name)).read_text()
        return found

    def all(self, amphorae: Path) -> Mapping[str, Instance]:
        """Return the instances that can be served, with the secrets in the directories below `amphorae`."""
        found = {}
        for path in sorted(self._directory.glob("*.json")):
            instance = self.read(path.stem)
            if instance is None:
                log.warning("remembered_instance_unreadable", path=str(path))
                continue
            ready = _servable(instance, amphorae / instance.amphora_id)
            if ready is not None:
                found[ready.amphora_id] = ready
        return found

    def inventory(self, amphorae: Path) -> Mapping[str, Instance | None]:
        """Return all instances by amphora id, and None for an amphora that has only a directory below `amphorae`."""
        return {key: self.read(key) for key in sorted(self.keys(amphorae))}

    def keys(self, amphorae: Path) -> Set[str]:
        """Return the ids of `inventory`, without reading the instances."""
        keys = {path.stem for path in self._directory.glob("*.json")}
        return keys | {path.name for path in amphorae.glob("*") if path.is_dir()}

    def _path(self, amphora_id: str) -> Path:
        return self._directory / f"{amphora_id}.json"


def read_topology(file: Path) -> Topology | None:
    """Return the networks and routers in a file, or None."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=Topology)
    except (OSError, msgspec.DecodeError):
        return None


def _is_complete(text: bytes) -> bool:
    """Say whether a written instance and its interfaces have all fields of this version."""
    written = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    if not written.keys() >= set(Instance.__struct_fields__):
        return False
    interfaces = msgspec.json.decode(written["interfaces"], type=list[dict[str, msgspec.Raw]])
    return all(each.keys() >= set(Interface.__struct_fields__) for each in interfaces)


def with_ticket_keys(instance: Instance, directory: Path) -> Instance:
    """Return an instance with the keys of session tickets that are in its directory, or without keys."""
    if not instance.ticket_keys:
        return instance
    try:
        keys = Path(tls.place(str(directory), tls.TICKETS)).read_text().split()
    except OSError:
        keys = []
    return structs.replace(instance, ticket_keys=tuple(keys))


def _servable(instance: Instance, directory: Path) -> Instance | None:
    """Return an instance with its secrets, or without the listeners whose secrets are gone; None when none is left.

    A part of an instance has generation 0, so that the server sends the whole one.
    """
    wanted, instance = len(instance.ticket_keys), with_ticket_keys(instance, directory)
    if len(instance.ticket_keys) != wanted and any(map(has_certificates, instance.tree.listeners)):
        # The server sends the keys with the whole instance.
        instance = structs.replace(instance, generation=0)
    tree, kept = instance.tree, []
    secrets: dict[str, str] = {}
    for listener in tree.listeners:
        alone = structs.replace(tree, listeners=(listener,))
        try:
            secrets |= {
                each.reference: Path(tls.place(str(directory), each.name)).read_text()
                for each in tls.secret_files(alone.live())
            }
        except OSError:
            continue
        kept.append(listener)
    if len(kept) == len(tree.listeners):
        return structs.replace(instance, secrets=secrets)
    log.info("certificates_awaited", amphora=instance.amphora_id, served=len(kept), of=len(tree.listeners))
    if not kept:
        return None
    return structs.replace(instance, generation=0, tree=structs.replace(tree, listeners=tuple(kept)), secrets=secrets)
