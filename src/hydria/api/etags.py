"""Optimistic concurrency: an `ETag` on every resource, and `If-Match` on what changes one. Octavia has neither.

A tag stands for what was asked for, not for statuses, which come and go by themselves. For what is below a load
balancer it is the generation of its last change; for a load balancer, the generation of the last change of anything
at or below it; for what has no generations, a digest of the body. Tags are strong: `If-Match` takes no weak ones
(RFC 9110, 13.1.1), but one that a proxy weakened on its way (`W/"…"`) is understood.
"""

import hashlib
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from msgspec import structs

from hydria.api.views import Seen
from hydria.errors import PreconditionFailed
from hydria.http.operation import Call, Operation, Reply
from hydria.model import LoadBalancer

Work = Callable[[Call], Any]

# What changes without anybody asking.
_FLEETING = frozenset({"provisioning_status", "operating_status", "updated_at", "status"})

_json = msgspec.json.Encoder(order="deterministic")


def tagged(seen: Seen, body: Any) -> Reply:
    """Return the answer that shows a resource, with its tag."""
    return Reply(body=body, headers={"ETag": _tag(seen)})


def guarded(operations: Iterable[Operation]) -> tuple[Operation, ...]:
    """Give every answer that is one resource a tag, and have its PUT and DELETE heed `If-Match`.

    One resource is what a path ending in a name stands for; the POST to the path above makes it.
    """
    listed = tuple(operations)
    shows = {each.path: each.work for each in listed if each.method == "GET" and each.path.endswith("}")}
    above = {path.rpartition("/")[0] for path in shows}
    return tuple(_guard(each, shows.get(each.path), makes=each.path in above) for each in listed)


def _guard(operation: Operation, show: Work | None, *, makes: bool) -> Operation:
    work = operation.work
    if show is not None and operation.method in ("PUT", "DELETE"):
        return structs.replace(operation, work=lambda call: _show_tag(_heeding(call, show, work)))
    if operation.method == "GET" if show is not None else makes and operation.method == "POST":
        return structs.replace(operation, work=lambda call: _show_tag(work(call)))
    return operation


def _heeding(call: Call, show: Work, work: Work) -> Any:
    wanted = call.headers.get("if-match")
    if wanted is not None:
        # In the transaction of the change: nothing comes between.
        now = _show_tag(show(call)).headers.get("ETag", "")
        if wanted.strip() != "*" and _opaque(now) not in [_opaque(each) for each in wanted.split(",")]:
            raise PreconditionFailed(f"The resource has changed: its ETag is {now}, If-Match names {wanted}.")
    return work(call)


def _show_tag(answer: Any) -> Reply:
    reply = answer if isinstance(answer, Reply) else Reply(body=answer)
    if not isinstance(reply.body, dict) or "ETag" in reply.headers:
        return reply
    shown = next(iter(reply.body.values()), None)
    lasting = {key: value for key, value in shown.items() if key not in _FLEETING} if isinstance(shown, dict) else shown
    digest = hashlib.blake2b(_json.encode(lasting), digest_size=8).hexdigest()
    return structs.replace(reply, headers={**reply.headers, "ETag": f'"{digest}"'})


def _tag(seen: Seen) -> str:
    resource = seen.resource
    if isinstance(resource, LoadBalancer):
        return f'"{resource.generation}"'
    return f'"{max(resource.changed_in, resource.deleted_in or 0)}"'


def _opaque(tag: str) -> str:
    return tag.strip().removeprefix("W/").strip('"')
