"""/healthcheck as oslo.middleware answers it: is the server there, and does its database answer?"""

from typing import Any

import msgspec
from sqlalchemy import select

from hydria.http.operation import Call, Operation, Reply

_PAGE = "<html><head><title>Healthcheck Status</title></head><body><h2>Result of 1 checks:</h2><p>OK</p></body></html>"
_JSON = msgspec.json.format(msgspec.json.encode({"detailed": False, "reasons": ["OK"]}), indent=4)

# In oslo's order; what is wanted in none of these ways is told plainly.
_WAYS: dict[str, bytes] = {"text/plain": b"OK", "text/html": _PAGE.encode(), "application/json": _JSON}


def operations() -> tuple[Operation, ...]:
    """Return the operations; they are open to all. The dispatcher says 503 when the database does not answer."""
    return (
        Operation(method="GET", path="/healthcheck", work=_check, open=True, any_media=True),
        Operation(method="HEAD", path="/healthcheck", work=_glance, status=204, open=True, any_media=True),
    )


def _check(call: Call) -> Any:
    call.transaction.execute(select(1))
    accepted = call.headers.get("accept", "")
    way = next((way for way in _WAYS if way in accepted), "text/plain")
    kind = way if way == "application/json" else f"{way}; charset=UTF-8"
    return Reply(body=_WAYS[way], headers={"Content-Type": kind})


def _glance(call: Call) -> Any:
    call.transaction.execute(select(1))
    return Reply(headers={"Content-Type": "text/plain; charset=UTF-8"})
