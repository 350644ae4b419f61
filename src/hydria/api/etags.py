"""Optimistic concurrency: an `ETag` on every resource, and `If-Match` on what changes one. Octavia has neither.

A tag stands for what was asked for, not for statuses, which come and go by themselves. For what is below a load
balancer it is the generation of its last change; for a load balancer, the generation of the last change of anything
at or below it; for what has no generations, a digest of the body. A pool's members have one as a whole, for the call
that replaces them all. Tags are strong: `If-Match` takes no weak ones (RFC 9110, 13.1.1), but one that a proxy weakened
on its way (`W/"…"`) is understood.
"""

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import msgspec
from msgspec import structs
from sqlalchemy import func, select

from hydria.api.listing import chosen
from hydria.api.views import LoadedResource
from hydria.errors import PreconditionFailed
from hydria.http.operation import Call, Operation, Reply
from hydria.model import LoadBalancer, Member
from hydria.store import Transaction, columns

Work = Callable[[Call], Any]

# What changes without anybody asking.
_FLEETING = frozenset({"provisioning_status", "operating_status", "updated_at", "status"})

_json = msgspec.json.Encoder(order="deterministic")


def tagged(loaded: LoadedResource, body: Any) -> Reply:
    """Return the answer that shows a resource, with its tag."""
    return Reply(body=body, headers={"ETag": _tag(loaded)})


def digested(call: Call, root: str, whole: Mapping[str, Any]) -> Reply:
    """Show the fields that are asked for of what has no generations, with the tag of the whole."""
    return structs.replace(_show_tag({root: whole}), body={root: chosen(whole, call)})


def guarded(operations: Iterable[Operation]) -> tuple[Operation, ...]:
    """Give every answer that is one resource a tag, and have its PUT and DELETE heed `If-Match`.

    One resource is what a path ending in a name stands for; the POST to the path above makes it. What is PUT below it
    (`/failover`) is done to it.
    """
    listed = tuple(operations)
    shows = {each.path: each.work for each in listed if each.method == "GET" and each.path.endswith("}")}
    makes = {path.rpartition("/")[0] for path in shows}
    return tuple(_guard(each, shows, makes) for each in listed)


def _guard(operation: Operation, shows: Mapping[str, Work], makes: Collection[str]) -> Operation:
    work, path = operation.work, operation.path
    show = shows.get(path, shows.get(path.rpartition("/")[0]))
    if operation.method in ("PUT", "DELETE") and show is not None:
        return structs.replace(operation, work=lambda call: _show_tag(_heeding(call, show, work)))
    if (operation.method == "GET" and path in shows) or (operation.method == "POST" and path in makes):
        return structs.replace(operation, work=lambda call: _show_tag(work(call)))
    return operation


def _heeding(call: Call, show: Work, work: Work) -> Any:
    if "if-match" in call.headers:
        # In the transaction of the change: nothing comes between.
        heed(call, _show_tag(show(call)).headers.get("ETag", ""))
    return work(call)


def heed(call: Call, now: str) -> None:
    """Refuse (412) what is meant for another state than the one with the tag `now`."""
    wanted = call.headers.get("if-match")
    if wanted is None or wanted.strip() == "*":
        return
    if _opaque(now) not in [_opaque(each) for each in wanted.split(",")]:
        raise PreconditionFailed(f"The resource has changed: its ETag is {now}, If-Match names {wanted}.")


def members_tag(transaction: Transaction, pool_id: str) -> str:
    """Return the tag of all members of a pool together: their newest change and their number.

    What is new or changed has the newest generation of all; what is left of a number of members gets fewer and fewer.
    So no two states have the same tag.
    """
    c = columns(Member)
    statement = select(func.max(c.changed_in), func.count()).where(c.pool_id == pool_id, c.deleted_in.is_(None))
    newest, number = tuple(transaction.execute(statement).one())
    return f'"{newest or 0}-{number}"'


def _show_tag(answer: Any) -> Reply:
    reply = answer if isinstance(answer, Reply) else Reply(body=answer)
    if not isinstance(reply.body, dict) or "ETag" in reply.headers:
        return reply
    shown = next(iter(reply.body.values()), None)
    lasting = {key: value for key, value in shown.items() if key not in _FLEETING} if isinstance(shown, dict) else shown
    digest = hashlib.blake2b(_json.encode(lasting), digest_size=8).hexdigest()
    return structs.replace(reply, headers={**reply.headers, "ETag": f'"{digest}"'})


def _tag(loaded: LoadedResource) -> str:
    resource = loaded.resource
    if isinstance(resource, LoadBalancer):
        return f'"{resource.generation}"'
    return f'"{max(resource.changed_in, resource.deleted_in or 0)}"'


def _opaque(tag: str) -> str:
    return tag.strip().removeprefix("W/").strip('"')
