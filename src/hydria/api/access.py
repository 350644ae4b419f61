"""Authorization of operations on resources: every operation loads its resource through here."""

from typing import Any

from hydria.api.quotas import Quotas
from hydria.api.resource_types import LOAD_BALANCER, R, ResourceType
from hydria.api.views import LoadedResource, read
from hydria.errors import Conflict, Invalid, NotFound, Refusal
from hydria.http.operation import Call, denied
from hydria.model import Child, LoadBalancer
from hydria.model.status import Progress, provisioning_status
from hydria.store import Transaction
from hydria.store.generations import bump
from hydria.store.tables import rows_of


def missing(kind: ResourceType[Any], key: str) -> NotFound:
    """Return Octavia's refusal for a resource that does not exist."""
    return NotFound(f"{kind.title} {key} not found.")


def immutable(title: str, key: str) -> Conflict:
    """Return Octavia's refusal for a resource that cannot be changed now."""
    return Conflict(f"{title} {key} is immutable and cannot be updated.")


def permitted(call: Call, kind: ResourceType[R], key: str, *, with_related: bool = False) -> LoadedResource[R]:
    """Return a resource on which the caller may do the operation. Raises NotFound, Forbidden.

    `with_related` reads the ids of related resources, too.
    """
    found = read(call.transaction, kind, key, with_related=with_related)
    if found is None:
        raise missing(kind, key)
    if not call.may(call.operation.rule, found.resource.project_id):
        raise refused(call, found)
    return found


def refused(call: Call, found: LoadedResource[Any]) -> Refusal:
    """Return the refusal of a request without the right: Octavia's 403, or 404 where other projects' are hidden."""
    project_id = found.resource.project_id
    hidden = call.hides_foreign and call.caller.project_id != project_id
    if hidden and not call.may(found.kind.rule("get_one"), project_id):
        return missing(found.kind, found.resource.id)
    return denied()


def owned_by(call: Call, wanted: str | None) -> str:
    """Return the project of a new load balancer. Raises Forbidden, Invalid."""
    project = wanted or call.caller.project_id
    if project is None:
        raise Invalid("Validation failure: Missing project ID in request where one is required.")
    call.authorise(project)
    return project


class Changes:
    """Applies changes to load balancers: each increments the generation, in the transaction of the change."""

    def __init__(self, *, strict_immutable: bool, quotas: Quotas) -> None:
        """With `strict_immutable`, changes to pending load balancers are refused, as in Octavia; else they are merged.

        `quotas` limit what a project may have.
        """
        self._strict = strict_immutable
        self.quotas = quotas

    def bump_generation(
        self, transaction: Transaction, loaded: LoadedResource[Any], *, below: bool = False, ending: str | None = None
    ) -> LoadBalancer:
        """Increment the generation of the load balancer that `loaded` is or belongs to, and return it as it is now.

        With `ending`, the time of the change, the load balancer is to be deleted. Raises Conflict as `check` does.
        """
        self.check(loaded, below=below)
        return bump(transaction, loaded.load_balancer_id, deleted_at=ending)

    def bump_unchecked(self, transaction: Transaction, loaded: LoadedResource[Any]) -> LoadBalancer:
        """Increment the generation as `bump_generation` does; the caller calls `check` later.

        A create looks at its form before its parent: a wrong form is 400 also where the load balancer is immutable.
        """
        return bump(transaction, loaded.load_balancer_id)

    def check(self, loaded: LoadedResource[Any], *, below: bool = False) -> None:
        """Refuse changes to a resource that is being deleted and, if strict, to a pending one. Raises Conflict.

        `below` says that something is created below `loaded`.
        """
        if isinstance(loaded.resource, Child) and loaded.resource.deleted_in is not None:
            raise immutable(loaded.kind.title, loaded.resource.id)
        if loaded.progress.deleted_in is not None or (self._strict and _pending(loaded.progress)):
            raise immutable("Load Balancer", loaded.load_balancer_id) if below else _not_now(loaded)

    def mark_deleted(self, transaction: Transaction, loaded: LoadedResource[Any], now: str) -> LoadBalancer:
        """Mark a resource for deletion, and return its load balancer as it is now. Raises Conflict as `check` does."""
        if loaded.kind is LOAD_BALANCER:
            return self.bump_generation(transaction, loaded, ending=now)
        load_balancer = self.bump_generation(transaction, loaded)
        table = rows_of(loaded.kind.struct).table
        marked = table.update().where(table.c.id == loaded.resource.id)
        transaction.execute(marked.values(deleted_in=load_balancer.generation, updated_at=now))
        return load_balancer

    def is_deleting(self, loaded: LoadedResource[Any]) -> bool:
        """Return whether a resource is being deleted already. Raises Conflict for one that is, if strict."""
        deleting: bool = loaded.resource.deleted_in is not None
        if deleting and self._strict:
            raise _not_now(loaded)
        return deleting


def _pending(progress: Progress) -> bool:
    return progress.observed < progress.generation and progress.failed < progress.generation


def _not_now(loaded: LoadedResource[Any]) -> Conflict:
    if not isinstance(loaded.resource, LoadBalancer):
        return immutable("Load Balancer", loaded.load_balancer_id)
    state = provisioning_status(loaded.resource, loaded.progress, loaded.trouble)
    return Conflict(f"Invalid state {state} of loadbalancer resource {loaded.resource.id}")
