"""A host's agent cut down to what the server sees of one: it takes orders and reports, step by step."""

from functools import partial

from msgspec import structs

from hydria.contract import Counters, Holding, Instance, Orders, Report
from hydria.controller.hosts import heard_from
from hydria.model.status import ServerState
from hydria.render.serving import serving
from tests.support.cloud import Cloud


class Worker:
    """One host. `down` are failing members, `trouble` is why it cannot serve, `counters` traffic by listener id."""

    def __init__(self, cloud: Cloud, host: str = "host-1") -> None:
        self.cloud = cloud
        self.holding = Holding(host=host)
        self.serving: dict[str, Instance] = {}
        self.down: set[str] = set()
        self.trouble: str | None = None
        self.counters: dict[str, Counters] = {}
        self.announce()

    def announce(self) -> None:
        """Ask for work, so that the server knows the host."""
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
        """Do what was ordered and report it."""
        for instance in orders.serve:
            if self.trouble is None:
                self.serving[instance.amphora_id] = instance
            self.report(instance.amphora_id, attempted=instance.generation)
        for key in orders.withdraw:
            self.serving.pop(key, None)
        now = self.cloud.clock.now()
        self.cloud.database.transact(
            lambda tx: self.cloud.reporter.withdrawn(tx, self.holding.host, orders.withdraw, now)
        )

    def report(self, key: str, *, attempted: int = 0) -> None:
        """Report what an amphora serves."""
        instance = self.serving.get(key)
        report = Report(amphora_id=key, generation=0, attempted=attempted, reason=self.trouble)
        if instance is not None:
            tree, part = instance.tree, serving(instance, {}, {})
            report = structs.replace(
                report,
                generation=instance.generation,
                change_id=tree.load_balancer.change_id,
                reachable=True,
                servers={member.id: self._state(member.id, instance) for member in tree.members},
                unserved=tuple(sorted(part.unserved)),
                counters=self.counters,
                troubles=part.troubles,
            )
        now = self.cloud.clock.now()
        self.cloud.database.transact(partial(self.cloud.reporter.take, host=self.holding.host, report=report, now=now))

    def step(self) -> None:
        """Work until there is nothing to do, as a loop of poll and report does."""
        for _ in range(5):
            orders = self.fetch()
            if orders == Orders():
                return
            self.serve(orders)
        raise AssertionError("the orders do not end")

    def _state(self, member_id: str, instance: Instance) -> ServerState:
        member = next(each for each in instance.tree.members if each.id == member_id)
        if instance.tree.monitor_of(member.pool_id) is None:
            return "unchecked"
        return "down" if member_id in self.down else "up"
