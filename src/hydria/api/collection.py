"""The five operations that every kind of resource has: on its collection and on one item."""

from typing import Any

from msgspec import Struct

from hydria.api.resource_types import ApiNames
from hydria.http.operation import Call, Operation


class Collection:
    """List, create, show, change and delete; subclasses implement each.

    `path` is the collection's, below `/lbaas`. `single_list` says that the list is one statement.
    """

    kind: ApiNames
    path: str
    create_form: type[Struct]
    update_form: type[Struct]
    single_list: bool = True

    def operations(self) -> tuple[Operation, ...]:
        kind, item = self.kind, f"{self.path}/{{{self.kind.key}}}"
        return (
            Operation(
                method="GET",
                path=self.path,
                on="collection",
                shows=kind,
                work=self._list,
                rule=kind.rule("get_all"),
                single=self.single_list,
            ),
            Operation(
                method="POST",
                path=self.path,
                on="collection",
                shows=kind,
                work=self._post,
                form=self.create_form,
                root=kind.root,
                status=201,
                rule=kind.rule("post"),
            ),
            Operation(
                method="GET",
                path=item,
                on="item",
                shows=kind,
                work=self._show,
                rule=kind.rule("get_one"),
                single=True,
            ),
            Operation(
                method="PUT",
                path=item,
                on="item",
                shows=kind,
                work=self._put,
                tag=self._tag,
                form=self.update_form,
                root=kind.root,
                rule=kind.rule("put"),
            ),
            Operation(
                method="DELETE",
                path=item,
                on="item",
                shows=kind,
                work=self._delete,
                tag=self._tag,
                status=204,
                rule=kind.rule("delete"),
            ),
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

    def _tag(self, call: Call) -> str:
        """Return the entity tag of the item. Raises a Refusal."""
        raise NotImplementedError
