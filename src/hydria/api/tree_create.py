"""Whole trees out of one form: a load balancer's or a listener's, with pools that are named where they are used."""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from hydria.api.access import missing
from hydria.api.resource_types import POOL
from hydria.api.tree_builder import TreeBuilder
from hydria.model import Listener, Pool
from hydria.model.base import given
from hydria.model.create import ListenerNested, PoolNested
from hydria.model.faults import invalid_combination


def build_tree(builder: TreeBuilder, listeners: list[ListenerNested], pools: list[PoolNested]) -> None:
    """Add a load balancer's whole tree: pools first, then the listeners that name them. Raises Invalid, NotFound."""
    for form in listeners:
        if form.default_pool_id:
            raise missing(POOL, form.default_pool_id)
    used = [pool for form in listeners for pool in _used_by(form)]
    if not all(pool.name for pool in used):
        raise invalid_combination("Pools must be named when creating a fully populated loadbalancer.")
    whole = [*pools, *filter(_is_whole, used)]
    names = [pool.name for pool in whole]
    if len(set(names)) != len(names):
        raise invalid_combination("Pool names must be unique when creating a fully populated loadbalancer.")
    for pool in used:
        if pool.name not in names:
            raise _lost(pool)
    made = {str(form.name): builder.pool(form) for form in whole}
    for form in listeners:
        default = form.default_pool
        behind = made[str(default.name)] if isinstance(default, Struct) else None
        _plant_policies(builder, form, builder.listener(form, behind), made)


def build_listener(builder: TreeBuilder, form: ListenerNested, default_pool: Pool | None) -> Listener:
    """Add one listener with what its form has in it. Raises Invalid."""
    made = {}
    if isinstance(form.default_pool, Struct):
        default_pool = builder.pool(form.default_pool)
        made[default_pool.name] = default_pool
    for policy in form.l7policies or ():
        target = policy.redirect_pool
        if isinstance(target, Struct) and not target.name:
            raise invalid_combination("Pools must be named when creating a fully populated loadbalancer.")
        if isinstance(target, Struct) and _is_whole(target):
            if target.name in made:
                raise invalid_combination("Pool names must be unique when creating a fully populated loadbalancer.")
            made[str(target.name)] = builder.pool(target)
    listener = builder.listener(form, default_pool)
    _plant_policies(builder, form, listener, made)
    return listener


def _plant_policies(builder: TreeBuilder, form: ListenerNested, listener: Listener, made: Mapping[str, Pool]) -> None:
    for policy in form.l7policies or ():
        target = policy.redirect_pool
        pool = None
        if isinstance(target, Struct):
            pool = made.get(str(target.name))
            if pool is None:
                raise _lost(target)
        builder.l7_policy(policy, listener, pool)


def _used_by(form: ListenerNested) -> Iterable[PoolNested]:
    used = [form.default_pool, *(policy.redirect_pool for policy in form.l7policies or ())]
    return [pool for pool in used if isinstance(pool, Struct)]


def _is_whole(pool: PoolNested) -> bool:
    """Say whether a form is more than the name of a pool that is elsewhere."""
    return len(given(pool)) > 1


def _lost(pool: PoolNested) -> Exception:
    return invalid_combination(f"Pool '{pool.name}' was referenced but no full definition was found.")
