"""Consumers of containers and secrets, as they register themselves."""

import uuid
from collections.abc import Callable
from typing import Any

from hydria.errors import NotFound
from hydria.homecloud.secrets.access import href, load, load_owned
from hydria.homecloud.secrets.forms import ConsumerForm, SecretConsumerForm
from hydria.homecloud.secrets.rows import Consumer, Container, Row, Secret
from hydria.http.operation import Call, Operation
from hydria.store import columns

_Said = Callable[[Call], dict[str, str]]


def operations() -> tuple[Operation, ...]:
    """Return the operations on the consumers of containers and of secrets."""
    return (
        *_of("containers", Container, ConsumerForm, lambda call: {"name": call.form.name, "URL": call.form.url}),
        *_of("secrets", Secret, SecretConsumerForm, _of_secret),
    )


def consumers_of(call: Call, owner: Row) -> list[Consumer]:
    """Return the consumers of one container or secret, the oldest first."""
    c = columns(Consumer)
    return call.transaction.find(Consumer, c.owner_id == owner.id, order_by=(c.created_at, c.id))


def _of_secret(call: Call) -> dict[str, str]:
    form: SecretConsumerForm = call.form
    return {"service": form.service, "resource_type": form.resource_type, "resource_id": form.resource_id}


def _of(collection: str, kind: type[Row], form: type[Any], said: _Said) -> tuple[Operation, ...]:
    path = f"/{collection}/{{id}}/consumers"

    def show(call: Call) -> Any:
        found = [consumer.said for consumer in consumers_of(call, load(call, kind))]
        return {"consumers": found, "total": len(found)}

    def add(call: Call) -> Any:
        owner = load_owned(call, kind)
        if said(call) not in [consumer.said for consumer in consumers_of(call, owner)]:
            consumer = Consumer(id=str(uuid.uuid4()), owner_id=owner.id, said=said(call), created_at=call.now)
            call.transaction.insert(consumer)
        return _answer(call, owner)

    def remove(call: Call) -> Any:
        owner = load_owned(call, kind)
        going = [consumer.id for consumer in consumers_of(call, owner) if consumer.said == said(call)]
        if not going:
            raise NotFound("Consumer not found.")
        call.transaction.delete(Consumer, columns(Consumer).id.in_(going))
        return _answer(call, owner)

    return (
        Operation(method="GET", path=path, work=show),
        Operation(method="POST", path=path, work=add, form=form),
        Operation(method="DELETE", path=path, work=remove, form=form),
    )


def _answer(call: Call, owner: Row) -> dict[str, Any]:
    said = [consumer.said for consumer in consumers_of(call, owner)]
    name = "container_ref" if isinstance(owner, Container) else "secret_ref"
    return {"status": "ACTIVE", "name": owner.name, "consumers": said, name: href(call, owner)}
