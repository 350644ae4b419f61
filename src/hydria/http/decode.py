"""From JSON to forms, as lenient and as strict as Octavia's WSME: a plan for each form, made once.

A plan raises `Defect`; the dialects word it. Booleans may be `"yes"`, `"on"` or `1`, integers may be strings,
unknown attributes are refused.
"""

import re
import uuid
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import msgspec
from msgspec import NODEFAULT, Struct, inspect
from msgspec import json as msgspec_json

from hydria.model.addresses import canonical_cidr, canonical_ip, canonical_mac

Convert = Callable[[Any], Any]

NO_ALIASES: Mapping[str, str] = {}

# RFC 3986: a path of percent-encoded and plain characters, then maybe a query.
_URL_PATH = re.compile(r"/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*(?:\?(?:[!$&-\[\]-~]|%[0-9A-Fa-f]{2})*)?")

# RFC 3986 with a scheme of the web's and a host; in a query anything that is printed.
_URL = re.compile(
    r"https?://(?:(?:[A-Za-z0-9._~!$&'()*+,;=:-]|%[0-9A-Fa-f]{2})*@)?"
    r"(?:\[[0-9A-Fa-f:.]+\]|(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+)(?::[0-9]*)?"
    r"(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*)?(?:[?#][!-~]*)?",
    re.IGNORECASE,
)

_TRUE = ("true", "t", "yes", "y", "on", "1")
_FALSE = ("false", "f", "no", "n", "off", "0")


class Defect(Exception):
    """What is wrong with a body. `problem` is json, body, unknown, missing or invalid; `path` the fields above."""

    def __init__(self, problem: str, *, path: tuple[str, ...] = (), value: Any = None, why: str = "") -> None:
        super().__init__(problem, path, why)
        self.problem = problem
        self.path = path
        self.value = value
        self.why = why
        # The list or dict of which the value is an item, if it is one.
        self.whole: Any = None


def decode(
    raw: bytes,
    root: str | None,
    form: type[Struct],
    aliases: Mapping[str, str] = NO_ALIASES,
    *,
    keep_spelling: bool = False,
) -> Any:
    """Return `form` from a body `{root: {…}}`, or `{…}` where root is None. Raises Defect.

    `aliases` are old names of attributes at the top; the new name wins where both are given.
    `keep_spelling` leaves IP addresses as they were typed.
    """
    try:
        body = msgspec_json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Defect("json", why=str(error)) from None
    if not isinstance(body, dict):
        raise Defect("body", why="Request must be a JSON dict")
    if root is None:
        return _plan(form, keep_spelling)(body)
    unknown = [key for key in body if key != root]
    if unknown:
        raise Defect("unknown", why=", ".join(unknown))
    if not isinstance(body.get(root), dict):
        raise Defect("body", path=(root,), value=body.get(root), why=f"Request must have a JSON dict '{root}'")
    inner = body[root]
    for old, new in aliases.items():
        if old in inner and new in form.__struct_fields__:
            inner.setdefault(new, inner.pop(old))
    try:
        return _plan(form, keep_spelling)(inner)
    except Defect as defect:
        defect.path = (root, *defect.path)
        raise


@cache
def _plan(form: type[Struct], keep_spelling: bool) -> Convert:
    described = inspect.type_info(form)
    if not isinstance(described, inspect.StructType):
        raise TypeError(f"{form} is not a struct")
    fields = {field.encode_name: (field.name, _converter(field.type, keep_spelling)) for field in described.fields}
    mandatory = [field.encode_name for field in described.fields if field.required and _no_default(field)]

    def convert(body: Any) -> Any:
        if not isinstance(body, dict):
            raise Defect("invalid", value=body, why=f"Value not a valid dict: {body}")
        unknown = [key for key in body if key not in fields]
        if unknown:
            raise Defect("unknown", why=", ".join(sorted(unknown)))
        for name in mandatory:
            if name not in body:
                raise Defect("missing", path=(name,), why="Mandatory field missing.")
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


def _no_default(field: inspect.Field) -> bool:
    return field.default is NODEFAULT and field.default_factory is NODEFAULT


def _converter(kind: inspect.Type, keep_spelling: bool) -> Convert:
    if isinstance(kind, inspect.UnionType):
        return _optional(kind, keep_spelling)
    if isinstance(kind, inspect.Metadata):
        return _formatted(kind, keep_spelling)
    if isinstance(kind, inspect.StructType):
        return _plan(kind.cls, keep_spelling)
    if isinstance(kind, inspect.ListType | inspect.VarTupleType):
        return _list(_converter(kind.item_type, keep_spelling))
    if isinstance(kind, inspect.DictType):
        return _dict(_converter(kind.value_type, keep_spelling))
    return _scalar(kind)


