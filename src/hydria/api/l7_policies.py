"""/l7policies: create, read, change, move, delete."""

from functools import cache
from typing import Any

from msgspec import UNSET
from sqlalchemy import bindparam

from hydria.api.access import permitted
from hydria.api.listeners import own_pool, pool_of
from hydria.api.resource import ChildApi
from hydria.api.resource_types import L7_POLICY as KIND
from hydria.api.resource_types import LISTENER
from hydria.api.tree_builder import TreeBuilder, delete_rules, policies_of, renumber
from hydria.api.views import LoadedResource, Related
from hydria.http.operation import Call
from hydria.model import L7Policy, Listener, Pool, l7_checks, listener_checks
from hydria.model.base import given
from hydria.model.create import L7PolicyCreate
from hydria.model.l7_policy import L7PolicyUpdate
from hydria.model.l7_positions import inserted, numbered
from hydria.store import columns
from hydria.store.union_select import UnionSelect


class L7Policies(ChildApi[L7Policy, Listener]):
    """The operations on L7 policies."""

    kind = KIND
    path = "/l7policies"
    create_form = L7PolicyCreate
    update_form = L7PolicyUpdate

    def parent(self, call: Call) -> LoadedResource[Listener]:
        """Return the listener of the form. Raises NotFound, Forbidden."""
        return permitted(call, LISTENER, call.form.listener_id)

    def build(self, call: Call, builder: TreeBuilder, parent: LoadedResource[Listener]) -> L7Policy:
        """Add a policy of a listener, at its position or last. Raises a Refusal."""
        form: L7PolicyCreate = call.form
        pool, existing = _pool_and_policies(call, parent.load_balancer_id, form)
        return builder.l7_policy(form, parent.resource, pool, existing)

    def related_in(self, form: L7PolicyCreate) -> Related | None:
        """Return no ids of related resources, unless the form has rules."""
        return None if form.rules else {}

    def check_form(self, call: Call, before: L7Policy, form: Any) -> None:
        """Refuse what does not fit the action; an action clears the attributes that it does not need."""
        for name, value in l7_checks.settle_change(before, given(form)).items():
            setattr(form, name, value)
        if form.redirect_pool_id:
            listener = call.transaction.get(Listener, before.listener_id)
            if listener is None:
                raise RuntimeError(f"L7 policy {before.id} has no listener")
            pool = pool_of(call, before.load_balancer_id, form.redirect_pool_id)
            listener_checks.check_pool(listener.protocol, pool)
        if form.position is None:
            form.position = UNSET

    def apply_side_effects(self, call: Call, before: L7Policy, after: L7Policy) -> L7Policy:
        """Give the listener's other policies new positions when this one has moved."""
        l7_checks.check_target(after)
        if after.position == before.position:
            return after
        others = [policy for policy in policies_of(call, after.listener_id) if policy.id != after.id]
        ordered = inserted(others, after)
        renumber(call, others, ordered, after.changed_in)
        return next(policy for policy in ordered if policy.id == after.id)

    def cascade_delete(self, call: Call, resource: L7Policy, generation: int) -> None:
        """Delete the rules too; the policies behind this one move up."""
        delete_rules(call, resource.id, generation)
        rest = policies_of(call, resource.listener_id)
        renumber(call, rest, numbered(rest), generation)


def _pool_and_policies(call: Call, load_balancer_id: str, form: L7PolicyCreate) -> tuple[Pool | None, list[L7Policy]]:
    """Return the pool that a new policy sends to, and the policies of its listener. Raises NotFound."""
    keys = {"pool_id": form.redirect_pool_id or None, "listener_id": form.listener_id}
    found = _pool_and_policies_query().load(call.transaction.execute(_pool_and_policies_query().statement, keys))
    if not form.redirect_pool_id:
        return None, found[L7Policy]
    return own_pool(next(iter(found[Pool]), None), load_balancer_id, form.redirect_pool_id), found[L7Policy]


@cache
def _pool_and_policies_query() -> UnionSelect:
    pool, policy = columns(Pool), columns(L7Policy)
    existing = (policy.listener_id == bindparam("listener_id"), policy.deleted_in.is_(None))
    return UnionSelect({Pool: (pool.id == bindparam("pool_id"),), L7Policy: existing})
