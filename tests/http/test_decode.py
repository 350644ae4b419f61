"""From JSON to forms: what is taken, what is refused, and where the refusal points."""

import json
from contextlib import suppress
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, Meta, Struct, UnsetType

from hydria.http.decode import STRICT, decode
from hydria.http.defect import Defect
from hydria.model.create import LoadBalancerCreate
from hydria.model.fields import Cidr, IpAddress, Maybe, UrlPath, Uuid

KEY = "6d8ef4c5-1a2b-4c3d-8e9f-0a1b2c3d4e5f"


class Inner(Struct, kw_only=True):
    """A form in a form."""

    port: Annotated[int, Meta(ge=1, le=9)]


class Form(Struct, kw_only=True):
    """One field of every sort."""

    name: Maybe[Annotated[str, Meta(max_length=5)]] = UNSET
    switch: Maybe[bool] = UNSET
    number: Maybe[int] = UNSET
    kind: Maybe[Literal["a", "b"]] = UNSET
    key: Maybe[Uuid] = UNSET
    address: Maybe[IpAddress] = UNSET
    cidr: Maybe[Cidr] = UNSET
    path: Maybe[UrlPath] = UNSET
    parts: Maybe[list[Inner]] = UNSET
    headers: Maybe[dict[str, str]] = UNSET
    anything: Maybe[list[Any]] = UNSET
    project_id: Maybe[str] = UNSET


def read(field: str, value: Any) -> Any:
    return getattr(decode(json.dumps({"thing": {field: value}}).encode(), "thing", Form), field)


@pytest.mark.parametrize(
    ("field", "value", "wanted"),
    [
        *[("switch", value, True) for value in (True, 1, "true", "True", "yes", "on", "1", "t", "y", 7)],
        *[("switch", value, False) for value in (False, 0, "false", "no", "off", "0", "f", "n", "OFF")],
        *[("number", value, 5) for value in (5, "5", 5.9, " 5 ")],
        ("number", -(2**63), -(2**63)),
        ("number", None, None),
        ("kind", "a", "a"),
        ("key", KEY.upper(), KEY),
        ("key", KEY.replace("-", ""), KEY),
        ("address", "2001:db8::1", "2001:db8::1"),
        ("cidr", "10.0.0.7/8", "10.0.0.0/8"),
        ("path", "/a/b%20c?x=1&y=[2]", "/a/b%20c?x=1&y=[2]"),
        ("headers", {"a": "b"}, {"a": "b"}),
        ("anything", [1, {"x": None}], [1, {"x": None}]),
        ("parts", [], []),
    ],
)
def test_accepted_values(field: str, value: Any, wanted: Any) -> None:
    assert read(field, value) == wanted


@pytest.mark.parametrize(
    ("field", "value", "path", "problem", "limit"),
    [
        ("name", "sixsix", (), "too_long", 5),
        ("name", 5, (), "wrong_type", ("string",)),
        ("name", {"a": 1}, (), "wrong_type", ("string",)),
        ("name", "a\0", (), "not_storable", None),
        ("switch", "maybe", (), "not_boolean", None),
        ("switch", 0.5, (), "not_boolean", None),
        ("number", "5.5", (), "not_integer", None),
        ("number", {}, (), "not_integer", None),
        ("number", 2**63, (), "out_of_range", None),
        ("number", 1e300, (), "out_of_range", None),
        ("kind", "c", (), "not_in", ("a", "b")),
        ("kind", [], (), "not_in", ("a", "b")),
        ("key", "x", (), "not_uuid", None),
        ("key", 5, (), "not_uuid", None),
        ("address", "10.0.0.256", (), "not_ip", None),
        ("address", "::1%lo", (), "not_ip", None),
        ("cidr", "10.0.0.0/40", (), "not_cidr", None),
        ("path", "a", (), "not_url_path", None),
        ("path", "/a\n", (), "not_url_path", None),
        ("path", "/ä", (), "not_url_path", None),
        ("path", "/%", (), "not_url_path", None),
        ("path", "/?%4", (), "not_url_path", None),
        ("path", "/?a\\b", (), "not_url_path", None),
        ("parts", {}, (), "wrong_type", ("array",)),
        ("parts", [5], (0,), "wrong_type", ("object",)),
        ("parts", [{"port": 1}, {"port": 10}], (1, "port"), "too_large", 9),
        ("parts", [{"port": 0}], (0, "port"), "too_small", 1),
        ("headers", {"a": 5}, (None,), "wrong_type", ("string",)),
        ("headers", [], (), "wrong_type", ("object",)),
    ],
)
def test_refused_values(field: str, value: Any, path: tuple[Any, ...], problem: str, limit: Any) -> None:
    with pytest.raises(Defect) as caught:
        read(field, value)
    defect = caught.value
    assert (defect.problem, defect.limit, defect.path) == (problem, limit, ("thing", field, *path))


