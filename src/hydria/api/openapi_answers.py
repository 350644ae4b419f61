"""What the API's answers are, for its description: which schema stands at which path, and how it is wrapped."""

from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from hydria.api import amphorae
from hydria.api.admin_resource import AdminResourceType
from hydria.api.collection import Collection
from hydria.api.openapi_schemas import Schema, body_schema, column_schema, filters, struct_schema
from hydria.api.resource_types import ApiNames, ResourceType
from hydria.contract import Counters
from hydria.http.operation import Operation
from hydria.model.quota import WIRE_NAMES, Limit, Quota

_TEXT: Schema = {"type": "string"}
_COUNT: Schema = {"type": "integer"}


class Shown(Struct, frozen=True, kw_only=True):
    """How one kind of resource is shown: the name of its schema, and what wraps it alone and in lists.

    `title` is its name in sentences, `filters` are the attributes that its lists may be filtered by.
    """

    name: str
    title: str
    root: str
    plural: str
    links: str
    schema: Schema
    filters: dict[str, Schema]

    def alone(self) -> Schema:
        """Return the schema of an answer that shows one."""
        return _wrapped(self.root, reference(self.name))

    def listed(self) -> Schema:
        """Return the schema of a list of them."""
        link: Schema = {"type": "object", "required": ["rel", "href"], "properties": {"rel": _TEXT, "href": _TEXT}}
        properties = {self.plural: _array(reference(self.name)), self.links: _array(link)}
        return {"type": "object", "properties": properties, "required": list(properties)}


def shown_at(resources: Iterable[Collection]) -> dict[str, Shown]:
    """Return what stands at the paths of collections."""
    found = {each.path: _shown(each.kind) for each in resources}
    quota = struct_schema(Quota)
    limit = struct_schema(_Limit)["properties"]["limit"]
    quota["properties"] |= {"tenant_id": _TEXT, **dict.fromkeys((*WIRE_NAMES, *WIRE_NAMES.values()), limit)}
    found["/quotas"] = Shown(
        name="Quota",
        title="quota",
        root="quota",
        plural="quotas",
        links="quotas_links",
        schema=quota,
        filters=filters(Quota),
    )
    known = {name: column_schema(column) for name, column in amphorae.attributes().items()}
    found["/amphorae"] = Shown(
        name="Amphora",
        title="amphora",
        root="amphora",
        plural="amphorae",
        links="amphorae_links",
        schema={"type": "object", "properties": known},
        filters=known,
    )
    return found


class _Limit(Struct):
    limit: Limit | None


def _shown(kind: ApiNames) -> Shown:
    if isinstance(kind, ResourceType):
        schema, links = body_schema(kind), f"{kind.plural}_links"
    else:
        assert isinstance(kind, AdminResourceType)  # noqa: S101 - there are two sorts of kinds
        schema, links = struct_schema(kind.struct), kind.links
    return Shown(
        name=kind.struct.__name__,
        title=kind.title.lower(),
        root=kind.root,
        plural=kind.plural,
        links=links,
        schema=schema,
        filters=filters(kind.struct),
    )


def answer(operation: Operation, shown: Shown | None, *, collection: bool) -> Schema | None:
    """Return the schema of an answer's body, None for none."""
    if operation.method == "DELETE" or (operation.method == "PUT" and not operation.path.endswith("}")):
        return None
    if shown is None:
        return _OTHER.get(operation.path) or _OTHER[operation.path.rpartition("/")[2]]
    return shown.listed() if collection and operation.method == "GET" else shown.alone()


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


def _counters(*beside: str) -> Schema:
    properties = dict.fromkeys(beside, _TEXT) | dict.fromkeys(Counters.__struct_fields__, _COUNT)
    return {"type": "object", "required": list(properties), "properties": properties}


_NAMED: Schema = {"type": "object", "properties": {"name": _TEXT, "description": _TEXT}}

# What shows no resource, by its path or the last part of it.
_OTHER: dict[str, Schema] = {
    "status": _statuses(),
    "statuses": _statuses(),
    "stats": _wrapped("stats", _counters()),
    "default": _wrapped("quota", reference("Quota")),
    "providers": _wrapped("providers", _array(_NAMED)),
    "flavor_capabilities": _wrapped("flavor_capabilities", _array(_NAMED)),
    "availability_zone_capabilities": _wrapped("availability_zone_capabilities", _array(_NAMED)),
    "/amphorae/{id}/stats": _wrapped("amphora_stats", _array(_counters("id", "listener_id", "loadbalancer_id"))),
}
