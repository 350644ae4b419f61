"""The API's description: complete, true, and readable without other servers."""

from html.parser import HTMLParser
from typing import Any

import pytest

from hydria.api import mounts
from tests.support.api import Api
from tests.support.cloud import Cloud
from tests.support.worker import Worker

VERBS = {"get", "post", "put", "delete"}


@pytest.fixture
async def document(cloud: Cloud) -> dict[str, Any]:
    answer = await cloud.api(None).send("GET", "/load-balancer/openapi.json")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    found: dict[str, Any] = answer.json()
    return found


def references(part: Any) -> set[str]:
    if isinstance(part, list):
        return set().union(*map(references, part))
    if not isinstance(part, dict):
        return set()
    mine = {part["$ref"]} if isinstance(part.get("$ref"), str) else set()
    return mine.union(*map(references, part.values()))


async def test_every_operation_is_described(cloud: Cloud, document: dict[str, Any]) -> None:
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    *_, amphorae, rest = mounts(
        lambda _: cloud.networking, lambda _: cloud.secrets, strict_immutable=False, hosts=cloud.hosts
    )
    served = {(each.method, f"/v2.0/lbaas{each.path}") for each in rest.operations}
    assert described == served | {(each.method, f"/v2.0/octavia{each.path}") for each in amphorae.operations}
    names = [each["operationId"] for methods in document["paths"].values() for each in methods.values()]
    assert len(set(names)) == len(names)
    assert document["servers"] == [{"url": "http://cloud.test/load-balancer"}]


async def test_every_reference_has_a_schema(document: dict[str, Any]) -> None:
    assert references(document) <= {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}


async def test_every_answer_is_described_in_full(document: dict[str, Any]) -> None:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            # The other one is that of a dry run.
            success, *_ = [answer for status, answer in operation["responses"].items() if status.startswith("2")]
            bodyless = method == "delete" or (method == "put" and not path.endswith(("}", "/rollback")))
            assert ("content" not in success) == bodyless, (method, path)
            if not bodyless:
                schema = success["content"]["application/json"]["schema"]
                assert set() < set(schema["required"]) <= set(schema["properties"]), (method, path)


async def test_bodies_for_admins_are_as_described(
    cloud: Cloud, api: Api, worker: Worker, document: dict[str, Any]
) -> None:
    await api.create("loadbalancer", vip_subnet_id=cloud.subnet.id)
    worker.step()
    admin = cloud.api("admin")
    lbaas = "/load-balancer/v2.0/lbaas"
    profile = {"name": "p", "provider_name": "amphora"}
    made = await admin.post(f"{lbaas}/flavorprofiles", {"flavorprofile": {**profile, "flavor_data": "{}"}})
    flavor = {"name": "f", "flavor_profile_id": made["flavorprofile"]["id"]}
    made |= await admin.post(f"{lbaas}/flavors", {"flavor": flavor})
    zones = {"availability_zone_profile": {**profile, "availability_zone_data": "{}"}}
    made |= await admin.post(f"{lbaas}/availabilityzoneprofiles", zones)
    zone = {"name": "z", "availability_zone_profile_id": made["availability_zone_profile"]["id"]}
    made |= await admin.post(f"{lbaas}/availabilityzones", {"availability_zone": zone})
    made |= await admin.get(f"{lbaas}/quotas/p-red")
    made["amphora"] = (await admin.get("/load-balancer/v2.0/octavia/amphorae"))["amphorae"][0]
    names = {
        "flavorprofile": "FlavorProfile",
        "flavor": "Flavor",
        "availability_zone_profile": "AvailabilityZoneProfile",
        "availability_zone": "AvailabilityZone",
        "quota": "Quota",
        "amphora": "Amphora",
    }
    schemas = document["components"]["schemas"]
    assert {root: set(schemas[name]["properties"]) for root, name in names.items()} == {
        root: set(body) for root, body in made.items()
    }


async def test_forms_have_bounds_and_bodies_have_all_attributes(
    cloud: Cloud, api: Api, document: dict[str, Any]
) -> None:
    schemas = document["components"]["schemas"]
    weight = schemas["MemberUpdate"]["properties"]["weight"]["anyOf"][0]
    assert weight == {"type": "integer", "minimum": 0, "maximum": 256}
    assert schemas["MemberCreate"]["required"] == ["address", "protocol_port"]
    lb = await api.create("loadbalancer", vip_subnet_id=cloud.subnet.id)
    assert set(schemas["LoadBalancer"]["properties"]) == set(await api.show("loadbalancer", lb["id"]))
    pool = await api.create("pool", loadbalancer_id=lb["id"], protocol="HTTP", lb_algorithm="ROUND_ROBIN")
    assert set(schemas["Pool"]["properties"]) == set(pool)


class Page(HTMLParser):
    """A page's links, ids, elements that load something, and elements that are not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: set[str] = set()
        self.loads: set[str] = set()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.ids.add(values.get("id") or "")
        if tag == "a":
            self.links.add(values.get("href") or "")
        if tag in ("script", "link", "img", "iframe"):
            self.loads.add(tag)
        if tag in ("html", "body", "nav", "main", "details", "div", "table", "a"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.open and tag == self.open[-1]:
            self.open.pop()


async def test_the_page_loads_nothing_and_its_links_lead_somewhere(cloud: Cloud, document: dict[str, Any]) -> None:
    answer = await cloud.api(None).send("GET", "/load-balancer/docs")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=UTF-8")
    page = Page()
    page.feed(answer.text)
    assert page.open == []
    assert page.loads == set()
    assert "url(" not in answer.text
    assert {link for link in page.links if not link.startswith("#")} == {"openapi.json"}
    assert {link[1:] for link in page.links if link.startswith("#")} <= page.ids
    for methods in document["paths"].values():
        assert {each["operationId"] for each in methods.values()} <= page.ids
