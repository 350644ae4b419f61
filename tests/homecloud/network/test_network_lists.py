"""Lists: filters, fields, order and pages; tags; security groups; what clients look up before they start."""

from typing import Any

import pytest
from sqlalchemy import event

from tests.homecloud.network.neutron import DEMO, Cloud

pytestmark = pytest.mark.both_databases


async def _networks(cloud: Cloud, *names: str) -> dict[str, Any]:
    return {name: await cloud.make("/networks", name=name) for name in names}


async def test_filters_take_any_attribute_several_times(cloud: Cloud) -> None:
    made = await _networks(cloud, "a", "b", "c")
    await cloud.put(f"/networks/{made['c']['id']}", {"network": {"admin_state_up": False, "description": "x"}})
    order = "sort_key=name&sort_dir=asc"
    for query, names in (
        ("name=a&name=b", ["a", "b"]),
        ("name=nothing", []),
        (f"id={made['b']['id']}", ["b"]),
        (f"id={made['b']['id']}&name=a", []),
        ("admin_state_up=false", ["c"]),
        ("description=x", ["c"]),
        ("description=&router:external=0", ["a", "b"]),
        ("status=ACTIVE&shared=False", ["a", "b", "c", "provider"]),
        (f"tenant_id={DEMO}", ["a", "b", "c"]),
        ("mtu=1500&name=a", ["a"]),
        ("is_default=true", ["provider"]),
        ("revision_number=2", ["c"]),
    ):
        assert await cloud.names(f"/networks?{order}&{query}") == names, query
    answer = await cloud.refused("GET", "/networks?colour=red")
    assert answer == (400, "HTTPBadRequest", "['colour'] is invalid attribute for filtering")
    assert (await cloud.refused("GET", "/networks?shared=perhaps"))[:2] == (400, "InvalidInput")


async def test_ports_are_found_by_address_subnet_and_group(cloud: Cloud) -> None:
    network, subnet = await cloud.inside()
    one = await cloud.make("/ports", network_id=network["id"], name="one", device_owner="compute:x")
    await cloud.make("/ports", network_id=network["id"], name="two", security_groups=[])
    order = "sort_key=name&sort_dir=asc"
    for query, names in (
        ("fixed_ips=ip_address=10.0.0.2", ["one"]),
        ("fixed_ips=ip_address=10.0.0.2&fixed_ips=ip_address=10.0.0.3", ["one", "two"]),
        (f"fixed_ips=subnet_id={subnet['id']}", ["one", "two"]),
        (f"fixed_ips=subnet_id={subnet['id']}&fixed_ips=ip_address=10.0.0.3", ["two"]),
        (f"fixed_ips=subnet_id={network['id']}", []),
        ("fixed_ips=ip_address_substr=0.0.3", ["two"]),
        ("device_owner=compute:x", ["one"]),
        ("device_id=", ["one", "two"]),
        (f"mac_address={one['mac_address']}", ["one"]),
        (f"security_groups={one['security_groups'][0]}", ["one"]),
        (f"network_id={network['id']}&status=DOWN", ["one", "two"]),
    ):
        assert await cloud.names(f"/ports?{order}&{query}") == names, query
    fields = "fields=id&fields=name&fields=mac_address&fields=fixed_ips&fields=status"
    (port,) = (await cloud.get(f"/ports?{fields}&name=one"))["ports"]
    assert set(port) == {"id", "name", "mac_address", "fixed_ips", "status"}


async def test_lists_compare_addresses_as_values(cloud: Cloud) -> None:
    network = await cloud.make("/networks", name="six")
    body = {"network_id": network["id"], "ip_version": 6, "name": "s", "cidr": "2001:DB8:0::/64", "dns_nameservers": []}
    subnet = await cloud.make("/subnets", **body | {"gateway_ip": "2001:0DB8::1", "dns_nameservers": ["2001:DB8::35"]})
    assert (subnet["cidr"], subnet["gateway_ip"]) == ("2001:db8::/64", "2001:db8::1")
    assert subnet["dns_nameservers"] == ["2001:db8::35"]
    fixed = [{"ip_address": "2001:DB8:0:0::A"}]
    pair = {"ip_address": "2001:0DB8::B", "mac_address": "FA-16-3E-00-00-02"}
    made = {"network_id": network["id"], "name": "p", "mac_address": "FA-16-3E-00-00-01", "fixed_ips": fixed}
    port = await cloud.make("/ports", **made, allowed_address_pairs=[pair])
    assert port["fixed_ips"] == [{"subnet_id": subnet["id"], "ip_address": "2001:db8::a"}]
    assert port["mac_address"] == "fa:16:3e:00:00:01"
    assert port["allowed_address_pairs"] == [{"ip_address": "2001:db8::b", "mac_address": "fa:16:3e:00:00:02"}]
    for query, names in (
        ("/ports?fixed_ips=ip_address=2001:DB8:0::A", ["p"]),
        ("/ports?fixed_ips=ip_address_substr=DB8::A", ["p"]),
        ("/ports?mac_address=FA163E000001", ["p"]),
        ("/subnets?cidr=2001:DB8:0:0::/64", ["s"]),
        ("/subnets?gateway_ip=2001:DB8::0:1", ["s"]),
        ("/subnets?gateway_ip=2001:DB8::0:2", []),
    ):
        assert await cloud.names(query) == names, query


