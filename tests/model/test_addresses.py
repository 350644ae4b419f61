"""Addresses have one canonical form, and every attribute that holds an address has such a type."""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from typing import Any, get_type_hints

import pytest
from msgspec import Struct, defstruct, inspect
from msgspec import json as msgspec_json

import hydria.homecloud.network
import hydria.model
from hydria.http.decode import decode
from hydria.http.defect import Defect
from hydria.model.addresses import CANONICAL, canonical_cidr, canonical_ip, canonical_mac

# Spellings of one value by format, the canonical one first.
SPELLINGS = {
    "ipaddress": [
        (
            "2001:db8::a",
            "2001:DB8::A",
            "2001:0db8:0000:0000:0000:0000:0000:000a",
            "2001:db8:0:0::a",
            "2001:db8::0.0.0.10",
        ),
        ("10.0.0.5", "::ffff:10.0.0.5", "::FFFF:a00:5", "0:0:0:0:0:ffff:10.0.0.5"),
    ],
    "cidr": [
        ("2001:db8::/64", "2001:DB8::/64", "2001:0db8:0:0::/64", "2001:db8::7/64"),
        ("10.0.0.0/24", "10.0.0.9/24", "::ffff:10.0.0.0/120"),
    ],
    "mac": [
        ("fa:16:3e:00:0a:0b", "FA:16:3E:00:0A:0B", "fa-16-3e-00-0A-0B", "fa16.3e00.0a0b", "FA163E000A0B"),
        ("0a:16:3e:00:0a:0b", "a:16:3e:0:a:b"),
    ],
}

# Names of attributes that hold addresses, whatever their struct.
ADDRESS = re.compile(r".*(_ip|_ips|address|addresses|cidrs?|nexthop|destination|remote_ip_prefix|nameservers)")


def structs() -> list[type[Struct]]:
    """Return every form and every stored struct of the load balancers and of the network service."""
    found: dict[type[Struct], None] = {}
    for package in (hydria.model, hydria.homecloud.network):
        for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
            # Values between a network service and the rest: nothing decodes them.
            if module.name == "hydria.model.network":
                continue
            for each in vars(importlib.import_module(module.name)).values():
                if isinstance(each, type) and issubclass(each, Struct) and each.__module__.startswith(package.__name__):
                    found[each] = None
    return list(found)


def formats(kind: inspect.Type) -> Iterator[str]:
    """Yield the formats of the texts in a type, without those in structs: "" for a plain text."""
    if isinstance(kind, inspect.Metadata) and "format" in (kind.extra or {}):
        yield str((kind.extra or {})["format"])
    elif isinstance(kind, inspect.Metadata):
        yield from formats(kind.type)
    elif isinstance(kind, inspect.StrType):
        yield ""
    elif isinstance(kind, inspect.UnionType):
        for each in kind.types:
            yield from formats(each)
    elif isinstance(kind, inspect.ListType | inspect.VarTupleType):
        yield from formats(kind.item_type)


def attributes() -> list[tuple[type[Struct], inspect.Field, str]]:
    described = [(kind, inspect.type_info(kind)) for kind in structs()]
    return [
        (kind, field, name)
        for kind, info in described
        if isinstance(info, inspect.StructType)
        for field in info.fields
        for name in formats(field.type)
        if name in CANONICAL
    ]


def decoded(kind: type[Struct], field: inspect.Field, value: str) -> Any:
    """Decode a form in which only this attribute is given, and return what the attribute became."""
    kinds = field.type.types if isinstance(field.type, inspect.UnionType) else (field.type,)
    is_list = any(isinstance(each, inspect.ListType | inspect.VarTupleType) for each in kinds)
    only = defstruct("Only", [("value", get_type_hints(kind, include_extras=True)[field.name])])
    found = decode(msgspec_json.encode({"value": [value] if is_list else value}), None, only).value
    return found[0] if is_list else found


def test_there_are_addresses_of_all_kinds() -> None:
    named = {(kind.__name__, field.name) for kind, field, _ in attributes()}
    assert {
        ("LoadBalancerBody", "vip_address"),
        ("AdditionalVip", "ip_address"),
        ("MemberInBatch", "address"),
        ("MemberUpdate", "monitor_address"),
        ("ListenerUpdate", "allowed_cidrs"),
        ("SecurityGroupRuleCreate", "remote_ip_prefix"),
        ("FixedIp", "ip_address"),
        ("PairForm", "mac_address"),
        ("RouteForm", "nexthop"),
        ("FloatingIpCreate", "fixed_ip_address"),
    } <= named
    assert {name for _, _, name in attributes()} == set(CANONICAL)


@pytest.mark.parametrize(
    ("kind", "field", "name"), [pytest.param(*each, id=f"{each[0].__name__}.{each[1].name}") for each in attributes()]
)
def test_every_address_is_decoded_to_its_canonical_form(kind: type[Struct], field: inspect.Field, name: str) -> None:
    for canonical, *others in SPELLINGS[name]:
        assert {decoded(kind, field, each) for each in (canonical, *others)} == {canonical}
    for wrong in ("fe80::1%eth0", "fe80::%eth0/64", "010.0.0.5", "10.0.0", "x", ""):
        with pytest.raises(Defect):
            decoded(kind, field, wrong)


def test_no_attribute_with_the_name_of_an_address_is_a_plain_text() -> None:
    plain = [
        f"{kind.__name__}.{name}"
        for kind in structs()
        for name, hint in get_type_hints(kind, include_extras=True).items()
        if ADDRESS.fullmatch(name) and name in kind.__struct_fields__
        if "" in formats(inspect.type_info(hint))
    ]
    assert plain == []


@pytest.mark.parametrize(
    ("canonical", "values"),
    [
        (canonical_ip, {"10.0.0.1": "10.0.0.1", "0:0::1": "::1", "::10.0.0.5": "::a00:5"}),
        (canonical_cidr, {"10.0.0.1": "10.0.0.1/32", "::1": "::1/128", "10.1.2.3/255.255.0.0": "10.1.0.0/16"}),
        # A network that is wider than all IPv4 addresses is one of IPv6.
        (canonical_cidr, {"::ffff:0:0/96": "0.0.0.0/0", "::/0": "::/0", "::ffff:0:0/95": "::fffe:0:0/95"}),
        (canonical_mac, {"fa163e-000a0b": "fa:16:3e:00:0a:0b"}),
    ],
)
def test_other_spellings_become_the_canonical_one(canonical: Any, values: dict[str, str]) -> None:
    assert {text: canonical(text) for text in values} == values


@pytest.mark.parametrize("text", ["fa:16:3e:00:0a", "fa:16-3e:00:0a:0b", "fa:16:3e:00:0a:0g", "fa:16:3e:00:0a:0b:0c"])
def test_a_wrong_mac_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="MAC"):
        canonical_mac(text)
