"""Projects: create, read, list, change, delete."""

import uuid
from typing import Any

from msgspec import UNSET, structs, to_builtins
from sqlalchemy import update

from hydria.errors import Forbidden, Invalid
from hydria.homecloud.identity.access import changeable, further, merged, only_admin, same_domain, same_id, v3
from hydria.homecloud.identity.faults import duplicate_project, expecting, missing
from hydria.homecloud.identity.forms import ProjectCreate, ProjectUpdate
from hydria.homecloud.identity.listing import flag, listing, matching
from hydria.homecloud.identity.rows import DOMAIN_ID, ApplicationCredential, Assignment, Project, User
from hydria.homecloud.identity.token_validation import roles_in
from hydria.http.lists import Condition
from hydria.http.operation import Call, Operation, Reply
from hydria.store import Transaction, columns
from hydria.store.tables import rows_of


def operations() -> tuple[Operation, ...]:
    """Return the operations."""
    one, many = "/v3/projects/{id}", "/v3/projects"
    return (
        Operation(method="GET", path=many, work=_list),
        Operation(method="POST", path=many, work=_create, form=ProjectCreate, root="project", status=201),
        Operation(method="GET", path=one, work=_get),
        Operation(method="PATCH", path=one, work=_update, form=ProjectUpdate, root="project"),
        Operation(method="DELETE", path=one, work=_delete),
        Operation(method="GET", path="/v3/auth/projects", work=lambda call: _of_user(call, call.caller.user_id)),
        Operation(method="GET", path="/v3/users/{user_id}/projects", work=_list_of_user),
    )


def body(call: Call, project: Project) -> dict[str, Any]:
    """Return a project as clients see it."""
    return {
        **project.extra,
        "id": project.id,
        "name": project.name,
        "description": project.description,
        "enabled": project.enabled,
        "domain_id": project.domain_id,
        "parent_id": project.parent_id,
        "is_domain": False,
        "tags": list(project.tags),
        "options": project.options,
        "links": {"self": v3(call, "projects", project.id)},
    }


def existing(transaction: Transaction, key: str) -> Project:
    """Return a project. Raises NotFound."""
    project = transaction.get(Project, key)
    if project is None:
        raise missing("project", key)
    return project


def _list(call: Call) -> Any:
    only_admin(call, "list_projects")
    return _listing(call, ("name", "domain_id", "parent_id", "enabled"))


def _list_of_user(call: Call) -> Any:
    user_id = call.path["user_id"]
    if user_id != call.caller.user_id:
        only_admin(call, "list_user_projects")
        if call.transaction.get(User, user_id) is None:
            raise missing("user", user_id)
    return _of_user(call, user_id)


def _of_user(call: Call, user_id: str) -> Any:
    a = columns(Assignment)
    granted = a.project_id.table.select().with_only_columns(a.project_id).where(a.user_id == user_id)
    return _listing(call, ("name", "enabled"), columns(Project).id.in_(granted))


def _listing(call: Call, names: tuple[str, ...], *where: Condition) -> Any:
    # No project here is a domain.
    found = [] if flag(call, "is_domain") else matching(call, Project, names, *where)
    return listing(call, "projects", [body(call, project) for project in found])


def _get(call: Call) -> Any:
    key, caller = call.path["id"], call.caller
    if caller.project_id != key and not caller.is_admin and not roles_in(call.transaction, caller.user_id, key):
        only_admin(call, "get_project")
    return {"project": body(call, existing(call.transaction, key))}


def _create(call: Call) -> Any:
    only_admin(call, "create_project")
    form: ProjectCreate = call.form
    same_domain(form.domain_id, "project")
    if form.is_domain is True:
        raise Forbidden("The creation of projects acting as domains is not allowed.")
    project = Project(
        id=uuid.uuid4().hex,
        name=form.name,
        description=form.description or "",
        enabled=form.enabled is not False,
        parent_id=form.parent_id or DOMAIN_ID,
        tags=form.tags or (),
        options=merged({}, to_builtins(form.options or {})),
        extra=further({}, form.extra),
    )
    if project.parent_id != DOMAIN_ID and call.transaction.get(Project, project.parent_id) is None:
        raise Invalid(f"Could not find project: {project.parent_id}.")
    _check_name(call.transaction, project)
    call.transaction.insert(project)
    return {"project": body(call, project)}


def _update(call: Call) -> Any:
    only_admin(call, "update_project")
    form: ProjectUpdate = call.form
    project = existing(call.transaction, call.path["id"])
    options = to_builtins(form.options or {})
    changeable("project", project, "update", options)
    same_domain(form.domain_id, "project")
    same_id("project", project, form.extra)
    if form.parent_id not in (UNSET, project.parent_id):
        raise Forbidden("Update of `parent_id` is not allowed.")
    if form.is_domain is True:
        raise expecting("is_domain unchanged", "project")
    values = {name: value for name in ("name", "enabled", "tags") if (value := getattr(form, name)) is not UNSET}
    if form.description is not UNSET:
        values["description"] = form.description or ""
    changed = structs.replace(
        project, **values, options=merged(project.options, options), extra=further(project.extra, form.extra)
    )
    _check_name(call.transaction, changed)
    call.transaction.update(changed)
    return {"project": body(call, changed)}


def _delete(call: Call) -> Reply:
    only_admin(call, "delete_project")
    transaction = call.transaction
    project = existing(transaction, call.path["id"])
    changeable("project", project, "delete")
    if transaction.find(Project, columns(Project).parent_id == project.id):
        raise Forbidden(f"Cannot delete the project {project.id} since it is not a leaf in the hierarchy.")
    for kind in (Assignment, ApplicationCredential):
        transaction.delete(kind, columns(kind).project_id == project.id)
    users = rows_of(User).table
    forget = update(users).where(users.c.default_project_id == project.id).values(default_project_id=None)
    transaction.execute(forget)
    transaction.delete(Project, columns(Project).id == project.id)
    return Reply(status=204)


def _check_name(transaction: Transaction, project: Project) -> None:
    c = columns(Project)
    others = transaction.find(Project, c.domain_id == project.domain_id, c.name == project.name, c.id != project.id)
    if others:
        raise duplicate_project(project.name, others[0].id)
