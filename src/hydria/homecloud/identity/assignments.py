"""Role assignments: grant, check, revoke, list."""

from typing import Any

from msgspec import Struct

from hydria.errors import Invalid, NotFound
from hydria.homecloud.identity.access import DOMAIN, admin_or, only_admin, v3
from hydria.homecloud.identity.listing import flag, listing
from hydria.homecloud.identity.projects import PROJECT
from hydria.homecloud.identity.roles import ROLE
from hydria.homecloud.identity.rows import ApplicationCredential, Assignment, Project, Role, User
from hydria.homecloud.identity.token_validation import IMPLIED
from hydria.homecloud.identity.users import USER
from hydria.http.operation import Call, Operation, Reply
from hydria.store import columns

# Filters that match nothing: groups, domains and the system have no roles here.
_OTHERS = ("group.id", "scope.domain.id", "scope.system", "scope.OS-INHERIT:inherited_to")


class _Held(Struct, frozen=True):
    assignment: Assignment
    # The granted role that implies the assignment's, None where that is granted itself.
    prior_id: str | None = None


def operations() -> tuple[Operation, ...]:
    """Return the operations."""
    granted = "/v3/projects/{project_id}/users/{user_id}/roles"
    one = granted + "/{role_id}"
    return (
        Operation(method="PUT", path=one, work=_grant, status=204),
        Operation(method="GET", path=one, work=_check, status=204),
        Operation(method="DELETE", path=one, work=_revoke, status=204),
        Operation(method="GET", path=granted, work=_list_granted),
        Operation(method="GET", path="/v3/role_assignments", work=_list),
    )


def _target(call: Call) -> Assignment:
    transaction, path = call.transaction, call.path
    return Assignment(
        role_id=ROLE.existing(transaction, path["role_id"]).id,
        user_id=USER.existing(transaction, path["user_id"]).id,
        project_id=PROJECT.existing(transaction, path["project_id"]).id,
    )


def _find(call: Call, wanted: Assignment) -> list[Assignment]:
    c = columns(Assignment)
    return call.transaction.find(
        Assignment,
        c.user_id == wanted.user_id,
        c.project_id == wanted.project_id,
        c.role_id == wanted.role_id,
    )


def _not_granted(wanted: Assignment) -> NotFound:
    return NotFound(
        f"Could not find role assignment with role: {wanted.role_id}, user or group: {wanted.user_id},"
        f" project, domain, or system: {wanted.project_id}."
    )


def _grant(call: Call) -> Reply:
    only_admin(call, "create_grant")
    wanted = _target(call)
    if not _find(call, wanted):
        call.transaction.insert(wanted)
    return Reply()


def _check(call: Call) -> Reply:
    admin_or(call, call.path["user_id"], "check_grant")
    wanted = _target(call)
    if not _find(call, wanted):
        raise _not_granted(wanted)
    return Reply()


def _revoke(call: Call) -> Reply:
    only_admin(call, "revoke_grant")
    wanted = _target(call)
    if not _find(call, wanted):
        raise _not_granted(wanted)
    c, mine = columns(Assignment), columns(ApplicationCredential)
    call.transaction.delete(
        Assignment,
        c.user_id == wanted.user_id,
        c.project_id == wanted.project_id,
        c.role_id == wanted.role_id,
    )
    # As in Keystone, a credential does not outlive a change of the roles that it was made from.
    call.transaction.delete(ApplicationCredential, mine.user_id == wanted.user_id, mine.project_id == wanted.project_id)
    return Reply()


def _list_granted(call: Call) -> Any:
    user_id, project_id = call.path["user_id"], call.path["project_id"]
    admin_or(call, user_id, "list_grants")
    USER.existing(call.transaction, user_id)
    PROJECT.existing(call.transaction, project_id)
    c, a = columns(Role), columns(Assignment)
    mine = a.role_id.table.select().with_only_columns(a.role_id)
    held = c.id.in_(mine.where(a.user_id == user_id, a.project_id == project_id))
    return listing(call, "roles", [ROLE.body(call, role) for role in call.transaction.find(Role, held)])


def _list(call: Call) -> Any:
    query = call.query
    user_id, project_id, role_id = (query.last(key) for key in ("user.id", "scope.project.id", "role.id"))
    admin_or(call, user_id, "list_role_assignments")
    if project_id and query.last("scope.domain.id"):
        raise Invalid("Specify a domain or project, not both")
    if user_id and query.last("group.id"):
        raise Invalid("Specify a user or group, not both")
    c = columns(Assignment)
    where = [column == value for column, value in ((c.user_id, user_id), (c.project_id, project_id)) if value]
    held = [_Held(each) for each in call.transaction.find(Assignment, *where, order_by=tuple(c))]
    if any(query.last(key) for key in _OTHERS):
        held = []
    all_roles = {role.id: role for role in call.transaction.find(Role)}
    if flag(call, "effective"):
        held = _with_implied(held, all_roles)
    names = _Names(call, all_roles) if flag(call, "include_names") else None
    return listing(
        call,
        "role_assignments",
        [_entry(call, each, names) for each in held if not role_id or each.assignment.role_id == role_id],
    )


def _with_implied(held: list[_Held], all_roles: dict[str, Role]) -> list[_Held]:
    by_name = {role.name: role for role in all_roles.values()}
    found: list[_Held] = []
    for each in held:
        own = each.assignment
        found.append(each)
        step = IMPLIED.get(all_roles[own.role_id].name)
        while step is not None:
            if step in by_name:
                implied = Assignment(user_id=own.user_id, project_id=own.project_id, role_id=by_name[step].id)
                found.append(_Held(implied, own.role_id))
            step = IMPLIED.get(step)
    return found


class _Names:
    """The names that `include_names` asks for."""

    def __init__(self, call: Call, all_roles: dict[str, Role]) -> None:
        self.roles = {key: role.name for key, role in all_roles.items()}
        self.users = {user.id: user.name for user in call.transaction.find(User)}
        self.projects = {project.id: project.name for project in call.transaction.find(Project)}


def _entry(call: Call, held: _Held, names: _Names | None) -> dict[str, Any]:
    own = held.assignment
    user: dict[str, Any] = {"id": own.user_id}
    project: dict[str, Any] = {"id": own.project_id}
    role: dict[str, Any] = {"id": own.role_id}
    if names is not None:
        user.update(name=names.users[own.user_id], domain=DOMAIN)
        project.update(name=names.projects[own.project_id], domain=DOMAIN)
        role.update(name=names.roles[own.role_id])
    granted = held.prior_id or own.role_id
    links = {"assignment": v3(call, "projects", own.project_id, "users", own.user_id, "roles", granted)}
    if held.prior_id is not None:
        links["prior_role"] = v3(call, "prior_role", held.prior_id, "implies", own.role_id)
    return {"user": user, "role": role, "scope": {"project": project}, "links": links}
