"""What this host was told to serve, on its disk: so that it serves after a restart before the server answers."""

import contextlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import msgspec
import structlog
from msgspec import structs

from hydria.contract import Instance, Interface, Topology
from hydria.files import make_directory, narrow, write_private
from hydria.render.haproxy import tls

log = structlog.get_logger(__name__)


class Remembered:
    """One file for each amphora, without its secrets: they stand in its own directory, which a reboot empties."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def open(self) -> None:
        """Make the place."""
        make_directory(self._directory)
        narrow(*self._directory.glob("*.json"))

    @property
    def _topology(self) -> Path:
        # Beside the amphorae's, which are all that their directory has.
        return self._directory.with_name(f"{self._directory.name}-topology.json")

    def write_topology(self, topology: Topology) -> None:
        """Write networks and routers down, whole or not at all."""
        write_private(self._topology, msgspec.json.encode(topology))

    def topology(self) -> Topology | None:
        """Return the networks and routers that were written down last, or None."""
        try:
            return msgspec.json.decode(self._topology.read_bytes(), type=Topology)
        except (OSError, msgspec.DecodeError):
            return None

    def write(self, instance: Instance) -> None:
        """Write an instance down so that a cut-off write leaves the last one; a part of one does not replace it."""
        if instance.generation == 0:
            return
        # Secrets are for memory and tmpfs only.
        content = msgspec.json.encode(structs.replace(instance, secrets={}))
        write_private(self._path(instance.amphora_id), content)

    def forget(self, amphora_id: str) -> None:
        """Remove what is written of an amphora; nothing there is fine."""
        self._path(amphora_id).unlink(missing_ok=True)

    def read(self, amphora_id: str) -> Instance | None:
        """Return what is written, without secrets, or None."""
        try:
            text = self._path(amphora_id).read_bytes()
            instance = msgspec.json.decode(text, type=Instance)
        except (OSError, msgspec.DecodeError):
            return None
        # What an earlier version did not know has to come from the server: port security, for one.
        return instance if _whole(msgspec.json.decode(text)) else structs.replace(instance, generation=0)

    def secrets(self, amphora_id: str, directory: Path, wanted: Collection[str]) -> dict[str, str]:
        """Return the secrets by reference that stand in an amphora's directory since they were served."""
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
        """Return what can be served of everything that is written, with the secrets that are below `amphorae`."""
        found = {}
        for path in sorted(self._directory.glob("*.json")):
            instance = self.read(path.stem)
            if instance is None:
                log.warning("remembered_instance_unreadable", path=str(path))
                continue
            ready = _ready(instance, amphorae / instance.amphora_id)
            if ready is not None:
                found[ready.amphora_id] = ready
        return found

    def inventory(self, amphorae: Path) -> Mapping[str, Instance | None]:
        """Return everything that is written, and None for what only has a directory below `amphorae`."""
        keys = {path.stem for path in self._directory.glob("*.json")}
        keys |= {path.name for path in amphorae.glob("*") if path.is_dir()}
        return {key: self.read(key) for key in sorted(keys)}

    def _path(self, amphora_id: str) -> Path:
        return self._directory / f"{amphora_id}.json"


def _whole(written: dict[str, Any]) -> bool:
    """Say whether an instance was written with all that this version knows of one and its interfaces."""
    known = set(Instance.__struct_fields__) <= written.keys()
    return known and all(set(Interface.__struct_fields__) <= each.keys() for each in written["interfaces"])


def _ready(instance: Instance, directory: Path) -> Instance | None:
    """Return an instance with its secrets, or without the listeners whose secrets are gone; None when none is left.

    The part is of no generation: the server has to send the whole.
    """
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
