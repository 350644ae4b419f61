"""The lenient manner of Octavia (WSME) and Neutron: booleans may be words, integers may be texts.

Unknown attributes are refused.
"""

import re
from functools import cache
from typing import Any

from msgspec import Struct, inspect

from hydria.http.defect import (
    Convert,
    Defect,
    check_bounds,
    check_length,
    converted_items,
    described,
    mandatory,
)
from hydria.http.formats import ANY_TYPE, FORMATS
from hydria.http.text import is_storable, truth


@cache
def plan(form: type[Struct], *, keep_spelling: bool) -> Convert:
    """Return the conversion of a JSON value to a form. It raises Defect; `keep_spelling` leaves IP addresses alone."""
    known = described(form)
    fields = {field.encode_name: (field.name, _converter(field.type, keep_spelling)) for field in known.fields}
    required = mandatory(known)

    def convert(body: Any) -> Any:
        if not isinstance(body, dict):
            raise Defect("wrong_type", value=body, limit=("object",))
        unknown = [key for key in body if key not in fields]
        if unknown:
            raise Defect("unknown_field", names=tuple(sorted(unknown)))
        for name in required:
            if name not in body:
                raise Defect("missing", path=(name,))
        values = {}
        for key, value in body.items():
            name, converter = fields[key]
            try:
                values[name] = converter(value)
            except Defect as defect:
                defect.path = (key, *defect.path)
                raise
        return form(**values)

    return convert


def _converter(kind: inspect.Type, keep_spelling: bool) -> Convert:
    if isinstance(kind, inspect.UnionType):
        return _optional(kind, keep_spelling)
    if isinstance(kind, inspect.Metadata):
        return _formatted(kind, keep_spelling)
    if isinstance(kind, inspect.StructType):
        return plan(kind.cls, keep_spelling=keep_spelling)
    if isinstance(kind, inspect.ListType | inspect.VarTupleType):
        return _list(_converter(kind.item_type, keep_spelling))
    if isinstance(kind, inspect.DictType):
        return _dict(_converter(kind.value_type, keep_spelling))
    return _scalar(kind)


def _formatted(kind: inspect.Metadata, keep_spelling: bool) -> Convert:
    name = (kind.extra or {})["format"]
    inner = _converter(kind.type, keep_spelling)
    check, problem = FORMATS[name]
    kept = keep_spelling and name == "ipaddress"

    def convert(value: Any) -> Any:
        text = value if name in ANY_TYPE and not isinstance(value, str) else inner(value)
        try:
            checked = check(text)
        except (ValueError, AttributeError, TypeError):
            raise Defect(problem, value=text) from None  # type: ignore[arg-type]
        return value if kept else checked

    return convert


def _scalar(kind: inspect.Type) -> Convert:
    if isinstance(kind, inspect.LiteralType):
        return _literal(kind.values)
    if isinstance(kind, inspect.StrType):
        return _text(kind)
    if isinstance(kind, inspect.IntType):
        return _integer(kind)
    if isinstance(kind, inspect.BoolType):
        return _boolean
    if isinstance(kind, inspect.AnyType):
        return lambda value: value
    raise TypeError(f"no form may have a field of {kind}")


def _optional(kind: inspect.UnionType, keep_spelling: bool) -> Convert:
    inner = [_converter(each, keep_spelling) for each in kind.types if not isinstance(each, inspect.NoneType)]
    if len(inner) != 1:
        raise TypeError(f"no form may have a field of {kind}")
    convert = inner[0]
    return lambda value: None if value is None else convert(value)


def _boolean(value: Any) -> bool:
    if isinstance(value, int):
        return bool(value)
    meant = truth(value) if isinstance(value, str) else None
    if meant is None:
        raise Defect("not_boolean", value=value)
    return meant


def _integer(kind: inspect.IntType) -> Convert:
    def convert(value: Any) -> int:
        try:
            number = int(value)
        except (TypeError, ValueError, OverflowError):
            raise Defect("not_integer", value=value) from None
        check_bounds(number, kind)
        # A database's integer has 64 bits.
        if not -(2**63) <= number < 2**63:
            raise Defect("out_of_range", value=number)
        return number

    return convert


def _text(kind: inspect.StrType) -> Convert:
    pattern = re.compile(kind.pattern) if kind.pattern else None

    def convert(value: Any) -> str:
        if not isinstance(value, str):
            raise Defect("wrong_type", value=value, limit=("string",))
        check_length(value, kind)
        if pattern is not None and not pattern.search(value):
            raise Defect("no_match", value=value, limit=pattern.pattern)
        if not is_storable(value):
            raise Defect("not_storable", value=value.replace("\0", "\\0"))
        return value

    return convert


def _literal(values: tuple[Any, ...]) -> Convert:
    # A number may come as text, and text that looks like a number ("1.1") as one.
    known = {_plain(value): value for value in values}

    def convert(value: Any) -> Any:
        if isinstance(value, str | int | float) and not isinstance(value, bool) and _plain(value) in known:
            return known[_plain(value)]
        raise Defect("not_in", value=value, limit=values)

    return convert


def _plain(value: str | float) -> str | float:
    try:
        return float(value)
    except (ValueError, OverflowError):
        return value


def _list(convert_item: Convert) -> Convert:
    def convert(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise Defect("wrong_type", value=value, limit=("array",))
        return converted_items(value, convert_item)

    return convert


def _dict(convert_value: Convert) -> Convert:
    def convert(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise Defect("wrong_type", value=value, limit=("object",))
        return _values(value, convert_value)

    return convert


def _values(value: dict[str, Any], convert_value: Convert) -> dict[str, Any]:
    try:
        return {key: convert_value(item) for key, item in value.items()}
    except Defect as defect:
        defect.container = value
        defect.path = (None, *defect.path)
        raise
