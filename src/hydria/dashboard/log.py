"""`/dashboard/v1/loadbalancers/{id}/log`: the last lines of the access logs of a load balancer's amphorae."""

from typing import Any

from hydria.api.access import permitted
from hydria.api.resource_types import LOAD_BALANCER
from hydria.http.operation import Call, Operation
from hydria.model import Listener
from hydria.render.haproxy.logs import Entry, ending, kind_of, parse
from hydria.store import columns
from hydria.store.numbers import Measured
from hydria.store.resources import tree

# The fields of a line that are shown.
_SHOWN = ("client", "listener", "member", "status", "request", "response", "total")


def operations() -> tuple[Operation, ...]:
    """Return the operation."""
    rule = LOAD_BALANCER.rule("get_one")
    return (Operation(method="GET", path="/loadbalancers/{id}/log", work=_log, rule=rule, single=True),)


def _log(call: Call) -> Any:
    load_balancer = permitted(call, LOAD_BALANCER, call.path["id"]).resource
    listeners = {listener.id: listener for listener in tree(call.transaction, load_balancer).listeners}
    c = columns(Measured)
    measured = call.transaction.find(Measured, c.load_balancer_id == load_balancer.id)
    entries = [entry for each in measured for line in each.numbers.log if (entry := parse(line)) is not None]
    entries.sort(key=lambda entry: entry.at, reverse=True)
    return {"log": [_shown(entry, listeners) for entry in entries]}


def _shown(entry: Entry, listeners: dict[str, Listener]) -> dict[str, Any]:
    fields = entry.fields
    listener = listeners.get(fields["listener"]) if "listener" in fields else None
    shown: dict[str, Any] = {name: fields[name] for name in _SHOWN if name in fields}
    why = ending(fields, listener) if fields else None
    text = None if fields else entry.text
    return {"at": entry.at.isoformat(), "kind": kind_of(entry, listener), "text": text, "why": why, **shown}
