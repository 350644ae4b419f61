"""The stock clients, over a socket: keystoneauth1, openstacksdk and the openstack command."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openstack
import pytest
import uvicorn
from keystoneauth1 import exceptions, session
from keystoneauth1.identity import v3

from hydria.compose.clock import SystemClock
from tests.homecloud.identity.cloud import PASSWORD, Keystone


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """The base address of a served identity service."""
    keystone = Keystone(tmp_path, SystemClock())
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(keystone.app, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    deadline = time.monotonic() + 60
    while not server.started and time.monotonic() < deadline:
        thread.join(0.01)
    assert server.started
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(10)
    listener.close()
    keystone.database.close()


def connect(url: str, **auth: str) -> Any:
    if "application_credential_id" in auth:
        return openstack.connection.Connection(
            auth_type="v3applicationcredential", auth={"auth_url": f"{url}/identity", **auth}, region_name="RegionOne"
        )
    domains = {"user_domain_name": "Default", "project_domain_name": "Default"}
    return openstack.connection.Connection(
        auth={"auth_url": f"{url}/identity", **domains, **auth}, region_name="RegionOne"
    )


@pytest.mark.parametrize("path", ["/identity", "/identity/", "/identity/v3"])
def test_keystoneauth_discovers_the_service(url: str, path: str) -> None:
    auth = v3.Password(
        auth_url=url + path,
        username="admin",
        password=PASSWORD,
        user_domain_id="default",
        project_name="admin",
        project_domain_id="default",
    )
    found = session.Session(auth=auth)
    assert found.get_token()
    for service, address in (
        ("identity", "/identity/v3"),
        ("network", "/network"),
        ("key-manager", "/key-manager"),
        ("load-balancer", "/load-balancer"),
    ):
        for interface in ("public", "internal", "admin"):
            place = found.get_endpoint(service_type=service, interface=interface, region_name="RegionOne")
            assert place == url + address
    data = found.get_endpoint_data(service_type="identity")
    assert data is not None
    assert data.api_version == (3, 14)
    wrong = v3.Password(auth_url=url + path, username="admin", password="x", user_domain_id="default")
    with pytest.raises(exceptions.Unauthorized):
        session.Session(auth=wrong).get_token()


def test_sdk(url: str) -> None:
    identity = connect(url, username="admin", password=PASSWORD, project_name="admin").identity
    project = identity.create_project(name="red", description="d", domain_id="default")
    assert identity.find_project("red").id == project.id
    assert identity.update_project(project, description="e").description == "e"
    assert "red" in [each.name for each in identity.projects(domain_id="default", is_enabled=True)]
    user = identity.create_user(name="alice", password="secret", domain_id="default", default_project_id=project.id)
    assert identity.find_user("alice", domain_id="default").id == user.id
    role = identity.find_role("member")
    identity.assign_project_role_to_user(project, user, role)
    assert identity.validate_user_has_project_role(project, user, role)
    held = list(identity.role_assignments(user_id=user.id, include_names=True))
    assert [(each.role["name"], each.scope["project"]["name"]) for each in held] == [("member", "red")]
    made = identity.create_role(name="auditor")
    identity.update_role(made, name="checker")
    identity.delete_role(made)
    assert [domain.id for domain in identity.domains()] == ["default"]
    assert {service.type for service in identity.services()} == {"identity", "network", "key-manager", "load-balancer"}

    alice = connect(url, username="alice", password="secret", project_name="red")
    assert alice.current_project_id == project.id
    credential = alice.identity.create_application_credential(user.id, "ci", roles=[{"name": "reader"}])
    robot = connect(url, application_credential_id=credential.id, application_credential_secret=credential.secret)
    assert robot.current_project_id == project.id
    assert robot.current_user_id == user.id
    assert [each.name for each in robot.identity.application_credentials(user.id)] == ["ci"]
    with pytest.raises(openstack.exceptions.ForbiddenException):
        robot.identity.create_application_credential(user.id, "more")
    alice.identity.delete_application_credential(user.id, credential)

    identity.unassign_project_role_from_user(project, user, role)
    identity.delete_user(user)
    identity.delete_project(project)
    assert identity.find_project("red") is None


def test_command(url: str, tmp_path: Path) -> None:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("OS_")},
        "HOME": str(tmp_path),
        "OS_AUTH_URL": f"{url}/identity",
        "OS_USERNAME": "admin",
        "OS_PASSWORD": PASSWORD,
        "OS_PROJECT_NAME": "admin",
        "OS_USER_DOMAIN_NAME": "Default",
        "OS_PROJECT_DOMAIN_NAME": "Default",
    }
    program = Path(sys.executable).with_name("openstack")

    def run(*words: str) -> Any:
        done = subprocess.run(
            [program, *words], check=False, env=environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if "json" in words else done.stdout

    assert run("token", "issue", "-f", "json")["project_id"]
    project = run("project", "create", "blue", "-f", "json")
    assert run("project", "show", "blue", "-f", "json")["id"] == project["id"]
    run("user", "create", "--project", "blue", "--password", "x", "bob", "-f", "json")
    run("role", "add", "--project", "blue", "--user", "bob", "member")
    held = run("role", "assignment", "list", "--user", "bob", "--names", "-f", "json")
    assert [(each["Role"], each["Project"]) for each in held] == [("member", "blue@Default")]
