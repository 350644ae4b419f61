"""What every resource of the API does alike: list, create, show, change, ask to go."""

from collections.abc import Callable
from typing import Any, ClassVar

import structlog
from msgspec import structs

from hydria.api.access import Changes, permitted
from hydria.api.collection import Collection
from hydria.api.etags import tagged
from hydria.api.listing import chosen, listing
from hydria.api.resource_types import ResourceType
from hydria.api.tree_builder import ParentContext, TreeBuilder
from hydria.api.views import LoadedResource, body
from hydria.http.operation import Call
from hydria.model import LoadBalancer, Resource
from hydria.model.base import change
from hydria.model.status import Progress
from hydria.protocols import Networking, Secrets
from hydria.store import Transaction

log = structlog.get_logger(__name__)


class ResourceApi(Collection):
    """The operations on one kind of resource; each kind fills in what is its own."""

    kind: ClassVar[ResourceType]

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

    def builder(self, call: Call, load_balancer: LoadBalancer) -> TreeBuilder:
        """Begin to make children of a load balancer, which has the generation of this change."""
        return self._builder(call, ParentContext.of(load_balancer), self._networking_of(call.transaction))

    def _builder(self, call: Call, parent_context: ParentContext, networking: Networking) -> TreeBuilder:
        return TreeBuilder(call, parent_context, networking, self._changes.quotas, self._secrets_of(call.transaction))

    def create(self, call: Call) -> LoadedResource:
        """Make what the form asks for and return it."""
        raise NotImplementedError

    def made(self, call: Call, loaded: LoadedResource) -> Any:
        """Return the answer to a create call."""
        return tagged(loaded, {self.kind.root: body(call.transaction, self.kind, loaded)})

    def check_update(self, call: Call, resource: Resource, form: Any) -> None:
        """Refuse a form that cannot be, whatever comes of it, and put defaults into it. Raises a Refusal."""

    def check_result(self, call: Call, before: Resource, after: Resource) -> None:
        """Refuse what a change would make of a resource: the rules are those of a new one. Raises a Refusal."""

    def changed(self, resource: Resource) -> Resource:
        """Put right what a change left out."""
        return resource

    def apply_side_effects(self, call: Call, before: Resource, after: Resource) -> Resource:
        """Return a changed resource after what its change does to those beside it."""
        return after

    def check_delete(self, call: Call, resource: Resource) -> None:
        """Refuse to let it go. Raises a Refusal."""

    def cascade_delete(self, call: Call, resource: Resource, generation: int) -> None:
        """Change what goes or loses something with it."""

    def check_path(self, call: Call, loaded: LoadedResource) -> LoadedResource:
        """Return the resource if it is where the path says. Raises NotFound."""
        return loaded

    def _list(self, call: Call) -> Any:
        return listing(call, self.kind)

    def _post(self, call: Call) -> Any:
        loaded = self.create(call)
        log.info("created", kind=self.kind.root, id=loaded.resource.id, project=loaded.resource.project_id)
        return self.made(call, loaded)

    def _show(self, call: Call) -> Any:
        loaded = self.check_path(call, permitted(call, self.kind, call.path["id"], with_related=True))
        return tagged(loaded, {self.kind.root: chosen(body(call.transaction, self.kind, loaded), call)})

    def _put(self, call: Call) -> Any:
        loaded = self.check_path(call, permitted(call, self.kind, call.path["id"], with_related=True))
        self.check_update(call, loaded.resource, call.form)
        planned = change(loaded.resource, call.form, now=call.now, generation=loaded.resource.changed_in)
        self.check_result(call, loaded.resource, self.changed(planned))
        load_balancer = self._changes.bump_generation(call.transaction, loaded)
        # Its own row carries the new generation; a child's does not.
        before = load_balancer if load_balancer.id == loaded.resource.id else loaded.resource
        after = self.changed(change(before, call.form, now=call.now, generation=load_balancer.generation))
        after = self.apply_side_effects(call, before, after)
        call.transaction.update(after)
        root = after if isinstance(after, LoadBalancer) else load_balancer
        # What was written needs no reading.
        shown = structs.replace(loaded, resource=after, progress=Progress.of(root))
        return tagged(shown, {self.kind.root: body(call.transaction, self.kind, shown)})

    def _delete(self, call: Call) -> None:
        loaded = self.check_path(call, permitted(call, self.kind, call.path["id"]))
        if self._changes.is_deleting(loaded):
            return
        self.check_delete(call, loaded.resource)
        load_balancer = self._changes.mark_deleted(call.transaction, loaded, call.now)
        self.cascade_delete(call, loaded.resource, load_balancer.generation)
        log.info("deletion_asked", kind=self.kind.root, id=loaded.resource.id)
