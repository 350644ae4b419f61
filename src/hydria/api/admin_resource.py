"""The operations of resources without statuses that belong to no load balancer and no project: admins make them."""

import uuid
from typing import Any, Generic, TypeVar

import structlog
from msgspec import UNSET, Struct, structs
from sqlalchemy import select

from hydria.api.collection import Collection
from hydria.api.etags import digest, digested
from hydria.api.listing import each_chosen, page
from hydria.api.resource_types import ApiNames
from hydria.errors import Conflict, Invalid, NotFound
from hydria.http.lists import Catalogue
from hydria.http.operation import Call
from hydria.model.base import given
from hydria.store import columns
from hydria.store.tables import rows_of

S = TypeVar("S", bound=Struct)

log = structlog.get_logger(__name__)


class AdminResourceType(ApiNames, Generic[S], frozen=True, kw_only=True):
    """One kind of admin resource; `links` is the name of the links in its lists."""

    struct: type[S]
    links: str


class AdminResourceApi(Collection, Generic[S]):
    """The operations on one kind of admin resource. Subclasses add their checks."""

    kind: AdminResourceType[S]

    def check_create(self, call: Call, form: Any) -> None:
        """Refuse a create form. Raises a Refusal."""

    def taken(self, made: S) -> Conflict:
        """Return the refusal of a resource whose key or name is in use."""
        raise NotImplementedError

    def check_update(self, call: Call, key: str, form: Any) -> None:
        """Refuse an update form; the resource may not exist. Raises a Refusal."""

    def check_delete(self, call: Call, key: str) -> None:
        """Refuse a deletion; the resource may not exist. Raises a Refusal."""

    def missing(self, key: str) -> NotFound:
        """Return the refusal for a resource that does not exist."""
        return NotFound(f"{self.kind.title} {key} not found.")

    def missing_to_delete(self, key: str) -> NotFound:
        """Return the refusal to delete a resource that does not exist."""
        return self.missing(key)

    def _list(self, call: Call) -> Any:
        kind = self.kind
        call.authorise(call.caller.project_id)
        c, rows = columns(kind.struct), rows_of(kind.struct)
        found, links = page(call, Catalogue(select(rows.table), dict(c.items()), c[kind.key]))
        bodies = [_body(rows.load(row)) for row in found]
        return {kind.plural: each_chosen(bodies, call), kind.links: links}

    def _shown(self, call: Call) -> dict[str, Any]:
        call.authorise(call.caller.project_id)
        key = call.path[self.kind.key]
        found = call.transaction.get(self.kind.struct, key, column=self.kind.key)
        if found is None:
            raise self.missing(key)
        return _body(found)

    def _tag(self, call: Call) -> str:
        return digest(self._shown(call))

    def _show(self, call: Call) -> Any:
        return digested(self.kind.root, self._shown(call), call)

    def _post(self, call: Call) -> Any:
        call.authorise(call.caller.project_id)
        self.check_create(call, call.form)
        struct = self.kind.struct
        key = {"id": str(uuid.uuid4())} if "id" in struct.__struct_fields__ else {}
        made = struct(**key, **_values(call.form))
        if not call.transaction.ensure(made):
            raise self.taken(made)
        log.info("created", kind=self.kind.root, key=getattr(made, self.kind.key))
        return digested(self.kind.root, _body(made))

    def _put(self, call: Call) -> Any:
        call.authorise(call.caller.project_id)
        key = call.path[self.kind.key]
        before = call.transaction.hold(self.kind.struct, key, column=self.kind.key)
        self.check_update(call, key, call.form)
        if before is None:
            raise self.missing(key)
        after = structs.replace(before, **given(call.form))
        if after != before:
            call.transaction.update(after)
        return digested(self.kind.root, _body(after))

    def _delete(self, call: Call) -> None:
        call.authorise(call.caller.project_id)
        key = call.path[self.kind.key]
        before = call.transaction.hold(self.kind.struct, key, column=self.kind.key)
        self.check_delete(call, key)
        if before is None:
            raise self.missing_to_delete(key)
        call.transaction.delete(self.kind.struct, columns(self.kind.struct)[self.kind.key] == key)
        log.info("deleted", kind=self.kind.root, key=key)


def refuse_null(form: Struct, *names: str) -> None:
    """Refuse null for attributes without a default. Raises Invalid."""
    for name in names:
        if getattr(form, name) is None:
            raise Invalid(f"None is not a valid option for {name}")


def in_use(title: str, key: str) -> Conflict:
    """Return Octavia's refusal to change or delete a resource that others refer to."""
    return Conflict(f"{title} {key} is in use and cannot be modified.")


def _values(form: Struct) -> dict[str, Any]:
    return {name: value for name, value in given(form).items() if value is not None and value is not UNSET}


def _body(resource: Struct) -> dict[str, Any]:
    plain = structs.asdict(resource)
    return plain | {name: plain[name] or "" for name in ("name", "description") if name in plain}
