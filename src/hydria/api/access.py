"""Check who may see and change what: every handler loads its resource through here."""

from hydria.api.quotas import Quotas
from hydria.api.resource_types import LOAD_BALANCER, ResourceType
from hydria.api.views import LoadedResource, read
from hydria.errors import Conflict, Invalid, NotFound, Refusal
from hydria.http.operation import Call, denied
from hydria.model import Child, LoadBalancer
from hydria.model.status import Progress, provisioning_status
from hydria.store import Transaction
from hydria.store.generations import bump
from hydria.store.tables import rows_of


def missing(kind: ResourceType, key: str) -> NotFound:
    """Return Octavia's sentence for something that is not there."""
    return NotFound(f"{kind.title} {key} not found.")


def immutable(title: str, key: str) -> Conflict:
    """Return Octavia's sentence for something that cannot be changed now."""
    return Conflict(f"{title} {key} is immutable and cannot be updated.")


def permitted(call: Call, kind: ResourceType, key: str, *, with_related: bool = False) -> LoadedResource:
    """Return a resource that the caller may do the operation to. Raises NotFound, Forbidden.

    `whole` looks at what stands beside it, too.
    """
    found = read(call.transaction, kind, key, with_related=with_related)
    if found is None:
        raise missing(kind, key)
    if not call.may(call.operation.rule, found.resource.project_id):
        raise refused(call, found)
    return found


def refused(call: Call, found: LoadedResource) -> Refusal:
    """Return the refusal of what the caller may not do: Octavia's 403, or 404 where other projects' are hidden."""
    project_id = found.resource.project_id
    hidden = call.hides_foreign and call.caller.project_id != project_id
    if hidden and not call.may(found.kind.rule("get_one"), project_id):
        return missing(found.kind, found.resource.id)
    return denied()


def parent(call: Call, key: str) -> LoadedResource:
    """Return the load balancer that something is made below. Raises NotFound, Forbidden."""
    return permitted(call, LOAD_BALANCER, key)


def owned_by(call: Call, wanted: str | None) -> str:
    """Return the project that a new load balancer belongs to. Raises Forbidden, Invalid."""
    project = wanted or call.caller.project_id
    if project is None:
        raise Invalid("Validation failure: Missing project ID in request where one is required.")
    call.authorise(project)
    return project


class Changes:
    """How a load balancer takes a change: one more generation, in the transaction of the change."""

    def __init__(self, *, strict_immutable: bool, quotas: Quotas) -> None:
        """`strict_immutable` refuses changes to what is pending, as Octavia does; else they are merged.

        `quotas` bound what changes may add.
        """
        self._strict = strict_immutable
        self.quotas = quotas

    def bump_generation(
        self, transaction: Transaction, loaded: LoadedResource, *, below: bool = False, ending: str | None = None
    ) -> LoadBalancer:
        """Count one more change of the load balancer that `seen` is or belongs to, and return it as it is now.

        `ending` is the time of the change when it asks the load balancer to go. Raises Conflict as `check` does.
        """
        self.check(loaded, below=below)
        return bump(transaction, loaded.load_balancer_id, deleted_at=ending)

    def check(self, loaded: LoadedResource, *, below: bool = False) -> None:
        """Refuse to change what is being deleted and, under `strict_immutable`, what is pending. Raises Conflict.

        `below` says that something is made below `seen`.
        """
        if isinstance(loaded.resource, Child) and loaded.resource.deleted_in is not None:
            raise immutable(loaded.kind.title, loaded.resource.id)
        if loaded.progress.deleted_in is not None or (self._strict and _pending(loaded.progress)):
            raise immutable("Load Balancer", loaded.load_balancer_id) if below else _not_now(loaded)

    def count(self, transaction: Transaction, loaded: LoadedResource) -> LoadBalancer:
        """Count one more change as `begin` does, of what its caller checks later.

        What is made is looked at before what it is made below: a form that is wrong is 400 also where the load balancer
        takes no change.
        """
        return bump(transaction, loaded.load_balancer_id)

    def mark_deleted(self, transaction: Transaction, loaded: LoadedResource, now: str) -> LoadBalancer:
        """Ask what `seen` is to go, and return its load balancer as it is now. Raises Conflict as `begin` does."""
        if isinstance(loaded.resource, LoadBalancer):
            return self.bump_generation(transaction, loaded, ending=now)
        load_balancer = self.bump_generation(transaction, loaded)
        table = rows_of(loaded.kind.struct).table
        gone = table.update().where(table.c.id == loaded.resource.id)
        transaction.execute(gone.values(deleted_in=load_balancer.generation, updated_at=now))
        return load_balancer

    def is_deleting(self, loaded: LoadedResource) -> bool:
        """Say whether a resource was asked to go before. Under `strict_immutable` that raises Conflict."""
        going = loaded.resource.deleted_in is not None
        if going and self._strict:
            raise _not_now(loaded)
        return going


def _pending(progress: Progress) -> bool:
    return progress.observed < progress.generation and progress.failed < progress.generation


def _not_now(loaded: LoadedResource) -> Conflict:
    if not isinstance(loaded.resource, LoadBalancer):
        return immutable("Load Balancer", loaded.load_balancer_id)
    state = provisioning_status(loaded.resource, loaded.progress, loaded.trouble)
    return Conflict(f"Invalid state {state} of loadbalancer resource {loaded.resource.id}")
