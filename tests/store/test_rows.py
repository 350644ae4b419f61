"""Conversion of structs to rows and back, for every kind with a table."""

from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Meta, Struct
from sqlalchemy import BigInteger, Boolean, Text

from hydria.contract import Counters
from hydria.model import HealthMonitor, Listener, LoadBalancer, Member, Pool
from hydria.model.load_balancer import AdditionalVip
from hydria.model.pool import SessionPersistence
from hydria.store import Database, Transaction, columns, metadata, register
from hydria.store.resources import Amphora, Health, KnownHost, Traffic
from hydria.store.tables import rows_of

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
integers = st.integers(min_value=-(2**63), max_value=2**63 - 1)
# Their difference is in an index.
generations = st.integers(min_value=0, max_value=2**63 - 1)
KINDS: dict[type[Struct], dict[str, st.SearchStrategy[Any]]] = {
    LoadBalancer: {
        "additional_vips": st.lists(st.builds(AdditionalVip, subnet_id=texts, port_id=st.none() | texts)).map(tuple),
        "generation": generations,
        "observed": generations,
    },
    Listener: {"insert_headers": st.none() | st.dictionaries(texts, texts), "protocol": st.just("HTTP")},
    Pool: {
        "session_persistence": st.none() | st.builds(SessionPersistence, cookie_name=st.from_regex(r"\A[a-z]{1,9}\Z"))
    },
    Member: {},
    HealthMonitor: {},
    Amphora: {},
    KnownHost: {},
    Health: {},
    Traffic: {"counters": st.builds(Counters, bytes_in=integers, request_errors=integers)},
}


def structs_of(kind: type[Struct]) -> st.SearchStrategy[Struct]:
    known = {str: texts, int: integers, bool: st.booleans()}
    plain = {
        name: st.none() | known[column.type.python_type] if column.nullable else known[column.type.python_type]
        for name, column in columns(kind).items()
        if name in rows_of(kind).scalars
    }
    for field in msgspec.structs.fields(kind):
        if field.name == "tags":
            plain["tags"] = st.lists(texts).map(tuple)
    return st.builds(kind, **{**plain, **KINDS[kind]})


@pytest.mark.parametrize("kind", KINDS)
def test_a_struct_survives_the_conversion_to_a_row(database: Database, kind: type[Struct]) -> None:
    @settings(max_examples=40)
    @given(item=structs_of(kind))
    def check(item: Struct) -> None:
        def work(transaction: Transaction) -> list[Struct]:
            transaction.execute(rows_of(kind).table.delete())
            transaction.insert(item)
            return transaction.find(kind)

        assert database.transact(work) == [item]

    check()


class Odd(Struct, frozen=True, kw_only=True):
    """A struct with a field of every type."""

    key: Annotated[str, Meta(max_length=5)]
    state: Literal["a", "b"] = "a"
    maybe_state: Literal["a", "b"] | None = None
    number: int | None = None
    switch: bool = False
    names: tuple[str, ...] | None = None
    nested: Counters | None = None


def test_columns_are_made_from_the_fields() -> None:
    rows = register(Odd, "odd_for_tests", key=("key",), unique=(("state", "number"),), index=(("number",),))
    try:
        found = {name: (type(column.type), column.nullable) for name, column in columns(Odd).items()}
        assert found == {
            "key": (Text, False),
            "state": (Text, False),
            "maybe_state": (Text, True),
            "number": (BigInteger, True),
            "switch": (Boolean, False),
            "names": (Text, False),
            "nested": (Text, False),
        }
        assert rows.scalars == {"key", "state", "maybe_state", "number", "switch"}
        assert [column.name for column in rows.table.primary_key] == ["key"]
        assert {index.name for index in rows.table.indexes} == {"ix_odd_for_tests_number"}
        item = Odd(key="k", nested=Counters(bytes_in=2**62), names=("a", 'b"'))
        assert rows.load(rows.dump(item).values()) == item
        assert rows.load([*rows.dump(item).values(), "more"]) == item
    finally:
        metadata.remove(rows.table)
