"""/orders: certificates that another service orders, for stock clients to read. That service makes the rows."""

from typing import Any, Protocol

from msgspec import Struct

from hydria.homecloud.secrets.access import VERSION, missing
from hydria.homecloud.secrets.listing import listing
from hydria.http.operation import Call, Operation


class Order(Protocol):
    """The attributes of an order's row. Times are as Barbican prints them; `sealed` is the certificate, once issued."""

    id: str
    project_id: str
    reference: str
    sealed: str | None
    not_after: str | None
    reason: str | None
    created_at: str
    updated_at: str


def operations(row: type[Struct]) -> tuple[Operation, ...]:
    """Return the operations on the rows of a registered struct that has what `Order` has."""

    def find_all(call: Call) -> Any:
        return listing(call, row, "orders", _shown, {})

    def show(call: Call) -> Any:
        order: Any = call.transaction.get(row, call.path["id"])
        if order is None or order.project_id != call.caller.project_id:
            raise missing("Order")
        return _shown(call, order)

    return (
        Operation(method="GET", path="/orders", work=find_all),
        Operation(method="GET", path="/orders/{id}", work=show),
    )


def _shown(call: Call, order: Any) -> dict[str, Any]:
    found: Order = order
    body: dict[str, Any] = {
        "order_ref": f"{call.base_url}{VERSION}/orders/{found.id}",
        # A pair of keys that the server makes: the nearest type that clients still know.
        "type": "asymmetric",
        "meta": {"name": found.reference, "algorithm": "ec", "bit_length": 256, "expiration": found.not_after},
        "container_ref": found.reference,
        "created": found.created_at,
        "updated": found.updated_at,
        "status": "PENDING" if found.sealed is None else "ACTIVE",
    }
    if found.reason is not None:
        body |= {"status": "ERROR", "error_status_code": "400", "error_reason": found.reason}
    return body
