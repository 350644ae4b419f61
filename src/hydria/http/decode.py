"""From JSON to forms, by a plan that is made once for each form.

A `Defect` has a machine code; the dialects word it.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct
from msgspec import json as msgspec_json

from hydria.http import lenient, strict
from hydria.http.defect import Defect
from hydria.http.text import has_nul

NO_ALIASES: Mapping[str, str] = {}


class Manner(Struct, frozen=True):
    """How strictly a dialect reads. `keep_spelling` leaves IP addresses as they were typed."""

    strict: bool = False
    keep_spelling: bool = False


LENIENT = Manner()
STRICT = Manner(strict=True)


def decode(
    raw: bytes,
    root: str | None,
    form: type[Struct],
    aliases: Mapping[str, str] = NO_ALIASES,
    *,
    manner: Manner = LENIENT,
) -> Any:
    """Return `form` from a body `{root: {…}}`, or `{…}` where root is None. Raises Defect.

    `aliases` are old names of attributes at the top; the new name wins where both are given.
    """
    try:
        body = msgspec_json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Defect("not_json") from None
    if not isinstance(body, dict):
        raise Defect("not_object", value=body)
    # JSON cannot have a bare NUL, so most bodies need no second look.
    if manner.strict and b"\\u0000" in raw and has_nul(body):
        raise Defect("nul")
    if root is None:
        return _plan(form, manner)(body)
    unknown = () if manner.strict else tuple(key for key in body if key != root)
    if unknown:
        raise Defect("unknown_field", names=unknown)
    inner = body.get(root)
    if not isinstance(inner, dict):
        raise Defect("not_object" if root in body else "missing_root", path=(root,), value=inner)
    for old, new in aliases.items():
        if old in inner and new in form.__struct_fields__:
            inner.setdefault(new, inner.pop(old))
    try:
        return _plan(form, manner)(inner)
    except Defect as defect:
        defect.path = (root, *defect.path)
        raise


def _plan(form: type[Struct], manner: Manner) -> Any:
    return strict.plan(form) if manner.strict else lenient.plan(form, keep_spelling=manner.keep_spelling)
