"""The load balancers that need certificates by ACME, by the references of their listeners."""

from msgspec import Struct
from sqlalchemy import or_, select

from hydria.errors import Invalid
from hydria.model import Listener, LoadBalancer
from hydria.model.acme import SCHEME, names_in
from hydria.model.tree import is_live
from hydria.store import Transaction, columns
from hydria.store.tables import rows_of


class Wanted(Struct, frozen=True):
    """A reference of a project, hashable as a key."""

    project_id: str
    reference: str


def wanted(transaction: Transaction) -> dict[Wanted, set[str]]:
    """Return the references of listeners, each with the ids of the load balancers that can answer challenges for it.

    The set is empty when all its listeners are switched off.
    """
    listener, lb = columns(Listener), columns(LoadBalancer)
    joined = rows_of(Listener).table.join(rows_of(LoadBalancer).table, lb.id == listener.load_balancer_id)
    statement = (
        select(rows_of(Listener).table, lb.admin_state_up.label("balancer_up"))
        .select_from(joined)
        .where(
            listener.deleted_in.is_(None),
            lb.deleted_in.is_(None),
            or_(
                listener.default_tls_container_ref.startswith(SCHEME),
                listener.sni_container_refs.contains(f'"{SCHEME}'),
            ),
        )
    )
    found: dict[Wanted, set[str]] = {}
    for row in transaction.execute(statement):
        each = rows_of(Listener).load(row)
        for reference in (each.default_tls_container_ref, *each.sni_container_refs):
            if reference and _names(reference):
                answering = found.setdefault(Wanted(each.project_id, reference), set())
                if is_live(each, balancer_up=row.balancer_up):
                    answering.add(each.load_balancer_id)
    return found


def _names(reference: str) -> bool:
    try:
        return names_in(reference) is not None
    except Invalid:
        return False
