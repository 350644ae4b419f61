"""The two compared servers with the same users: how they are started, and how users authenticate."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from msgspec import Struct

from hydria.compose.credentials import Credentials

ROOT = Path(__file__).resolve().parent.parent

# (user, project, roles); the projects are made in Hydria's home cloud, and Octavia takes their ids from headers.
USERS = {
    "alice": ("red", ("member", "reader")),
    "bob": ("blue", ("member", "reader")),
    "rita": ("red", ("reader",)),
    "nobody": ("red", ("guest",)),
    "admin": ("admin", ("admin", "member", "reader")),
}
_PASSWORD = "compare"  # noqa: S105 - of users who live for one run on loopback
_PATIENCE = 60.0


class Answer(Struct, frozen=True, kw_only=True):
    """A server's answer; `body` is the decoded JSON, or the text of another body."""

    status: int
    body: Any
    headers: dict[str, str]


class Side:
    """One server. `known` has names for values in its answers that differ between runs."""

    def __init__(
        self, http: httpx.Client, base: str, headers: dict[str, dict[str, str]], known: dict[str, str]
    ) -> None:
        """`base` is the path of Octavia's API; `headers` authenticate each user."""
        self._http = http
        self._base = base
        self._headers = headers
        self.known = known

    def headers(self, user: str) -> dict[str, str]:
        """Return the headers that authenticate a user."""
        return self._headers[user]

    def send(self, method: str, path: str, *, user: str | None, content: bytes | None) -> Answer:
        """Send a request as a user, or without authentication."""
        headers = dict(self._headers[user]) if user else {}
        if content is not None:
            headers["content-type"] = "application/json"
        answer = self._http.request(method, self._base + path, headers=headers, content=content)
        try:
            body = answer.json() if answer.content else None
        except ValueError:
            body = answer.text
        return Answer(status=answer.status_code, body=body, headers=dict(answer.headers))


def hydria_side(http: httpx.Client, password: str) -> Side:
    """Return Hydria as a side; make the users in its home cloud with the first admin's password."""
    admin = _login(http, "admin", "admin", password)
    get, post, put = (_json(http, verb, admin) for verb in ("GET", "POST", "PUT"))
    roles = {role["name"]: role["id"] for role in get("/roles")["roles"]}
    roles["guest"] = post("/roles", {"role": {"name": "guest"}})["role"]["id"]
    projects = {each["name"]: each["id"] for each in get("/projects")["projects"]}
    tokens = {"admin": {"x-auth-token": admin}}
    for user, (project, granted) in USERS.items():
        if user == "admin":
            continue
        if project not in projects:
            projects[project] = post("/projects", {"project": {"name": project}})["project"]["id"]
        made = post("/users", {"user": {"name": user, "password": _PASSWORD}})["user"]
        for role in granted:
            put(f"/projects/{projects[project]}/users/{made['id']}/roles/{roles[role]}")
        tokens[user] = {"x-auth-token": _login(http, user, project, _PASSWORD)}
    known = {projects[name]: f"<project {name}>" for name in ("red", "blue", "admin")}
    return Side(http, "/load-balancer", tokens, {str(http.base_url).rstrip("/") + "/load-balancer": "", **known})


def octavia_side(http: httpx.Client, hydria: Side) -> Side:
    """Return Octavia as a side, with the projects of Hydria's side."""
    projects = {name[9:-1]: key for key, name in hydria.known.items() if name.startswith("<project ")}
    headers = {
        user: {"X-Project-Id": projects[project], "X-User-Id": user, "X-Roles": ",".join(roles)}
        for user, (project, roles) in USERS.items()
    }
    known = {key: name for key, name in hydria.known.items() if name}
    return Side(http, "", headers, {str(http.base_url).rstrip("/"): "", **known})


def _login(http: httpx.Client, user: str, project: str, password: str) -> str:
    domain = {"id": "default"}
    identity = {"methods": ["password"], "password": {"user": {"name": user, "domain": domain, "password": password}}}
    scope = {"project": {"name": project, "domain": domain}}
    body = {"auth": {"identity": identity, "scope": scope}}
    answer = http.post("/identity/v3/auth/tokens", json=body).raise_for_status()
    return str(answer.headers["x-subject-token"])


def _json(http: httpx.Client, verb: str, token: str) -> Any:
    def send(path: str, body: Any = None) -> Any:
        answer = http.request(verb, f"/identity/v3{path}", json=body, headers={"x-auth-token": token})
        answer.raise_for_status()
        return answer.json() if answer.content else None

    return send


class Running(Struct, frozen=True, kw_only=True):
    """A running Hydria: its port on loopback, and the first admin's credentials."""

    port: int
    credentials: Credentials


@contextlib.contextmanager
def running_noop(directory: Path) -> Iterator[Running]:
    """Run Hydria in noop mode with its state in a directory."""
    port = _free_port()
    environ = {
        **os.environ,
        "HYDRIA_STATE_DIR": str(directory / "state"),
        "HYDRIA_RUN_DIR": str(directory / "run"),
        "HYDRIA_SERVER_PORT": str(port),
        "HYDRIA_DATABASE_SYNCHRONOUS": "normal",
        "HYDRIA_LOG_LEVEL": "warning",
    }
    command = [sys.executable, "-m", "hydria.cli", "server", "--noop", "--until-stdin-ends"]
    with _process(command, directory / "hydria.log", environ) as child, _client(port) as http:
        _wait(child, http, "/load-balancer/", directory / "hydria.log")
        yield Running(port=port, credentials=Credentials.read(directory / "state/clouds.yaml"))


@contextlib.contextmanager
def running_hydria(directory: Path) -> Iterator[Side]:
    """Run Hydria in noop mode and yield it as a side."""
    with running_noop(directory) as hydria, _client(hydria.port) as http:
        yield hydria_side(http, hydria.credentials.password)


@contextlib.contextmanager
def running_octavia(directory: Path, environment: Path, hydria: Side) -> Iterator[Side]:
    """Run the real Octavia from its environment, with a new database in a directory."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    port = _free_port()
    command = [str(environment / "bin/python"), str(ROOT / "compare/octavia/serve.py"), str(directory), str(port)]
    log = directory / "octavia.log"
    with _process(command, log, dict(os.environ)) as child, _client(port) as http:
        _wait(child, http, "/", log)
        yield octavia_side(http, hydria)


@contextlib.contextmanager
def _process(command: list[str], log_file: Path, environ: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    log_file.parent.mkdir(parents=True, exist_ok=True)
    with log_file.open("wb") as log:
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log, env=environ, cwd=ROOT)
        try:
            yield child
        finally:
            assert child.stdin is not None  # noqa: S101 - it was asked for
            child.stdin.close()
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def _wait(child: subprocess.Popen[bytes], http: httpx.Client, path: str, log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        with contextlib.suppress(httpx.HTTPError):
            if http.get(path).status_code == 200:
                return
        if child.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"It does not start. The end of {log}:\n" + log.read_text(errors="replace")[-2000:])
        time.sleep(0.1)


def _client(port: int) -> httpx.Client:
    return httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
