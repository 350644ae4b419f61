"""The schemas of the API's answers, for its description, and how bodies are wrapped."""

from typing import Any

from msgspec import Struct

from hydria.api.admin_resource import AdminResourceType
from hydria.api.amphorae import AMPHORA, attributes
from hydria.api.hosts import HOST
from hydria.api.hosts import attributes as host_attributes
from hydria.api.openapi_history import HISTORY
from hydria.api.openapi_schemas import Schema, body_schema, column_schema, filters, struct_schema
from hydria.api.quotas import QUOTA
from hydria.api.resource_types import ApiNames, ResourceType
from hydria.contract import Counters
from hydria.http.operation import Operation
from hydria.model.quota import WIRE_NAMES, Limit, Quota

_TEXT: Schema = {"type": "string"}
_COUNT: Schema = {"type": "integer"}


class Shown(Struct, frozen=True, kw_only=True):
    """How one kind of resource is shown: the schema of its bodies with its name, and the wrappers of bodies.

    `title` is its name in sentences. `links` is the name of the links in lists, and `filters` the attributes that
    lists can be filtered by.
    """

    name: str
    title: str
    root: str
    plural: str
    links: str
    schema: Schema
    filters: dict[str, Schema]

    def alone(self) -> Schema:
        """Return the schema of an answer with one resource."""
        return _wrapped(self.root, reference(self.name))

    def listed(self) -> Schema:
        """Return the schema of an answer with a list."""
        link: Schema = {"type": "object", "required": ["rel", "href"], "properties": {"rel": _TEXT, "href": _TEXT}}
        properties = {self.plural: _array(reference(self.name)), self.links: _array(link)}
        return {"type": "object", "properties": properties, "required": list(properties)}


class _Limit(Struct):
    limit: Limit | None


def describe(kind: ApiNames) -> Shown:
    """Return how a kind of resource is shown."""
    name, links = kind.title, f"{kind.plural}_links"
    if isinstance(kind, ResourceType):
        name, schema, filtered = kind.struct.__name__, body_schema(kind), filters(kind.struct)
    elif isinstance(kind, AdminResourceType):
        name, schema, filtered = kind.struct.__name__, struct_schema(kind.struct), filters(kind.struct)
        links = kind.links
    elif kind is QUOTA:
        name, schema, filtered = "Quota", _quota_schema(), filters(Quota)
    elif kind is HOST:
        filtered = {name: column_schema(column) for name, column in host_attributes().items()}
        name, schema = "Host", {"type": "object", "properties": filtered | _HOST}
    elif kind is AMPHORA:
        filtered = {name: column_schema(column) for name, column in attributes().items()}
        name, schema = "Amphora", {"type": "object", "properties": filtered}
    else:
        raise TypeError(f"{kind} is not described")
    return Shown(
        name=name,
        title=kind.title.lower(),
        root=kind.root,
        plural=kind.plural,
        links=links,
        schema=schema,
        filters=filtered,
    )


def _quota_schema() -> Schema:
    schema = struct_schema(Quota)
    limit = struct_schema(_Limit)["properties"]["limit"]
    schema["properties"] |= {"tenant_id": _TEXT, **dict.fromkeys((*WIRE_NAMES, *WIRE_NAMES.values()), limit)}
    return schema


def answer(operation: Operation, shown: Shown | None) -> Schema | None:
    """Return the schema of an answer's body, None for none."""
    own = HISTORY.get((operation.method, operation.path.rpartition("/")[2]))
    if own is not None:
        return own
    if operation.method == "DELETE" or (operation.method == "PUT" and operation.on != "item"):
        return None
    if shown is None:
        return _OTHER.get(operation.path) or _OTHER[operation.path.rpartition("/")[2]]
    return shown.listed() if operation.on == "collection" and operation.method == "GET" else shown.alone()


def reference(name: str) -> Schema:
    """Return the reference to a named schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def _array(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _wrapped(root: str, schema: Schema) -> Schema:
    return {"type": "object", "properties": {root: schema}, "required": [root]}


def _statuses() -> Schema:
    """Describe the status tree, from the leaves up."""
    common = dict.fromkeys(("id", "name", "operating_status", "provisioning_status"), _TEXT)

    def node(**more: Any) -> Schema:
        return {"type": "object", "required": list(common), "properties": {**common, **more}}

    monitor = {"anyOf": [node(type=_TEXT), {"type": "null"}]}
    member = node(address=_TEXT, protocol_port=_COUNT)
    pools = _array(node(members=_array(member), health_monitor=monitor))
    reasons = {"provisioning_status_reason": _TEXT, "operating_status_reason": _TEXT}
    root = node(listeners=_array(node(pools=pools)), pools=pools, **reasons)
    return _wrapped("statuses", _wrapped("loadbalancer", root))


def _counters(*ids: str) -> Schema:
    properties = dict.fromkeys(ids, _TEXT) | dict.fromkeys(Counters.__struct_fields__, _COUNT)
    return {"type": "object", "required": list(properties), "properties": properties}


# What lists of hosts cannot be filtered by.
_HOST: Schema = {
    "zone": _TEXT,
    "physical_networks": {"type": "array", "items": _TEXT},
    "neutron_host": _TEXT,
    "capacity": _COUNT,
    "version": _TEXT,
    "state": {"enum": ["up", "silent", "draining", "drained", "disabled"]},
    "seen_at": {"type": ["string", "null"]},
}
_INVITATION: Schema = {
    "type": "object",
    "properties": dict.fromkeys(("url", "zone", "expires_at", "command"), _TEXT),
}
_NAMED: Schema = {"type": "object", "properties": {"name": _TEXT, "description": _TEXT}}

# Bodies that show no resource, by the operation's path or its last part.
_OTHER: dict[str, Schema] = {
    "status": _statuses(),
    "statuses": _statuses(),
    "stats": _wrapped("stats", _counters()),
    "default": _wrapped("quota", reference("Quota")),
    "providers": _wrapped("providers", _array(_NAMED)),
    "flavor_capabilities": _wrapped("flavor_capabilities", _array(_NAMED)),
    "availability_zone_capabilities": _wrapped("availability_zone_capabilities", _array(_NAMED)),
    "invitations": _wrapped("invitation", _INVITATION),
    "/amphorae/{id}/stats": _wrapped("amphora_stats", _array(_counters("id", "listener_id", "loadbalancer_id"))),
}
