"""Flavors, their profiles and providers: operations, refusals, and load balancers with a flavor."""

import json
from typing import Any

import pytest

from tests.support.api import Api, Body
from tests.support.cloud import Cloud
from tests.support.worker import Worker

NOWHERE = "99999999-0000-4000-8000-000000000009"
UNSUPPORTED = "Provider 'amphora' does not support a requested option: "


@pytest.fixture
def admin(cloud: Cloud) -> Api:
    return cloud.api("admin")


async def make_profile(admin: Api, provider: str = "amphora", **data: Any) -> Body:
    body = {"name": "a profile", "provider_name": provider, "flavor_data": json.dumps(data)}
    found: Body = (await admin.post("flavorprofiles", {"flavorprofile": body}))["flavorprofile"]
    return found


async def make_flavor(admin: Api, name: str = "gold", **data: Any) -> Body:
    profile = await make_profile(admin, **data)
    body = {"name": name, "flavor_profile_id": profile["id"]}
    found: Body = (await admin.post("flavors", {"flavor": body}))["flavor"]
    return found


async def test_profiles(admin: Api) -> None:
    made = await make_profile(admin, loadbalancer_topology="SINGLE")
    assert made == {
        "id": made["id"],
        "name": "a profile",
        "provider_name": "amphora",
        "flavor_data": '{"loadbalancer_topology": "SINGLE"}',
    }
    one = f"flavorprofiles/{made['id']}"
    assert await admin.get(one) == {"flavorprofile": made}
    assert await admin.get(one, fields="name") == {"flavorprofile": {"name": "a profile"}}
    assert await admin.get("flavorprofiles") == {"flavorprofiles": [made], "flavorprofile_links": []}
    changed = await admin.put(one, {"flavorprofile": {"name": "other", "flavor_data": "{}"}})
    assert changed == {"flavorprofile": made | {"name": "other", "flavor_data": "{}"}}
    await admin.delete(one)
    assert await admin.fault("GET", one, 404) == f"Flavor Profile {made['id']} not found."
    assert await admin.fault("PUT", one, 404, {"flavorprofile": {}}) == f"Flavor Profile {made['id']} not found."
    assert await admin.fault("DELETE", one, 404) == f"Flavor profile {made['id']} not found."


@pytest.mark.parametrize(
    ("status", "data", "sentence"),
    [
        (400, "{", "{ is not a valid option for flavor_data"),
        (400, "", " is not a valid option for flavor_data"),
        (400, None, "None is not a valid option for flavor_data"),
        (501, "null", UNSUPPORTED + "None is not of type 'object'"),
        (501, "[1]", UNSUPPORTED + "[1] is not of type 'object'"),
        (501, '{"a": 1}', UNSUPPORTED + "Additional properties are not allowed ('a' was unexpected)"),
        (501, '{"b": 1, "a": 1}', UNSUPPORTED + "Additional properties are not allowed ('a', 'b' were unexpected)"),
        (501, '{"sriov_vip": 1}', UNSUPPORTED + "sriov_vip 1 is not of type 'boolean'"),
        (501, '{"compute_flavor": 3, "sriov_vip": "x"}', UNSUPPORTED + "sriov_vip 'x' is not of type 'boolean'"),
        (501, '{"sriov_vip": true}', UNSUPPORTED + "sriov_vip True is not one of [False]"),
        (501, '{"allow_member_sriov": true}', UNSUPPORTED + "allow_member_sriov True is not one of [False]"),
        (501, '{"memory_mb": "64"}', UNSUPPORTED + "memory_mb '64' is not of type 'integer'"),
        (501, '{"pids": true}', UNSUPPORTED + "pids True is not of type 'integer'"),
        (501, '{"cpu_weight": 0}', UNSUPPORTED + "cpu_weight 0 is less than the minimum of 1"),
        (501, '{"flows": 1000000000}', UNSUPPORTED + "flows 1000000000 is greater than the maximum of 100000000"),
        (
            501,
            '{"loadbalancer_topology": "X"}',
            UNSUPPORTED + "loadbalancer_topology 'X' is not one of ['ACTIVE_STANDBY', 'SINGLE']",
        ),
    ],
)
async def test_data_that_the_provider_does_not_support_is_refused(
    admin: Api, status: int, data: str | None, sentence: str
) -> None:
    body = {"name": "p", "provider_name": "amphora", "flavor_data": data}
    assert await admin.fault("POST", "flavorprofiles", status, {"flavorprofile": body}) == sentence
    made = await make_profile(admin)
    change = {"flavorprofile": {"flavor_data": data}}
    assert await admin.fault("PUT", f"flavorprofiles/{made['id']}", status, change) == sentence


