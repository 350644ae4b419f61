"""The five operations on projects, users and roles: access, checks, options, further attributes, answers."""

import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Generic, TypeVar

from msgspec import Struct, structs, to_builtins

from hydria.homecloud.identity.access import changeable, further, merged, only_admin, same_id, v3
from hydria.homecloud.identity.faults import missing
from hydria.homecloud.identity.listing import listing, matching
from hydria.homecloud.identity.rows import Project, Role, User
from hydria.http.collections import Collection, given_of
from hydria.http.lists import Condition
from hydria.http.operation import Call, Operation, Preparation
from hydria.store import Transaction, columns

R = TypeVar("R", Project, User, Role)


class Kind(Struct, Generic[R], frozen=True, kw_only=True):
    """One kind of resource. A body has the row's attributes, without `hidden`, and `always`; `filters` are for lists.

    `values` checks a form and returns what to store besides options and further attributes; the row before the change
    is None for a new one. `taken` makes the refusal of a name that another row has. `leave` deletes what
    belongs to a deleted row. `may_show` refuses callers who may not see the row of the path; `finds_nothing` says
    that no row can match a list's query. `kept` returns the further attributes of a form.
    """

    name: str
    plural: str
    row: type[R]
    create: type[Struct]
    update: type[Struct]
    filters: tuple[str, ...]
    values: Callable[[Call, Any, R | None], dict[str, Any]]
    taken: Callable[[R, R], Exception]
    leave: Callable[[Call, R], None]
    may_show: Callable[[Call], None]
    finds_nothing: Callable[[Call], bool] = lambda call: False
    kept: Callable[[Any], dict[str, Any]] = lambda form: dict(form.extra)
    hidden: frozenset[str] = frozenset()
    always: Mapping[str, Any] = {}

    def body(self, call: Call, row: R) -> dict[str, Any]:
        """Return a row as clients see it."""
        hidden = self.hidden | {"extra"}
        shown = {name: getattr(row, name) for name in row.__struct_fields__ if name not in hidden}
        # A user without a default project has no such attribute.
        if shown.get("default_project_id", "") is None:
            del shown["default_project_id"]
        return {**row.extra, **shown, **self.always, "links": {"self": v3(call, self.plural, row.id)}}

    def existing(self, transaction: Transaction, key: str) -> R:
        """Return a row. Raises NotFound."""
        row = transaction.get(self.row, key)
        if row is None:
            raise missing(self.name, key)
        return row

    def find(self, call: Call, names: tuple[str, ...], *where: Condition) -> dict[str, Any]:
        """Return the body of a list of the rows that match the query's filters of these names."""
        rows = [] if self.finds_nothing(call) else matching(call, self.row, names, *where)
        return listing(call, self.plural, [self.body(call, row) for row in rows])

    def operations(self, prepare: Callable[[Preparation], Awaitable[Any]] | None = None) -> tuple[Operation, ...]:
        """Return the operations; `prepare` runs before the two that write."""
        collection = Collection(
            path=f"/v3/{self.plural}",
            root=self.name,
            find_all=self._list,
            show=self._show,
            create=(self.create, self._create),
            update=(self.update, self._update),
            update_method="PATCH",
            delete=self._delete,
            prepare=prepare,
        )
        return collection.operations()

    def _list(self, call: Call) -> Any:
        only_admin(call, f"list_{self.plural}")
        return self.find(call, self.filters)

    def _show(self, call: Call) -> Any:
        self.may_show(call)
        return {self.name: self.body(call, self.existing(call.transaction, call.path["id"]))}

    def _create(self, call: Call) -> Any:
        only_admin(call, f"create_{self.name}")
        form: Any = call.form
        values = self.values(call, form, None)
        row = self.row(id=uuid.uuid4().hex, options=_options({}, form), extra=further({}, self.kept(form)), **values)
        self._check_name(call.transaction, row)
        call.transaction.insert(row)
        return {self.name: self.body(call, row)}

    def _update(self, call: Call) -> Any:
        only_admin(call, f"update_{self.name}")
        form: Any = call.form
        row = self.existing(call.transaction, call.path["id"])
        changeable(self.name, row, "update", to_builtins(form.options or {}))
        same_id(self.name, row, form.extra)
        values = self.values(call, form, row)
        changed = structs.replace(
            row, options=_options(row.options, form), extra=further(row.extra, self.kept(form)), **values
        )
        self._check_name(call.transaction, changed)
        call.transaction.update(changed)
        return {self.name: self.body(call, changed)}

    def _delete(self, call: Call) -> None:
        only_admin(call, f"delete_{self.name}")
        row = self.existing(call.transaction, call.path["id"])
        changeable(self.name, row, "delete")
        self.leave(call, row)
        call.transaction.delete(self.row, columns(self.row).id == row.id)

    def _check_name(self, transaction: Transaction, row: R) -> None:
        c = columns(self.row)
        # Roles belong to no domain.
        domain: list[Condition] = [c.domain_id == row.domain_id] if not isinstance(row, Role) else []
        others = transaction.find(self.row, c.name == row.name, c.id != row.id, *domain)
        if others:
            raise self.taken(row, others[0])


def given(form: Struct, row: type[Struct]) -> dict[str, Any]:
    """Return the attributes of the row that the client gave, as they stand in the form, without options and extra."""
    return given_of(form, row, _APART)


# Attributes that all kinds store in the same way, and the domain, of which there is only one.
_APART = frozenset({"options", "extra", "domain_id"})


def _options(before: dict[str, Any], form: Any) -> dict[str, Any]:
    return merged(before, to_builtins(form.options or {}))
