"""SQL functions that SQLite and PostgreSQL call by different names."""

from typing import Any

from sqlalchemy import Text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class strung(FunctionElement[str]):  # noqa: N801 - as functions are named
    """The strings of several rows with commas between them, or NULL of none.

    SQLAlchemy's own `aggregate_strings` takes the separator as a value, which costs a look through the statement each
    time that it is run.
    """

    type = Text()
    inherit_cache = True


@compiles(strung, "sqlite")
def _in_sqlite(element: strung, compiler: SQLCompiler, **how: Any) -> str:
    return f"group_concat({compiler.process(element.clauses, **how)})"


@compiles(strung, "postgresql")
def _in_postgresql(element: strung, compiler: SQLCompiler, **how: Any) -> str:
    return f"string_agg({compiler.process(element.clauses, **how)}, ',')"
