"""/pools: create, read, change, delete."""

from typing import Any

from msgspec import UNSET, structs

from hydria.api.access import missing, permitted
from hydria.api.references import check_pool
from hydria.api.resource import ChildApi
from hydria.api.resource_types import LISTENER, LOAD_BALANCER
from hydria.api.resource_types import POOL as KIND
from hydria.api.tree_builder import TreeBuilder
from hydria.api.views import LoadedResource, Related
from hydria.errors import Conflict, Invalid
from hydria.http.operation import Call
from hydria.model import (
    Child,
    HealthMonitor,
    L7Policy,
    Listener,
    LoadBalancer,
    Member,
    Pool,
    listener_checks,
    pool_checks,
)
from hydria.model.create import PoolCreate
from hydria.model.faults import invalid_value
from hydria.model.pool import PoolUpdate
from hydria.store import columns


class Pools(ChildApi[Pool, Listener | LoadBalancer]):
    """The operations on pools."""

    kind = KIND
    path = "/pools"
    create_form = PoolCreate
    update_form = PoolUpdate

    def parent(self, call: Call) -> LoadedResource[Any]:
        """Return the listener that is to send to the new pool, or else the load balancer. Raises a Refusal."""
        form: PoolCreate = call.form
        listener = permitted(call, LISTENER, form.listener_id) if form.listener_id else None
        key = form.loadbalancer_id
        if listener is not None and key in (UNSET, None, "", listener.load_balancer_id):
            return listener
        if not key:
            raise Invalid("Validation failure: Must provide at least one of: loadbalancer_id, listener_id")
        load_balancer = permitted(call, LOAD_BALANCER, key)
        if listener is not None:
            # Both exist, but the listener is another load balancer's.
            raise missing(LISTENER, listener.resource.id)
        return load_balancer

    def build(self, call: Call, builder: TreeBuilder, parent: LoadedResource[Listener | LoadBalancer]) -> Pool:
        """Add a pool of a load balancer, or of a listener that has none yet. Raises a Refusal."""
        pool = builder.pool(call.form)
        listener = parent.resource
        if isinstance(listener, Listener):
            if listener.default_pool_id:
                raise Conflict("This listener already has a default pool")
            listener_checks.check_pool(listener.protocol, pool)
            builder.attach(pool)
            call.transaction.update(
                structs.replace(listener, default_pool_id=pool.id, changed_in=builder.parent.generation)
            )
        return pool

    def related_in(self, form: PoolCreate) -> Related | None:
        """Return the ids of related resources: only the listener, unless the form has children."""
        if form.members or form.healthmonitor:
            return None
        return {"listeners": [form.listener_id]} if form.listener_id else {}

    def check_form(self, call: Call, before: Pool, form: Any) -> None:
        """Refuse to reset the algorithm; a persistence without a type keeps the stored one."""
        if form.lb_algorithm is None:
            raise invalid_value(None, "lb_algorithm")
        if form.session_persistence:
            form.session_persistence = pool_checks.changed_persistence(before, form)
        pool_checks.defaults_for_null(form)

    def settle(self, call: Call, before: Pool, after: Pool) -> Pool:
        """Refuse what the pool's protocol, or one of its listeners, does not allow."""
        pool_checks.check(after, before)
        check_pool(self._secrets_of(call.transaction), after, before)
        if after.session_persistence is not None and after.session_persistence != before.session_persistence:
            for listener in _listeners_of(call, after):
                if listener.deleted_in is None:
                    pool_checks.check_readable(after, listener.protocol)
        return after

    def check_delete(self, call: Call, resource: Pool) -> None:
        """Refuse the deletion of a pool that an L7 policy sends to."""
        c = columns(L7Policy)
        using = call.transaction.find(L7Policy, c.redirect_pool_id == resource.id, c.deleted_in.is_(None))
        if using:
            raise Conflict(f"Pool {resource.id} is in use by L7 policy {using[0].id}")

    def cascade_delete(self, call: Call, resource: Pool, generation: int) -> None:
        """Delete the members and the monitor too; the listeners stay, without a default pool."""
        kinds: tuple[type[Child], ...] = (Member, HealthMonitor)
        for kind in kinds:
            c = columns(kind)
            children = call.transaction.find(kind, c.pool_id == resource.id, c.deleted_in.is_(None))
            call.transaction.update(
                *(structs.replace(child, deleted_in=generation, updated_at=call.now) for child in children)
            )
        call.transaction.update(
            *(
                structs.replace(listener, default_pool_id=None, changed_in=generation)
                for listener in _listeners_of(call, resource)
            )
        )


def _listeners_of(call: Call, pool: Pool) -> list[Listener]:
    return call.transaction.find(Listener, columns(Listener).default_pool_id == pool.id)
