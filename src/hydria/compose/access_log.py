"""`hydria logs`: the access log of a load balancer of this host, with names in the place of ids."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from hydria.adapters.linux import ring
from hydria.adapters.linux.host import LinuxHost
from hydria.contract import Instance
from hydria.errors import HydriaError
from hydria.model import Listener, Tree
from hydria.render.haproxy import needs_no_haproxy
from hydria.render.haproxy.logs import RING, Entry, ending, parse, watch
from hydria.settings import Settings


class Names:
    """What a load balancer's owner calls things, by id."""

    def __init__(self, tree: Tree) -> None:
        self._listeners = {each.id: each for each in tree.listeners}
        things: list[Any] = [*tree.listeners, *tree.pools]
        self._names: dict[str, str] = {each.id: each.name or each.id for each in things}
        for member in tree.members:
            self._names[member.id] = member.name or f"{member.address}:{member.protocol_port}"

    def of(self, id_: str) -> str:
        """Return a name, or the id of what has none or is gone."""
        return self._names.get(id_, id_)

    def listener(self, id_: str) -> Listener | None:
        """Return a listener, None when it is gone."""
        return self._listeners.get(id_)

    def know(self, fields: dict[str, str]) -> bool:
        """Say whether the listener and the member of a line are known."""
        met = (fields.get("listener"), fields.get("member"))
        return all(id_ in (None, "<NOSRV>", "agent") or id_ in self._names for id_ in met)

    def in_text(self, text: str) -> str:
        """Replace ids in a sentence of HAProxy's."""
        for id_, name in self._names.items():
            text = text.replace(id_, name)
        return text


def as_line(entry: Entry, names: Names) -> str:
    """Return an entry as a person reads it, in local time."""
    at = entry.at.astimezone().strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    fields = entry.fields
    if not fields:
        return f"{at} {names.in_text(entry.text)}"
    pool, _, _ = fields["backend"].partition(":")
    there = f"{names.of(pool)}/{names.of(fields['member'])}" if fields["member"] != "<NOSRV>" else "no member"
    words = [at, _address(fields), f"{names.of(fields['listener'])} -> {there}"]
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


Say = Callable[[str], None]
Form = Callable[[Entry, Names], str]


class AccessLog:
    """The log of one load balancer that this host serves."""

    def __init__(self, settings: Settings, wanted: str) -> None:
        """`wanted` is its name or id."""
        self._settings = settings
        self._wanted = wanted
        self._host = LinuxHost(settings.agent, settings.run_dir, settings.state_dir)

    async def show(self, say: Say, form: Form, stop: asyncio.Event | None, warn: Say) -> None:
        """Say each line of the log; with `stop` go on until it is set or the load balancer is gone.

        What is in no log is said by `warn`; where there is nothing else, this is all. Raises HydriaError.
        """
        instances = await self._instances()
        for listener in instances[0].tree.live().counted_datagram_listeners:
            name = listener.name or listener.id
            warn(f"{name} is {listener.protocol}: the kernel passes it on, and keeps no log.")
        instances = [each for each in instances if not needs_no_haproxy(each)]
        if stop is None:
            for each in instances:
                await self._show(each, say, form, follow=False)
            return
        following = [asyncio.create_task(self._show(each, say, form, follow=True)) for each in instances]
        stopping = asyncio.create_task(stop.wait())
        while not stop.is_set() and (left := [task for task in following if not task.done()]):
            await asyncio.wait((*left, stopping), return_when=asyncio.FIRST_COMPLETED)
        for task in (*following, stopping):
            task.cancel()
        ended = await asyncio.gather(*following, return_exceptions=True)
        for error in ended:
            if isinstance(error, Exception):
                raise error

    async def _show(self, instance: Instance, say: Say, form: Form, *, follow: bool) -> None:
        path = self._settings.run_dir / "amphorae" / instance.amphora_id / "haproxy.sock"
        names, generation = Names(instance.tree), instance.generation
        async for line in ring.follow(path, RING, watch) if follow else _now(path):
            entry = parse(line)
            if entry is None:
                continue
            if not names.know(entry.fields):
                # Something was made since.
                instance = (await self._host.remembered()).get(instance.amphora_id, instance)
                if instance.generation != generation:
                    names, generation = Names(instance.tree), instance.generation
            say(form(entry, names))

    async def _instances(self) -> list[Instance]:
        remembered = (await self._host.remembered()).values()
        found = [
            each for each in remembered if self._wanted in (each.tree.load_balancer.id, each.tree.load_balancer.name)
        ]
        if not found:
            raise HydriaError(
                f"This host serves no load balancer {self._wanted}: openstack loadbalancer list."
                " One without a listener has no traffic, one on another host is asked for there."
            )
        ids = sorted({each.tree.load_balancer.id for each in found})
        if len(ids) > 1:
            raise HydriaError(f"Several load balancers are called {self._wanted}. Name one by its id: {', '.join(ids)}")
        return found


async def _now(path: Path) -> AsyncIterator[str]:
    for line in await ring.read(path, RING):
        yield line
