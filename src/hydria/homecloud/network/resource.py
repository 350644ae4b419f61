"""What all kinds have in common: finding what the caller may see or change, and the operations of a collection."""

from collections.abc import Callable
from typing import Any, TypeVar

from msgspec import UNSET, Struct

from hydria.homecloud.network.access import forbidden, may_write
from hydria.homecloud.network.faults import fault
from hydria.homecloud.network.kinds import Kind
from hydria.homecloud.network.listing import listing, shown
from hydria.homecloud.network.rows import Row
from hydria.http.operation import Call, Operation
from hydria.store import columns

R = TypeVar("R", bound=Row)

Handler = Callable[[Call], Row]
Remover = Callable[[Call], None]


def seen(call: Call, kind: Kind, row: type[R], key: str) -> R:
    """Return what the caller may see, or refuse (404)."""
    assert kind.row is row  # noqa: S101 - the second names the type for the reader and mypy
    found = call.transaction.find(row, columns(row).id == key, kind.visible(call.caller))
    if not found:
        raise fault(kind.missing, id=key)
    return found[0]


def owned(call: Call, kind: Kind, row: type[R], action: str) -> R:
    """Return what the path names if the caller may change it, or refuse (404, 403)."""
    found = seen(call, kind, row, call.path["id"])
    if not may_write(call.caller, found.project_id):
        raise forbidden(action)
    return found


def given(form: Struct, *names: str) -> dict[str, Any]:
    """Return the attributes of these names that the client gave."""
    return {name: value for name in names if (value := getattr(form, name)) is not UNSET}


def body(call: Call, kind: Kind, row: Row) -> dict[str, Any]:
    """Return the answer that shows one thing."""
    return {kind.name: shown(call, kind, [row])[0]}


def operations(
    kind: Kind,
    *,
    create: tuple[type[Struct], Handler],
    update: tuple[type[Struct], Handler] | None,
    delete: Remover,
) -> tuple[Operation, ...]:
    """Return the operations of a collection; `create` and `update` are a form and what is done with it."""

    def show(call: Call) -> Any:
        return body(call, kind, seen(call, kind, kind.row, call.path["id"]))

    one = kind.path + "/{id}"
    found = [
        Operation(method="GET", path=kind.path, work=lambda call: listing(call, kind)),
        Operation(method="GET", path=one, work=show),
        _writing("POST", kind.path, kind, create),
        Operation(method="DELETE", path=one, work=delete, status=204),
    ]
    if update is not None:
        found.append(_writing("PUT", one, kind, update))
    return tuple(found)


def _writing(method: str, path: str, kind: Kind, what: tuple[type[Struct], Handler]) -> Operation:
    form, handler = what
    return Operation(
        method=method,
        path=path,
        work=lambda call: body(call, kind, handler(call)),
        form=form,
        root=kind.name,
        status=201 if method == "POST" else 200,
    )
