"""/pools: create, read, change, delete."""

from typing import Any

from msgspec import UNSET, structs

from hydria.api.access import missing, parent, permitted
from hydria.api.etags import tagged
from hydria.api.references import check_pool
from hydria.api.resource import ResourceApi
from hydria.api.resource_types import LISTENER
from hydria.api.resource_types import POOL as KIND
from hydria.api.views import LoadedResource, dressed
from hydria.errors import Conflict, Invalid
from hydria.http.operation import Call
from hydria.model import HealthMonitor, L7Policy, Listener, Member, Pool, Resource, listener_checks, pool_checks
from hydria.model.create import PoolCreate
from hydria.model.faults import invalid_value
from hydria.model.pool import PoolUpdate
from hydria.store import columns


class Pools(ResourceApi):
    """The operations on pools."""

    kind = KIND
    path = "/pools"
    create_form = PoolCreate
    update_form = PoolUpdate

    def create(self, call: Call) -> LoadedResource:
        """Make a pool on a load balancer or behind a listener."""
        form: PoolCreate = call.form
        listener = permitted(call, LISTENER, form.listener_id) if form.listener_id else None
        above = _above(call, listener)
        load_balancer = self._changes.count(call.transaction, above)
        builder = self.builder(call, load_balancer)
        pool = builder.pool(form)
        if listener is not None:
            in_front = listener.resource
            assert isinstance(in_front, Listener)  # noqa: S101 - by the kind
            if in_front.default_pool_id:
                raise Conflict("This listener already has a default pool")
            listener_checks.check_pool(in_front.protocol, pool)
            builder.front(pool)
            call.transaction.update(
                structs.replace(in_front, default_pool_id=pool.id, changed_in=load_balancer.generation)
            )
        builder.save()
        self._changes.check(above, below=True)
        return builder.load(KIND, pool.id)

    def made(self, call: Call, loaded: LoadedResource) -> Any:
        """Return the answer; of one that is made alone it is known what stands beside it."""
        form: PoolCreate = call.form
        if form.members or form.healthmonitor:
            return super().made(call, loaded)
        in_front = {"listeners": [form.listener_id]} if form.listener_id else {}
        return tagged(loaded, {KIND.root: dressed(KIND, loaded, in_front)})

    def check_update(self, call: Call, resource: Resource, form: Any) -> None:
        """Refuse to reset the algorithm; a persistence without a type keeps the stored one."""
        assert isinstance(resource, Pool)  # noqa: S101 - by the kind
        if form.lb_algorithm is None:
            raise invalid_value(None, "lb_algorithm")
        if form.session_persistence:
            form.session_persistence = pool_checks.changed_persistence(resource, form)
        pool_checks.defaults_for_null(form)

    def check_result(self, call: Call, before: Resource, after: Resource) -> None:
        """Refuse what its protocol, or a listener in front of it, cannot have."""
        assert isinstance(before, Pool)  # noqa: S101 - by the kind
        assert isinstance(after, Pool)  # noqa: S101 - by the kind
        pool_checks.check(after, before)
        check_pool(self._secrets_of(call.transaction), after, before)
        if after.session_persistence is not None and after.session_persistence != before.session_persistence:
            for in_front in _listeners_of(call, after):
                if in_front.deleted_in is None:
                    pool_checks.check_readable(after, in_front.protocol)

    def check_delete(self, call: Call, resource: Resource) -> None:
        """Refuse to take a pool from an L7 policy."""
        c = columns(L7Policy)
        using = call.transaction.find(L7Policy, c.redirect_pool_id == resource.id, c.deleted_in.is_(None))
        if using:
            raise Conflict(f"Pool {resource.id} is in use by L7 policy {using[0].id}")

    def cascade_delete(self, call: Call, resource: Resource, generation: int) -> None:
        """Let the members and the monitor go too; listeners stand without a pool."""
        for kind in (Member, HealthMonitor):
            c = columns(kind)
            going = call.transaction.find(kind, c.pool_id == resource.id, c.deleted_in.is_(None))
            call.transaction.update(
                *(structs.replace(each, deleted_in=generation, updated_at=call.now) for each in going)
            )
        call.transaction.update(
            *(
                structs.replace(each, default_pool_id=None, changed_in=generation)
                for each in _listeners_of(call, resource)
            )
        )


def _listeners_of(call: Call, pool: Resource) -> list[Listener]:
    return call.transaction.find(Listener, columns(Listener).default_pool_id == pool.id)


def _above(call: Call, listener: LoadedResource | None) -> LoadedResource:
    """Return what a pool is made below: the listener, or else the load balancer. Raises Invalid, a Refusal."""
    key = call.form.loadbalancer_id
    if listener is not None and key in (UNSET, None, "", listener.load_balancer_id):
        return listener
    if not key:
        raise Invalid("Validation failure: Must provide at least one of: loadbalancer_id, listener_id")
    load_balancer = parent(call, key)
    if listener is not None:
        # Each is there, but they do not belong together.
        raise missing(LISTENER, listener.resource.id)
    return load_balancer
