"""Each change of a load balancer increments its generation, wakes its hosts and is measured."""

from collections.abc import Callable
from typing import Any

from hydria.model import LoadBalancer
from hydria.store import Database, Milestone, Transaction, columns, generations


def load_balancer(key: str, **values: Any) -> LoadBalancer:
    given: dict[str, Any] = {
        "vip_address": "10.0.0.1",
        "vip_network_id": "n",
        "vip_subnet_id": "s",
        "vip_port_id": f"p-{key}",
    }
    return LoadBalancer(id=key, project_id="red", created_at="2026-01-01T00:00:00", **given, **values)


def changed(database: Database, work: Callable[[Transaction], object]) -> tuple[set[str], list[tuple[str, int, bool]]]:
    """Return the topics of a transaction's hints, and its milestones."""
    topics: set[str] = set()
    milestones: list[Milestone] = []
    database.subscribe(topics.update)
    database.watch(milestones.extend)
    database.transact(work)
    return topics, [(each.load_balancer_id, each.generation, each.served) for each in milestones]


def test_the_first_generation_is_announced(database: Database) -> None:
    announced = changed(database, lambda transaction: generations.begin(transaction, load_balancer("a")))
    assert announced == ({"instances"}, [("a", 1, False)])


def test_one_change_of_one_load_balancer(database: Database) -> None:
    database.transact(lambda transaction: transaction.insert(load_balancer("a"), load_balancer("b")))
    announced = changed(database, lambda transaction: generations.bump(transaction, "a"))
    assert announced == ({"instances"}, [("a", 2, False)])
    found = database.read(lambda transaction: transaction.find(LoadBalancer))
    assert {each.id: (each.generation, each.deleted_in) for each in found} == {"a": (2, None), "b": (1, None)}


def test_a_deletion_is_a_new_generation(database: Database) -> None:
    database.transact(lambda transaction: transaction.insert(load_balancer("a")))
    announced = changed(
        database, lambda transaction: generations.bump(transaction, "a", deleted_at="2026-01-02T00:00:00")
    )
    assert announced == ({"instances"}, [("a", 2, False)])
    (found,) = database.read(lambda transaction: transaction.find(LoadBalancer))
    assert (found.generation, found.deleted_in, found.updated_at) == (2, 2, "2026-01-02T00:00:00")


def test_a_change_of_many_leaves_out_deleted_ones(database: Database) -> None:
    rows = [load_balancer("a"), load_balancer("b", generation=5), load_balancer("c", generation=3, deleted_in=3)]
    database.transact(lambda transaction: transaction.insert(*rows))
    which = columns(LoadBalancer).id.in_(["b", "c"])
    assert database.transact(lambda transaction: generations.bump_where(transaction, which)) == {"b": 6}
    assert changed(database, lambda tx: generations.bump_where(tx, which)) == ({"instances"}, [("b", 7, False)])


def test_a_change_of_none_publishes_no_hint(database: Database) -> None:
    which = columns(LoadBalancer).id == "nothing"
    assert changed(database, lambda tx: generations.bump_where(tx, which)) == (set(), [])
