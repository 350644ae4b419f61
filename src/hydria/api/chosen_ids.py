"""Ids that the caller chooses for new resources: Octavia's provider driver gives Hydria's copies the ids of Octavia's.

It is a right of its own. Without it the attribute `id` is unknown, as it is in Octavia.
"""

import uuid
from typing import Any

from msgspec import UNSET, Struct

from hydria.api.dialect import unknown_attribute
from hydria.api.resource_types import (
    HEALTH_MONITOR,
    L7_POLICY,
    L7_RULE,
    LISTENER,
    LOAD_BALANCER,
    MEMBER,
    POOL,
    ResourceType,
)
from hydria.errors import Conflict
from hydria.http.operation import Call
from hydria.model import Resource
from hydria.store.resources import Health

_TYPES: dict[type[Resource], ResourceType[Any]] = {
    each.struct: each for each in (LOAD_BALANCER, LISTENER, POOL, MEMBER, HEALTH_MONITOR, L7_POLICY, L7_RULE)
}


def new_id(call: Call, kind: type[Resource], form: Struct, project_id: str) -> str:
    """Return the id that a create form chooses, or a random one. Raises Invalid without the right, Conflict."""
    chosen: Any = getattr(form, "id", UNSET)
    if chosen is UNSET:
        return str(uuid.uuid4())
    if not call.may(LOAD_BALANCER.rule("post:id"), project_id):
        raise unknown_attribute(_TYPES[kind].root, "id")
    if chosen is None:
        return str(uuid.uuid4())
    # Operating statuses are kept by id, whatever the kind.
    if any(call.transaction.get(each, chosen) is not None for each in (kind, Health)):
        raise id_taken()
    return str(chosen)


def id_taken() -> Conflict:
    """Return Octavia's refusal of an id that is in use."""
    return Conflict("Already an entity with that specified id.")
