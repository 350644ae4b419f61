"""/containers: named groups of secrets."""

import uuid
from collections.abc import Sequence
from typing import Any

from msgspec import structs

from hydria.errors import NotFound
from hydria.homecloud.secrets.access import bad, href, id_in, load, load_owned, secret_href, writer
from hydria.homecloud.secrets.consumers import consumers_of
from hydria.homecloud.secrets.forms import ContainerCreate, PartForm
from hydria.homecloud.secrets.listing import listing
from hydria.homecloud.secrets.rows import Consumer, Container, Part, Secret
from hydria.http.operation import Call, Operation, Reply
from hydria.store import columns

# The names that each type must and may have.
_REQUIRED = {
    "generic": frozenset[str](),
    "certificate": frozenset({"certificate"}),
    "rsa": frozenset({"public_key", "private_key"}),
}
_POSSIBLE = {
    "certificate": frozenset({"certificate", "private_key", "private_key_passphrase", "intermediates"}),
    "rsa": frozenset({"public_key", "private_key", "private_key_passphrase"}),
}


def operations() -> tuple[Operation, ...]:
    """Return the operations."""
    one_path = "/containers/{id}"
    return (
        Operation(method="POST", path="/containers", work=_create, form=ContainerCreate, status=201),
        Operation(method="GET", path="/containers", work=_list),
        Operation(method="GET", path=one_path, work=lambda call: _shown(call, load(call, Container))),
        Operation(method="DELETE", path=one_path, work=_delete, status=204),
        Operation(method="POST", path=f"{one_path}/secrets", work=_add, form=PartForm, status=201),
        Operation(method="DELETE", path=f"{one_path}/secrets", work=_remove, form=PartForm, status=204),
    )


def _create(call: Call) -> Any:
    form: ContainerCreate = call.form
    project_id = writer(call, "Container")
    container = Container(
        id=str(uuid.uuid4()),
        project_id=project_id,
        creator_id=call.caller.user_id,
        name=form.name,
        type=form.type,
        parts=tuple(_part(call, part, project_id) for part in form.secret_refs),
        created_at=call.now,
        updated_at=call.now,
    )
    _check_parts(form.type, container.parts)
    call.transaction.insert(container)
    reference = href(call, container)
    return Reply(body={"container_ref": reference}, headers={"Location": reference})


def _part(call: Call, form: PartForm, project_id: str) -> Part:
    key = id_in(form.secret_ref)
    secret = call.transaction.get(Secret, key) if key else None
    if secret is None or secret.project_id != project_id:
        raise NotFound(f"Secret provided for '{form.name or ''}' doesn't exist: {form.secret_ref[:255]}")
    return Part(name=form.name, secret_id=secret.id)


def _check_parts(kind: str, parts: Sequence[Part]) -> None:
    names = [part.name or "" for part in parts]
    if len(set(names)) != len(names):
        raise bad("Duplicate reference names are not allowed")
    if len({part.secret_id for part in parts}) != len(parts):
        raise bad("Duplicate secret ids are not allowed")
    lacking = sorted(_REQUIRED[kind] - set(names))
    if lacking:
        raise bad(f"The minimum required reference names of type '{kind}' are missing: {', '.join(lacking)}")
    unknown = sorted(set(names) - _POSSIBLE.get(kind, frozenset(names)))
    if unknown:
        raise bad(f"only {', '.join(sorted(_POSSIBLE[kind]))} reference names are allowed for type '{kind}'")


def _list(call: Call) -> Any:
    c = columns(Container)
    return listing(call, Container, "containers", _shown, {"name": c.name, "type": c.type})


def _shown(call: Call, container: Container) -> dict[str, Any]:
    return {
        "consumers": [consumer.said for consumer in consumers_of(call, container)],
        "container_ref": href(call, container),
        "created": container.created_at,
        "creator_id": container.creator_id,
        "name": container.name,
        "secret_refs": [
            {"name": part.name, "secret_ref": secret_href(call, part.secret_id)} for part in container.parts
        ],
        "status": "ACTIVE",
        "type": container.type,
        "updated": container.updated_at,
    }


def _delete(call: Call) -> None:
    container = load_owned(call, Container)
    call.transaction.delete(Consumer, columns(Consumer).owner_id == container.id)
    call.transaction.delete(Container, columns(Container).id == container.id)


def _add(call: Call) -> Any:
    container = _generic(call)
    parts = (*container.parts, _part(call, call.form, container.project_id))
    _check_parts(container.type, parts)
    call.transaction.update(structs.replace(container, parts=parts, updated_at=call.now))
    return {"container_ref": href(call, container)}


def _remove(call: Call) -> None:
    container = _generic(call)
    part = Part(name=call.form.name, secret_id=id_in(call.form.secret_ref) or "")
    if part not in container.parts:
        raise NotFound("Secret not found in the container.")
    parts = tuple(each for each in container.parts if each != part)
    call.transaction.update(structs.replace(container, parts=parts, updated_at=call.now))


def _generic(call: Call) -> Container:
    container = load_owned(call, Container)
    if container.type != "generic":
        raise bad("Only 'generic' containers can be modified.")
    return container
