"""The five operations that every kind of resource has on its collection and on one of it."""

from typing import Any, ClassVar

from msgspec import Struct

from hydria.api.resource_types import ApiNames
from hydria.http.operation import Call, Operation


class Collection:
    """List, create, show, change, delete; how each is done is the subclasses' own.

    `path` is the collection's, below `/lbaas`.
    """

    kind: ClassVar[ApiNames]
    path: ClassVar[str]
    create_form: ClassVar[type[Struct]]
    update_form: ClassVar[type[Struct]]
    # Whether a list looks at nothing but what it lists.
    listed_alone: ClassVar[bool] = True

    def operations(self) -> tuple[Operation, ...]:
        """Return the operations."""
        kind, one = self.kind, f"{self.path}/{{{self.kind.key}}}"
        return (
            Operation(
                method="GET", path=self.path, work=self._list, rule=kind.rule("get_all"), single=self.listed_alone
            ),
            Operation(
                method="POST",
                path=self.path,
                work=self._post,
                form=self.create_form,
                root=kind.root,
                status=201,
                rule=kind.rule("post"),
            ),
            Operation(method="GET", path=one, work=self._show, rule=kind.rule("get_one"), single=True),
            Operation(
                method="PUT", path=one, work=self._put, form=self.update_form, root=kind.root, rule=kind.rule("put")
            ),
            Operation(method="DELETE", path=one, work=self._delete, status=204, rule=kind.rule("delete")),
        )

    def _list(self, call: Call) -> Any:
        raise NotImplementedError

    def _post(self, call: Call) -> Any:
        raise NotImplementedError

    def _show(self, call: Call) -> Any:
        raise NotImplementedError

    def _put(self, call: Call) -> Any:
        raise NotImplementedError

    def _delete(self, call: Call) -> None:
        raise NotImplementedError
