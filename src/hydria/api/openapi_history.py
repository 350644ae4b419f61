"""The schemas of answers about the history, for the API's description."""

from typing import Any

from hydria.model.applied import WAYS

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_COUNT: Schema = {"type": "integer"}
_MAYBE_TEXT: Schema = {"type": ["string", "null"]}
_MAYBE_COUNT: Schema = {"type": ["integer", "null"]}
_WAY: Schema = {"enum": [*WAYS, None]}


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _array(items: Schema) -> Schema:
    return {"type": "array", "items": items}


_CHANGE = _object(
    action={"enum": ["created", "changed", "deleted"]},
    resource=_TEXT,
    id=_TEXT,
    name=_TEXT,
    attribute=_MAYBE_TEXT,
    before={},
    after={},
)
_CHANGES = _array(_CHANGE)
_LOST = {"lost_requests": _MAYBE_COUNT, "lost_connections": _MAYBE_COUNT}
_SERVED = _object(
    state={"enum": ["pending", "served", "failed"]},
    at=_MAYBE_TEXT,
    seconds={"type": ["number", "null"]},
    with_revision=_MAYBE_COUNT,
    way=_WAY,
    **_LOST,
    amphorae=_array(_object(amphora_id=_TEXT, way=_WAY, **_LOST)),
    reason=_MAYBE_TEXT,
    failed_at=_MAYBE_TEXT,
    failure=_MAYBE_TEXT,
)
_REVISION: dict[str, Schema] = {
    "revision": _COUNT,
    "loadbalancer_id": _TEXT,
    "created_at": _TEXT,
    "cause": _TEXT,
    "user_id": _MAYBE_TEXT,
    "project_id": _MAYBE_TEXT,
    "request_id": _MAYBE_TEXT,
    "changes": {"anyOf": [_CHANGES, {"type": "null"}]},
    "served": _SERVED,
}
_LINKS = _array(_object(rel=_TEXT, href=_TEXT))
_ITEMS = _array({"type": "object"})
_TREE = _object(
    loadbalancer={"type": "object"},
    listeners=_ITEMS,
    pools=_ITEMS,
    members=_ITEMS,
    healthmonitors=_ITEMS,
    l7policies=_ITEMS,
    l7rules=_ITEMS,
)

# A sentence as English text, and as codes with the values to fill in.
_WORDS = _array(_object(code=_TEXT, values={"type": "object"}))
_SAID = {"sentence": _TEXT, "words": _WORDS}

_WAITING = _object(
    kind={"enum": ["service", "host", "amphora", "removal"]},
    amphora_id=_MAYBE_TEXT,
    host=_MAYBE_TEXT,
    since=_MAYBE_TEXT,
    **_SAID,
)
_CHECK = _object(
    amphora_id=_MAYBE_TEXT,
    host=_MAYBE_TEXT,
    state=_TEXT,
    result=_MAYBE_TEXT,
    code=_MAYBE_COUNT,
    text=_MAYBE_TEXT,
    latency_ms=_MAYBE_COUNT,
    seconds=_MAYBE_COUNT,
)
_FAILING = _object(
    id=_TEXT,
    name=_TEXT,
    address=_TEXT,
    protocol_port=_COUNT,
    pool_id=_TEXT,
    pool_name=_TEXT,
    operating_status=_TEXT,
    **_SAID,
    checks=_array(_CHECK),
)
_OVER = _object(revision=_COUNT, at=_MAYBE_TEXT, reason=_MAYBE_TEXT, resolved_at=_MAYBE_TEXT, **_SAID)
_CERTIFICATE = _object(
    reference=_TEXT,
    state={"enum": ["ordering", "issued", "failed"]},
    not_after=_MAYBE_TEXT,
    next_at=_MAYBE_TEXT,
    reason=_MAYBE_TEXT,
    **_SAID,
)
_EXPLAIN = _object(
    loadbalancer_id=_TEXT,
    name=_TEXT,
    provisioning_status=_TEXT,
    operating_status=_TEXT,
    since=_MAYBE_TEXT,
    summary=_TEXT,
    words=_WORDS,
    revision=_COUNT,
    served_revision=_COUNT,
    waiting_for=_array(_WAITING),
    failure={"anyOf": [_object(revision=_COUNT, at=_MAYBE_TEXT, reason=_MAYBE_TEXT), {"type": "null"}]},
    last_failure={"anyOf": [_OVER, {"type": "null"}]},
    certificates=_array(_CERTIFICATE),
    troubles=_array(_object(resource=_TEXT, id=_TEXT, name=_TEXT, reason=_TEXT)),
    members=_array(_FAILING),
)
_RULE = _object(
    id=_TEXT,
    type=_TEXT,
    compare_type=_TEXT,
    key=_MAYBE_TEXT,
    value=_TEXT,
    invert={"type": "boolean"},
    matched={"type": "boolean"},
    seen=_array(_TEXT),
    **_SAID,
)
_POLICY = _object(
    id=_TEXT,
    name=_TEXT,
    position=_COUNT,
    action=_TEXT,
    matched={"type": "boolean"},
    decides={"type": "boolean"},
    **_SAID,
    rules=_array(_RULE),
)
_OUTCOMES = [
    "pool", "redirect", "reject", "no_member", "no_pool", "refused", "denied", "wrong_protocol", "handshake", "metrics",
]  # fmt: skip
_MAYBE_OBJECT: Schema = {"type": ["object", "null"]}
_EXPLANATION = _object(
    outcome={"enum": _OUTCOMES},
    status=_MAYBE_COUNT,
    location=_MAYBE_TEXT,
    **_SAID,
    listener=_MAYBE_OBJECT,
    tls={"anyOf": [_object(certificate=_MAYBE_TEXT, **_SAID), {"type": "null"}]},
    policies=_array(_POLICY),
    pool=_MAYBE_OBJECT,
    members=_ITEMS,
    persistence=_MAYBE_OBJECT,
    notes=_array(_TEXT),
)

# Answers by the method and the last part of the path.
HISTORY: dict[tuple[str, str], Schema] = {
    ("GET", "revisions"): _object(revisions=_array(_object(**_REVISION)), revisions_links=_LINKS),
    ("GET", "{revision}"): _object(revision=_object(**_REVISION, tree=_TREE)),
    ("GET", "explain"): _object(explain=_EXPLAIN),
    ("POST", "explain"): _object(explanation=_EXPLANATION),
    ("PUT", "rollback"): _object(rollback=_object(to=_COUNT, revision=_COUNT, changes=_CHANGES)),
    ("GET", "diff"): _object(diff=_object(**{"from": _COUNT, "to": _COUNT, "changes": _CHANGES})),
}

# Query parameters by the method and the path: name, schema, what it is.
PARAMETERS: dict[tuple[str, str], tuple[tuple[str, Schema, str], ...]] = {
    ("GET", "/loadbalancers/{id}/revisions"): (
        ("limit", {"type": "integer", "minimum": 1, "maximum": 1000}, "At most so many, with a link to older ones."),
        ("marker", _COUNT, "The number of the last revision of the page before."),
    ),
    ("GET", "/loadbalancers/{id}/revisions/{revision}/diff"): (
        ("to", _COUNT, "The other revision; the newest one by default."),
    ),
}
