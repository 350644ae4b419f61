"""Roles. The built-in ones are immutable."""

from typing import Any

from hydria.homecloud.identity.access import only_admin
from hydria.homecloud.identity.collection import Kind, given
from hydria.homecloud.identity.faults import duplicate, expecting
from hydria.homecloud.identity.forms import RoleCreate, RoleUpdate
from hydria.homecloud.identity.rows import Assignment, Role
from hydria.http.operation import Call
from hydria.store import columns


def _values(_call: Call, form: RoleUpdate, before: Role | None) -> dict[str, Any]:
    if isinstance(form.domain_id, str):
        raise expecting("no domain_id: roles of a domain are not supported", "role")
    values = given(form, Role)
    if before is None:
        values["description"] = form.description or None
    return values


def _leave(call: Call, role: Role) -> None:
    call.transaction.delete(Assignment, columns(Assignment).role_id == role.id)


ROLE = Kind(
    name="role",
    plural="roles",
    row=Role,
    create=RoleCreate,
    update=RoleUpdate,
    filters=("name",),
    values=_values,
    taken=lambda role, _: duplicate("role", role.name),
    leave=_leave,
    may_show=lambda call: only_admin(call, "get_role"),
    # No role here belongs to a domain.
    finds_nothing=lambda call: bool(call.query.last("domain_id")),
    always={"domain_id": None},
)