async def test_refused_profiles(admin: Api) -> None:
    body: Body = {"name": "p", "provider_name": "nobody", "flavor_data": "{}"}
    assert await admin.fault("POST", "flavorprofiles", 400, {"flavorprofile": body}) == (
        "Provider 'nobody' is not enabled."
    )
    body = {"name": "p", "flavor_data": "{}"}
    assert "provider_name" in await admin.fault("POST", "flavorprofiles", 400, {"flavorprofile": body})
    body |= {"provider_name": "amphora", "flavor_data": "x" * 4097}
    assert "4096" in await admin.fault("POST", "flavorprofiles", 400, {"flavorprofile": body})
    one = f"flavorprofiles/{(await make_profile(admin))['id']}"
    for name in ("name", "provider_name", "flavor_data"):
        assert await admin.fault("PUT", one, 400, {"flavorprofile": {name: None}}) == (
            f"None is not a valid option for {name}"
        )


async def test_flavors(admin: Api, api: Api) -> None:
    made = await make_flavor(admin)
    assert made == {
        "id": made["id"],
        "name": "gold",
        "description": "",
        "enabled": True,
        "flavor_profile_id": made["flavor_profile_id"],
    }
    one = f"flavors/{made['id']}"
    assert await api.get(one) == {"flavor": made}
    assert await api.get("flavors") == {"flavors": [made], "flavors_links": []}
    changed = await admin.put(one, {"flavor": {"name": "silver", "description": "d", "enabled": "no"}})
    assert changed["flavor"] == made | {"name": "silver", "description": "d", "enabled": False}
    assert (await admin.put(one, {"flavor": {"description": None}}))["flavor"]["description"] == ""
    await admin.delete(one)
    for method, body in (("GET", None), ("PUT", {"flavor": {}}), ("DELETE", None)):
        assert await admin.fault(method, one, 404, body) == f"Flavor {made['id']} not found."
    zero = "00000000-0000-0000-0000-000000000000"
    assert await api.fault("GET", f"flavors/{zero}", 404) == f"Flavor {zero} not found."


async def test_lists_of_flavors(admin: Api, api: Api) -> None:
    made = [await make_flavor(admin, f"f{number}") for number in range(4)]
    await admin.put(f"flavors/{made[0]['id']}", {"flavor": {"enabled": False}})
    assert [each["name"] for each in (await api.get("flavors", sort="name:desc"))["flavors"]] == [
        "f3",
        "f2",
        "f1",
        "f0",
    ]
    assert [each["name"] for each in (await api.get("flavors", enabled="false"))["flavors"]] == ["f0"]
    assert (await api.get("flavors", name="f2", fields="id"))["flavors"] == [{"id": made[2]["id"]}]
    found, path = [], "flavors?limit=3"
    while path:
        page = (await api.send("GET", path)).json()
        found += [each["id"] for each in page["flavors"]]
        links = {each["rel"]: each["href"].removeprefix("http://cloud.test") for each in page["flavors_links"]}
        path = links.get("next", "")
    assert found == sorted(each["id"] for each in made)
    assert await api.fault("GET", "flavors?colour=red", 400) == (
        "One or more arguments are either duplicate or invalid"
    )


async def test_refused_flavors(admin: Api) -> None:
    made = await make_flavor(admin)
    profile_id = made["flavor_profile_id"]
    body: Body = {"flavor": {"name": "gold", "flavor_profile_id": profile_id}}
    assert await admin.fault("POST", "flavors", 409, body) == "A flavor of gold already exists."
    other = await make_flavor(admin, "other")
    assert await admin.fault("PUT", f"flavors/{other['id']}", 409, {"flavor": {"name": "gold"}}) == (
        "A flavor of gold already exists."
    )
    assert (await admin.put(f"flavors/{made['id']}", {"flavor": {"name": "gold"}}))["flavor"] == made
    body = {"flavor": {"name": "x", "flavor_profile_id": NOWHERE}}
    assert await admin.fault("POST", "flavors", 400, body) == "Validation failure: Invalid flavor_profile_id."
    await admin.fault("POST", "flavors", 400, {"flavor": {"name": "x"}})
    await admin.fault("POST", "flavors", 400, {"flavor": {"name": "x", "flavor_profile_id": "x"}})
    await admin.fault("PUT", f"flavors/{made['id']}", 400, {"flavor": {"enabled": None}})
    await admin.fault("PUT", f"flavors/{made['id']}", 400, {"flavor": {"flavor_profile_id": profile_id}})


async def test_profiles_in_use_stay(admin: Api) -> None:
    flavor = await make_flavor(admin)
    key = flavor["flavor_profile_id"]
    sentence = f"Flavor profile {key} is in use and cannot be modified."
    for change in ({"flavor_data": "{}"}, {"provider_name": "octavia"}, {"flavor_data": "{"}):
        assert await admin.fault("PUT", f"flavorprofiles/{key}", 409, {"flavorprofile": change}) == sentence
    assert await admin.fault("DELETE", f"flavorprofiles/{key}", 409) == sentence
    await admin.put(f"flavorprofiles/{key}", {"flavorprofile": {"name": "renamed"}})
    await admin.delete(f"flavors/{flavor['id']}")
    await admin.delete(f"flavorprofiles/{key}")


