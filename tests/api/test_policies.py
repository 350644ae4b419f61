"""The policy: the rights of each role, as Octavia's own enforcer decides, and an operator's file."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from hydria.api.policy import PREFIX, OctaviaPolicy, default_rules
from hydria.compose.clock import SystemClock
from hydria.compose.credentials import Credentials
from hydria.compose.schema import upgrade_database
from hydria.compose.server import make_app
from hydria.errors import SettingsError
from hydria.model.caller import Caller
from hydria.settings import ApiSettings, Settings
from hydria.store import Database

# Made by compare/octavia/rights.py with Octavia 19.0.0.
RECORDED: dict[str, dict[str, dict[str, str]]] = json.loads(
    Path(__file__).with_name("recorded_rights.json").read_text()
)
LEGACY = [f"load-balancer_{name}" for name in ("admin", "global_observer", "member", "observer", "quota_admin")]
ROLES = ("admin", "member", "reader", "service", "guest", *LEGACY)
SUBNET = "11111111-0000-4000-8000-000000000001"
POST = f"{PREFIX}loadbalancer:post"


def caller(*roles: str) -> Caller:
    return Caller(user_id="u", project_id="p-own", roles=frozenset(roles))


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("defaults", ["new", "legacy"])
def test_a_role_has_the_rights_that_it_has_in_octavia(defaults: str, role: str) -> None:
    policy = OctaviaPolicy(legacy_roles=defaults == "legacy")
    who = caller(role)
    found = {}
    for rule in RECORDED[defaults]:
        own, foreign = (policy.allows(rule, who, project) for project in ("p-own", "p-foreign"))
        found[rule] = "all" if foreign else "own" if own else None
    assert found == {rule: allowed.get(role) for rule, allowed in RECORDED[defaults].items()}


def test_every_action_of_octavia_has_its_rule() -> None:
    ours = {rule for rule in default_rules() if rule.startswith(PREFIX)}
    # Octavia does not know hosts, history and explanations.
    ours = {rule for rule in ours if not rule.startswith(f"{PREFIX}host:")}
    ours = {rule for rule in ours if not rule.endswith(("_revisions", "_rollback", "_explain", ":post:id"))}
    assert ours - RECORDED["new"].keys() == {f"{PREFIX}member:get_all-global", f"{PREFIX}l7rule:get_all-global"}
    assert RECORDED["new"].keys() <= ours


class Server:
    """A server in noop mode with a home cloud; `admin` is the first admin's token."""

    def __init__(self, http: httpx.AsyncClient, admin: str) -> None:
        self.http = http
        self.admin = admin

    async def identity(self, method: str, path: str, body: Any = None) -> Any:
        answer = await self.http.request(
            method, f"/identity/v3/{path}", json=body, headers={"x-auth-token": self.admin}
        )
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    async def user(self, name: str, role: str) -> str:
        """Create a user with one role in the project demo, and the role if it is missing; return a token."""
        found = (await self.identity("GET", f"roles?name={role}"))["roles"]
        role_id = (
            found[0]["id"] if found else (await self.identity("POST", "roles", {"role": {"name": role}}))["role"]["id"]
        )
        project = (await self.identity("GET", "projects?name=demo"))["projects"][0]["id"]
        user = (await self.identity("POST", "users", {"user": {"name": name, "password": "p"}}))["user"]["id"]
        await self.identity("PUT", f"projects/{project}/users/{user}/roles/{role_id}")
        return await login(self.http, name, "p", "demo")

    async def status(self, token: str, method: str, path: str, body: Any = None) -> int:
        path = f"/load-balancer/v2.0/lbaas/{path}"
        return (await self.http.request(method, path, json=body, headers={"x-auth-token": token})).status_code


async def login(http: httpx.AsyncClient, user: str, password: str, project: str) -> str:
    domain = {"id": "default"}
    who = {"methods": ["password"], "password": {"user": {"name": user, "domain": domain, "password": password}}}
    body = {"auth": {"identity": who, "scope": {"project": {"name": project, "domain": domain}}}}
    answer = await http.post("/identity/v3/auth/tokens", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.headers["x-subject-token"])


@asynccontextmanager
async def serving(directory: Path, api: ApiSettings) -> AsyncIterator[Server]:
    settings = Settings(state_dir=directory / "state", run_dir=directory / "run", api=api)
    upgrade_database(settings)
    database = Database(settings.database_url, synchronous="off")
    app = make_app(settings, database, SystemClock(), noop=True)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://hydria") as http:
        password = Credentials.read(settings.credentials_file).password
        yield Server(http, await login(http, "admin", password, "admin"))
    database.close()


@pytest.mark.slow
async def test_the_older_roles_over_the_api(tmp_path: Path) -> None:
    lb = {"loadbalancer": {"vip_subnet_id": SUBNET}}
    quota = {"quota": {"pool": 3}}
    profile = {"flavorprofile": {"name": "f", "provider_name": "amphora", "flavor_data": "{}"}}
    expected = {
        "load-balancer_member": (201, 200, 403, 403),
        "load-balancer_observer": (403, 200, 403, 403),
        "load-balancer_global_observer": (403, 200, 403, 403),
        "load-balancer_quota_admin": (403, 403, 202, 403),
        "load-balancer_admin": (201, 200, 202, 201),
    }
    async with serving(tmp_path, ApiSettings(legacy_roles=True)) as server:
        foreign = await server.http.post(
            "/load-balancer/v2.0/lbaas/loadbalancers", json=lb, headers={"x-auth-token": server.admin}
        )
        key = foreign.json()["loadbalancer"]["id"]
        for role, statuses in expected.items():
            token = await server.user(role, role)
            assert (
                await server.status(token, "POST", "loadbalancers", lb),
                await server.status(token, "GET", "loadbalancers"),
                await server.status(token, "PUT", "quotas/some-project", quota),
                await server.status(token, "POST", "flavorprofiles", profile),
            ) == statuses, role
            sees = role in ("load-balancer_admin", "load-balancer_global_observer")
            assert await server.status(token, "GET", f"loadbalancers/{key}") == (200 if sees else 403), role


