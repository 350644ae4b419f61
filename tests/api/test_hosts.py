"""/octavia/hosts: what administrators see of hosts, and do with them."""

import pytest

from hydria.contract import Facts, Holding
from hydria.store.resources import KnownHost
from tests.support.api import Api
from tests.support.cloud import Cloud

HOSTS = "/load-balancer/v2.0/octavia/hosts"


@pytest.fixture
def admin(cloud: Cloud) -> Api:
    """Two hosts have polled."""
    for key, name, zone in (("id-1", "one", ""), ("id-2", "two", "z2")):
        facts = Facts(version="0.1.0", zone=zone, physical_networks=("physnet1",), neutron_host=f"{name}.example")
        holding = Holding(host=key, name=name, facts=facts)
        cloud.database.transact(lambda tx, h=holding: cloud.desired_state.heard_from(tx, h, cloud.clock.now()))  # type: ignore[misc]
    return cloud.api("admin")


async def test_hosts_show_what_they_said_and_how_they_are(cloud: Cloud, admin: Api) -> None:
    one, two = (await admin.get(HOSTS, sort="name"))["hosts"]
    assert one == {
        "id": "id-1",
        "name": "one",
        "zone": "",
        "physical_networks": ["physnet1"],
        "neutron_host": "one.example",
        "home": True,
        "amphorae": 0,
        "capacity": 0,
        "version": "0.1.0",
        "state": "up",
        "enabled": True,
        "draining": False,
        "seen_at": "2026-01-01T00:00:00",
        "joined_at": None,
    }
    assert (two["zone"], two["home"]) == ("z2", False)
    assert (await admin.get(f"{HOSTS}/id-1"))["host"] == one
    assert (await admin.get(f"{HOSTS}/one"))["host"] == one
    cloud.clock.advance(3600)
    assert {each["state"] for each in (await admin.get(HOSTS))["hosts"]} == {"silent"}


async def test_lists_of_hosts_have_filters_pages_and_fields(admin: Api) -> None:
    assert [each["id"] for each in (await admin.get(HOSTS, name="two"))["hosts"]] == ["id-2"]
    assert [each["id"] for each in (await admin.get(HOSTS, enabled="true", home="false"))["hosts"]] == ["id-2"]
    page = await admin.get(HOSTS, limit=1, sort="name", fields="name")
    assert page["hosts"] == [{"name": "one"}]
    assert page["hosts_links"][0]["rel"] == "next"


async def test_a_host_is_drained_disabled_and_enabled(cloud: Cloud, admin: Api) -> None:
    topics: list[frozenset[str]] = []
    cloud.database.subscribe(topics.append)
    for verb, enabled, draining, state in (
        ("drain", False, True, "drained"),
        ("disable", False, False, "disabled"),
        ("enable", True, False, "up"),
    ):
        topics.clear()
        answer = await admin.send("PUT", f"{HOSTS}/id-2/{verb}")
        assert answer.status_code == 202
        shown = (await admin.get(f"{HOSTS}/id-2"))["host"]
        assert (shown["enabled"], shown["draining"], shown["state"]) == (enabled, draining, state)
        assert {"hosts", "instances"} <= topics[0]
    await admin.fault("PUT", "octavia/hosts/nothing/drain", 404)


async def test_a_host_is_invited_and_forgotten(cloud: Cloud, admin: Api) -> None:
    form = {"invitation": {"zone": "z", "url": "https://203.0.113.1:9877"}}
    made = (await admin.post(f"{HOSTS}/invitations", form))["invitation"]
    assert made["command"].startswith("hydria host join 'https://203.0.113.1:9877#")
    assert (made["zone"], made["expires_at"]) == ("z", "2026-01-01T01:00:00")
    for url in ("http://203.0.113.1", None):
        answer = await admin.send("POST", f"{HOSTS}/invitations", json={"invitation": {"url": url}})
        assert answer.status_code == 400
    # A host without a secret of its own would be back at once, as long as its agent runs.
    await admin.fault("DELETE", f"{HOSTS}/id-2", 409)
    cloud.clock.advance(3600)
    await admin.delete(f"{HOSTS}/id-2")
    assert cloud.database.read(lambda tx: tx.get(KnownHost, "id-2")) is None


async def test_only_admins_may(admin: Api, api: Api) -> None:
    for method, path in (
        ("GET", HOSTS),
        ("GET", f"{HOSTS}/id-1"),
        ("DELETE", f"{HOSTS}/id-1"),
        ("PUT", f"{HOSTS}/id-1/drain"),
        ("PUT", f"{HOSTS}/id-1/enable"),
        ("PUT", f"{HOSTS}/id-1/disable"),
    ):
        assert (await api.send(method, path)).status_code == 403
    answer = await api.send("POST", f"{HOSTS}/invitations", json={"invitation": {}})
    assert answer.status_code == 403
