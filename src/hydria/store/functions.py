"""SQL functions that SQLite and PostgreSQL call by different names."""

from collections.abc import Collection
from typing import Any

from msgspec import json as msgspec_json
from sqlalchemy import Boolean, ColumnElement, Integer, Text, cast, literal, null
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class joined_strings(FunctionElement[str]):  # noqa: N801 - as functions are named
    """The strings of several rows, joined by commas, or NULL without rows.

    SQLAlchemy's `aggregate_strings` takes the separator as a bound value, which costs a traversal of the statement
    each time it is run.
    """

    type = Text()
    inherit_cache = True


@compiles(joined_strings, "sqlite")
def _in_sqlite(element: joined_strings, compiler: SQLCompiler, **how: Any) -> str:
    return f"group_concat({compiler.process(element.clauses, **how)})"


@compiles(joined_strings, "postgresql")
def _in_postgresql(element: joined_strings, compiler: SQLCompiler, **how: Any) -> str:
    return f"string_agg({compiler.process(element.clauses, **how)}, ',')"


# Many values are bound as one value, a JSON list: compiled statements are cached, so their text must not depend on
# the number of values that a client sends.


class _given(FunctionElement[str]):  # noqa: N801 - as functions are named
    """The strings of a JSON list, for IN."""

    type = Text()
    inherit_cache = True


@compiles(_given, "sqlite")
def _given_in_sqlite(element: _given, compiler: SQLCompiler, **how: Any) -> str:
    return f"(SELECT value FROM json_each({compiler.process(element.clauses, **how)}))"  # noqa: S608 - parts that SQLAlchemy wrote


@compiles(_given, "postgresql")
def _given_in_postgresql(element: _given, compiler: SQLCompiler, **how: Any) -> str:
    return f"(SELECT jsonb_array_elements_text(CAST({compiler.process(element.clauses, **how)} AS jsonb)))"


class _has(FunctionElement[bool]):  # noqa: N801 - as functions are named
    """True when a text contains at least one string of a JSON list."""

    type = Boolean()
    inherit_cache = True
    compared = "<>"


class _lacks(_has):  # noqa: N801 - as functions are named
    """True when a text lacks at least one string of a JSON list."""

    inherit_cache = True
    compared = "="


# `replace` instead of LIKE, which ignores case in SQLite.


@compiles(_has, "sqlite")
def _has_in_sqlite(element: _has, compiler: SQLCompiler, **how: Any) -> str:
    text, given = (compiler.process(clause, **how) for clause in element.clauses)
    found = f"replace({text}, given.value, '') {element.compared} {text}"
    return f"EXISTS (SELECT 1 FROM json_each({given}) AS given WHERE {found})"  # noqa: S608 - parts that SQLAlchemy wrote


@compiles(_has, "postgresql")
def _has_in_postgresql(element: _has, compiler: SQLCompiler, **how: Any) -> str:
    text, given = (compiler.process(clause, **how) for clause in element.clauses)
    found = f"replace({text}, given.value, '') {element.compared} {text}"
    texts = f"jsonb_array_elements_text(CAST({given} AS jsonb))"
    return f"EXISTS (SELECT 1 FROM {texts} AS given(value) WHERE {found})"  # noqa: S608 - parts that SQLAlchemy wrote


class _json_item(FunctionElement[str]):  # noqa: N801 - as functions are named
    """A string in a JSON text, by its key or index; NULL when there is none."""

    type = Text()
    inherit_cache = True


@compiles(_json_item, "sqlite")
def _json_item_in_sqlite(element: _json_item, compiler: SQLCompiler, **how: Any) -> str:
    text, key, index = (compiler.process(clause, **how) for clause in element.clauses)
    return f"(SELECT value FROM json_each({text}) WHERE key = coalesce({key}, {index}))"  # noqa: S608 - parts that SQLAlchemy wrote


@compiles(_json_item, "postgresql")
def _json_item_in_postgresql(element: _json_item, compiler: SQLCompiler, **how: Any) -> str:
    text, key, index = (compiler.process(clause, **how) for clause in element.clauses)
    return f"coalesce(CAST({text} AS jsonb) ->> CAST({key} AS text), CAST({text} AS jsonb) ->> CAST({index} AS int))"


def first_string(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return the first string of a JSON list."""
    return _json_item(column, cast(null(), Text), literal(0, Integer))


def string_at(column: ColumnElement[Any], key: str) -> ColumnElement[Any]:
    """Return the string of a JSON object that has a key."""
    return _json_item(column, literal(key, Text()), cast(null(), Integer))


def is_among(column: ColumnElement[Any], values: Collection[str]) -> ColumnElement[bool]:
    """Return the condition that a column equals one of the values."""
    if len(values) == 1:
        return column == next(iter(values))
    return column.op("IN", is_comparison=True)(_given(_list(values)))


def contains_any(column: ColumnElement[Any], texts: Collection[str]) -> ColumnElement[bool]:
    """Return the condition that a column contains at least one of the texts."""
    return _has(column, _list(texts))


def contains_all(column: ColumnElement[Any], texts: Collection[str]) -> ColumnElement[bool]:
    """Return the condition that a column contains all of the texts."""
    return ~_lacks(column, _list(texts))


def quoted(texts: Collection[str]) -> list[str]:
    """Return texts as JSON strings. Quotes inside are escaped, so a stored JSON list contains them only as a whole."""
    return [msgspec_json.encode(text).decode() for text in texts]


def _list(texts: Collection[str]) -> ColumnElement[str]:
    return literal(msgspec_json.encode(list(texts)).decode(), Text())