async def test_pages_link_to_each_other(cloud: Cloud) -> None:
    await _networks(cloud, "a", "b", "c", "d")
    query = "/networks?sort_key=name&sort_dir=desc&limit=2&router:external=False"

    async def page(url: str) -> tuple[list[str], dict[str, str]]:
        answer = await cloud.get(url)
        links = {link["rel"]: link["href"] for link in answer.get("networks_links", ())}
        return [network["name"] for network in answer["networks"]], links

    names, links = await page(query)
    assert names == ["d", "c"]
    names, links = await page(links["next"])
    assert names == ["b", "a"]
    assert (await page(links["next"])) == ([], {})
    names, links = await page(links["previous"])
    assert names == ["d", "c"]
    names, _ = await page(links["next"])
    assert names == ["b", "a"]
    assert "networks_links" not in await cloud.get("/networks")


async def test_lists_sort_by_switches_and_by_what_is_null(cloud: Cloud) -> None:
    made = await _networks(cloud, "a", "b", "c")
    await cloud.put(f"/networks/{made['b']['id']}", {"network": {"admin_state_up": False}})
    keys = "sort_key=admin_state_up&sort_dir=asc&sort_key=provider:segmentation_id&sort_dir=desc"
    query = f"/networks?{keys}&sort_key=name&sort_dir=asc&router:external=False"
    assert await cloud.names(query) == ["b", "a", "c"]
    assert await cloud.names(f"{query}&limit=1&marker={made['b']['id']}") == ["a"]
    assert await cloud.names("/networks?name=a&admin_state_up=true&admin_state_up=false") == ["a"]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("limit=many", 400),
        ("limit=-1", 400),
        ("sort_key=name", 400),
        ("sort_key=colour&sort_dir=asc", 400),
        ("sort_key=name&sort_dir=up", 400),
        ("limit=1&marker=nobody", 404),
    ],
)
async def test_bad_pages_are_refused(cloud: Cloud, query: str, status: int) -> None:
    assert (await cloud.refused("GET", f"/networks?{query}"))[0] == status


async def test_tags_are_set_found_and_removed(cloud: Cloud) -> None:
    made = await _networks(cloud, "a", "b", "c")
    paths = {name: f"/networks/{network['id']}/tags" for name, network in made.items()}
    assert await cloud.put(paths["a"], {"tags": ["red", "blue", "red"]}) == {"tags": ["red", "blue"]}
    await cloud.put(paths["b"], {"tags": ["red"]})
    order = "sort_key=name&sort_dir=asc&router:external=False"
    for query, names in (
        ("tags=red", ["a", "b"]),
        ("tags=red,blue", ["a"]),
        ("tags-any=blue,green", ["a"]),
        ("not-tags=red,blue", ["b", "c"]),
        ("not-tags-any=red,blue", ["c"]),
        ("tags=re", []),
        ("tags=Red", []),
        ("tags=r%25d", []),
        ("not-tags=Red", ["a", "b", "c"]),
    ):
        assert await cloud.names(f"/networks?{order}&{query}") == names, query
    assert (await cloud.ask("PUT", paths["c"] + "/green")).status_code == 201
    assert (await cloud.ask("GET", paths["c"] + "/green")).status_code == 204
    await cloud.delete(paths["c"] + "/green")
    assert (await cloud.refused("DELETE", paths["c"] + "/green"))[:2] == (404, "TagNotFound")
    await cloud.delete(paths["a"])
    assert await cloud.get(paths["a"]) == {"tags": []}
    assert (await cloud.refused("PUT", paths["a"], {"tags": [1]}))[:2] == (400, "HTTPBadRequest")
    assert (await cloud.refused("PUT", paths["a"], {"tags": []}, who="other"))[0] == 404