@pytest.mark.slow
async def test_the_older_roles_have_no_rights_by_default(tmp_path: Path) -> None:
    async with serving(tmp_path, ApiSettings()) as server:
        for role in LEGACY:
            assert await server.status(await server.user(role, role), "GET", "loadbalancers") == 403


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "policy.yaml"
    file.write_text(text)
    return file


async def test_an_operators_file_replaces_rules(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        """# Only the builders build.
"lb:builder": "role:builder and project_id:%(project_id)s"
"os_load-balancer_api:loadbalancer:post": "rule:lb:builder"
"os_load-balancer_api:loadbalancer:put": "!"
"os_load-balancer_api:flavor:get_all": ""
"context_is_admin": "role:admin or role:boss"
""",
    )
    lb = {"loadbalancer": {"vip_subnet_id": SUBNET}}
    with capture_logs() as logs:
        async with serving(tmp_path, ApiSettings(policy_file=file)) as server:
            member, builder = await server.user("m", "member"), await server.user("b", "builder")
            assert await server.status(member, "POST", "loadbalancers", lb) == 403
            assert await server.status(builder, "POST", "loadbalancers", lb) == 201
            assert await server.status(builder, "GET", "loadbalancers") == 403
            assert await server.status(member, "GET", "loadbalancers") == 200
            assert await server.status(await server.user("g", "guest"), "GET", "flavors") == 200
            # The default rules use the replaced rule.
            assert await server.status(await server.user("boss", "boss"), "GET", "amphorae") == 404
            assert await server.status(await server.user("boss2", "boss"), "GET", "flavorprofiles") == 200
    assert not [entry for entry in logs if entry["event"] == "policy_rule_unused"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('"a": "role:x"\n"b": [unfinished\n', ":3: is not YAML: "),
        ('"a": "role:x"\n\t"b": "role:y"\n', ":2: is not YAML: "),
        ("- a\n", ':1: must be lines like "rule name": "check"'),
        ("a: role:x\nb: 5\n", ':2: must be like "rule name": "check"'),
        ("a: role:x\nb:\n  c: role:d\n", ':2: must be like "rule name": "check"'),
        ("a:\n", ':1: must be like "rule name": "check"'),
        (f'\n\n"{POST}": "role admin"\n', f':3: "{POST}": the check "role admin" cannot be read'),
        (f'"{POST}": "(role:a or role:b"\n', f':1: "{POST}": the check "(role:a or role:b" cannot be read'),
        (f'"{POST}": "role:a or oops"\n', f':1: "{POST}": the check "role:a or oops" cannot be read'),
        (f'"{POST}": "not rule:nothing"\n', f':1: "{POST}": there is no rule "nothing"'),
        ('"x": "rule:y or role:a"\n"y": "rule:x"\n', ':1: "x": it refers to itself: x > y > x'),
        ('"project-member": "rule:load-balancer:write"\n', ':1: "project-member": it refers to itself: '),
    ],
)
def test_a_broken_file_is_refused_with_the_place(tmp_path: Path, text: str, message: str) -> None:
    file = written(tmp_path, text)
    with pytest.raises(SettingsError) as caught:
        OctaviaPolicy(file)
    assert str(caught.value).splitlines()[0].startswith(f"api.policy_file: {file}{message}")


def test_all_mistakes_are_reported(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        OctaviaPolicy(written(tmp_path, "a: 5\nb: oops\nc: role:x\n"))
    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize("text", ["", "# nothing\n", "{}\n", '{"context_is_admin": "role:root"}'])
def test_files_without_rules_change_nothing(tmp_path: Path, text: str) -> None:
    assert OctaviaPolicy(written(tmp_path, text)).allows(POST, caller("member"), "p-own")


def test_an_unused_rule_is_logged_as_a_warning(tmp_path: Path) -> None:
    file = written(tmp_path, '"os_load-balancer_api:loadbalancer:posst": "role:x"\n')
    with capture_logs() as logs:
        OctaviaPolicy(file)
    assert logs[0]["rule"].endswith("posst")
    assert (logs[0]["place"], logs[0]["nearest"]) == (f"{file}:1", [POST])


@pytest.mark.slow
@pytest.mark.parametrize("command", ["server", "up"])
def test_no_server_starts_with_a_broken_file(tmp_path: Path, command: str) -> None:
    file = written(tmp_path, f'"{POST}": "oops"\n')
    environ = {
        "HYDRIA_STATE_DIR": str(tmp_path / "state"),
        "HYDRIA_RUN_DIR": str(tmp_path / "run"),
        "HYDRIA_API_POLICY_FILE": str(file),
        "HOME": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-m", "hydria.cli", command, "--noop"],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert f'error: api.policy_file: {file}:1: "{POST}": the check "oops" cannot be read' in done.stderr
    assert "Traceback" not in done.stderr
