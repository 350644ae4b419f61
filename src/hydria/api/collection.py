"""The five operations that every kind of resource has: on its collection and on one item."""

from typing import Any

from msgspec import Struct, structs

from hydria.api.resource_types import ApiNames
from hydria.http import collections
from hydria.http.operation import Call, Operation

# The names of actions in policy rules.
_ACTIONS = {
    ("collection", "GET"): "get_all",
    ("collection", "POST"): "post",
    ("item", "GET"): "get_one",
    ("item", "PUT"): "put",
    ("item", "DELETE"): "delete",
}


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
        find_all, show, create, delete, update = collections.Collection(
            path=self.path,
            key=self.kind.key,
            root=self.kind.root,
            find_all=self._list,
            show=self._show,
            create=(self.create_form, self._post),
            update=(self.update_form, self._put),
            delete=self._delete,
        ).operations()
        # OpenAPI and the header `Allow` have them in this order.
        return tuple(map(self._completed, (find_all, create, show, update, delete)))

    def _completed(self, operation: Operation) -> Operation:
        on, method = operation.on, operation.method
        return structs.replace(
            operation,
            shows=self.kind,
            rule=self.kind.rule(_ACTIONS[on, method]),
            tag=self._tag if on == "item" and method != "GET" else None,
            single=method == "GET" and (on == "item" or self.single_list),
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
