"""Access lists of secrets and containers: users who may read besides the project, or instead of it."""

from typing import Any

from msgspec import structs

from hydria.homecloud.secrets.access import href, load, load_owned
from hydria.homecloud.secrets.forms import AclForm
from hydria.homecloud.secrets.rows import Access, Container, Row, Secret
from hydria.http.operation import Call, Operation


def operations() -> tuple[Operation, ...]:
    """Return the operations."""
    return (*_of("secrets", Secret), *_of("containers", Container))


def _of(collection: str, kind: type[Row]) -> tuple[Operation, ...]:
    path = f"/{collection}/{{id}}/acl"

    def show(call: Call) -> Any:
        row = load(call, kind)
        if row.acl == Access():
            return {"read": {"project-access": True}}
        read = {"users": list(row.acl.users), "project-access": row.acl.project_access}
        return {"read": {**read, "created": row.created_at, "updated": row.updated_at}}

    def write(call: Call) -> Any:
        """Replace the list; PATCH replaces only what is given."""
        row, read = load_owned(call, kind), call.form.read
        before = row.acl if call.operation.method == "PATCH" else Access()
        after = Access(
            users=before.users if read.users is None else tuple(dict.fromkeys(read.users)),
            project_access=before.project_access if read.project_access is None else read.project_access,
        )
        call.transaction.update(structs.replace(row, acl=after))
        return {"acl_ref": f"{href(call, row)}/acl"}

    def clear(call: Call) -> Any:
        call.transaction.update(structs.replace(load_owned(call, kind), acl=Access()))

    return (
        Operation(method="GET", path=path, work=show),
        Operation(method="PUT", path=path, work=write, form=AclForm),
        Operation(method="PATCH", path=path, work=write, form=AclForm),
        Operation(method="DELETE", path=path, work=clear),
    )
