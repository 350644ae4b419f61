"""The look-up of a load balancer, by its name or id, among those that this host serves."""

from collections.abc import Iterable

from hydria.contract import Instance
from hydria.errors import HydriaError


def instances_of(instances: Iterable[Instance], wanted: str) -> list[Instance]:
    """Return the instances of the load balancer of this name or id. Raises HydriaError for none or several."""
    found = []
    for instance in instances:
        load_balancer = instance.tree.load_balancer
        if wanted in (load_balancer.id, load_balancer.name):
            found.append(instance)
    if not found:
        raise HydriaError(
            f"This host serves no load balancer {wanted}. Why one is not served is said by: hydria explain {wanted}."
            " For one on another host run this command there."
        )
    ids = sorted({instance.tree.load_balancer.id for instance in found})
    if len(ids) > 1:
        raise HydriaError(f"Several load balancers are called {wanted}. Name one by its id: {', '.join(ids)}")
    return found
