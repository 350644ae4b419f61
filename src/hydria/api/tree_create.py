"""Builds whole trees from one form, a load balancer's or a listener's, in which pools are referred to by name."""

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
    """Add the tree of a new load balancer: pools first, then the listeners that name them. Raises Invalid, NotFound."""
    for form in listeners:
        if form.default_pool_id:
            raise missing(POOL, form.default_pool_id)
    used = [pool for form in listeners for pool in _used_by(form)]
    if not all(pool.name for pool in used):
        raise invalid_combination("Pools must be named when creating a fully populated loadbalancer.")
    defined = [*pools, *filter(_is_definition, used)]
    names = [pool.name for pool in defined]
    if len(set(names)) != len(names):
        raise invalid_combination("Pool names must be unique when creating a fully populated loadbalancer.")
    for pool in used:
        if pool.name not in names:
            raise _undefined(pool)
    made = {str(form.name): builder.pool(form) for form in defined}
    for form in listeners:
        default = form.default_pool
        default_pool = made[str(default.name)] if isinstance(default, Struct) else None
        _add_policies(builder, form, builder.listener(form, default_pool), made)


def build_listener(builder: TreeBuilder, form: ListenerNested, default_pool: Pool | None) -> Listener:
    """Add one listener with the pools and policies of its form. Raises Invalid."""
    made = {}
    if isinstance(form.default_pool, Struct):
        default_pool = builder.pool(form.default_pool)
        made[default_pool.name] = default_pool
    for policy in form.l7policies or ():
        target = policy.redirect_pool
        if isinstance(target, Struct) and not target.name:
            raise invalid_combination("Pools must be named when creating a fully populated loadbalancer.")
        if isinstance(target, Struct) and _is_definition(target):
            if target.name in made:
                raise invalid_combination("Pool names must be unique when creating a fully populated loadbalancer.")
            made[str(target.name)] = builder.pool(target)
    listener = builder.listener(form, default_pool)
    _add_policies(builder, form, listener, made)
    return listener


def _add_policies(builder: TreeBuilder, form: ListenerNested, listener: Listener, made: Mapping[str, Pool]) -> None:
    for policy in form.l7policies or ():
        target = policy.redirect_pool
        pool = None
        if isinstance(target, Struct):
            pool = made.get(str(target.name))
            if pool is None:
                raise _undefined(target)
        builder.l7_policy(policy, listener, pool)


def _used_by(form: ListenerNested) -> Iterable[PoolNested]:
    used = [form.default_pool, *(policy.redirect_pool for policy in form.l7policies or ())]
    return [pool for pool in used if isinstance(pool, Struct)]


def _is_definition(pool: PoolNested) -> bool:
    """Return whether a form defines a pool, rather than naming one that is defined elsewhere."""
    return len(given(pool)) > 1


def _undefined(pool: PoolNested) -> Exception:
    return invalid_combination(f"Pool '{pool.name}' was referenced but no full definition was found.")
