"""Entity tags, which Octavia does not have: one on every resource, for `If-Match` on what changes it.

A tag stands for what was asked for, not for statuses, which change by themselves. In a load balancer's tree it is the
generation of the last change (`LoadedResource.tag`). Resources without generations have a digest of their body. The
members of a pool have one tag together, for the call that replaces them all.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import func, select

from hydria.api.listing import chosen
from hydria.api.views import LoadedResource
from hydria.http.operation import Call, Reply
from hydria.model import Member
from hydria.store import Transaction, columns

# Attributes that change without a request.
_VOLATILE = frozenset({"provisioning_status", "operating_status", "updated_at", "status"})

_json = msgspec.json.Encoder(order="deterministic")


def digest(body: Mapping[str, Any]) -> str:
    """Return the tag of a resource without generations; `body` has all its attributes."""
    lasting = {name: value for name, value in body.items() if name not in _VOLATILE}
    return hashlib.blake2b(_json.encode(lasting), digest_size=8).hexdigest()


def members_tag(transaction: Transaction, pool_id: str) -> str:
    """Return the tag of all members of a pool: the generation of the newest change, and their number.

    No two states have the same tag: a new or changed member has the newest generation of all, and deletions alone
    only reduce the number.
    """
    c = columns(Member)
    statement = select(func.max(c.changed_in), func.count()).where(c.pool_id == pool_id, c.deleted_in.is_(None))
    newest, number = tuple(transaction.execute(statement).one())
    return f"{newest or 0}-{number}"


def tagged(loaded: LoadedResource[Any], body: Mapping[str, Any]) -> Reply:
    """Return the answer that shows a resource of a load balancer's tree."""
    return Reply(body={loaded.kind.root: body}, tag=loaded.tag)


def digested(root: str, body: Mapping[str, Any], call: Call | None = None) -> Reply:
    """Return the answer that shows a resource without generations; with `call`, only the `fields` it asks for."""
    return Reply(body={root: body if call is None else chosen(body, call)}, tag=digest(body))
