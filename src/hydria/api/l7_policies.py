"""/l7policies: create, read, change, move, delete."""

from functools import cache
from typing import Any

from msgspec import UNSET
from sqlalchemy import bindparam

from hydria.api.access import permitted
from hydria.api.etags import tagged
from hydria.api.listeners import own_pool, pool_of
from hydria.api.resource import ResourceApi
from hydria.api.resource_types import L7_POLICY as KIND
from hydria.api.resource_types import LISTENER
from hydria.api.tree_builder import drop_rules, policies_of, renumber
from hydria.api.views import LoadedResource, dressed
from hydria.http.operation import Call
from hydria.model import L7Policy, Listener, Pool, Resource, l7_checks, listener_checks
from hydria.model.base import given
from hydria.model.create import L7PolicyCreate
from hydria.model.l7_policy import L7PolicyUpdate
from hydria.model.l7_positions import inserted, numbered
from hydria.store import columns
from hydria.store.union_select import UnionSelect


class L7Policies(ResourceApi):
    """The operations on L7 policies."""

    kind = KIND
    path = "/l7policies"
    create_form = L7PolicyCreate
    update_form = L7PolicyUpdate

    def create(self, call: Call) -> LoadedResource:
        """Make a policy of a listener, at its position or last."""
        form: L7PolicyCreate = call.form
        listener = permitted(call, LISTENER, form.listener_id)
        load_balancer = self._changes.count(call.transaction, listener)
        assert isinstance(listener.resource, Listener)  # noqa: S101 - by the kind
        pool, beside = _around(call, load_balancer.id, form)
        builder = self.builder(call, load_balancer)
        policy = builder.l7_policy(form, listener.resource, pool, beside)
        builder.save()
        self._changes.check(listener)
        return builder.load(KIND, policy.id)

    def made(self, call: Call, loaded: LoadedResource) -> Any:
        """Return the answer; one that is made without rules has none to look for."""
        if call.form.rules:
            return super().made(call, loaded)
        return tagged(loaded, {KIND.root: dressed(KIND, loaded, {})})

    def check_update(self, call: Call, resource: Resource, form: Any) -> None:
        """Refuse what does not fit its action; an action clears what it does not need."""
        assert isinstance(resource, L7Policy)  # noqa: S101 - by the kind
        for name, value in l7_checks.settle_change(resource, given(form)).items():
            setattr(form, name, value)
        if form.redirect_pool_id:
            listener = call.transaction.get(Listener, resource.listener_id)
            assert listener is not None  # noqa: S101 - a policy has one
            pool = pool_of(call, resource.load_balancer_id, form.redirect_pool_id)
            listener_checks.check_pool(listener.protocol, pool)
        if form.position is None:
            form.position = UNSET

    def apply_side_effects(self, call: Call, before: Resource, after: Resource) -> Resource:
        """Give the others their new positions when this one has moved."""
        assert isinstance(before, L7Policy)  # noqa: S101 - by the kind
        assert isinstance(after, L7Policy)  # noqa: S101 - by the kind
        l7_checks.check_target(after)
        if after.position == before.position:
            return after
        others = [each for each in policies_of(call, after.listener_id) if each.id != after.id]
        ordered = inserted(others, after)
        renumber(call, others, ordered, after.changed_in)
        return next(each for each in ordered if each.id == after.id)

    def cascade_delete(self, call: Call, resource: Resource, generation: int) -> None:
        """Let the rules go too; the policies behind it move up."""
        assert isinstance(resource, L7Policy)  # noqa: S101 - by the kind
        drop_rules(call, resource.id, generation)
        rest = policies_of(call, resource.listener_id)
        renumber(call, rest, numbered(rest), generation)


def _around(call: Call, load_balancer_id: str, form: L7PolicyCreate) -> tuple[Pool | None, list[L7Policy]]:
    """Return the pool that a new policy sends to, and the policies that its listener has. Raises NotFound."""
    keys = {"pool_id": form.redirect_pool_id or None, "listener_id": form.listener_id}
    found = _beside().load(call.transaction.execute(_beside().statement, keys))
    if not form.redirect_pool_id:
        return None, found[L7Policy]
    return own_pool(next(iter(found[Pool]), None), load_balancer_id, form.redirect_pool_id), found[L7Policy]


@cache
def _beside() -> UnionSelect:
    pool, policy = columns(Pool), columns(L7Policy)
    mine = (policy.listener_id == bindparam("listener_id"), policy.deleted_in.is_(None))
    return UnionSelect({Pool: (pool.id == bindparam("pool_id"),), L7Policy: mine})
