"""What the resources do alike that belong to no load balancer and no project: an admin's, without statuses."""

from typing import Any, ClassVar

import structlog
from msgspec import UNSET, Struct, structs
from sqlalchemy import select

from hydria.api.collection import Collection
from hydria.api.etags import digested
from hydria.api.listing import each_chosen, page
from hydria.api.resource_types import ApiNames
from hydria.errors import Conflict, Invalid, NotFound
from hydria.http.lists import Catalogue
from hydria.http.operation import Call
from hydria.model.base import given
from hydria.store import columns
from hydria.store.tables import rows_of

log = structlog.get_logger(__name__)


class AdminResourceType(ApiNames, frozen=True, kw_only=True):
    """One kind of plain resource; `links` is the name of its lists' links."""

    struct: type[Struct]
    links: str


class AdminResourceApi(Collection):
    """The operations on one kind of plain resource; each kind fills in what is its own."""

    kind: ClassVar[AdminResourceType]

    def create(self, call: Call) -> Struct:
        """Return what the form asks for, not yet written."""
        raise NotImplementedError

    def taken(self, made: Struct) -> Conflict:
        """Return the refusal of a resource that clashes with another one."""
        raise NotImplementedError

    def check_update(self, call: Call, key: str, form: Any) -> None:
        """Refuse a change that cannot be, also of what is not there. Raises a Refusal."""

    def check_delete(self, call: Call, key: str) -> None:
        """Refuse to let it go. Raises a Refusal."""

    def missing(self, key: str) -> NotFound:
        """Return the refusal of what is not there."""
        return NotFound(f"{self.kind.title} {key} not found.")

    def missing_to_delete(self, key: str) -> NotFound:
        """Return the refusal to delete what is not there."""
        return self.missing(key)

    def _list(self, call: Call) -> Any:
        kind = self.kind
        call.authorise(call.caller.project_id)
        c, rows = columns(kind.struct), rows_of(kind.struct)
        found, links = page(call, Catalogue(select(rows.table), dict(c.items()), c[kind.key]))
        resources = [rows.load(row) for row in found]
        return {kind.plural: each_chosen([_body(each) for each in resources], call), kind.links: links}

    def _show(self, call: Call) -> Any:
        call.authorise(call.caller.project_id)
        key = call.path[self.kind.key]
        found = call.transaction.get(self.kind.struct, key, column=self.kind.key)
        if found is None:
            raise self.missing(key)
        return digested(call, self.kind.root, _body(found))

    def _post(self, call: Call) -> Any:
        call.authorise(call.caller.project_id)
        made = self.create(call)
        if not call.transaction.ensure(made):
            raise self.taken(made)
        log.info("created", kind=self.kind.root, key=getattr(made, self.kind.key))
        return {self.kind.root: _body(made)}

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
        return {self.kind.root: _body(after)}

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
    """Refuse null for attributes that have no default. Raises Invalid."""
    for name in names:
        if getattr(form, name) is None:
            raise Invalid(f"None is not a valid option for {name}")


def in_use(title: str, key: str) -> Conflict:
    """Return Octavia's sentence for what others still refer to."""
    return Conflict(f"{title} {key} is in use and cannot be modified.")


def values_of(form: Struct) -> dict[str, Any]:
    """Return what a create form gives, without nulls."""
    return {name: value for name, value in given(form).items() if value is not None and value is not UNSET}


def _body(resource: Struct) -> dict[str, Any]:
    plain = structs.asdict(resource)
    return plain | {name: plain[name] or "" for name in ("name", "description") if name in plain}
