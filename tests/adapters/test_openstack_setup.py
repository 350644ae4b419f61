"""`hydria openstack setup`: it makes what is missing in a Keystone, through the real SDK, and changes nothing else."""

import json
import tomllib
from collections.abc import Iterator

import openstack
import pytest

from hydria.adapters.openstack.setup import Made, Wanted, set_up, settings_text
from hydria.errors import HydriaError, SettingsError, Unavailable
from hydria.settings import KeystoneSettings, ServerSettings, Settings
from tests.support.fake_openstack import OpenStack, openstack_cloud

URL = "http://198.51.100.9:9876/load-balancer"


@pytest.fixture
def cloud() -> Iterator[OpenStack]:
    with openstack_cloud() as made:
        yield made


def run(cloud: OpenStack, settings: Settings | None = None, url: str = URL) -> tuple[Made, list[str]]:
    """Set a cloud up as its admin; return what was made and said."""
    auth = {"auth_url": f"{cloud.url}/identity/v3", "username": "root", "password": "secret", "project_name": "admin"}
    domains = {"user_domain_id": "default", "project_domain_id": "default"}
    connection = openstack.connect(load_yaml_config=False, load_envvars=False, auth={**auth, **domains})
    lines: list[str] = []
    try:
        made = set_up(connection.identity, wanted(cloud, settings, url), lines.append)
    finally:
        connection.close()
    return made, lines


def wanted(cloud: OpenStack, settings: Settings | None = None, url: str | None = URL) -> Wanted:
    return Wanted.of(settings or Settings(), f"{cloud.url}/identity/v3", None, url)


def test_it_makes_all_and_the_printed_settings_are_those_of_the_server(cloud: OpenStack) -> None:
    made, _ = run(cloud)
    assert cloud.roles_of("hydria", "service") == {"service", "admin"}
    service = cloud.one("services", type="load-balancer")
    found = {each["interface"]: each["url"] for each in cloud.kept["endpoints"] if each["service_id"] == service["id"]}
    assert found == {"public": URL, "internal": URL}
    assert {each["name"] for each in cloud.kept["roles"]} >= {"load-balancer_member", "load-balancer_admin"}
    printed = tomllib.loads(settings_text(wanted(cloud), made))
    keystone = KeystoneSettings(**printed["keystone"])
    assert keystone.password == cloud.one("users", name="hydria")["password"]
    assert (keystone.auth_url, keystone.region) == (f"{cloud.url}/identity/v3", "RegionOne")
    assert printed["network"] == {"type": "neutron"}


def test_a_second_run_changes_nothing_and_prints_no_password(cloud: OpenStack) -> None:
    run(cloud)
    before = len(cloud.changes)
    made, lines = run(cloud)
    assert len(cloud.changes) == before
    assert made.password is None
    assert not any(line.startswith("made") for line in lines)
    assert any("openstack user set --password-prompt" in line for line in lines)
    assert "password" not in tomllib.loads(settings_text(wanted(cloud), made))["keystone"]


def test_names_and_password_are_those_of_the_settings(cloud: OpenStack) -> None:
    keystone = KeystoneSettings(username="balancer", project_name="lbaas", password='a"b')
    made, lines = run(cloud, Settings(keystone=keystone))
    assert cloud.roles_of("balancer", "lbaas") == {"service", "admin"}
    assert cloud.one("users", name="balancer")["password"] == 'a"b'
    assert made.password is None
    assert 'a"b' not in json.dumps(lines)


def test_an_endpoint_with_another_url_is_told_and_kept(cloud: OpenStack) -> None:
    cloud.add_service("load-balancer", "octavia", "http://198.51.100.1:9876")
    _, lines = run(cloud)
    octavia = cloud.one("services", type="load-balancer")
    public = cloud.one("endpoints", service_id=octavia["id"], interface="public")
    assert public["url"] == "http://198.51.100.1:9876"
    (line,) = [each for each in lines if each.startswith("differs")]
    assert f"openstack endpoint set --url {URL} {public['id']}" in line


@pytest.mark.parametrize("collection", ["projects", "services", "endpoints", "users"])
def test_after_a_failure_in_the_middle_it_goes_on(cloud: OpenStack, collection: str) -> None:
    sentence = "The database is away."
    cloud.refuse = lambda method, path: (
        (500, sentence) if method == "POST" and path.endswith(f"/{collection}") else None
    )
    with pytest.raises(Unavailable, match=sentence):
        run(cloud)
    cloud.refuse = lambda method, path: None
    made, _ = run(cloud)
    assert cloud.roles_of("hydria", "service") == {"service", "admin"}
    assert len(cloud.kept["services"]) == 1
    assert len(cloud.kept["endpoints"]) == 2
    assert made.password == cloud.one("users", name="hydria")["password"]


def test_who_is_no_admin_is_told_so(cloud: OpenStack) -> None:
    cloud.refuse = lambda method, path: (403, "You are not authorized.") if "/projects" in path else None
    with pytest.raises(SettingsError, match=r"You are not authorized.* --os-cloud CLOUD"):
        run(cloud)


def test_several_regions_need_a_choice(cloud: OpenStack) -> None:
    cloud.kept["regions"].append({"id": "RegionTwo"})
    with pytest.raises(SettingsError, match=r"RegionOne, RegionTwo.*--region REGION"):
        run(cloud)
    made, _ = run(cloud, Settings(keystone=KeystoneSettings(region="RegionTwo")))
    assert made.region == "RegionTwo"
    with pytest.raises(SettingsError, match="RegionThree is none of them"):
        run(cloud, Settings(keystone=KeystoneSettings(region="RegionThree")))


def test_the_url_for_clients_is_given_or_that_of_the_settings(cloud: OpenStack) -> None:
    for url in (None, "server:9876"):
        with pytest.raises(HydriaError, match="--url"):
            wanted(cloud, url=url)
    settings = Settings(server=ServerSettings(public_url="https://lb.example/"))
    assert wanted(cloud, settings, None).url == "https://lb.example/load-balancer"
