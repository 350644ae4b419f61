"""The commands `hydria openstack …` as an operator types them: what they print where, and their exit statuses."""

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fake_openstack import OpenStack, openstack_cloud

URL = "http://127.0.0.1:9876/load-balancer"


@pytest.fixture
def cloud() -> Iterator[OpenStack]:
    with openstack_cloud() as made:
        yield made


def hydria(directory: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end, with the settings and the clouds.yaml of a directory."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(directory),
        "HYDRIA_SETTINGS": str(directory / "hydria.toml"),
        "OS_CLIENT_CONFIG_FILE": str(directory / "clouds.yaml"),
    }
    command = [str(Path(sys.executable).with_name("hydria")), "openstack", *words]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)


def test_the_settings_that_setup_prints_satisfy_check(cloud: OpenStack, tmp_path: Path) -> None:
    auth = {"auth_url": f"{cloud.url}/identity/v3", "username": "root", "password": "secret", "project_name": "admin"}
    domains = {"user_domain_id": "default", "project_domain_id": "default"}
    clouds = {"clouds": {"mine": {"auth": {**auth, **domains}, "region_name": "RegionOne"}}}
    (tmp_path / "clouds.yaml").write_text(json.dumps(clouds))
    place = f'state_dir = "{tmp_path}/state"\nrun_dir = "{tmp_path}/run"\n'
    (tmp_path / "hydria.toml").write_text(place)
    cloud.add_service("network", "neutron", f"{cloud.url}/network")

    done = hydria(tmp_path, "setup", "--os-cloud", "mine", "--url", f"{cloud.url}/load-balancer")
    assert done.returncode == 0, done.stderr
    assert "made: user hydria" in done.stderr
    assert tomllib.loads(done.stdout)["keystone"]["region"] == "RegionOne"

    (tmp_path / "hydria.toml").write_text(place + done.stdout)
    done = hydria(tmp_path, "check", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = {each["name"]: each["ok"] for each in json.loads(done.stdout)}
    # No server runs here that could be asked for its hosts.
    assert {name for name, ok in found.items() if ok != "ok"} == {"hosts"}
    assert {"roles", "endpoint of hydria", "extensions"} <= found.keys()

    cloud.granted.clear()
    done = hydria(tmp_path, "check", "--json")
    assert done.returncode == 1
    assert [each["name"] for each in json.loads(done.stdout) if each["ok"] == "bad"] == ["login"]


def test_without_a_cloud_setup_says_what_to_name(tmp_path: Path) -> None:
    (tmp_path / "hydria.toml").write_text(f'state_dir = "{tmp_path}/state"\nrun_dir = "{tmp_path}/run"\n')
    done = hydria(tmp_path, "setup", "--os-cloud", "nowhere", "--url", URL)
    assert done.returncode == 1
    assert "--os-cloud CLOUD" in done.stderr
    assert "Traceback" not in done.stderr
