"""/listeners: create, read, change, delete, statistics."""

from typing import Any

from msgspec import structs

from hydria.api.access import missing, parent, permitted
from hydria.api.etags import tagged
from hydria.api.references import check_listener
from hydria.api.resource import ResourceApi
from hydria.api.resource_types import LISTENER as KIND
from hydria.api.resource_types import POOL
from hydria.api.statistics import stats
from hydria.api.tree_builder import drop_rules, member_addresses, policies_of
from hydria.api.tree_create import build_listener
from hydria.api.views import LoadedResource, dressed
from hydria.http.operation import Call, Operation
from hydria.model import Listener, LoadBalancer, Pool, Resource, listener_checks, pool_checks
from hydria.model.create import ListenerCreate
from hydria.model.fields import DATAGRAM
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

    def create(self, call: Call) -> LoadedResource:
        """Make a listener, with the pool and the policies that the form has in it."""
        form: ListenerCreate = call.form
        above = parent(call, form.loadbalancer_id)
        load_balancer = self._changes.count(call.transaction, above)
        builder = self.builder(call, load_balancer)
        default_pool = pool_of(call, load_balancer.id, form.default_pool_id) if form.default_pool_id else None
        listener = build_listener(builder, form, default_pool)
        builder.save()
        self._changes.check(above, below=True)
        return builder.load(KIND, listener.id)

    def made(self, call: Call, loaded: LoadedResource) -> Any:
        """Return the answer; one that is made without policies has none to look for."""
        if call.form.l7policies:
            return super().made(call, loaded)
        return tagged(loaded, {KIND.root: dressed(KIND, loaded, {})})

    def check_update(self, call: Call, resource: Resource, form: Any) -> None:
        """Put defaults where the form resets what TLS needs."""
        listener_checks.defaults_for_null(form)

    def check_result(self, call: Call, before: Resource, after: Resource) -> None:
        """Refuse what its protocol cannot have, and a default pool that is not there or does not fit."""
        assert isinstance(before, Listener)  # noqa: S101 - by the kind
        assert isinstance(after, Listener)  # noqa: S101 - by the kind
        listener_checks.check(after, before)
        check_listener(self._secrets_of(call.transaction), after, before)
        if after.allowed_cidrs != before.allowed_cidrs:
            above = self._root(call, after)
            listener_checks.check_sources(after.allowed_cidrs or (), above.vip_addresses, above.vip_sg_ids)
        if after.default_pool_id and after.default_pool_id != before.default_pool_id:
            pool = pool_of(call, after.load_balancer_id, after.default_pool_id)
            listener_checks.check_pool(after.protocol, pool)
            if pool.protocol in DATAGRAM:
                vips = self._root(call, after).vip_addresses
                pool_checks.check_families(pool.protocol, member_addresses(call, pool), vips)

    def _root(self, call: Call, listener: Listener) -> LoadBalancer:
        found = call.transaction.get(LoadBalancer, listener.load_balancer_id)
        assert found is not None  # noqa: S101 - a listener has one
        return found

    def cascade_delete(self, call: Call, resource: Resource, generation: int) -> None:
        """Let the L7 policies and their rules go too."""
        for policy in policies_of(call, resource.id):
            call.transaction.update(structs.replace(policy, deleted_in=generation, updated_at=call.now))
            drop_rules(call, policy.id, generation)


def pool_of(call: Call, load_balancer_id: str, key: str) -> Pool:
    """Return a pool of a load balancer. Raises NotFound also for another's."""
    return own_pool(call.transaction.get(Pool, key), load_balancer_id, key)


def own_pool(pool: Pool | None, load_balancer_id: str, key: str) -> Pool:
    """Return a pool that was looked for by its id if it is this load balancer's. Raises NotFound."""
    if pool is None or pool.load_balancer_id != load_balancer_id or pool.deleted_in is not None:
        raise missing(POOL, key)
    return pool


def _stats(call: Call) -> Any:
    loaded = permitted(call, KIND, call.path["id"])
    return {"stats": stats(call.transaction, listener_id=loaded.resource.id)}
