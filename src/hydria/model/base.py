"""The common part of all resources: identity, generations, and how a body becomes or changes a resource. Pure."""

from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, Struct, structs

R = TypeVar("R", bound="Resource")


class Resource(Struct, frozen=True, kw_only=True):
    """A stored resource. The same struct is the row, a part of an instance, and the source of a response.

    `created_at` and `updated_at` are UTC, `YYYY-MM-DDTHH:MM:SS`, as Octavia prints them.
    `created_in`, `changed_in` and `deleted_in` are generations of its load balancer; `deleted_in` is set from the
    request to delete it until no host serves it any more.
    """

    id: str
    project_id: str
    name: str = ""
    admin_state_up: bool = True
    tags: tuple[str, ...] = ()
    created_at: str
    updated_at: str | None = None
    created_in: int = 1
    changed_in: int = 1
    deleted_in: int | None = None


class Child(Resource, frozen=True, kw_only=True):
    """A resource below a load balancer."""

    load_balancer_id: str


# Attributes that clients do not see.
INTERNAL = frozenset({"created_in", "changed_in", "deleted_in", "load_balancer_id"})


def given(form: Struct) -> dict[str, Any]:
    """Return the attributes that the client gave, null ones included, with the values of the form."""
    return {name: value for name in form.__struct_fields__ if (value := getattr(form, name)) is not UNSET}


def _switched(form: Struct) -> dict[str, Any]:
    """Return `given`, with Octavia's meaning of a null `admin_state_up`: off, not the default."""
    values = given(form)
    if values.get("admin_state_up", True) is None:
        values["admin_state_up"] = False
    if values.get("tags"):
        # Tags are a set.
        values["tags"] = list(dict.fromkeys(values["tags"]))
    return values


def build(kind: type[R], form: Struct, **rest: Any) -> R:
    """Return a resource with a create's attributes and those of the server; null and absent ones have the default."""
    known = set(kind.__struct_fields__)
    values = {name: value for name, value in _switched(form).items() if value is not None and name in known}
    return msgspec.convert({**values, **rest}, kind, from_attributes=True)


def change(resource: R, form: Struct, *, now: str, generation: int) -> R:
    """Return `resource` with an update's attributes; null stands for the default."""
    defaults = {field.name: field for field in structs.fields(type(resource))}
    values: dict[str, Any] = {}
    for name, value in _switched(form).items():
        if name in defaults:
            values[name] = _default(defaults[name]) if value is None else value
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    return structs.replace(resource, **values, updated_at=now, changed_in=generation)


def _default(field: structs.FieldInfo) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return None if field.default is msgspec.NODEFAULT else field.default
