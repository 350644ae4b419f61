"""/listeners: create, read, change, delete, statistics."""

from typing import Any

from msgspec import structs

from hydria.api.access import missing, permitted
from hydria.api.references import check_listener
from hydria.api.resource import ChildApi
from hydria.api.resource_types import LISTENER as KIND
from hydria.api.resource_types import LOAD_BALANCER, POOL
from hydria.api.statistics import stats
from hydria.api.tree_builder import TreeBuilder, delete_rules, member_addresses, policies_of
from hydria.api.tree_create import build_listener
from hydria.api.views import LoadedResource, Related
from hydria.http.operation import Call, Operation
from hydria.model import Listener, LoadBalancer, Pool, listener_checks, pool_checks
from hydria.model.create import ListenerCreate
from hydria.model.fields import DATAGRAM
from hydria.model.listener import ListenerUpdate


class Listeners(ChildApi[Listener, LoadBalancer]):
    """The operations on listeners."""

    kind = KIND
    path = "/listeners"
    create_form = ListenerCreate
    update_form = ListenerUpdate

    def operations(self) -> tuple[Operation, ...]:
        """Return the operations, the statistics among them."""
        stats_of_one = Operation(method="GET", path="/listeners/{id}/stats", work=_stats, rule=KIND.rule("get_stats"))
        return (*super().operations(), stats_of_one)

    def parent(self, call: Call) -> LoadedResource[LoadBalancer]:
        """Return the load balancer of the form. Raises NotFound, Forbidden."""
        return permitted(call, LOAD_BALANCER, call.form.loadbalancer_id)

    def build(self, call: Call, builder: TreeBuilder, parent: LoadedResource[LoadBalancer]) -> Listener:
        """Add a listener, with the pools and the policies of its form. Raises a Refusal."""
        form: ListenerCreate = call.form
        default_pool = pool_of(call, parent.resource.id, form.default_pool_id) if form.default_pool_id else None
        return build_listener(builder, form, default_pool)

    def related_in(self, form: ListenerCreate) -> Related | None:
        """Return no ids of related resources, unless the form has policies."""
        return None if form.l7policies else {}

    def check_form(self, call: Call, before: Listener, form: Any) -> None:
        """Put in defaults where the form resets what TLS needs."""
        listener_checks.defaults_for_null(form)

    def settle(self, call: Call, before: Listener, after: Listener) -> Listener:
        """Refuse what the protocol does not allow, and a default pool that does not exist or does not fit."""
        listener_checks.check(after, before)
        check_listener(self._secrets_of(call.transaction), after, before)
        if after.allowed_cidrs != before.allowed_cidrs:
            root = _load_balancer_of(call, after)
            listener_checks.check_sources(after.allowed_cidrs or (), root.vip_addresses, root.vip_sg_ids)
        if after.default_pool_id and after.default_pool_id != before.default_pool_id:
            pool = pool_of(call, after.load_balancer_id, after.default_pool_id)
            listener_checks.check_pool(after.protocol, pool)
            if pool.protocol in DATAGRAM:
                vips = _load_balancer_of(call, after).vip_addresses
                pool_checks.check_families(pool.protocol, member_addresses(call, pool), vips)
        return after

    def cascade_delete(self, call: Call, resource: Listener, generation: int) -> None:
        """Delete the L7 policies and their rules too."""
        for policy in policies_of(call, resource.id):
            call.transaction.update(structs.replace(policy, deleted_in=generation, updated_at=call.now))
            delete_rules(call, policy.id, generation)


def pool_of(call: Call, load_balancer_id: str, key: str) -> Pool:
    """Return a pool of a load balancer. Raises NotFound, also for a pool of another one."""
    return own_pool(call.transaction.get(Pool, key), load_balancer_id, key)


def own_pool(pool: Pool | None, load_balancer_id: str, key: str) -> Pool:
    """Return the pool that was found by the id `key` if it is the load balancer's. Raises NotFound."""
    if pool is None or pool.load_balancer_id != load_balancer_id or pool.deleted_in is not None:
        raise missing(POOL, key)
    return pool


def _load_balancer_of(call: Call, listener: Listener) -> LoadBalancer:
    found = call.transaction.get(LoadBalancer, listener.load_balancer_id)
    if found is None:
        raise RuntimeError(f"listener {listener.id} has no load balancer")
    return found


def _stats(call: Call) -> Any:
    loaded = permitted(call, KIND, call.path["id"])
    return {"stats": stats(call.transaction, listener_id=loaded.resource.id)}
