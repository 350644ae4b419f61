"""`hydria host`: what an operator does with hosts, on the server's own machine; `join` is for the new machine."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from hydria.agent import commands
from hydria.agent.joining import join as join_by
from hydria.compose.agent import host_identity
from hydria.settings import Settings
from hydria.times import from_text

# How often a drain looks at its host (seconds).
_LOOK = 1.0
# After so long without one that has gone, a drain says what it may be waiting for (seconds).
_PATIENCE = 20.0


def join(settings: Settings, invitation: str) -> str:
    """Let this machine join by an invitation, and return what to tell. Raises HostError."""
    identity = host_identity(settings)
    found = join_by(invitation, identity.id, identity.name, settings.state_dir)
    zone = f" in the zone {found.zone}" if found.zone else ""
    return f"This machine ({identity.name}) is a host of {found.servers[0]} now{zone}."


class Drained(Struct, frozen=True):
    """How far a drain is: amphorae that have gone, all, and whether none has gone for a while."""

    gone: int
    total: int
    stuck: bool


def drained(settings: Settings, key: str) -> Iterator[Drained]:
    """Drain a host, and yield how far it is until no amphora is there. Raises HostError."""
    key = commands.host(settings, key)["id"]
    commands.change_host(settings, key, "drain")
    total = least = commands.host(settings, key)["amphorae"]
    since = time.monotonic()
    while True:
        left = commands.host(settings, key)["amphorae"]
        total = max(total, left)
        if left < least:
            least, since = left, time.monotonic()
        yield Drained(total - left, total, time.monotonic() - since > _PATIENCE)
        if left == 0:
            return
        time.sleep(_LOOK)


def row(host: dict[str, Any], now: datetime | None = None) -> tuple[str, ...]:
    """Return the cells of a host in a list: `HEADINGS`."""
    networks = ", ".join(("local", *host["physical_networks"]) if host["home"] else host["physical_networks"])
    return (
        host["name"],
        host["id"],
        host["zone"],
        networks,
        str(host["amphorae"]),
        host["version"],
        host["state"],
        _silence(host, now or datetime.now(UTC)) if host["state"] == "silent" else "",
    )


HEADINGS = ("name", "id", "zone", "networks", "amphorae", "version", "state", "silent since")


def _silence(host: dict[str, Any], now: datetime) -> str:
    if host["seen_at"] is None:
        return "it joined"
    seconds = int((now - from_text(host["seen_at"])).total_seconds())
    minutes, hours = seconds // 60, seconds // 3600
    ago = f"{hours} h" if hours >= 2 else f"{minutes} min" if minutes >= 2 else f"{seconds} s"
    return f"{host['seen_at']} UTC ({ago})"