async def test_only_admins_change_flavors(admin: Api, api: Api) -> None:
    forbidden = "Policy does not allow this request to be performed."
    flavor = await make_flavor(admin)
    one, profile = f"flavors/{flavor['id']}", f"flavorprofiles/{flavor['flavor_profile_id']}"
    for method, path, body in (
        ("POST", "flavors", {"flavor": {"name": "x", "flavor_profile_id": flavor["flavor_profile_id"]}}),
        ("PUT", one, {"flavor": {}}), ("DELETE", one, None), ("GET", "flavorprofiles", None), ("GET", profile, None),
        ("PUT", profile, {"flavorprofile": {}}), ("DELETE", profile, None),
        ("GET", "providers/amphora/flavor_capabilities", None),
    ):  # fmt: skip
        assert await api.fault(method, path, 403, body) == forbidden


async def test_load_balancers_with_a_flavor(cloud: Cloud, admin: Api, api: Api, worker: Worker) -> None:
    flavor = await make_flavor(admin, compute_flavor="small")
    lb = await api.create("loadbalancer", vip_subnet_id=cloud.subnet.id, flavor_id=flavor["id"])
    assert (lb["flavor_id"], lb["provider"], lb["vip_vnic_type"]) == (flavor["id"], "amphora", "normal")
    (instance,) = worker.fetch().serve
    assert instance.flavor == {"compute_flavor": "small"}
    sentence = f"Flavor {flavor['id']} is in use and cannot be modified."
    assert await admin.fault("DELETE", f"flavors/{flavor['id']}", 409) == sentence
    await admin.put(f"flavors/{flavor['id']}", {"flavor": {"enabled": False}})
    worker.step()
    await api.delete(f"loadbalancers/{lb['id']}")
    assert await admin.fault("DELETE", f"flavors/{flavor['id']}", 409) == sentence
    worker.step()
    worker.step()
    await admin.delete(f"flavors/{flavor['id']}")


async def test_refused_choices_of_flavors(cloud: Cloud, admin: Api, api: Api) -> None:
    async def refusal(**attributes: Any) -> str:
        body = {"loadbalancer": {"vip_subnet_id": cloud.subnet.id, **attributes}}
        return await api.fault("POST", "loadbalancers", 400, body)

    assert await refusal(flavor_id=NOWHERE) == "Validation failure: Invalid flavor_id."
    assert await refusal(flavor_id=None) == "Validation failure: Invalid flavor_id."
    flavor = await make_flavor(admin)
    assert await refusal(flavor_id=flavor["id"], provider="octavia") == (
        f"Flavor '{flavor['id']}' is not compatible with provider 'octavia'"
    )
    await admin.put(f"flavors/{flavor['id']}", {"flavor": {"enabled": False}})
    assert await refusal(flavor_id=flavor["id"]) == (
        f"The selected flavor is not allowed in this deployment: {flavor['id']}"
    )
    assert cloud.networking.ports == {}


async def test_flavors_choose_the_provider(cloud: Cloud, admin: Api, api: Api) -> None:
    profile = await make_profile(admin, "octavia", sriov_vip=False, allow_member_sriov=False)
    body = {"flavor": {"name": "fast", "flavor_profile_id": profile["id"]}}
    flavor = (await admin.post("flavors", body))["flavor"]
    lb = await api.create("loadbalancer", vip_subnet_id=cloud.subnet.id, flavor_id=flavor["id"])
    assert (lb["provider"], lb["vip_vnic_type"]) == ("octavia", "normal")


async def test_providers(admin: Api, api: Api) -> None:
    assert [each["name"] for each in (await api.get("providers"))["providers"]] == ["amphora", "octavia"]
    assert (await api.get("providers", fields="name"))["providers"] == [{"name": "amphora"}, {"name": "octavia"}]
    for provider in ("amphora", "octavia"):
        found = (await admin.get(f"providers/{provider}/flavor_capabilities"))["flavor_capabilities"]
        assert {each["name"] for each in found} == {
            "loadbalancer_topology", "compute_flavor", "amp_image_tag", "sriov_vip", "allow_member_sriov",
            "memory_mb", "cpu_weight", "pids", "flows", "normalise_l7_paths",
        }  # fmt: skip
        assert all(each["description"] for each in found)
    path = "providers/amphora/availability_zone_capabilities"
    assert {each["name"] for each in (await admin.get(path))["availability_zone_capabilities"]} == {
        "compute_zone", "volume_zone", "management_network", "valid_vip_networks",
    }  # fmt: skip
    assert await admin.get(path, name="compute_zone", fields="name") == {
        "availability_zone_capabilities": [{"name": "compute_zone"}]
    }
    assert await admin.fault("GET", "providers/x/flavor_capabilities", 400) == "Provider 'x' is not enabled."
