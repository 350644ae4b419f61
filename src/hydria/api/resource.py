"""The operations of every resource in a load balancer's tree: list, create, show, change, delete."""

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import structlog
from msgspec import structs

from hydria.api.access import Changes, missing, permitted
from hydria.api.collection import Collection
from hydria.api.etags import tagged
from hydria.api.listing import chosen, listing
from hydria.api.resource_types import R, ResourceType
from hydria.api.tree_builder import ParentContext, TreeBuilder
from hydria.api.views import LoadedResource, Related, body
from hydria.http.operation import Call, Operation
from hydria.model import Child, LoadBalancer, Resource
from hydria.model.base import change
from hydria.model.status import Progress
from hydria.protocols import Networking, Secrets
from hydria.store import Transaction, columns

C = TypeVar("C", bound=Child)
P = TypeVar("P", bound=Resource)

log = structlog.get_logger(__name__)


class ResourceApi(Collection, Generic[R]):
    """The operations on one kind of resource. Subclasses say how one is created, and add their checks."""

    kind: ResourceType[R]

    def __init__(
        self,
        changes: Changes,
        networking_of: Callable[[Transaction], Networking],
        secrets_of: Callable[[Transaction], Secrets],
    ) -> None:
        """`networking_of` and `secrets_of` bind the network service and the key manager to a transaction."""
        self._changes = changes
        self._networking_of = networking_of
        self._secrets_of = secrets_of

    def builder(self, call: Call, parent_context: ParentContext, networking: Networking | None = None) -> TreeBuilder:
        """Return a builder of children of a load balancer."""
        transaction = call.transaction
        networking = networking or self._networking_of(transaction)
        return TreeBuilder(call, parent_context, networking, self._changes.quotas, self._secrets_of(transaction))

    def create(self, call: Call) -> LoadedResource[R]:
        """Create what the form asks for. Raises a Refusal."""
        raise NotImplementedError

    def created_body(self, call: Call, loaded: LoadedResource[R]) -> Mapping[str, Any]:
        """Return the body of a new resource."""
        return body(call.transaction, self.kind, loaded)

    def check_form(self, call: Call, before: R, form: Any) -> None:
        """Refuse an update form that is wrong whatever it changes, and put defaults into it. Raises a Refusal."""

    def settle(self, call: Call, before: R, after: R) -> R:
        """Return the result of a change with defaults put in, or refuse it by the rules of creation."""
        return after

    def apply_side_effects(self, call: Call, before: R, after: R) -> R:
        """Change related resources along with this one, and return this one."""
        return after

    def check_delete(self, call: Call, resource: R) -> None:
        """Refuse the deletion of a resource that is in use. Raises a Refusal."""

    def cascade_delete(self, call: Call, resource: R, generation: int) -> None:
        """Delete or change related resources along with this one."""

    def load(self, call: Call, *, with_related: bool = False) -> LoadedResource[R]:
        """Return the resource that the path names. Raises NotFound, Forbidden."""
        return permitted(call, self.kind, call.path["id"], with_related=with_related)

    def _tag(self, call: Call) -> str:
        return self.load(call).tag

    def _list(self, call: Call) -> Any:
        return listing(call, self.kind)

    def _post(self, call: Call) -> Any:
        loaded = self.create(call)
        log.info("created", kind=self.kind.root, id=loaded.resource.id, project=loaded.resource.project_id)
        return tagged(loaded, self.created_body(call, loaded))

    def _show(self, call: Call) -> Any:
        loaded = self.load(call, with_related=True)
        return tagged(loaded, chosen(body(call.transaction, self.kind, loaded), call))

    def _put(self, call: Call) -> Any:
        loaded = self.load(call, with_related=True)
        before = loaded.resource
        self.check_form(call, before, call.form)
        planned = change(before, call.form, now=call.now, generation=before.changed_in)
        planned = self.settle(call, before, planned)
        load_balancer = self._changes.bump_generation(call.transaction, loaded)
        after = self.apply_side_effects(call, before, _at_generation(planned, load_balancer))
        call.transaction.update(after)
        root = after if isinstance(after, LoadBalancer) else load_balancer
        # The written resource needs no reading.
        written = structs.replace(loaded, resource=after, progress=Progress.of(root))
        return tagged(written, body(call.transaction, self.kind, written))

    def _delete(self, call: Call) -> None:
        loaded = self.load(call)
        if self._changes.is_deleting(loaded):
            return
        self.check_delete(call, loaded.resource)
        load_balancer = self._changes.mark_deleted(call.transaction, loaded, call.now)
        self.cascade_delete(call, loaded.resource, load_balancer.generation)
        log.info("deletion_requested", kind=self.kind.root, id=loaded.resource.id)


