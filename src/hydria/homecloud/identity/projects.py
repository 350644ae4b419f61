"""Projects, and those in which a user has roles."""

from typing import Any

from msgspec import UNSET
from sqlalchemy import update

from hydria.errors import Forbidden, Invalid
from hydria.homecloud.identity.access import only_admin, same_domain
from hydria.homecloud.identity.collection import Kind, given
from hydria.homecloud.identity.faults import duplicate_project, expecting, missing
from hydria.homecloud.identity.forms import ProjectCreate, ProjectUpdate
from hydria.homecloud.identity.listing import flag
from hydria.homecloud.identity.rows import DOMAIN_ID, ApplicationCredential, Assignment, Project, User
from hydria.homecloud.identity.token_validation import roles_in
from hydria.http.operation import Call, Operation
from hydria.store import columns
from hydria.store.tables import rows_of


def operations() -> tuple[Operation, ...]:
    """Return the operations."""
    return (
        *PROJECT.operations(),
        Operation(method="GET", path="/v3/auth/projects", work=lambda call: _of_user(call, call.caller.user_id)),
        Operation(method="GET", path="/v3/users/{user_id}/projects", work=_list_of_user),
    )


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
    return PROJECT.find(call, ("name", "enabled"), columns(Project).id.in_(granted))


def _may_show(call: Call) -> None:
    key, caller = call.path["id"], call.caller
    if caller.project_id != key and not caller.is_admin and not roles_in(call.transaction, caller.user_id, key):
        only_admin(call, "get_project")


def _values(call: Call, form: ProjectUpdate, before: Project | None) -> dict[str, Any]:
    same_domain(form.domain_id, "project")
    values = given(form, Project)
    if "description" in values:
        values["description"] = form.description or ""
    if before is None:
        _check_new(call, form)
        values["parent_id"] = form.parent_id or DOMAIN_ID
    elif form.parent_id not in (UNSET, before.parent_id):
        raise Forbidden("Update of `parent_id` is not allowed.")
    elif form.is_domain is True:
        raise expecting("is_domain unchanged", "project")
    return values


def _check_new(call: Call, form: ProjectUpdate) -> None:
    if form.is_domain is True:
        raise Forbidden("The creation of projects acting as domains is not allowed.")
    if form.parent_id and form.parent_id != DOMAIN_ID and call.transaction.get(Project, form.parent_id) is None:
        raise Invalid(f"Could not find project: {form.parent_id}.")


def _leave(call: Call, project: Project) -> None:
    transaction = call.transaction
    if transaction.find(Project, columns(Project).parent_id == project.id):
        raise Forbidden(f"Cannot delete the project {project.id} since it is not a leaf in the hierarchy.")
    for kind in (Assignment, ApplicationCredential):
        transaction.delete(kind, columns(kind).project_id == project.id)
    users = rows_of(User).table
    forget = update(users).where(users.c.default_project_id == project.id).values(default_project_id=None)
    transaction.execute(forget)


PROJECT = Kind(
    name="project",
    plural="projects",
    row=Project,
    create=ProjectCreate,
    update=ProjectUpdate,
    filters=("name", "domain_id", "parent_id", "enabled"),
    values=_values,
    taken=lambda project, other: duplicate_project(project.name, other.id),
    leave=_leave,
    may_show=_may_show,
    # No project here is a domain.
    finds_nothing=lambda call: flag(call, "is_domain"),
    always={"is_domain": False},
)
