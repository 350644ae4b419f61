"""/orders: what became of references `acme:…`, so that stock clients show it. They come and go with their listeners."""

from typing import Any

from hydria.homecloud.secrets.access import VERSION, missing
from hydria.homecloud.secrets.listing import listing
from hydria.http.operation import Call, Operation
from hydria.store.certificates import AcmeOrder


def operations() -> tuple[Operation, ...]:
    """Return the operations."""
    return (
        Operation(method="GET", path="/orders", work=_list),
        Operation(method="GET", path="/orders/{id}", work=_show),
    )


def _list(call: Call) -> Any:
    return listing(call, AcmeOrder, "orders", _shown, {})


def _show(call: Call) -> Any:
    order = call.transaction.get(AcmeOrder, call.path["id"])
    if order is None or order.project_id != call.caller.project_id:
        raise missing("Order")
    return _shown(call, order)


def _shown(call: Call, order: AcmeOrder) -> dict[str, Any]:
    body: dict[str, Any] = {
        "order_ref": f"{call.base_url}{VERSION}/orders/{order.id}",
        # A pair of keys that the server makes; clients know no nearer type any more.
        "type": "asymmetric",
        "meta": {"name": order.reference, "algorithm": "ec", "bit_length": 256, "expiration": order.not_after},
        "container_ref": order.reference,
        "created": order.created_at,
        "updated": order.updated_at,
        "status": "PENDING" if order.sealed is None else "ACTIVE",
    }
    if order.reason is not None:
        body |= {"status": "ERROR", "error_status_code": "400", "error_reason": order.reason}
    return body
