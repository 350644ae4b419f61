"""/loadbalancers/{id}/explain: why a load balancer is as it is, and where a request would go."""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

from msgspec import UNSET, Struct, structs

from hydria.api.explain_answer import explanation
from hydria.api.explain_request import request_of
from hydria.api.explain_state import situation_of, state_of_load_balancer
from hydria.api.explain_tls import tls_of, with_certificate
from hydria.api.resource_types import LOAD_BALANCER as KIND
from hydria.http.operation import Call, Operation
from hydria.model.fields import IpAddress, Maybe, Text
from hydria.model.flavor_profile import NORMALISE_PATHS
from hydria.protocols import Secrets
from hydria.render.explain import explain
from hydria.store import Transaction
from hydria.store.resources import flavor_data

SecretsOf = Callable[[Transaction], Secrets]


class RequestForm(Struct, kw_only=True):
    """A request to explain; `port` is the scheme's by default, and `client_certificate` a PEM text."""

    method: Maybe[Text] = UNSET
    scheme: Maybe[Literal["http", "https", "tcp", "udp", "sctp"]] = UNSET
    host: Maybe[Text] = UNSET
    port: Maybe[int] = UNSET
    path: Maybe[str] = UNSET
    headers: Maybe[dict[str, Any]] = UNSET
    cookies: Maybe[dict[str, str]] = UNSET
    source: Maybe[IpAddress] = UNSET
    sni: Maybe[Text] = UNSET
    client_certificate: Maybe[str] = UNSET


def operations(secrets_of: SecretsOf) -> tuple[Operation, ...]:
    """Return the operations, with paths below `/lbaas`. `secrets_of` binds the key manager to a transaction."""
    path = "/loadbalancers/{id}/explain"
    return (
        Operation(method="GET", path=path, work=partial(_state, secrets_of), rule=KIND.rule("get_explain")),
        Operation(
            method="POST",
            path=path,
            form=RequestForm,
            root="request",
            work=partial(_request, secrets_of),
            writes=False,
            rule=KIND.rule("post_explain"),
        ),
    )


def _state(secrets_of: SecretsOf, call: Call) -> Any:
    return {"explain": state_of_load_balancer(situation_of(call), secrets_of(call.transaction))}


def _request(secrets_of: SecretsOf, call: Call) -> Any:
    now = situation_of(call)
    request = request_of(call.form, now.load_balancer.vip_address)
    tls, notes = tls_of(secrets_of(call.transaction), now.tree, request.port)
    if call.form.client_certificate:
        request = with_certificate(request, call.form.client_certificate, tls, call.time)
    statuses = {member.id: now.status(member.id) for member in now.tree.members}
    flavor = flavor_data(call.transaction, now.load_balancer.flavor_id)
    found = explain(now.tree, request, statuses, normalise=flavor.get(NORMALISE_PATHS) is True, tls=tls)
    return {"explanation": explanation(structs.replace(found, notes=(*found.notes, *notes)))}
