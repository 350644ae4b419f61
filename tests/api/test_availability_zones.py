"""Availability zones and their profiles: operations, refusals, and load balancers in a zone."""

import json
from typing import Any

import pytest

from tests.support.api import Api, Body
from tests.support.cloud import Cloud
from tests.support.worker import Worker

NOWHERE = "99999999-0000-4000-8000-000000000009"


@pytest.fixture
def admin(cloud: Cloud) -> Api:
    return cloud.api("admin")


async def make_profile(admin: Api, **data: Any) -> Body:
    body = {"name": "a profile", "provider_name": "amphora", "availability_zone_data": json.dumps(data)}
    made = await admin.post("availabilityzoneprofiles", {"availability_zone_profile": body})
    found: Body = made["availability_zone_profile"]
    return found


async def make_zone(admin: Api, name: str = "east", **data: Any) -> Body:
    profile = await make_profile(admin, **data)
    body = {"name": name, "availability_zone_profile_id": profile["id"]}
    found: Body = (await admin.post("availabilityzones", {"availability_zone": body}))["availability_zone"]
    return found


async def test_profiles(admin: Api) -> None:
    made = await make_profile(admin, compute_zone="nova")
    assert made == {
        "id": made["id"],
        "name": "a profile",
        "provider_name": "amphora",
        "availability_zone_data": '{"compute_zone": "nova"}',
    }
    one = f"availabilityzoneprofiles/{made['id']}"
    assert await admin.get(one) == {"availability_zone_profile": made}
    assert await admin.get("availabilityzoneprofiles") == {
        "availability_zone_profiles": [made],
        "availability_zone_profile_links": [],
    }
    changed = await admin.put(one, {"availability_zone_profile": {"name": "other"}})
    assert changed == {"availability_zone_profile": made | {"name": "other"}}
    await admin.delete(one)
    for method in ("GET", "DELETE"):
        assert await admin.fault(method, one, 404) == f"Availability Zone Profile {made['id']} not found."


@pytest.mark.parametrize(
    ("status", "data", "sentence"),
    [
        (400, "[", "[ is not a valid option for availability_zone_data"),
        (501, '{"compute_zone": true}', "compute_zone True is not of type 'string'"),
        (501, '{"valid_vip_networks": "x"}', "valid_vip_networks 'x' is not of type 'array'"),
        (501, '{"colour": 1}', "Additional properties are not allowed ('colour' was unexpected)"),
    ],
)
async def test_data_that_the_provider_does_not_support_is_refused(
    admin: Api, status: int, data: str, sentence: str
) -> None:
    body = {"name": "p", "provider_name": "amphora", "availability_zone_data": data}
    path = "availabilityzoneprofiles"
    found = await admin.fault("POST", path, status, {"availability_zone_profile": body})
    prefix = "Provider 'amphora' does not support a requested option: " if status == 501 else ""
    assert found == prefix + sentence


async def test_zones(admin: Api, api: Api) -> None:
    made = await make_zone(admin)
    assert made == {
        "name": "east",
        "description": "",
        "enabled": True,
        "availability_zone_profile_id": made["availability_zone_profile_id"],
    }
    one = "availabilityzones/east"
    assert await api.get(one) == {"availability_zone": made}
    assert await api.get("availabilityzones") == {"availability_zones": [made], "availability_zones_links": []}
    changed = await admin.put(one, {"availability_zone": {"description": "d", "enabled": False}})
    assert changed == {"availability_zone": made | {"description": "d", "enabled": False}}
    await admin.fault("PUT", one, 400, {"availability_zone": {"name": "west"}})
    body = {"availability_zone": {"name": "east", "availability_zone_profile_id": made["availability_zone_profile_id"]}}
    assert await admin.fault("POST", "availabilityzones", 409, body) == "A availability zone of east already exists."
    body = {"availability_zone": {"name": "x", "availability_zone_profile_id": NOWHERE}}
    assert await admin.fault("POST", "availabilityzones", 400, body) == (
        "Validation failure: Invalid availability_zone_profile_id."
    )
    await admin.delete(one)
    for method, form in (("GET", None), ("PUT", {"availability_zone": {}}), ("DELETE", None)):
        assert await admin.fault(method, one, 404, form) == "Availability Zone east not found."


async def test_pages_of_zones(admin: Api, api: Api) -> None:
    for name in ("c", "a", "b"):
        await make_zone(admin, name)
    first = await api.get("availabilityzones", limit=2)
    assert [each["name"] for each in first["availability_zones"]] == ["a", "b"]
    (link,) = first["availability_zones_links"]
    second = (await api.send("GET", link["href"].removeprefix("http://cloud.test"))).json()
    assert [each["name"] for each in second["availability_zones"]] == ["c"]


async def test_zones_and_profiles_in_use_stay(cloud: Cloud, admin: Api, api: Api, worker: Worker) -> None:
    zone = await make_zone(admin, valid_vip_networks=[cloud.network_id.upper()])
    profile = f"availabilityzoneprofiles/{zone['availability_zone_profile_id']}"
    in_use = f"Availability Zone Profile {zone['availability_zone_profile_id']} is in use and cannot be modified."
    assert await admin.fault("DELETE", profile, 409) == in_use
    change = {"availability_zone_profile": {"availability_zone_data": "{}"}}
    assert await admin.fault("PUT", profile, 409, change) == in_use
    lb = await api.create("loadbalancer", vip_subnet_id=cloud.subnet.id, availability_zone="east")
    assert lb["availability_zone"] == "east"
    (instance,) = worker.fetch().serve
    assert instance.zone == {"valid_vip_networks": [cloud.network_id.upper()]}
    assert await admin.fault("DELETE", "availabilityzones/east", 409) == (
        "Availability Zone east is in use and cannot be modified."
    )


async def test_refused_choices_of_zones(cloud: Cloud, admin: Api, api: Api) -> None:
    async def refusal(zone: str | None) -> str:
        body = {"loadbalancer": {"vip_subnet_id": cloud.subnet.id, "availability_zone": zone}}
        return await api.fault("POST", "loadbalancers", 400, body)

    for nothing in ("west", None):
        assert await refusal(nothing) == "Validation failure: Invalid availability zone."
    await make_zone(admin, valid_vip_networks=[NOWHERE])
    assert await refusal("east") == (
        "Validation failure: Supplied VIP network_id is not allowed by the configuration of this deployment."
    )
    await admin.put("availabilityzones/east", {"availability_zone": {"enabled": False}})
    assert await refusal("east") == "The selected availability_zone is not allowed in this deployment: east"
    assert cloud.networking.ports == {}


async def test_only_admins_change_zones(admin: Api, api: Api) -> None:
    zone = await make_zone(admin)
    profile = f"availabilityzoneprofiles/{zone['availability_zone_profile_id']}"
    for method, path, body in (
        ("PUT", "availabilityzones/east", {"availability_zone": {}}), ("DELETE", "availabilityzones/east", None),
        ("GET", "availabilityzoneprofiles", None), ("GET", profile, None), ("DELETE", profile, None),
        ("GET", "providers/amphora/availability_zone_capabilities", None),
    ):  # fmt: skip
        assert await api.fault(method, path, 403, body) == "Policy does not allow this request to be performed."
