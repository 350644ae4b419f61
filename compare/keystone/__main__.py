"""`python -m compare.keystone` tries Hydria with a real Keystone; exits 1 when an answer is wrong.

Makes an environment with `keystone` from PyPI (or takes the one of --environment), serves it with SQLite on loopback,
starts Hydria in noop mode with it in the settings, and checks the answers to users. It is run by hand only: in the
tests the home cloud's identity is in Keystone's place.
"""

import argparse
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from keystoneauth1.identity.v3 import Password
from keystoneauth1.session import Session

from compare.sides import ROOT

_PASSWORD = "pw"  # noqa: S105 - of users who live for one run on loopback
_PATIENCE = 90.0
_CACHE_SECONDS = 2
_SUBNET = "11111111-0000-4000-8000-000000000001"


class _Trial:
    """A running Keystone and a running Hydria, and the failed checks so far."""

    def __init__(self, keystone: str, hydria: str) -> None:
        self.keystone = keystone
        self.http = httpx.Client(base_url=f"{hydria}/load-balancer/v2.0/lbaas", trust_env=False, timeout=30)
        self.wrong = 0

    def session(self, user: str, project: str) -> Session:
        login = Password(
            auth_url=self.keystone,
            username=user,
            password=_PASSWORD,
            user_domain_id="default",
            project_name=project,
            project_domain_id="default",
        )
        return Session(login)

    def status(self, token: str | None, method: str = "GET", path: str = "/loadbalancers", body: Any = None) -> int:
        headers = {"x-auth-token": token} if token else {}
        return self.http.request(method, path, headers=headers, json=body).status_code

    def check(self, what: str, found: Any, wanted: Any) -> None:
        self.wrong += found != wanted
        sys.stdout.write(f"{'ok   ' if found == wanted else 'WRONG'} {what}: {found}\n")


def main() -> int:
    """Run all checks; return 1 when one failed."""
    parser = argparse.ArgumentParser(prog="python -m compare.keystone", description=__doc__)
    parser.add_argument("--environment", type=Path, help="an environment that has keystone; made when not given")
    given: Path | None = parser.parse_args().environment
    with tempfile.TemporaryDirectory(prefix="hydria-keystone-") as temporary, contextlib.ExitStack() as stack:
        directory = Path(temporary)
        environment = given or _environment(directory / "environment")
        keystone_url, hydria_url = (f"http://127.0.0.1:{_free_port()}" for _ in range(2))
        serve = str(Path(__file__).with_name("serve.py"))
        words = (str(environment / "bin/python"), serve, str(directory / "keystone"), keystone_url[17:], _PASSWORD)
        keystone = stack.enter_context(_running(words, f"{keystone_url}/v3", directory / "keystone.log"))
        trial = _Trial(f"{keystone_url}/v3", hydria_url)
        _people(trial)
        environ = _settings(directory, keystone_url, hydria_url)
        hydria = (sys.executable, "-m", "hydria.cli", "server", "--noop")
        stack.enter_context(_running(hydria, f"{hydria_url}/load-balancer/", directory / "hydria.log", environ))
        _rights(trial)
        _revocation(trial)
        _away(trial, keystone)
        sys.stdout.write((directory / "hydria.log").read_text())
    return 1 if trial.wrong else 0


def _rights(trial: _Trial) -> None:
    alice, bob, rita = (trial.session(*who) for who in (("alice", "red"), ("bob", "blue"), ("rita", "red")))
    admin, stranger = trial.session("admin", "admin"), trial.session("stranger", "red")
    body = {"loadbalancer": {"vip_subnet_id": _SUBNET, "name": "lb"}}
    for who, session, created in (("a member", alice, 201), ("a reader", rita, 403), ("a user without", stranger, 403)):
        trial.check(f"{who} creates", trial.status(session.get_token(), "POST", body=body), created)
    lb = trial.http.get("/loadbalancers", headers={"x-auth-token": alice.get_token() or ""}).json()["loadbalancers"][0]
    trial.check("the project is Keystone's", lb["project_id"], alice.get_project_id())
    path = f"/loadbalancers/{lb['id']}"
    for who, session, wanted in (("reader", rita, 200), ("another project", bob, 403), ("admin", admin, 200)):
        trial.check(f"{who} sees it", trial.status(session.get_token(), path=path), wanted)
    trial.check("an unknown token", trial.status("gAAAAABnobody"), 401)
    trial.check("no token", trial.status(None), 401)
    trial.check("an unscoped token", trial.status(_unscoped(trial).get_token()), 403)
    system = Session(
        Password(
            auth_url=trial.keystone, username="admin", password=_PASSWORD, user_domain_id="default", system_scope="all"
        )
    )
    trial.check("a token of the system's admin", trial.status(system.get_token()), 403)
    begun = time.perf_counter()
    token = alice.get_token()
    for _ in range(200):
        trial.status(token, path=path)
    sys.stdout.write(f"     {200 / (time.perf_counter() - begun):.0f} GETs a second with a token that is known\n")


