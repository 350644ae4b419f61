"""The API's description of itself, in OpenAPI 3.1: derived from the operations, their forms and their bodies.

No route is named here: a new operation is described without a change of this module.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import msgspec

from hydria.api.openapi_answers import Shown, answer, describe, reference
from hydria.api.openapi_history import PARAMETERS
from hydria.api.openapi_page import page
from hydria.api.openapi_schemas import FAULT, Schema, form_schemas
from hydria.api.resource_types import ApiNames
from hydria.http.operation import Call, Operation, Reply

# Operations by their prefix below the server's address. Older prefixes, which work too, are not described.
Described = Mapping[str, Sequence[Operation]]

_VERBS = {"GET": "Show", "POST": "Create", "PUT": "Change", "DELETE": "Delete"}

# Query parameters of single operations, by method and path.
_PARAMETERS: dict[tuple[str, str], tuple[tuple[str, str], ...]] = {
    ("DELETE", "/loadbalancers/{id}"): (("cascade", "Delete everything below it too."),),
    ("DELETE", "/hosts/{id}"): (("force", "Also a host with amphorae, which are placed anew."),),
    ("PUT", "/pools/{pool_id}/members"): (("additive_only", "Leave the members that the body does not name."),),
}

_LISTING: tuple[tuple[str, Schema, str], ...] = (
    ("limit", {"type": "integer", "minimum": 0}, "At most so many, with links to the pages next to this one."),
    ("marker", {"type": "string"}, "The id of the last of the page before."),
    ("page_reverse", {"type": "boolean"}, "Go backwards from the marker."),
    ("sort", {"type": "string"}, "Attributes with directions: name:asc,created_at:desc."),
    ("sort_key", {"type": "string"}, "An attribute to sort by; may be repeated."),
    ("sort_dir", {"type": "string"}, "asc or desc, one for each sort_key."),
    ("tags", {"type": "string"}, "Only what has all of these tags, separated by commas."),
    ("tags-any", {"type": "string"}, "Only what has one of these tags."),
    ("not-tags", {"type": "string"}, "Only what lacks one of these tags."),
    ("not-tags-any", {"type": "string"}, "Only what has none of these tags."),
)

_FIELDS = ("fields", {"type": "string"}, "Show only this attribute; may be repeated.")


def operations(described: Described) -> tuple[Operation, ...]:
    """Return the operations that show the description, for programs and for people; they are open to all."""

    @cache
    def written(server: str) -> bytes:
        return msgspec.json.encode(document(described, server))

    @cache
    def readable(server: str) -> bytes:
        return page(document(described, server)).encode()

    def description(call: Call) -> Any:
        return Reply(body=written(_server(call)), headers={"Content-Type": "application/json"})

    def docs(call: Call) -> Any:
        return Reply(body=readable(_server(call)), headers={"Content-Type": "text/html; charset=UTF-8"})

    return (
        Operation(method="GET", path="/openapi.json", work=description, open=True, any_media=True),
        Operation(method="GET", path="/docs", work=docs, open=True, any_media=True),
    )


def document(described: Described, server: str) -> dict[str, Any]:
    """Return the description; `server` is the address that the paths are below."""
    every = [(prefix, operation) for prefix, listed in described.items() for operation in listed]
    known: dict[ApiNames | None, Shown] = {
        operation.shows: describe(operation.shows) for _, operation in every if operation.shows is not None
    }
    schemas: dict[str, Schema] = {"Fault": FAULT, **form_schemas(one.form for _, one in every if one.form)}
    schemas |= {shown.name: shown.schema for shown in known.values()}
    paths: dict[str, dict[str, Any]] = defaultdict(dict)
    for prefix, operation in every:
        shown = known.get(operation.shows)
        paths[prefix + operation.path][operation.method.lower()] = _operation(operation, shown)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Hydria",
            "version": "2.30",
            "summary": "OpenStack Octavia's load balancing API v2.",
            "description": _INTRODUCTION,
            "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": server}],
        "security": [{"token": []}],
        "tags": [{"name": name} for name in dict.fromkeys(_tag(one.path) for _, one in every)],
        "paths": dict(paths),
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"}},
        },
    }


_INTRODUCTION = (
    "Every change is accepted at once and shows in `provisioning_status`: PENDING_* until every host serves it, then"
    " ACTIVE, or ERROR. A change to what is pending is merged. Bodies may give booleans as text (`yes`, `on`) and"
    " integers in strings, as Octavia takes them; attributes that are not known are refused.\n\n"
    "Every resource has an `ETag`, which stands for what was asked for and not for statuses: the number of the last"
    " change to it (for a load balancer: to anything at or below it). PUT and DELETE with `If-Match` are refused (412)"
    " when the resource has changed since. A failover heeds the tag of what fails over, the PUT of all members of a"
    " pool that of their list.\n\n"
    "With the header `Dry-Run: true`, a POST, PUT or DELETE is checked and answered as always, and nothing is changed:"
    " `plan` in the answer says what would change on the hosts."
)


def _server(call: Call) -> str:
    return f"{call.base_url}/load-balancer"


def _operation(operation: Operation, shown: Shown | None) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": _operation_id(operation),
        "summary": _summary(operation, shown),
        "tags": [_tag(operation.path)],
    }
    if operation.rule:
        described["description"] = f"Policy rule: `{operation.rule}`."
    parameters = _path_parameters(operation.path) + _query_parameters(operation, shown)
    if operation.tag is not None:
        about = "The ETag that the resource must still have; another one is refused with 412."
        parameters.append({"name": "If-Match", "in": "header", "schema": {"type": "string"}, "description": about})
    if operation.method != "GET":
        about = "With true, nothing is changed: the answer is 200, with what would change in `plan`."
        parameters.append({"name": "Dry-Run", "in": "header", "schema": {"type": "boolean"}, "description": about})
    if parameters:
        described["parameters"] = parameters
    if operation.form is not None:
        body = _wrapped(operation.root, operation.form.__name__)
        described["requestBody"] = {"required": True, "content": _json(body)}
    if operation.open:
        described["security"] = []
    tagged = (operation.on, operation.method) in (("item", "GET"), ("item", "PUT"), ("collection", "POST"))
    described["responses"] = _responses(operation, answer(operation, shown), tagged=tagged)
    return described


def _path_parameters(path: str) -> list[dict[str, Any]]:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def _query_parameters(operation: Operation, shown: Shown | None) -> list[dict[str, Any]]:
    parameters: list[tuple[str, Schema, str]] = [
        (name, {"type": "boolean"}, about) for name, about in _PARAMETERS.get((operation.method, operation.path), ())
    ]
    parameters += PARAMETERS.get((operation.method, operation.path), ())
    if operation.method == "GET" and shown is not None:
        parameters.append(_FIELDS)
        if operation.on == "collection":
            parameters += _LISTING
            parameters += [(name, schema, f"Only those with this {name}.") for name, schema in shown.filters.items()]
    return [{"name": name, "in": "query", "schema": schema, "description": about} for name, schema, about in parameters]


def _responses(operation: Operation, body: Schema | None, *, tagged: bool) -> dict[str, Any]:
    success: dict[str, Any] = {"description": "Done." if body is None else "The answer."}
    success["headers"] = {"x-openstack-request-id": {"schema": {"type": "string"}}}
    if tagged:
        success["headers"]["ETag"] = {"schema": {"type": "string"}}
    if body is not None:
        success["content"] = _json(body)
    found = {str(operation.status): success}
    if operation.method != "GET" and operation.status != 200:
        dry: Schema = {"type": "object", "properties": {"plan": {"type": ["object", "null"]}}, "required": ["plan"]}
        found["200"] = {"description": "What a dry run would do.", "content": _json(dry)}
    refused = {"description": "Refused: `faultstring` says why.", "content": _json(reference("Fault"))}
    return {
        **found,
        "401": {"description": "No token, or one that is not good.", "content": _json({"type": "object"})},
        "4XX": refused,
        "5XX": {**refused, "description": "The server cannot."},
    }


def _wrapped(root: str | None, name: str) -> Schema:
    if root is None:
        return reference(name)
    return {"type": "object", "properties": {root: reference(name)}, "required": [root]}


def _json(schema: Schema) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _tag(path: str) -> str:
    parts = [part for part in path.split("/") if not part.startswith("{")]
    return "members" if "members" in parts else "rules" if "rules" in parts else parts[1] if len(parts) > 1 else ""


def _operation_id(operation: Operation) -> str:
    words = operation.path.replace("{", "by_").replace("}", "").split("/")
    return "_".join((operation.method.lower(), *(word.replace("-", "_") for word in words if word)))


def _summary(operation: Operation, shown: Shown | None) -> str:
    *_, last = parts = [part for part in operation.path.split("/") if part]
    verb = _VERBS.get(operation.method, operation.method)
    if operation.on == "item":
        return f"{verb} one {shown.title if shown else last}"
    if operation.on == "action" and len(parts) > 2:
        return f"{verb}: {last} of one {parts[-3].rstrip('s')}"
    if operation.method == "GET":
        return f"List {last}"
    if operation.method == "POST":
        return f"Create one {shown.title if shown else last.rstrip('s')}"
    return f"{verb} {last} in one call"