def _formatted(kind: inspect.Metadata, keep_spelling: bool) -> Convert:
    inner, check = _converter(kind.type, keep_spelling), _FORMATS[(kind.extra or {})["format"]]
    # These say of any value what it should be.
    first = check in (_uuid, _ip_address)
    kept = keep_spelling and check is _ip_address

    def convert(value: Any) -> Any:
        checked = check(value if first and not isinstance(value, str) else inner(value))
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


def _invalid(value: Any, why: str) -> Defect:
    return Defect("invalid", value=value, why=why)


def _boolean(value: Any) -> bool:
    if isinstance(value, int):
        return bool(value)
    text = value.strip().lower() if isinstance(value, str) else None
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise _invalid(value, f"Value not an unambiguous boolean: {value}")


def _integer(kind: inspect.IntType) -> Convert:
    def convert(value: Any) -> int:
        try:
            number = int(value)
        except (TypeError, ValueError, OverflowError):
            raise _invalid(value, f"invalid literal for int() with base 10: {value!r}") from None
        if kind.ge is not None and number < kind.ge:
            raise _invalid(number, f"Value should be greater or equal to {kind.ge}")
        if kind.le is not None and number > kind.le:
            raise _invalid(number, f"Value should be lower or equal to {kind.le}")
        # What a database's integer cannot hold is nobody's value.
        if not -(2**63) <= number < 2**63:
            raise _invalid(number, "Value is out of range")
        return number

    return convert


def _text(kind: inspect.StrType) -> Convert:
    pattern = re.compile(kind.pattern) if kind.pattern else None

    def convert(value: Any) -> str:
        if not isinstance(value, str):
            raise _invalid(value, "Value should be string")
        if kind.min_length is not None and len(value) < kind.min_length:
            raise _invalid(value, f"Value should have a minimum character requirement of {kind.min_length}")
        if kind.max_length is not None and len(value) > kind.max_length:
            raise _invalid(value, f"Value should have a maximum character requirement of {kind.max_length}")
        if pattern is not None and not pattern.search(value):
            raise _invalid(value, f"Value should match the pattern {pattern.pattern}")
        if "\0" in value or any("\ud800" <= char <= "\udfff" for char in value):
            raise _invalid(value.replace("\0", "\\0"), "Value has characters that cannot be stored")
        return value

    return convert


def _literal(values: tuple[Any, ...]) -> Convert:
    # A number may come as text, and text that looks like a number ("1.1") as one.
    known = {_plain(value): value for value in values}

    def convert(value: Any) -> Any:
        if isinstance(value, str | int | float) and not isinstance(value, bool) and _plain(value) in known:
            return known[_plain(value)]
        raise _invalid(value, f"Value should be one of: {', '.join(map(str, values))}")

    return convert


def _plain(value: str | float) -> str | float:
    try:
        return float(value)
    except (ValueError, OverflowError):
        return value


def _list(convert_item: Convert) -> Convert:
    def convert(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise _invalid(value, f"Value not a valid list: {value}")
        try:
            return [convert_item(item) for item in value]
        except Defect as defect:
            if not defect.path:
                defect.whole = value
            raise

    return convert


def _dict(convert_value: Convert) -> Convert:
    def convert(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _invalid(value, f"Value not a valid dict: {value}")
        try:
            return {key: convert_value(item) for key, item in value.items()}
        except Defect as defect:
            defect.whole = value
            raise

    return convert


def _uuid(value: Any) -> str:
    try:
        return str(uuid.UUID(value))
    except (ValueError, AttributeError, TypeError):
        raise _invalid(value, "Value should be UUID format") from None


def _ip_address(value: Any) -> str:
    try:
        return canonical_ip(value)
    except (ValueError, TypeError):
        raise _invalid(value, "Value should be IPv4 or IPv6 format") from None


def _cidr(value: str) -> str:
    try:
        return canonical_cidr(value)
    except ValueError:
        raise _invalid(value, "Value should be IPv4 or IPv6 CIDR format") from None


def _url_path(value: str) -> str:
    if not _URL_PATH.fullmatch(value):
        raise _invalid(value, "Value must be a valid URL Path string")
    return value


def _url(value: str) -> str:
    if not _URL.fullmatch(value):
        raise _invalid(value, "Value must be a valid URL string")
    return value


def _mac(value: str) -> str:
    try:
        return canonical_mac(value)
    except ValueError:
        raise _invalid(value, f"'{value}' is not a valid MAC address") from None


_FORMATS: dict[str, Callable[[str], str]] = {
    "uuid": _uuid,
    "ipaddress": _ip_address,
    "cidr": _cidr,
    "url_path": _url_path,
    "mac": _mac,
    "url": _url,
}
