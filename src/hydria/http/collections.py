"""The five operations of a collection: list, show, create, update, delete; and what a form changes of a row."""

from collections.abc import Awaitable, Callable
from typing import Any

from msgspec import UNSET, Struct

from hydria.http.operation import Call, Operation, Preparation

Work = Callable[[Call], Any]


class Collection(Struct, frozen=True, kw_only=True):
    """The operations on the resources of a path, whose bodies have a root key.

    `key` is the attribute that the path of one resource ends in. `create` and `update` are a form and the work with it;
    `prepare` runs before both.
    """

    path: str
    key: str = "id"
    root: str
    find_all: Work
    show: Work
    create: tuple[type[Struct], Work]
    update: tuple[type[Struct], Work] | None = None
    delete: Work
    update_method: str = "PUT"
    prepare: Callable[[Preparation], Awaitable[Any]] | None = None

    def operations(self) -> tuple[Operation, ...]:
        one = f"{self.path}/{{{self.key}}}"
        found = [
            Operation(method="GET", path=self.path, on="collection", work=self.find_all),
            Operation(method="GET", path=one, on="item", work=self.show),
            self._writing("POST", self.path, self.create),
            Operation(method="DELETE", path=one, on="item", work=self.delete, status=204),
        ]
        if self.update is not None:
            found.append(self._writing(self.update_method, one, self.update))
        return tuple(found)

    def _writing(self, method: str, path: str, what: tuple[type[Struct], Work]) -> Operation:
        form, work = what
        return Operation(
            method=method,
            path=path,
            on="collection" if method == "POST" else "item",
            work=work,
            form=form,
            root=self.root,
            status=201 if method == "POST" else 200,
            prepare=self.prepare,
        )


def given_of(form: Struct, row: type[Struct], apart: frozenset[str]) -> dict[str, Any]:
    """Return the attributes of the row that the client gave, without those of `apart`, as they stand in the form."""
    names = [name for name in form.__struct_fields__ if name in row.__struct_fields__ and name not in apart]
    return {name: value for name in names if (value := getattr(form, name)) is not UNSET}
