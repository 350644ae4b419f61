"""Two hundred faults of one seed on hosts in memory, while users change things: the short form of `./dev chaos`."""

import random
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest
from msgspec import structs

from hydria.store.resources import KnownHost
from tests.controller.test_several_hosts import SILENCE, Hosts, amphorae
from tests.support.api import Api, Body
from tests.support.cloud import Cloud

pytestmark = pytest.mark.slow

SEED, FAULTS = 20, 200
# More than the time that a draining amphora has.
DRAINED = 700


class Run:
    """Hosts that break, and load balancers that users change."""

    def __init__(self, cloud: Cloud, api: Api, seed: int) -> None:
        self.cloud = cloud
        self.api = api
        self.admin = cloud.api("admin")
        self.hosts = Hosts(cloud)
        self.choice = random.Random(seed)  # noqa: S311 - it repeats a sequence
        self.flavors: list[str | None] = [None]
        # Load balancers by id, and whether each is a pair.
        self.all: dict[str, bool] = {}

    async def prepare(self) -> None:
        data = '{"loadbalancer_topology": "ACTIVE_STANDBY"}'
        profile = await self.admin.create("flavorprofile", name="pair", provider_name="amphora", flavor_data=data)
        pair = await self.admin.create("flavor", name="pair", flavor_profile_id=profile["id"])
        self.flavors.append(pair["id"])
        for _ in range(2):
            for flavor in self.flavors:
                await self.make(flavor)

    async def make(self, flavor: str | None) -> None:
        more = {} if flavor is None else {"flavor_id": flavor}
        made = await self.api.create("loadbalancer", vip_subnet_id=self.cloud.subnet.id, **more)
        self.all[made["id"]] = flavor is not None
        await self.api.create(
            "listener", loadbalancer_id=made["id"], protocol="HTTP", protocol_port=80, name=f"web of {made['id']}"
        )

    # --- faults, each with its repair ---

    def silent(self) -> Callable[[], None]:
        """A host polls no more, for less or for longer than it is waited for."""
        name = self.choice.choice(sorted(self.hosts.workers))
        if self.choice.random() < 0.5:
            self.hosts.cut(name)
        else:
            self.hosts.away.add(name)
        return lambda: self.hosts.away.discard(name)

    def silent_twice(self) -> Callable[[], None]:
        """A host is silent, polls once, and is silent again."""
        name = self.choice.choice(sorted(self.hosts.workers))
        self.hosts.cut(name)
        self.hosts.step()
        self.hosts.workers[name].announce()
        self.cloud.controller.work()
        self.hosts.cut(name)
        return lambda: self.hosts.away.discard(name)

    def emptied(self) -> Callable[[], None]:
        """A host loses everything that it has."""
        worker = self.hosts.workers[self.choice.choice(sorted(self.hosts.workers))]
        worker.serving.clear()
        worker.elected.clear()
        worker.holding = type(worker.holding)(
            host=worker.holding.host, speaks=worker.holding.speaks, facts=worker.holding.facts
        )
        return lambda: None

    def failing(self) -> Callable[[], None]:
        """A host can serve nothing new."""
        worker = self.hosts.workers[self.choice.choice(sorted(self.hosts.workers))]
        worker.trouble = "There is no memory."

        def repair() -> None:
            worker.trouble = None
            # The agent tries again what it could not serve.
            held = {key: instance.generation for key, instance in worker.serving.items()}
            worker.holding = structs.replace(worker.holding, amphorae=held)

        return repair

    def lost_reports(self) -> Callable[[], None]:
        """A host carries out orders, and its reports are lost."""
        worker = self.hosts.workers[self.choice.choice(sorted(self.hosts.workers))]
        for instance in worker.fetch().serve:
            worker.serving[instance.amphora_id] = instance
        return lambda: None

    def drained(self) -> Callable[[], None]:
        """An operator drains a host."""
        name = self.choice.choice(sorted(self.hosts.workers))
        self.hosts.set(name, enabled=False, draining=True)
        return lambda: self.hosts.set(name, enabled=True, draining=False)

    def everybody_silent(self) -> Callable[[], None]:
        """No server runs for a while."""
        self.cloud.clock.advance(SILENCE)
        return lambda: None

    # --- what users do ---

    async def rename(self) -> None:
        key = self.choice.choice(sorted(self.all))
        await self.api.change("loadbalancer", key, name=f"name {self.choice.random()}")

    async def fail_over(self) -> None:
        key = self.choice.choice(sorted(self.all))
        answer = await self.admin.send("PUT", f"/load-balancer/v2.0/lbaas/loadbalancers/{key}/failover")
        # Octavia refuses it while a load balancer changes.
        assert answer.status_code in (202, 409), answer.text

    async def replace(self) -> None:
        key = self.choice.choice(sorted(self.all))
        await self.api.delete(f"loadbalancers/{key}", cascade="true")
        await self.make(self.flavors[self.all.pop(key)])

    # --- the run ---

    async def step(self) -> str:
        """Break something, change something, repair it, and let everything settle; return what it was."""
        faults = (
            *(self.silent, self.silent_twice, self.emptied, self.failing, self.lost_reports, self.drained),
            self.everybody_silent,
        )
        fault = self.choice.choice(faults)
        repair = fault()
        changes: tuple[Callable[[], Awaitable[None]], ...] = (self.rename, self.fail_over, self.replace)
        for _ in range(self.choice.randrange(3)):
            await self.choice.choice(changes)()
            live = sorted(self.hosts.workers.keys() - self.hosts.away)
            # Some of the hosts hear of it before the next change.
            for name in self.choice.sample(live, self.choice.randrange(len(live) + 1)):
                self.hosts.workers[name].serve(self.hosts.workers[name].fetch())
        repair()
        for _ in range(2):
            for worker in self.hosts.workers.values():
                worker.announce()
            self.hosts.step()
            self.cloud.clock.advance(DRAINED)
        return fault.__name__

    async def complaints(self) -> list[str]:
        """Return what is not as it must be."""
        rows, found = amphorae(self.cloud), []
        listed: list[Body] = (await self.api.get("loadbalancers"))["loadbalancers"]
        if {each["id"] for each in listed} != self.all.keys():
            found.append(f"there are {len(listed)} load balancers, and should be {len(self.all)}")
        found += [
            f"{each['id']} is {each['provisioning_status']}"
            for each in listed
            if each["provisioning_status"] != "ACTIVE"
        ]
        serving = {key: one for worker in self.hosts.workers.values() for key, one in worker.serving.items()}
        elected = {key for worker in self.hosts.workers.values() for key in worker.elected}
        for key, pair in self.all.items():
            own = [row for row in rows if row.load_balancer_id == key]
            places = Counter(row.host for row in own)
            if len(own) != 1 + pair or len(places) != len(own):
                found.append(f"{key} has {len(own)} amphorae on {len(places)} hosts")
            active = [row for row in own if row.id in (elected if pair else serving)]
            if len(active) != 1:
                found.append(f"{key} is served by {len(active)} amphorae")
            stale = [row.id for row in own if row.id in serving and serving[row.id].generation != row.served]
            found += [f"the amphora {each} serves something else" for each in stale]
        if {row.id for row in rows} != serving.keys():
            found.append(f"hosts have {len(serving)} amphorae, and there are {len(rows)}")
        ports = [port.device_id for port in self.cloud.networking.ports.values()]
        known = {row.id for row in rows} | {f"lb-{key}" for key in self.all}
        found += [f"the port of {each} is left" for each in ports if each and each not in known]
        hosts = self.cloud.database.read(lambda transaction: transaction.find(KnownHost))
        assert len(hosts) == len(self.hosts.workers)
        return found


async def test_every_invariant_holds_after_two_hundred_faults(cloud: Cloud, api: Api) -> None:
    run = Run(cloud, api, SEED)
    await run.prepare()
    run.hosts.step()
    assert await run.complaints() == []
    for number in range(FAULTS):
        fault = await run.step()
        assert await run.complaints() == [], f"fault {number}: {fault}"
