"""A defect of a body: a machine code, its place, and the violated bound. The dialects word it."""

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

from msgspec import NODEFAULT, Struct, inspect

Convert = Callable[[Any], Any]

# A field, a place in a list, or None for some value of a dictionary.
Step: TypeAlias = str | int | None

Problem = Literal[
    "not_json",
    "nul",  # in a strict body: a text has a NUL
    "not_object",  # the body or what is below its root
    "missing_root",
    "unknown_field",  # `names` has the names
    "missing",
    "wrong_type",  # `limit` has the names of JSON's types that are taken
    "not_boolean",
    "not_integer",
    "too_small",  # `limit` has the bound, as in the next three
    "too_large",
    "too_short",
    "too_long",
    "out_of_range",  # of a database's integer
    "not_storable",
    "no_match",  # `limit` has the pattern
    "not_in",  # `limit` has the possible values
    "not_uuid",
    "not_ip",
    "not_cidr",
    "not_mac",
    "not_url_path",
    "not_url",
]

# JSON's types in the order in which a defect lists them.
_TYPES: Mapping[type, str] = {
    bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object", type(None): "null",
}  # fmt: skip
TYPES_IN_ORDER = tuple(_TYPES.values())


class Defect(Exception):
    """A defect of a body: its machine code, its place and the value.

    `path` leads from the body's root to the value. `container` is the list or dictionary of which the value is an
    item, None where it is none; `in_key` says that the value is a key of a dictionary, to which the path leads.
    """

    def __init__(
        self, problem: Problem, *, path: tuple[Step, ...] = (), value: Any = None, limit: Any = None,
        names: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        super().__init__(problem, path, value, limit, names)
        self.problem = problem
        self.path = path
        self.value = value
        self.limit = limit
        self.names = names
        self.container: Any = None
        self.in_key = False

    @property
    def fields(self) -> tuple[str, ...]:
        """The names on the path."""
        return tuple(step for step in self.path if isinstance(step, str))


def json_type(value: Any) -> str:
    """Return the name of JSON's type of a decoded value."""
    return _TYPES[type(value)]


def check_length(value: Any, kind: inspect.StrType | inspect.ListType | inspect.VarTupleType) -> None:
    """Raise Defect for a text or list that is shorter or longer than its type allows."""
    if kind.min_length is not None and len(value) < kind.min_length:
        raise Defect("too_short", value=value, limit=kind.min_length)
    if kind.max_length is not None and len(value) > kind.max_length:
        raise Defect("too_long", value=value, limit=kind.max_length)


def check_bounds(number: int, kind: inspect.IntType) -> None:
    """Raise Defect for a number below or above what its type allows."""
    if kind.ge is not None and number < kind.ge:
        raise Defect("too_small", value=number, limit=kind.ge)
    if kind.le is not None and number > kind.le:
        raise Defect("too_large", value=number, limit=kind.le)


def mandatory(described: inspect.StructType) -> list[str]:
    """Return the fields that a body must have."""
    return [
        field.encode_name
        for field in described.fields
        if field.required and field.default is NODEFAULT and field.default_factory is NODEFAULT
    ]


def described(form: type[Struct]) -> inspect.StructType:
    """Return a form's fields and their types."""
    found = inspect.type_info(form)
    if not isinstance(found, inspect.StructType):
        raise TypeError(f"{form} is not a struct")
    return found


def converted_items(value: list[Any], convert_item: Convert) -> list[Any]:
    """Return a list with each item converted."""
    made: list[Any] = []
    try:
        for item in value:
            made.append(convert_item(item))  # noqa: PERF401 - the length tells which item has a defect
    except Defect as defect:
        if not defect.path:
            defect.container = value
        defect.path = (len(made), *defect.path)
        raise
    return made
