"""/listeners: create, read, change, delete, statistics."""

from typing import Any

from msgspec import Struct

from hydria.api.access import missing, parent, permitted
from hydria.api.kinds import LISTENER as KIND
from hydria.api.kinds import POOL
from hydria.api.resource import ResourceApi
from hydria.api.statistics import stats
from hydria.api.trees import check_protocols
from hydria.http.operation import Call, Operation
from hydria.model import Listener, Pool, Resource
from hydria.model.create import ListenerCreate
from hydria.model.listener import ListenerUpdate


class Listeners(ResourceApi):
    """The operations on listeners."""

    kind = KIND
    path = "/listeners"
    create_form = ListenerCreate
    update_form = ListenerUpdate

    def operations(self) -> tuple[Operation, ...]:
        """Return the operations, the statistics among them."""
        stats_of_one = Operation(method="GET", path="/listeners/{id}/stats", work=_stats, rule=KIND.rule("get_stats"))
        return (*super().operations(), stats_of_one)

    def create(self, call: Call) -> Listener:
        """Make a listener, with its default pool if the form has one whole."""
        form: ListenerCreate = call.form
        above = parent(call, form.loadbalancer_id)
        load_balancer = self._changes.begin(call.transaction, above, below=True)
        planting = self.planting(call, load_balancer)
        if isinstance(form.default_pool, Struct):
            pool = planting.pool(form.default_pool)
            check_protocols(form.protocol, pool.protocol)
            listener = planting.listener(form, pool.id)
        else:
            default_pool_id = _default_pool(call, load_balancer.id, form.default_pool_id or None, form.protocol)
            listener = planting.listener(form, default_pool_id)
        planting.put_down()
        return listener

    def check_update(self, call: Call, resource: Resource, form: Any) -> None:
        """Refuse a default pool that is not there or does not fit."""
        assert isinstance(resource, Listener)  # noqa: S101 - by the kind
        if form.default_pool_id:
            _default_pool(call, resource.load_balancer_id, form.default_pool_id, resource.protocol)


def _default_pool(call: Call, load_balancer_id: str, key: str | None, protocol: str) -> str | None:
    """Return the id of a pool of the same load balancer that fits. Raises NotFound, Invalid."""
    if not key:
        return None
    pool = call.transaction.get(Pool, key)
    if pool is None or pool.load_balancer_id != load_balancer_id or pool.deleted_in is not None:
        raise missing(POOL, key)
    check_protocols(protocol, pool.protocol)
    return pool.id


def _stats(call: Call) -> Any:
    seen = permitted(call, KIND, call.path["id"])
    return {"stats": stats(call.transaction, listener_id=seen.resource.id)}
