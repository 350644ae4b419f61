"""Traffic counters of a load balancer or listener, summed over its amphorae."""

from typing import Any

from sqlalchemy import ColumnElement

from hydria.contract import Counters
from hydria.store import Transaction, columns
from hydria.store.resources import Traffic


def stats(
    transaction: Transaction, *, load_balancer_id: str | None = None, listener_id: str | None = None
) -> dict[str, Any]:
    """Return the sums of all counters of a load balancer or of one listener."""
    c = columns(Traffic)
    where: ColumnElement[bool] = (
        c.load_balancer_id == load_balancer_id if listener_id is None else c.listener_id == listener_id
    )
    found = transaction.find(Traffic, where)
    return {name: sum(getattr(traffic.counters, name) for traffic in found) for name in Counters.__struct_fields__}
