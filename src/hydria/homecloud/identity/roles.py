"""Roles: create, read, list, change, delete. The built-in ones are immutable."""

import uuid
from typing import Any

from msgspec import UNSET, structs, to_builtins

from hydria.homecloud.identity.access import changeable, further, merged, only_admin, same_id, v3
from hydria.homecloud.identity.faults import duplicate, expecting, missing
from hydria.homecloud.identity.forms import RoleCreate, RoleUpdate
from hydria.homecloud.identity.listing import listing, matching
from hydria.homecloud.identity.rows import Assignment, Role
from hydria.http.operation import Call, Operation, Reply
from hydria.store import Transaction, columns


def operations() -> tuple[Operation, ...]:
    """Return the operations."""
    one, many = "/v3/roles/{id}", "/v3/roles"
    return (
        Operation(method="GET", path=many, work=_list),
        Operation(method="POST", path=many, work=_create, form=RoleCreate, root="role", status=201),
        Operation(method="GET", path=one, work=_get),
        Operation(method="PATCH", path=one, work=_update, form=RoleUpdate, root="role"),
        Operation(method="DELETE", path=one, work=_delete),
    )


def body(call: Call, role: Role) -> dict[str, Any]:
    """Return a role as clients see it."""
    return {
        **role.extra,
        "id": role.id,
        "name": role.name,
        "description": role.description,
        "domain_id": None,
        "options": role.options,
        "links": {"self": v3(call, "roles", role.id)},
    }


def existing(transaction: Transaction, key: str) -> Role:
    """Return a role. Raises NotFound."""
    role = transaction.get(Role, key)
    if role is None:
        raise missing("role", key)
    return role


def _list(call: Call) -> Any:
    only_admin(call, "list_roles")
    # No role here belongs to a domain.
    roles = [] if call.query.last("domain_id") else matching(call, Role, ("name",))
    return listing(call, "roles", [body(call, role) for role in roles])


def _get(call: Call) -> Any:
    only_admin(call, "get_role")
    return {"role": body(call, existing(call.transaction, call.path["id"]))}


def _create(call: Call) -> Any:
    only_admin(call, "create_role")
    form: RoleCreate = call.form
    _no_domain(form)
    role = Role(
        id=uuid.uuid4().hex,
        name=form.name,
        description=form.description or None,
        options=merged({}, to_builtins(form.options or {})),
        extra=further({}, form.extra),
    )
    _check_name(call.transaction, role)
    call.transaction.insert(role)
    return {"role": body(call, role)}


def _update(call: Call) -> Any:
    only_admin(call, "update_role")
    form: RoleUpdate = call.form
    role = existing(call.transaction, call.path["id"])
    options = to_builtins(form.options or {})
    changeable("role", role, "update", options)
    same_id("role", role, form.extra)
    _no_domain(form)
    values = {name: value for name in ("name", "description") if (value := getattr(form, name)) is not UNSET}
    changed = structs.replace(
        role, **values, options=merged(role.options, options), extra=further(role.extra, form.extra)
    )
    _check_name(call.transaction, changed)
    call.transaction.update(changed)
    return {"role": body(call, changed)}


def _delete(call: Call) -> Reply:
    only_admin(call, "delete_role")
    role = existing(call.transaction, call.path["id"])
    changeable("role", role, "delete")
    call.transaction.delete(Assignment, columns(Assignment).role_id == role.id)
    call.transaction.delete(Role, columns(Role).id == role.id)
    return Reply(status=204)


def _no_domain(form: RoleCreate | RoleUpdate) -> None:
    if isinstance(form.domain_id, str):
        raise expecting("no domain_id: roles of a domain are not supported", "role")


def _check_name(transaction: Transaction, role: Role) -> None:
    c = columns(Role)
    if transaction.find(Role, c.name == role.name, c.id != role.id):
        raise duplicate("role", role.name)