def _unscoped(trial: _Trial) -> Session:
    return Session(
        Password(auth_url=trial.keystone, username="alice", password=_PASSWORD, user_domain_id="default", unscoped=True)
    )


def _revocation(trial: _Trial) -> None:
    alice, admin = trial.session("alice", "red"), trial.session("admin", "admin")
    token = alice.get_token() or ""
    trial.check("before it is revoked", trial.status(token), 200)
    admin.delete(f"{trial.keystone}/auth/tokens", headers={"X-Subject-Token": token})
    begun = time.monotonic()
    while (status := trial.status(token)) == 200 and time.monotonic() - begun < 10 * _CACHE_SECONDS:
        time.sleep(0.05)
    sys.stdout.write(f"     revoked tokens end after {time.monotonic() - begun:.1f} s (cache {_CACHE_SECONDS} s)\n")
    trial.check("after it was revoked", status, 401)


def _away(trial: _Trial, keystone: "subprocess.Popen[bytes]") -> None:
    token, other = trial.session("alice", "red").get_token(), trial.session("bob", "blue").get_token()
    trial.check("while Keystone is there", trial.status(token), 200)
    keystone.kill()
    keystone.wait()
    trial.check("a known token while it is away", trial.status(token), 200)
    answer = trial.http.get("/loadbalancers", headers={"x-auth-token": other or ""})
    trial.check("another while it is away", answer.status_code, 503)
    sys.stdout.write(f"     {answer.text}\n")


def _people(trial: _Trial) -> None:
    """Make projects, and users with one role each, or with none that Octavia knows."""
    admin = trial.session("admin", "admin")

    def post(kind: str, **values: Any) -> str:
        made = admin.post(f"{trial.keystone}/{kind}s", json={kind: {"domain_id": "default", **values}})
        return str(made.json()[kind]["id"])

    listed = admin.get(f"{trial.keystone}/roles").json()["roles"]
    roles = {role["name"]: role["id"] for role in listed}
    roles["guest"] = str(admin.post(f"{trial.keystone}/roles", json={"role": {"name": "guest"}}).json()["role"]["id"])
    projects = {name: post("project", name=name) for name in ("red", "blue", "service")}
    for user, project, role in (
        ("alice", "red", "member"),
        ("rita", "red", "reader"),
        ("stranger", "red", "guest"),
        ("bob", "blue", "member"),
        ("hydria", "service", "service"),
    ):
        key = post("user", name=user, password=_PASSWORD)
        admin.put(f"{trial.keystone}/projects/{projects[project]}/users/{key}/roles/{roles[role]}")


def _settings(directory: Path, keystone_url: str, hydria_url: str) -> dict[str, str]:
    return {
        **os.environ,
        "HYDRIA_STATE_DIR": str(directory / "state"),
        "HYDRIA_RUN_DIR": str(directory / "run"),
        "HYDRIA_SERVER_PORT": hydria_url.rpartition(":")[2],
        "HYDRIA_KEYSTONE_AUTH_URL": keystone_url,
        "HYDRIA_KEYSTONE_PASSWORD": _PASSWORD,
        "HYDRIA_KEYSTONE_CACHE_SECONDS": str(_CACHE_SECONDS),
        "NO_PROXY": "127.0.0.1",
    }


def _environment(directory: Path) -> Path:
    uv = str(ROOT / ".dev/uv/bin/uv")
    subprocess.run((uv, "venv", "-q", str(directory)), check=True)
    subprocess.run((uv, "pip", "install", "-q", "--python", str(directory), "keystone==30.0.0"), check=True)
    return directory


@contextlib.contextmanager
def _running(
    words: tuple[str, ...], url: str, log_file: Path, environ: dict[str, str] | None = None
) -> "Iterator[subprocess.Popen[bytes]]":
    """Run a server for the block, which begins when it answers."""
    with log_file.open("wb") as log, subprocess.Popen(words, stdout=log, stderr=log, env=environ) as process:
        try:
            deadline = time.monotonic() + _PATIENCE
            while not _answers(url):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{words[0]} does not serve:\n{log_file.read_text()}")
                time.sleep(0.1)
            yield process
        finally:
            process.kill()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).status_code < 500
    except httpx.HTTPError:
        return False


if __name__ == "__main__":
    sys.exit(main())
