"""The strict manner of Keystone and Barbican: JSON's types as they are.

An unknown attribute is ignored, refused where the form says `forbid_unknown_fields`, and kept where the form has a
field `extra`.
"""

import re
from collections.abc import Callable
from functools import cache
from typing import Any

from msgspec import Struct, inspect

from hydria.http.defect import (
    TYPES_IN_ORDER,
    Convert,
    Defect,
    check_bounds,
    check_length,
    converted_items,
    described,
    json_type,
    mandatory,
)


@cache
def plan(form: type[Struct]) -> Convert:
    """Return the conversion of a JSON value to a form. It raises Defect."""
    known = described(form)
    fields = {
        field.encode_name: (field.name, _converter(field.type)) for field in known.fields if field.name != "extra"
    }
    required = mandatory(known)
    keeping, refusing = "extra" in form.__struct_fields__, known.forbid_unknown_fields

    def convert(body: Any) -> Any:
        if not isinstance(body, dict):
            raise Defect("wrong_type", value=body, limit=("object",))
        values: dict[str, Any] = {}
        extra: dict[str, Any] = {}
        for key, value in body.items():
            if key not in fields:
                if refusing:
                    raise Defect("unknown_field", names=(key,))
                extra[key] = value
                continue
            name, converter = fields[key]
            try:
                values[name] = converter(value)
            except Defect as defect:
                defect.path = (key, *defect.path)
                raise
        for name in required:
            if name not in body:
                raise Defect("missing", path=(name,))
        return form(**values, extra=extra) if keeping else form(**values)

    return convert


def _converter(kind: inspect.Type) -> Convert:
    """Return the conversion of any value by JSON's types."""
    by_type = _by_type(kind)
    if by_type is None:
        return lambda value: value
    expected = tuple(name for name in TYPES_IN_ORDER if name in by_type)

    def convert(value: Any) -> Any:
        converter = by_type.get(json_type(value))
        if converter is None:
            raise Defect("wrong_type", value=value, limit=expected)
        return converter(value)

    return convert


def _by_type(kind: inspect.Type) -> dict[str, Convert] | None:
    """Return a conversion for each of JSON's types that is taken, None where all are."""
    if isinstance(kind, inspect.AnyType):
        return None
    if isinstance(kind, inspect.UnionType):
        return {name: convert for each in kind.types for name, convert in (_by_type(each) or {}).items()}
    if type(kind) not in _KINDS:
        raise TypeError(f"no form may have a field of {kind}")
    name, converter_of = _KINDS[type(kind)]
    return {name: converter_of(kind)}


def _as_it_is(_kind: inspect.Type) -> Convert:
    return lambda value: value


def _text(kind: inspect.StrType) -> Convert:
    pattern = re.compile(kind.pattern) if kind.pattern else None

    def convert(value: str) -> str:
        check_length(value, kind)
        if pattern is not None and not pattern.search(value):
            raise Defect("no_match", value=value, limit=pattern.pattern)
        return value

    return convert


def _literal(kind: inspect.LiteralType) -> Convert:
    def convert(value: str) -> str:
        if value not in kind.values:
            raise Defect("not_in", value=value, limit=kind.values)
        return value

    return convert


def _integer(kind: inspect.IntType) -> Convert:
    def convert(value: int) -> int:
        check_bounds(value, kind)
        return value

    return convert


def _list(kind: inspect.ListType | inspect.VarTupleType) -> Convert:
    item, made = _converter(kind.item_type), tuple if isinstance(kind, inspect.VarTupleType) else list

    def convert(value: list[Any]) -> Any:
        check_length(value, kind)
        return made(converted_items(value, item))

    return convert


def _dict(kind: inspect.DictType) -> Convert:
    convert_key, convert_value = _converter(kind.key_type), _converter(kind.value_type)

    def convert(value: dict[str, Any]) -> dict[str, Any]:
        made = {}
        for key, item in value.items():
            try:
                convert_key(key)
            except Defect as defect:
                defect.in_key = True
                raise
            try:
                made[key] = convert_value(item)
            except Defect as defect:
                defect.path = (None, *defect.path)
                raise
        return made

    return convert


# JSON's type of each type that a form may have, and what makes its conversion.
_KINDS: dict[type[inspect.Type], tuple[str, Callable[[Any], Convert]]] = {
    inspect.NoneType: ("null", _as_it_is),
    inspect.BoolType: ("boolean", _as_it_is),
    inspect.IntType: ("integer", _integer),
    inspect.StrType: ("string", _text),
    inspect.LiteralType: ("string", _literal),
    inspect.ListType: ("array", _list),
    inspect.VarTupleType: ("array", _list),
    inspect.DictType: ("object", _dict),
    inspect.StructType: ("object", lambda kind: plan(kind.cls)),
}
