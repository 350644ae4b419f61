"""`hydria up --noop` as a process: it needs no root, and `hydria down` ends it."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from hydria.settings import Settings, at_home


@pytest.fixture
def environ(tmp_path: Path) -> Iterator[dict[str, str]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    made = {
        **os.environ,
        "HYDRIA_STATE_DIR": str(tmp_path / "state"),
        "HYDRIA_RUN_DIR": str(tmp_path / "run"),
        "HYDRIA_SERVER_PORT": str(port),
    }
    yield made
    hydria(made, "down")


def hydria(environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hydria.cli", *arguments]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=90, check=False)


def test_up_and_down(environ: dict[str, str], tmp_path: Path) -> None:
    begun = hydria(environ, "up", "--noop", "--detach")
    assert begun.returncode == 0, begun.stdout + begun.stderr
    url = f"http://127.0.0.1:{environ['HYDRIA_SERVER_PORT']}"
    auth = yaml.safe_load((tmp_path / "state/clouds.yaml").read_text())["clouds"]["hydria"]["auth"]
    user = {"name": auth["username"], "domain": {"id": "default"}, "password": auth["password"]}
    scope = {"project": {"name": auth["project_name"], "domain": {"id": "default"}}}
    identity = {"methods": ["password"], "password": {"user": user}}
    with httpx.Client(base_url=url, trust_env=False) as http:
        answer = http.post("/identity/v3/auth/tokens", json={"auth": {"identity": identity, "scope": scope}})
        token = {"x-auth-token": answer.headers["x-subject-token"]}
        body = {"loadbalancer": {"vip_subnet_id": "11111111-0000-4000-8000-000000000001"}}
        made = http.post("/load-balancer/v2/lbaas/loadbalancers", json=body, headers=token).json()["loadbalancer"]
        shown = http.get(f"/load-balancer/v2/lbaas/loadbalancers/{made['id']}/", headers=token).json()["loadbalancer"]
        assert shown["provisioning_status"] == "ACTIVE"
        # No agent may poll this server.
        assert http.get("/agent/v1/hosts").status_code == 404
    assert "stopped" in hydria(environ, "down").stdout
    with pytest.raises(httpx.ConnectError):
        httpx.get(url, trust_env=False)


def test_a_user_other_than_root_has_directories_at_home() -> None:
    settings = at_home(Settings(), {"HOME": "/home/alice"})
    assert (str(settings.state_dir), str(settings.run_dir)) == (
        "/home/alice/.local/state/hydria",
        "/home/alice/.local/state/hydria/run",
    )
    named = at_home(Settings(state_dir=Path("/srv/hydria")), {"XDG_STATE_HOME": "/x"})
    assert (str(named.state_dir), str(named.run_dir)) == ("/srv/hydria", "/x/hydria/run")
