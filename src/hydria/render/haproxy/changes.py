"""The way to apply a change of the configuration: nothing, the runtime socket, or a reload. Pure."""

from collections.abc import Collection, Iterable, Mapping

from msgspec import Struct, structs

from hydria.render.haproxy.parts import Rendering, Server
from hydria.render.haproxy.tls import AUTHORITY, LIST, REVOCATIONS, TICKETS


class Add(Struct, frozen=True):
    """A new server."""

    server: Server


class Remove(Struct, frozen=True):
    """A server to remove, once its connections have ended."""

    server: Server


class Adjust(Struct, frozen=True):
    """A server whose weight or administrative state has changed."""

    before: Server
    after: Server


class Renew(Struct, frozen=True):
    """A certificate whose content has changed."""

    path: str
    content: str


class Include(Struct, frozen=True):
    """A new certificate of a listener."""

    certificates: str
    path: str
    content: str


class Exclude(Struct, frozen=True):
    """A certificate that a listener does not have any more."""

    certificates: str
    path: str


class Rotate(Struct, frozen=True):
    """A new key of TLS session tickets, which replaces the oldest one."""

    path: str
    key: str


Step = Add | Remove | Adjust | Renew | Include | Exclude | Rotate

# The longest content of one command on the runtime socket (tune.bufsize is 16 KiB).
_MOST = 15_000


def steps(before: Rendering, after: Rendering) -> tuple[Step, ...] | None:
    """Return the steps on the runtime socket from one configuration to the other.

    There are none when they are equal. The result is None when only a reload can apply the change. New servers are
    added before old ones are removed, so that a pool whose members are all replaced is never empty.
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
    known = _known(before)
    if any(word in after.files and word not in known for step in added for word in step.server.options):
        # HAProxy opens no file for a server that is added at runtime.
        return None
    # Servers are enabled before others are disabled, for the same reason.
    adjusted.sort(key=lambda step: (step.after.weight == 0 or not step.after.enabled, step.after.name))
    removed = [Remove(server) for key, server in old.items() if key not in new]
    renewed = _renewals(before.files, after.files, known)
    return None if renewed is None else (*renewed, *added, *adjusted, *removed)


def plan(before: Rendering | None, after: Rendering, leaving: Iterable[Server]) -> list[Step] | None:
    """Return the steps as `steps` does, for a process in which the servers `leaving` still exist.

    A leaving server is disabled and exists until its last connection ends, so it is added again by an adjustment.
    """
    planned = steps(before, after) if before is not None else None
    if planned is None:
        return None
    left = _by_key(leaving)
    found: list[Step] = []
    for step in planned:
        again = left.get((step.server.backend, step.server.name)) if isinstance(step, Add) else None
        if again is None or not isinstance(step, Add):
            found.append(step)
        elif (again.address, again.options) != (step.server.address, step.server.options):
            return None
        else:
            found.append(Adjust(structs.replace(again, enabled=False), step.server))
    return found


def _known(rendering: Rendering) -> set[str]:
    """Return the files that HAProxy has read: those that the text or a list names."""
    lists = (content for path, content in rendering.files.items() if path.endswith(LIST))
    names = "\n".join((rendering.text, *lists))
    return {path for path in rendering.files if path.rpartition("/")[2] in names}


def _renewals(before: Mapping[str, str], after: Mapping[str, str], known: Collection[str]) -> tuple[Step, ...] | None:
    """Return the steps for files where the frames are equal; None when only a reload can apply the change."""
    included: list[Step] = []
    excluded: list[Step] = []
    for path in after:
        if path.endswith(LIST):
            old, new = before.get(path, "").splitlines(), after[path].splitlines()
            # The first one is the default certificate, which HAProxy does not remove at runtime.
            if old[:1] != new[:1]:
                return None
            folder, _, _ = path.rpartition("/")
            included += [Include(path, one := f"{folder}/{each}", after[one]) for each in new if each not in old]
            excluded += [Exclude(path, f"{folder}/{each}") for each in old if each not in new]
    changed = [path for path in after if path in known and not path.endswith(LIST) and before[path] != after[path]]
    rotated = _rotations(before, after, [path for path in changed if path.endswith(TICKETS)])
    if rotated is None:
        return None
    changed = [path for path in changed if not path.endswith(TICKETS)]
    if any(path.endswith((AUTHORITY, REVOCATIONS)) for path in changed):
        # A process resumes TLS sessions without verifying certificates again, so old trust would remain.
        return None
    if any(len(after[path]) > _MOST for path in {*changed, *(after.keys() - before.keys())}):
        return None
    return (*included, *(Renew(path, after[path]) for path in changed), *excluded, *rotated)


def _rotations(before: Mapping[str, str], after: Mapping[str, str], paths: Iterable[str]) -> list[Step] | None:
    """Return the steps for keys of session tickets; None where the new ones do not follow the old ones."""
    found: list[Step] = []
    for path in paths:
        old, new = before[path].splitlines(), after[path].splitlines()
        added = [key for key in new if key not in old]
        if [*old, *added][-len(new) :] != new or len(old) != len(new):
            return None
        found += [Rotate(path, key) for key in added]
    return found


def _by_key(servers: Iterable[Server]) -> dict[tuple[str, str], Server]:
    return {(server.backend, server.name): server for server in servers}
