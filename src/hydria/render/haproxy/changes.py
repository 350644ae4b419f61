"""Which way a change of the configuration takes: nothing, the runtime socket, or a reload. Pure."""

from collections.abc import Iterable

from msgspec import Struct

from hydria.render.haproxy.parts import Rendering, Server


class Add(Struct, frozen=True):
    """A server that is new."""

    server: Server


class Remove(Struct, frozen=True):
    """A server that must go; its connections end by themselves first."""

    server: Server


class Adjust(Struct, frozen=True):
    """A server whose weight or administrative state is another."""

    before: Server
    after: Server


Step = Add | Remove | Adjust


def steps(before: Rendering, after: Rendering) -> tuple[Step, ...] | None:
    """Return what to say on the runtime socket to come from one configuration to the other.

    Nothing when they are equal, None when only a reload can do it. New servers come before old ones go, so that a
    pool that is exchanged whole is never empty.
    """
    if before.frame != after.frame:
        return None
    old, new = _by_key(before.servers), _by_key(after.servers)
    adjusted = []
    for key in old.keys() & new.keys():
        one, other = old[key], new[key]
        if (one.address, one.options) != (other.address, other.options):
            return None
        if one != other:
            adjusted.append(Adjust(one, other))
    added = [Add(server) for key, server in new.items() if key not in old]
    # A server that is enabled comes before one that is disabled, for the same reason.
    adjusted.sort(key=lambda step: (step.after.weight == 0 or not step.after.enabled, step.after.name))
    removed = [Remove(server) for key, server in old.items() if key not in new]
    return (*added, *adjusted, *removed)


def _by_key(servers: Iterable[Server]) -> dict[tuple[str, str], Server]:
    return {(server.backend, server.name): server for server in servers}
