"""An agent that works in steps: its messages go to the server without HTTP, its host is in memory."""

from collections.abc import Coroutine
from functools import partial
from typing import Any, TypeVar

from msgspec import structs

from hydria.adapters.memory import MemoryHost
from hydria.agent.amphora_worker import report_of
from hydria.contract import Counters, Facts, Holding, Instance, Orders, Report
from hydria.controller.hosts import heard_from
from hydria.model.numbers import Numbers
from tests.support.cloud import Cloud

T = TypeVar("T")


class Worker:
    """One host. `down` are failing members, `trouble` is why it cannot serve, `counters` traffic by listener id."""

    def __init__(self, cloud: Cloud, host: str = "host-1", *, speaks: int = 0, facts: Facts | None = None) -> None:
        """`speaks` is the agent's version of the contract; with 1 the amphorae have base ports."""
        self.cloud = cloud
        default = Facts(physical_networks=("physnet",)) if speaks else Facts()
        self.holding = Holding(host=host, speaks=speaks, facts=facts or default)
        # The amphorae of pairs that have the VIPs.
        self.elected: set[str] = set()
        self.serving: dict[str, Instance] = {}
        self.down: set[str] = set()
        self.counters: dict[str, Counters] = {}
        self.numbers = Numbers()
        self.trouble: str | None = None
        self.announce()

    def announce(self) -> None:
        """Poll, so that the server knows the host."""
        cloud = self.cloud
        cloud.database.transact(lambda tx: heard_from(tx, self.holding, cloud.clock.now()))

    def fetch(self) -> Orders:
        """Let the controller work, then fetch and remember the orders."""
        self.announce()
        self.cloud.controller.work()
        orders = self.cloud.database.read(lambda tx: self.cloud.desired_state.orders(tx, self.holding))
        held = {key: generation for key, generation in self.holding.amphorae.items() if key not in orders.withdraw}
        held |= {instance.amphora_id: instance.generation for instance in orders.serve}
        topology = orders.topology.generation if orders.topology else self.holding.topology
        self.holding = structs.replace(self.holding, amphorae=held, topology=topology)
        return orders

    def serve(self, orders: Orders) -> None:
        """Carry out orders and report the result."""
        for instance in orders.serve:
            if self.trouble is None:
                done(self._host().serve(instance))
            self.report(instance.amphora_id, attempted=instance.generation)
        for key in orders.withdraw:
            done(self._host().withdraw(key))
        now = self.cloud.clock.now()
        self.cloud.database.transact(
            lambda tx: self.cloud.reporter.withdrawn(tx, self.holding.host, orders.withdraw, now)
        )

    def report(self, key: str, *, attempted: int = 0) -> None:
        """Report on an amphora."""
        instance = self.serving.get(key)
        if instance is None:
            self.send(Report(amphora_id=key, generation=0, attempted=attempted, reason=self.trouble))
        else:
            seen = done(self._host().observe(key))
            self.send(report_of(instance, seen, attempted=attempted, reason=self.trouble))

    def send(self, report: Report) -> None:
        """Hand a report to the server."""
        now = self.cloud.clock.now()
        self.cloud.database.transact(partial(self.cloud.reporter.take, host=self.holding.host, report=report, now=now))

    def _host(self) -> MemoryHost:
        host = MemoryHost()
        host.instances, host.running = self.serving, set(self.serving)
        host.down, host.counters, host.elected = self.down, self.counters, self.elected
        host.numbers = self.numbers
        return host

    def step(self) -> None:
        """Poll, serve and report until there is nothing to do."""
        for _ in range(5):
            orders = self.fetch()
            if orders == Orders():
                return
            self.serve(orders)
        raise AssertionError("the orders do not end")


def done(call: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never waits, and return its result."""
    try:
        call.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    call.close()
    raise AssertionError("it waits")
