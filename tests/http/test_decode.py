"""From JSON to forms: what is taken, what is refused, and where the refusal points."""

import json
from contextlib import suppress
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, Meta, Struct

from hydria.http.decode import Defect, decode
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
def test_taken(field: str, value: Any, wanted: Any) -> None:
    assert read(field, value) == wanted


@pytest.mark.parametrize(
    ("field", "value", "path"),
    [
        ("name", "sixsix", ("name",)),
        ("name", 5, ("name",)),
        ("name", {"a": 1}, ("name",)),
        ("switch", "maybe", ("switch",)),
        ("switch", 0.5, ("switch",)),
        ("number", "5.5", ("number",)),
        ("number", {}, ("number",)),
        ("number", 2**63, ("number",)),
        ("number", 1e300, ("number",)),
        ("kind", "c", ("kind",)),
        ("kind", [], ("kind",)),
        ("key", "x", ("key",)),
        ("address", "10.0.0.256", ("address",)),
        ("address", "::1%lo", ("address",)),
        ("cidr", "10.0.0.0/40", ("cidr",)),
        ("path", "a", ("path",)),
        ("path", "/a\n", ("path",)),
        ("path", "/ä", ("path",)),
        ("path", "/%", ("path",)),
        ("path", "/?%4", ("path",)),
        ("path", "/?a\\b", ("path",)),
        ("parts", {}, ("parts",)),
        ("parts", [5], ("parts",)),
        ("parts", [{"port": 10}], ("parts", "port")),
        ("headers", {"a": 5}, ("headers",)),
        ("headers", [], ("headers",)),
    ],
)
def test_refused(field: str, value: Any, path: tuple[str, ...]) -> None:
    with pytest.raises(Defect) as caught:
        read(field, value)
    assert (caught.value.problem, caught.value.path) == ("invalid", ("thing", *path))
    assert caught.value.why


def test_what_is_missing_or_unknown() -> None:
    with pytest.raises(Defect) as caught:
        read("parts", [{}])
    assert (caught.value.problem, caught.value.path) == ("missing", ("thing", "parts", "port"))
    with pytest.raises(Defect) as caught:
        read("parts", [{"port": 1, "z": 1, "a": 2}])
    assert (caught.value.problem, caught.value.path, caught.value.why) == ("unknown", ("thing", "parts"), "a, z")


def test_without_a_root() -> None:
    assert decode(b'{"name": "a"}', None, Form).name == "a"
    with pytest.raises(Defect) as caught:
        decode(b'{"port": 10}', None, Inner)
    assert caught.value.path == ("port",)


def test_old_names() -> None:
    aliases = {"tenant_id": "project_id"}
    assert decode(b'{"thing": {"tenant_id": "p"}}', "thing", Form, aliases).project_id == "p"
    assert decode(b'{"thing": {"tenant_id": "p", "project_id": "q"}}', "thing", Form, aliases).project_id == "q"
    with pytest.raises(Defect) as caught:
        decode(b'{"inner": {"tenant_id": "p", "port": 1}}', "inner", Inner, aliases)
    assert caught.value.problem == "unknown"


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


def test_nesting_without_end() -> None:
    with pytest.raises(Defect) as caught:
        decode(b'{"thing": ' + b"[" * 100_000, "thing", Form)
    assert caught.value.problem == "json"
