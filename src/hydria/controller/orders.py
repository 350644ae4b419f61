"""What a host must do next: the difference between what it holds and what its amphorae should be."""

from collections.abc import Callable, Mapping
from datetime import datetime

from msgspec import structs
from sqlalchemy import select

from hydria.controller.acme import challenges_of
from hydria.controller.legs import LegError, interfaces
from hydria.controller.reconcile import fail
from hydria.controller.secrets import SecretError, referred
from hydria.model import LoadBalancer
from hydria.ports import Networking, Secrets, Topologies
from hydria.spec import Holding, Instance, Orders
from hydria.store import Transaction, columns
from hydria.store.resources import Amphora, KnownHost, flavor_data, tree, zone_data
from hydria.store.tables import rows_of


class Quartermaster:
    """Makes out orders."""

    def __init__(
        self,
        networking_of: Callable[[Transaction], Networking],
        topologies_of: Callable[[Transaction], Topologies],
        secrets_of: Callable[[Transaction], Secrets],
    ) -> None:
        self._networking_of = networking_of
        self._secrets_of = secrets_of
        self._topologies_of = topologies_of

    def outstanding(self, transaction: Transaction, holding: Holding) -> bool:
        """Say whether there is anything to order. Only reads."""
        serve, withdraw = self._differences(transaction, holding)
        return bool(serve or withdraw) or self._topologies_of(transaction).generation() != holding.topology

    def orders(self, transaction: Transaction, holding: Holding) -> Orders:
        """Make out the orders; makes the ports that instances need and do not have yet."""
        serve, withdraw = self._differences(transaction, holding)
        instances = [self._instance(transaction, key) for key in serve]
        topologies = self._topologies_of(transaction)
        changed = topologies.generation() != holding.topology
        return Orders(
            serve=tuple(instance for instance in instances if instance is not None),
            withdraw=tuple(withdraw),
            topology=topologies.topology() if changed else None,
        )

    def wired(self, transaction: Transaction, down: Mapping[str, str]) -> None:
        """Take in which networks a host could not make, and why."""
        self._topologies_of(transaction).tell(down)

    def seen(self, transaction: Transaction, host: str, now: datetime) -> None:
        """Remember that a host asks for work."""
        known = transaction.get(KnownHost, host, column="name")
        seen = KnownHost(name=host, seen_at=int(now.timestamp()))
        if known is None:
            transaction.insert(seen)
            transaction.hint("hosts")
        else:
            transaction.update(seen)

    def _differences(self, transaction: Transaction, holding: Holding) -> tuple[list[str], list[str]]:
        amphora, lb = columns(Amphora), columns(LoadBalancer)
        joined = rows_of(Amphora).table.join(rows_of(LoadBalancer).table, lb.id == amphora.load_balancer_id)
        statement = select(amphora.id, amphora.leaving, lb.generation, lb.deleted_in).select_from(joined)
        serve, withdraw, known = [], [], set()
        for row in transaction.execute(statement.where(amphora.host == holding.host)):
            key, leaving, generation, deleted_in = tuple(row)
            known.add(key)
            if leaving:
                if key not in holding.withdrawing:
                    withdraw.append(key)
            elif deleted_in is None and holding.amphorae.get(key) != generation:
                serve.append(key)
        # What nobody knows of must not go on serving.
        withdraw += [key for key in holding.amphorae if key not in known and key not in holding.withdrawing]
        return serve, withdraw

    def _instance(self, transaction: Transaction, key: str) -> Instance | None:
        amphora = transaction.get(Amphora, key)
        load_balancer = transaction.get(LoadBalancer, amphora.load_balancer_id) if amphora else None
        if amphora is None or load_balancer is None:
            return None
        whole = tree(transaction, load_balancer)
        try:
            legs = interfaces(self._networking_of(transaction), amphora, whole)
            secrets = referred(self._secrets_of(transaction), whole)
        except (LegError, SecretError) as error:
            fail(transaction, load_balancer, str(error))
            return None
        # Progress is the server's own affair and would make equal instances differ.
        plain = structs.replace(load_balancer, observed=0, failed=0, reason=None)
        return Instance(
            amphora_id=key,
            generation=load_balancer.generation,
            tree=structs.replace(whole, load_balancer=plain),
            interfaces=legs,
            flavor=flavor_data(transaction, load_balancer.flavor_id),
            zone=zone_data(transaction, load_balancer.availability_zone),
            secrets=secrets,
            challenges=challenges_of(transaction, whole),
        )