async def test_every_project_has_a_default_group(cloud: Cloud) -> None:
    fields = "fields=id&fields=name&fields=description&fields=project_id&fields=tags&fields=shared"
    (group,) = (await cloud.get(f"/security-groups?{fields}"))["security_groups"]
    assert (group["name"], group["project_id"], group["shared"]) == ("default", DEMO, False)
    assert len((await cloud.get("/security-group-rules"))["security_group_rules"]) == 4
    assert (await cloud.refused("DELETE", f"/security-groups/{group['id']}"))[1] == "SecurityGroupCannotRemoveDefault"
    assert (await cloud.get("/security-groups?name=default", "other"))["security_groups"][0]["id"] != group["id"]


async def test_security_groups_and_rules(cloud: Cloud) -> None:
    group = await cloud.make("/security-groups", name="web")
    assert {rule["direction"] for rule in group["security_group_rules"]} == {"egress"}
    rule = {
        "security_group_id": group["id"],
        "direction": "ingress",
        "ethertype": "IPv4",
        "protocol": "tcp",
        "port_range_min": 80,
        "port_range_max": 80,
        "remote_ip_prefix": "0.0.0.0/0",
    }
    made = await cloud.make("/security-group-rules", **rule)
    assert made | rule == made
    answer = await cloud.refused("POST", "/security-group-rules", {"security_group_rule": rule})
    assert answer[:2] == (409, "SecurityGroupRuleExists")
    for wrong in (
        {"direction": "up"},
        {"ethertype": "IPX"},
        {"protocol": "nonsense"},
        {"protocol": "9" * 5000},
        {"port_range_min": 90},
        {"protocol": None},
        {"remote_ip_prefix": "2001:db8::/32"},
        {"remote_group_id": group["id"]},
    ):
        assert (await cloud.refused("POST", "/security-group-rules", {"security_group_rule": rule | wrong}))[0] == 400
    network, _ = await cloud.inside()
    port = await cloud.make("/ports", network_id=network["id"], security_groups=[group["id"]])
    assert (await cloud.refused("DELETE", f"/security-groups/{group['id']}"))[:2] == (409, "SecurityGroupInUse")
    await cloud.delete(f"/ports/{port['id']}")
    await cloud.delete(f"/security-group-rules/{made['id']}")
    await cloud.delete(f"/security-groups/{group['id']}")


async def test_discovery(cloud: Cloud) -> None:
    for path in ("/network", "/network/"):
        (version,) = (await cloud.ask("GET", path, who=None)).json()["versions"]
        assert (version["id"], version["status"]) == ("v2.0", "CURRENT")
        assert version["links"] == [{"rel": "self", "href": "http://neutron/network/v2.0/"}]
    assert (await cloud.ask("GET", "/network/v2.0/", who=None)).status_code == 200
    aliases = {each["alias"] for each in (await cloud.get("/extensions"))["extensions"]}
    assert {"router", "external-net", "security-group"} <= aliases
    assert (await cloud.get("/extensions/router"))["extension"]["alias"] == "router"
    for alias in ("external-gateway-multihoming", "tag-ports-during-bulk-creation"):
        assert alias not in aliases
        assert (await cloud.refused("GET", f"/extensions/{alias}"))[:2] == (404, "HTTPNotFound")
    zones = (await cloud.get("/availability_zones"))["availability_zones"]
    assert {zone["resource"] for zone in zones} == {"network", "router"}


@pytest.mark.parametrize("key", ["tags", "not-tags-any", "name", "id", "mtu", "admin_state_up"])
async def test_a_statement_does_not_grow_with_the_number_of_values(cloud: Cloud, key: str) -> None:
    statements: list[str] = []
    for engine in cloud.database.engines:
        event.listen(engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    seen = []
    for number in (2, 50, 3000):
        values = ["true" if key == "admin_state_up" else str(10_000 + each) for each in range(number)]
        many = ",".join(values) if "tags" in key else f"&{key}=".join(values)
        await cloud.get(f"/networks?{key}={many}")
        seen.append(set(statements))
        statements.clear()
    assert seen[0] == seen[1] == seen[2] != set()