def test_missing_and_unknown_attributes() -> None:
    with pytest.raises(Defect) as caught:
        read("parts", [{}])
    assert (caught.value.problem, caught.value.path) == ("missing", ("thing", "parts", 0, "port"))
    with pytest.raises(Defect) as caught:
        read("parts", [{"port": 1, "z": 1, "a": 2}])
    defect = caught.value
    assert (defect.problem, defect.fields, defect.names) == ("unknown_field", ("thing", "parts"), ("a", "z"))


class Keeping(Struct, frozen=True, kw_only=True):
    """A form that keeps unknown attributes."""

    name: str | None | UnsetType = UNSET
    size: Annotated[int, Meta(ge=1)] = 1
    on: bool = False
    tags: tuple[Annotated[str, Meta(max_length=2)], ...] = ()
    labels: dict[Annotated[str, Meta(max_length=2)], str] = {}
    extra: dict[str, Any] = {}


def test_strict_forms_keep_unknown_attributes() -> None:
    raw = b'{"other": 1, "thing": {"name": null, "tags": ["a"], "colour": "red", "extra": 5}}'
    found = decode(raw, "thing", Keeping, manner=STRICT)
    assert found == Keeping(name=None, tags=("a",), extra={"colour": "red", "extra": 5})


@pytest.mark.parametrize(
    ("attributes", "path", "problem", "limit"),
    [
        ({"name": 5}, ("name",), "wrong_type", ("string", "null")),
        ({"size": "5"}, ("size",), "wrong_type", ("integer",)),
        ({"size": 5.0}, ("size",), "wrong_type", ("integer",)),
        ({"size": True}, ("size",), "wrong_type", ("integer",)),
        ({"size": 0}, ("size",), "too_small", 1),
        ({"on": 1}, ("on",), "wrong_type", ("boolean",)),
        ({"on": None}, ("on",), "wrong_type", ("boolean",)),
        ({"tags": ["a", "abc"]}, ("tags", 1), "too_long", 2),
        ({"labels": {"abc": "x"}}, ("labels",), "too_long", 2),
        ({"labels": {"a": 1}}, ("labels", None), "wrong_type", ("string",)),
    ],
)
def test_refused_values_of_strict_forms(
    attributes: dict[str, Any], path: tuple[Any, ...], problem: str, limit: Any
) -> None:
    with pytest.raises(Defect) as caught:
        decode(json.dumps({"thing": attributes}).encode(), "thing", Keeping, manner=STRICT)
    defect = caught.value
    assert (defect.problem, defect.path, defect.limit) == (problem, ("thing", *path), limit)


@pytest.mark.parametrize("inner", [{"name": "a\0"}, {"unknown": ["\0"]}, {"unknown": {"\0": 1}}])
def test_a_strict_body_has_no_nul_anywhere(inner: dict[str, Any]) -> None:
    with pytest.raises(Defect) as caught:
        decode(json.dumps({"thing": inner}).encode(), "thing", Keeping, manner=STRICT)
    assert caught.value.problem == "nul"


def test_a_backslash_before_u0000_is_no_nul() -> None:
    raw = json.dumps({"thing": {"name": "\\u0000"}}).encode()
    assert decode(raw, "thing", Keeping, manner=STRICT).name == "\\u0000"


def test_without_a_root() -> None:
    assert decode(b'{"name": "a"}', None, Form).name == "a"
    with pytest.raises(Defect) as caught:
        decode(b'{"port": 10}', None, Inner)
    assert caught.value.path == ("port",)


def test_aliases() -> None:
    aliases = {"tenant_id": "project_id"}
    assert decode(b'{"thing": {"tenant_id": "p"}}', "thing", Form, aliases).project_id == "p"
    assert decode(b'{"thing": {"tenant_id": "p", "project_id": "q"}}', "thing", Form, aliases).project_id == "q"
    with pytest.raises(Defect) as caught:
        decode(b'{"inner": {"tenant_id": "p", "port": 1}}', "inner", Inner, aliases)
    assert caught.value.problem == "unknown_field"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.binary(max_size=50))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    with suppress(Defect):
        decode(raw, "loadbalancer", LoadBalancerCreate)


@given(st.dictionaries(st.sampled_from(LoadBalancerCreate.__struct_fields__), json_values, max_size=4))
def test_any_values_are_read_or_refused(attributes: dict[str, Any]) -> None:
    raw = json.dumps({"loadbalancer": attributes}).encode()
    with suppress(Defect):
        decode(raw, "loadbalancer", LoadBalancerCreate)


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(Defect) as caught:
        decode(b'{"thing": ' + b"[" * 100_000, "thing", Form)
    assert caught.value.problem == "not_json"
