"""The JSON schemas of the API's description: of the forms that are decoded and of the bodies that views write."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, get_args

import msgspec
from msgspec import NODEFAULT, Struct, inspect
from sqlalchemy import Boolean, ColumnElement, Integer

from hydria.api.resource_types import ResourceType
from hydria.api.views import HIDDEN, LoadedResource, body_with
from hydria.model import Resource
from hydria.model.status import OperatingStatus, Progress, ProvisioningStatus
from hydria.store import columns
from hydria.store.tables import rows_of

Schema = dict[str, Any]

_UUID: Schema = {"type": "string", "format": "uuid"}
_SAMPLE = "00000000-0000-4000-8000-000000000000"

FAULT: Schema = {
    "type": "object",
    "description": "Why a request is refused.",
    "required": ["faultcode", "faultstring", "debuginfo"],
    "properties": {
        "faultcode": {"enum": ["Client", "Server"]},
        "faultstring": {"type": "string"},
        "debuginfo": {"type": "null"},
    },
}

# Attributes that bodies show in another form than the stored one.
_WRITTEN: dict[str, Schema] = {
    "provisioning_status": {"enum": list(get_args(ProvisioningStatus))},
    "operating_status": {"enum": list(get_args(OperatingStatus))},
    "http_version": {"type": ["number", "null"]},
    "created_at": {"type": ["string", "null"], "description": "UTC, YYYY-MM-DDTHH:MM:SS."},
    "updated_at": {"type": ["string", "null"], "description": "UTC, YYYY-MM-DDTHH:MM:SS."},
}


def form_schemas(forms: Iterable[type[Struct]]) -> dict[str, Schema]:
    """Return the schemas of forms and of the structs inside them, by name. Unknown attributes are refused."""
    _, found = msgspec.json.schema_components(list(dict.fromkeys(forms)), ref_template="#/components/schemas/{name}")
    for schema in found.values():
        # Only Octavia's provider driver may choose ids.
        schema.get("properties", {}).pop("id", None)
    return {name: {**_ecma(schema), "additionalProperties": False} for name, schema in found.items()}


def body_schema(kind: ResourceType[Any]) -> Schema:
    """Return the schema of a resource's body. No attribute is `required`, because `fields` may leave each out."""
    _, found = msgspec.json.schema_components([kind.struct], ref_template="#/$defs/{name}")
    stored = found.pop(kind.struct.__name__)
    properties = {
        name: _WRITTEN.get(name) or _inlined(stored["properties"].get(name) or _guess(value), found)
        for name, value in _sample_body(kind).items()
    }
    for schema in properties.values():
        schema.pop("default", None)
    described: Schema = _ecma({"type": "object", "properties": properties})
    return described


def struct_schema(struct: type[Struct]) -> Schema:
    """Return the schema of a body that shows a struct as it is stored; no attribute is `required`."""
    _, found = msgspec.json.schema_components([struct], ref_template="#/$defs/{name}")
    properties = found[struct.__name__]["properties"]
    for schema in properties.values():
        schema.pop("default", None)
    return {"type": "object", "properties": properties}


def column_schema(column: ColumnElement[Any]) -> Schema:
    """Return the schema of a column, which may be null."""
    return {"type": [_scalar(column.type)["type"], "null"]}


def filters(struct: type[Struct]) -> dict[str, Schema]:
    """Return the attributes that a list can be filtered by, with their schemas."""
    scalars = rows_of(struct).scalars - HIDDEN
    stored = columns(struct)
    found = {name: _scalar(stored[name].type) for name in struct.__struct_fields__ if name in scalars}
    if issubclass(struct, Resource):
        found |= {name: _WRITTEN[name] for name in ("provisioning_status", "operating_status")}
    return found


def _scalar(kind: Any) -> Schema:
    if isinstance(kind, Boolean):
        return {"type": "boolean"}
    return {"type": "integer"} if isinstance(kind, Integer) else {"type": "string"}


def _sample_body(kind: ResourceType[Any]) -> dict[str, Any]:
    """Return the body of a made-up resource of a kind, for the names of its attributes."""
    described: Any = inspect.type_info(kind.struct)
    values = {field.name: _sample(field.type) for field in described.fields if field.default is NODEFAULT}
    values = {name: value for name, value in values.items() if value is not None}
    progress = Progress(generation=1, observed=1, failed=0, reason=None, deleted_in=None)
    loaded = LoadedResource(
        kind=kind,
        resource=msgspec.convert(values, kind.struct),
        progress=progress,
        operating_status="ONLINE",
        load_balancer_id=_SAMPLE,
    )
    return body_with(loaded, defaultdict(lambda: [_SAMPLE]))


def _sample(kind: inspect.Type) -> Any:
    match kind:
        case inspect.Metadata(type=inner):
            return _sample(inner)
        case inspect.LiteralType(values=values):
            return values[0]
        case inspect.StrType():
            return _SAMPLE
        case inspect.IntType():
            return 1
        case inspect.BoolType():
            return True
        case _:
            return None


def _guess(value: Any) -> Schema:
    """Return the schema of an attribute that is not stored: ids, alone or in lists."""
    if isinstance(value, list):
        return {"type": "array", "items": {"type": "object", "required": ["id"], "properties": {"id": _UUID}}}
    return {"type": ["string", "null"]}


def _inlined(schema: Any, named: dict[str, Schema]) -> Any:
    """Replace references to inner structs by their schemas."""
    if isinstance(schema, list):
        return [_inlined(item, named) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(named[schema["$ref"].rpartition("/")[2]], named)
    return {key: _inlined(value, named) for key, value in schema.items()}


def _ecma(schema: Any) -> Any:
    r"""Write patterns in JSON Schema's dialect, which has no `\Z`."""
    if isinstance(schema, list):
        return [_ecma(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: value.replace(r"\Z", "$") if key == "pattern" and isinstance(value, str) else _ecma(value)
        for key, value in schema.items()
    }
