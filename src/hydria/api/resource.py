"""What every resource of the API does alike: list, create, show, change, ask to go."""

from collections.abc import Callable
from typing import Any, ClassVar

import structlog
from msgspec import structs

from hydria.api.access import Changes, permitted
from hydria.api.collection import Collection
from hydria.api.etags import tagged
from hydria.api.kinds import Kind
from hydria.api.listing import chosen, listing
from hydria.api.trees import Ground, Planting
from hydria.api.views import Seen, body
from hydria.http.operation import Call
from hydria.model import LoadBalancer, Resource
from hydria.model.base import change
from hydria.model.status import Progress
from hydria.ports import Networking, Secrets
from hydria.store import Transaction

log = structlog.get_logger(__name__)


class ResourceApi(Collection):
    """The operations on one kind of resource; each kind fills in what is its own."""

    kind: ClassVar[Kind]

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

    def planting(self, call: Call, load_balancer: LoadBalancer) -> Planting:
        """Begin to make children of a load balancer, which has the generation of this change."""
        return self._planting(call, Ground.of(load_balancer), self._networking_of(call.transaction))

    def _planting(self, call: Call, ground: Ground, networking: Networking) -> Planting:
        return Planting(call, ground, networking, self._changes.quotas, self._secrets_of(call.transaction))

    def create(self, call: Call) -> Seen:
        """Make what the form asks for and return it."""
        raise NotImplementedError

    def made(self, call: Call, seen: Seen) -> Any:
        """Return the answer to a create call."""
        return tagged(seen, {self.kind.root: body(call.transaction, self.kind, seen)})

    def check_update(self, call: Call, resource: Resource, form: Any) -> None:
        """Refuse a form that cannot be, whatever comes of it, and put defaults into it. Raises a Refusal."""

    def check_result(self, call: Call, before: Resource, after: Resource) -> None:
        """Refuse what a change would make of a resource: the rules are those of a new one. Raises a Refusal."""

    def changed(self, resource: Resource) -> Resource:
        """Put right what a change left out."""
        return resource

    def moved(self, call: Call, before: Resource, after: Resource) -> Resource:
        """Return a changed resource after what its change does to those beside it."""
        return after

    def check_delete(self, call: Call, resource: Resource) -> None:
        """Refuse to let it go. Raises a Refusal."""

    def take_along(self, call: Call, resource: Resource, generation: int) -> None:
        """Change what goes or loses something with it."""

    def check_path(self, call: Call, seen: Seen) -> Seen:
        """Return the resource if it is where the path says. Raises NotFound."""
        return seen

    def _list(self, call: Call) -> Any:
        return listing(call, self.kind)

    def _post(self, call: Call) -> Any:
        seen = self.create(call)
        log.info("created", kind=self.kind.root, id=seen.resource.id, project=seen.resource.project_id)
        return self.made(call, seen)

    def _show(self, call: Call) -> Any:
        seen = self.check_path(call, permitted(call, self.kind, call.path["id"], whole=True))
        return tagged(seen, {self.kind.root: chosen(body(call.transaction, self.kind, seen), call)})

    def _put(self, call: Call) -> Any:
        seen = self.check_path(call, permitted(call, self.kind, call.path["id"], whole=True))
        self.check_update(call, seen.resource, call.form)
        planned = change(seen.resource, call.form, now=call.now, generation=seen.resource.changed_in)
        self.check_result(call, seen.resource, self.changed(planned))
        load_balancer = self._changes.begin(call.transaction, seen)
        # Its own row carries the new generation; a child's does not.
        before = load_balancer if load_balancer.id == seen.resource.id else seen.resource
        after = self.changed(change(before, call.form, now=call.now, generation=load_balancer.generation))
        after = self.moved(call, before, after)
        call.transaction.update(after)
        root = after if isinstance(after, LoadBalancer) else load_balancer
        # What was written needs no reading.
        shown = structs.replace(seen, resource=after, progress=Progress.of(root))
        return tagged(shown, {self.kind.root: body(call.transaction, self.kind, shown)})

    def _delete(self, call: Call) -> None:
        seen = self.check_path(call, permitted(call, self.kind, call.path["id"]))
        if self._changes.already_going(seen):
            return
        self.check_delete(call, seen.resource)
        load_balancer = self._changes.end(call.transaction, seen, call.now)
        self.take_along(call, seen.resource, load_balancer.generation)
        log.info("deletion_asked", kind=self.kind.root, id=seen.resource.id)