class ChildApi(ResourceApi[C], Generic[C, P]):
    """The operations on one kind of resource below a load balancer.

    `within` is the kind of the parent where the path names it (`/pools/{pool_id}/members`), None where the form does.
    """

    within: ResourceType[P] | None = None

    def parent(self, call: Call) -> LoadedResource[P]:
        """Return the resource that a new one is created below. Raises a Refusal."""
        if self.within is None:
            raise NotImplementedError
        return permitted(call, self.within, call.path[_key(self.within)])

    def build(self, call: Call, builder: TreeBuilder, parent: LoadedResource[P]) -> C:
        """Add the new resource to the builder and return it. Raises a Refusal."""
        raise NotImplementedError

    def related_in(self, form: Any) -> Related | None:
        """Return the ids of resources related to a new one as far as its create form tells them, None to read them."""
        return None

    def create(self, call: Call) -> LoadedResource[C]:
        """Create what the form asks for below its parent. Raises a Refusal."""
        parent = self.parent(call)
        load_balancer = self._changes.bump_unchecked(call.transaction, parent)
        builder = self.builder(call, ParentContext.of(load_balancer))
        made = self.build(call, builder, parent)
        builder.save()
        self._changes.check(parent, below=True)
        return structs.replace(builder.load(self.kind, made.id), related=self.related_in(call.form))

    def operations(self) -> tuple[Operation, ...]:
        """Return the operations; below a parent in the path, they refuse a parent that does not exist first."""
        if self.within is None:
            return super().operations()
        return tuple(structs.replace(one, check_path=self._check_path) for one in super().operations())

    def load(self, call: Call, *, with_related: bool = False) -> LoadedResource[C]:
        """Return the resource that the path names, if it is below the path's parent. Raises NotFound, Forbidden."""
        loaded = super().load(call, with_related=with_related)
        if self.within is not None:
            key = _key(self.within)
            if getattr(loaded.resource, key) != call.path[key]:
                raise missing(self.kind, loaded.resource.id)
        return loaded

    def _list(self, call: Call) -> Any:
        if self.within is None:
            return super()._list(call)
        parent = self.parent(call)
        return listing(call, self.kind, columns(self.kind.struct)[_key(self.within)] == parent.resource.id)

    def _check_path(self, transaction: Transaction, path: Mapping[str, str]) -> None:
        if self.within is not None and transaction.get(self.within.struct, path[_key(self.within)]) is None:
            raise missing(self.within, path[_key(self.within)])


def _key(kind: ResourceType[Any]) -> str:
    """Return the name of a parent's id in paths, which is its attribute in children, too."""
    return f"{kind.root}_id"


def _at_generation(resource: R, load_balancer: LoadBalancer) -> R:
    """Return a changed resource with its load balancer's new generation, which a load balancer's own row carries."""
    if isinstance(resource, LoadBalancer):
        own = {"generation": load_balancer.generation, "change_id": load_balancer.change_id}
        return structs.replace(resource, changed_in=load_balancer.generation, **own)
    return structs.replace(resource, changed_in=load_balancer.generation)
