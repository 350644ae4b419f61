"""A revision: a load balancer's tree after one change of it, kept as what the change touched. Pure."""

import base64
import zlib
from collections.abc import Iterable
from functools import cache
from typing import Any

import msgspec
from msgspec import Struct, structs

from hydria.model.base import Resource
from hydria.model.differences import COUNTED, KINDS, State, kind_name

_GENERATIONS = frozenset({"created_in", "changed_in", "deleted_in"})


class Touched(Struct, frozen=True, kw_only=True):
    """What one change touched: resources as they are after it, and the ids of those that it deleted.

    The resources are JSON objects by the name of their kind, without attributes that have their default.
    """

    resources: dict[str, list[dict[str, Any]]] = {}
    deleted: tuple[str, ...] = ()


_decoder = msgspec.json.Decoder(Touched)


# Longer texts are compressed (characters): a batch of members touches all members of a pool.
_SHORT = 4096
_COMPRESSED = "z:"


def pack(resources: Iterable[Resource], deleted: Iterable[str] = ()) -> str:
    """Return the text of a revision; a long one is compressed."""
    packed: dict[str, list[dict[str, Any]]] = {}
    for resource in resources:
        packed.setdefault(kind_name(resource), []).append(_compact(resource))
    text = msgspec.json.encode(Touched(resources=packed, deleted=tuple(deleted)))
    if len(text) <= _SHORT:
        return text.decode()
    # The fastest level: it is most of what can be gained.
    return _COMPRESSED + base64.b64encode(zlib.compress(text, 1)).decode()


def unpack(text: str) -> Touched:
    """Return what a revision's text says."""
    if text.startswith(_COMPRESSED):
        return _decoder.decode(zlib.decompress(base64.b64decode(text.removeprefix(_COMPRESSED))))
    return _decoder.decode(text)


def applied(state: State, touched: Touched) -> dict[str, Resource]:
    """Return the state after a change, parents first."""
    merged = dict(state)
    for key in touched.deleted:
        merged.pop(key, None)
    for name, found in touched.resources.items():
        merged |= {each["id"]: msgspec.convert(each, KINDS[name]) for each in found}
    order = list(KINDS.values())
    return dict(sorted(merged.items(), key=lambda item: (order.index(type(item[1])), item[1].created_at, item[0])))


def _compact(resource: Resource) -> dict[str, Any]:
    found = {}
    for name, default in _kept(type(resource)):
        value = getattr(resource, name)
        if value != default:
            found[name] = msgspec.to_builtins(value)
    return found


@cache
def _kept(kind: type[Resource]) -> tuple[tuple[str, Any], ...]:
    """Return the attributes that are kept, with their defaults."""
    left_out = _GENERATIONS | COUNTED
    return tuple((field.name, _default(field)) for field in structs.fields(kind) if field.name not in left_out)


def _default(field: structs.FieldInfo) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default
