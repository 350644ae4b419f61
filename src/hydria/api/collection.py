"""The five operations that every kind of resource has on its collection and on one of it."""

from typing import Any, ClassVar, Protocol

from msgspec import Struct

from hydria.http.operation import Call, Operation


class Named(Protocol):
    """What a collection needs to know of its kind."""

    @property
    def root(self) -> str:
        """The name that wraps one resource in a body."""
        ...

    @property
    def key(self) -> str:
        """The attribute that a resource's path ends in."""
        ...

    def rule(self, action: str) -> str:
        """Return the policy rule of an action."""
        ...


class Collection:
    """List, create, show, change, delete; how each is done is the subclasses' own.

    `path` is the collection's, below `/lbaas`.
    """

    path: ClassVar[str]
    create_form: ClassVar[type[Struct]]
    update_form: ClassVar[type[Struct]]

    def named(self) -> Named:
        """Return the kind."""
        raise NotImplementedError

    def operations(self) -> tuple[Operation, ...]:
        """Return the operations."""
        kind, one = self.named(), f"{self.path}/{{{self.named().key}}}"
        return (
            Operation(method="GET", path=self.path, work=self._list, rule=kind.rule("get_all")),
            Operation(
                method="POST",
                path=self.path,
                work=self._post,
                form=self.create_form,
                root=kind.root,
                status=201,
                rule=kind.rule("post"),
            ),
            Operation(method="GET", path=one, work=self._show, rule=kind.rule("get_one")),
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
