"""What all resource types share: loading rows with access checks, and the operations of a collection."""

from collections.abc import Callable
from typing import Any, TypeVar

from msgspec import Struct

from hydria.homecloud.network.access import forbidden, may_write
from hydria.homecloud.network.faults import fault
from hydria.homecloud.network.kinds import Kind
from hydria.homecloud.network.listing import listing, shown
from hydria.homecloud.network.rows import Row
from hydria.http.collections import Collection, Work, given_of
from hydria.http.operation import Call, Operation
from hydria.store import columns

R = TypeVar("R", bound=Row)

Handler = Callable[[Call], Row]
Remover = Callable[[Call], None]

_OWNER = frozenset({"project_id"})


def load(call: Call, kind: Kind, row: type[R], key: str) -> R:
    """Return a row that the caller may see, or refuse (404)."""
    assert kind.row is row  # noqa: S101 - the second names the type for the reader and mypy
    found = call.transaction.find(row, columns(row).id == key, kind.visible(call.caller))
    if not found:
        raise fault(kind.missing, id=key)
    return found[0]


def load_owned(call: Call, kind: Kind, row: type[R], action: str) -> R:
    """Return the row that the path names if the caller may change it, or refuse (404, 403)."""
    found = load(call, kind, row, call.path["id"])
    if not may_write(call.caller, found.project_id):
        raise forbidden(action)
    return found


def given(form: Struct, row: type[Struct], special: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Return the attributes of the row that the client gave, as they stand in the form.

    `special` are those that need more than storing. The owner is always one: `access.creator` decides about it.
    """
    return given_of(form, row, special | _OWNER)


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
        return body(call, kind, load(call, kind, kind.row, call.path["id"]))

    def writing(what: tuple[type[Struct], Handler]) -> tuple[type[Struct], Work]:
        form, handler = what
        return form, lambda call: body(call, kind, handler(call))

    collection = Collection(
        path=kind.path,
        root=kind.name,
        find_all=lambda call: listing(call, kind),
        show=show,
        create=writing(create),
        update=None if update is None else writing(update),
        delete=delete,
    )
    return collection.operations()
