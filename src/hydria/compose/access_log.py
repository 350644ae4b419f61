"""`hydria logs`: the access log of a load balancer on this host, with names instead of ids."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from hydria.adapters.linux import ring
from hydria.adapters.linux.host import LinuxHost
from hydria.compose.served_here import instances_of
from hydria.contract import Instance
from hydria.model import Listener, Tree
from hydria.render.haproxy import needs_no_haproxy
from hydria.render.haproxy.logs import RING, Entry, ending, parse, watch
from hydria.settings import Settings


class Names:
    """The names of a load balancer's listeners, pools and members, by id."""

    def __init__(self, tree: Tree) -> None:
        self._listeners = {listener.id: listener for listener in tree.listeners}
        resources: list[Any] = [*tree.listeners, *tree.pools]
        self._names: dict[str, str] = {resource.id: resource.name or resource.id for resource in resources}
        for member in tree.members:
            self._names[member.id] = member.name or f"{member.address}:{member.protocol_port}"

    def of(self, id_: str) -> str:
        """Return the name of a resource, or its id when it has no name or is gone."""
        return self._names.get(id_, id_)

    def listener(self, id_: str) -> Listener | None:
        """Return a listener, or None when it is gone."""
        return self._listeners.get(id_)

    def know(self, fields: dict[str, str]) -> bool:
        """Return True when the listener and the member of an entry are known."""
        ids = (fields.get("listener"), fields.get("member"))
        return all(id_ in (None, "<NOSRV>", "agent") or id_ in self._names for id_ in ids)

    def in_text(self, text: str) -> str:
        """Replace ids by names in a message of HAProxy."""
        for id_, name in self._names.items():
            text = text.replace(id_, name)
        return text


def as_line(entry: Entry, names: Names) -> str:
    """Return an entry as one line of text, in local time."""
    at = entry.at.astimezone().strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    fields = entry.fields
    if not fields:
        return f"{at} {names.in_text(entry.text)}"
    pool, _, _ = fields["backend"].partition(":")
    target = f"{names.of(pool)}/{names.of(fields['member'])}" if fields["member"] != "<NOSRV>" else "no member"
    words = [at, _address(fields), f"{names.of(fields['listener'])} -> {target}"]
    if "request" in fields:
        words += [fields["status"], f'"{fields["request"]}"']
    words.append(f"in {fields['in']} out {fields['out']} bytes")
    times = [f"{name} {fields[name]}" for name in ("wait", "connect", "response", "total") if name in fields]
    words.append(f"{' '.join(times)} ms")
    why = ending(fields, names.listener(fields["listener"]))
    return " ".join(words) + (f" [{fields['end']}: {why}]" if why else "")


def as_json(entry: Entry, names: Names) -> str:
    """Return an entry as one line of JSON, with ids and names."""
    fields: dict[str, Any] = dict(entry.fields)
    if fields:
        pool, _, _ = fields.pop("backend").partition(":")
        listener = names.listener(fields["listener"])
        fields |= {"listener_name": names.of(fields["listener"]), "pool": pool, "pool_name": names.of(pool)}
        fields |= {"member_name": names.of(fields["member"]), "why": ending(entry.fields, listener)}
        numbers = {"status", "in", "out", "wait", "connect", "response", "total", "client_port"}
        fields = {name: int(value) if name in numbers else value for name, value in fields.items()}
    else:
        fields = {"text": names.in_text(entry.text)}
    return json.dumps({"at": entry.at.isoformat(), **fields})


def _address(fields: dict[str, str]) -> str:
    client, port = fields["client"], fields["client_port"]
    return f"[{client}]:{port}" if ":" in client else f"{client}:{port}"


Print = Callable[[str], None]
Format = Callable[[Entry, Names], str]


class AccessLog:
    """The access log of one load balancer that this host serves."""

    def __init__(self, settings: Settings, wanted: str) -> None:
        """`wanted` is its name or id."""
        self._settings = settings
        self._wanted = wanted
        self._host = LinuxHost(settings.agent, settings.run_dir, settings.state_dir)

    async def show(self, print_line: Print, form: Format, stop: asyncio.Event | None, warn: Print) -> None:
        """Print each line of the log. With `stop`, go on until it is set or the load balancer is gone.

        `warn` prints which listeners keep no log. Raises HydriaError.
        """
        instances = instances_of((await self._host.remembered()).values(), self._wanted)
        for listener in instances[0].tree.live().counted_datagram_listeners:
            name = listener.name or listener.id
            warn(f"{name} is {listener.protocol}: the kernel forwards its packets and keeps no log.")
        instances = [instance for instance in instances if not needs_no_haproxy(instance)]
        if stop is None:
            for instance in instances:
                await self._show(instance, print_line, form, follow=False)
            return
        following = [asyncio.create_task(self._show(instance, print_line, form, follow=True)) for instance in instances]
        stopping = asyncio.create_task(stop.wait())
        while not stop.is_set() and (unfinished := [task for task in following if not task.done()]):
            await asyncio.wait((*unfinished, stopping), return_when=asyncio.FIRST_COMPLETED)
        for task in (*following, stopping):
            task.cancel()
        ended = await asyncio.gather(*following, return_exceptions=True)
        for error in ended:
            if isinstance(error, Exception):
                raise error

    async def _show(self, instance: Instance, print_line: Print, form: Format, *, follow: bool) -> None:
        path = self._settings.run_dir / "amphorae" / instance.amphora_id / "haproxy.sock"
        names, generation = Names(instance.tree), instance.generation
        async for line in ring.follow(path, RING, watch) if follow else _kept_lines(path):
            entry = parse(line)
            if entry is None:
                continue
            if not names.know(entry.fields):
                # A listener or member was created since the names were read.
                instance = (await self._host.remembered()).get(instance.amphora_id, instance)
                if instance.generation != generation:
                    names, generation = Names(instance.tree), instance.generation
            print_line(form(entry, names))


async def _kept_lines(path: Path) -> AsyncIterator[str]:
    for line in await ring.read(path, RING):
        yield line
