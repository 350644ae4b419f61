"""/healthcheck as oslo.middleware answers it: the server runs, and its database answers."""

from typing import Any

import msgspec
from sqlalchemy import select

from hydria.http.operation import Call, Operation, Reply

_PAGE = "<html><head><title>Healthcheck Status</title></head><body><h2>Result of 1 checks:</h2><p>OK</p></body></html>"
_JSON = msgspec.json.format(msgspec.json.encode({"detailed": False, "reasons": ["OK"]}), indent=4)

# In oslo's order; any other `Accept` gets plain text.
_BODIES: dict[str, bytes] = {"text/plain": b"OK", "text/html": _PAGE.encode(), "application/json": _JSON}


def operations() -> tuple[Operation, ...]:
    """Return the operations; they are open to all. The dispatcher answers 503 when the database does not answer."""
    return (
        Operation(method="GET", path="/healthcheck", work=_check, open=True, any_media=True),
        Operation(method="HEAD", path="/healthcheck", work=_check_head, status=204, open=True, any_media=True),
    )


def _check(call: Call) -> Any:
    call.transaction.execute(select(1))
    accepted = call.headers.get("accept", "")
    media = next((media for media in _BODIES if media in accepted), "text/plain")
    content_type = media if media == "application/json" else f"{media}; charset=UTF-8"
    return Reply(body=_BODIES[media], headers={"Content-Type": content_type})


def _check_head(call: Call) -> Any:
    call.transaction.execute(select(1))
    return Reply(headers={"Content-Type": "text/plain; charset=UTF-8"})
