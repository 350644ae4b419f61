"""Hydria in the simulated OpenStack: a server in the control node, and an agent on each host."""

import signal
import sys
from pathlib import Path

import httpx

from cluster.nodes import Node, environment, until
from hydria.adapters.linux.netns import inside
from hydria.agent.membership import NAME as MEMBERSHIP
from hydria.errors import HostError
from stack.plan import CONTROL, KEYSTONE, OCTAVIA, Plan, management_address, url

AGENTS_PORT = 9877
_SECONDS = 90.0

_SERVER = """\
state_dir = "{state}"
run_dir = "/run/hydria"
log_format = "console"
[server]
host = "{address}"
port = {port}
public_url = "{url}"
agents_url = "https://{address}:{agents}"
[keystone]
auth_url = "{keystone}/v3"
username = "hydria"
password = "{password}"
[network]
type = "neutron"
"""

_BARBICAN = """\
[secrets]
type = "barbican"
"""

_AGENT = """\
state_dir = "{state}"
run_dir = "/run/hydria"
log_format = "console"
[agent]
host = "{name}"
prefix = "{prefix}"
ovsdb = "unix:{ovs}/db.sock"
first_uid = {uid}
uids = 1000000
"""


def start_server(plan: Plan, control: Node, settings: dict[str, str]) -> None:
    """Start the server, and wait until it answers. Raises HostError."""
    text = _SERVER.format(
        state=control.home / "hydria",
        address=management_address(CONTROL),
        port=OCTAVIA,
        url=url(OCTAVIA),
        agents=AGENTS_PORT,
        keystone=url(KEYSTONE),
        password=plan.password,
    )
    _write(control, text + (_BARBICAN if plan.barbican else ""))
    control.keep("hydria-server", [program("hydria"), "server"], environment({**settings, **own_settings(control)}))
    log = control.home / "hydria-server.log"
    until(lambda: answers(control, f"{url(OCTAVIA)}/load-balancer/"), f"Hydria does not answer, see {log}", _SECONDS)


def join(plan: Plan, control: Node, host: Node) -> None:
    """Let a host join by an invitation, unless its disk says that it has. Raises HostError."""
    number = int(host.name.removeprefix("h"))
    text = _AGENT.format(
        state=host.home / "hydria",
        name=host.name,
        prefix=plan.prefix(host.name),
        ovs=plan.ovs(host.name),
        # The kernel counts processes of an account over all hosts of this machine.
        uid=1_950_000_000 + number * 1_000_000,
    )
    _write(host, text)
    if not (host.home / "hydria" / MEMBERSHIP).exists():
        with inside(control.network):
            invitation = _invitation(plan)
        run_hydria(host, "host", "join", invitation)


def start_agent(host: Node, settings: dict[str, str]) -> None:
    """Start the agent of a host that has joined."""
    host.keep("hydria-agent", [program("hydria"), "agent"], environment({**settings, **own_settings(host)}))


def restart(node: Node) -> None:
    """End Hydria's program on a node, which is started again: with new code. Raises HostError."""
    for process in node.processes("hydria"):
        process.signal(signal.SIGTERM)
        process.close()


def run_hydria(node: Node, *command: str) -> str:
    """Run a `hydria` command on a node to its end; return its output. Raises HostError."""
    return node.run(program("hydria"), *command, environment=environment(own_settings(node)))


def own_settings(node: Node) -> dict[str, str]:
    """Return the environment variable with a node's settings file."""
    return {"HYDRIA_SETTINGS": str(node.home / "hydria.toml")}


def program(name: str) -> str:
    """Return a program of this environment."""
    return str(Path(sys.executable).with_name(name))


def token(plan: Plan, user: str = "admin", project: str = "admin") -> str:
    """Return a token of a user. Call it where Keystone can be reached. Raises HostError."""
    login = {"name": user, "password": plan.password, "domain": {"id": "default"}}
    scope = {"project": {"name": project, "domain": {"id": "default"}}}
    identity = {"methods": ["password"], "password": {"user": login}}
    body = {"auth": {"identity": identity, "scope": scope}}
    answer = httpx.post(f"{url(KEYSTONE)}/v3/auth/tokens", json=body, trust_env=False, timeout=30)
    if answer.status_code != httpx.codes.CREATED:
        raise HostError(f"Keystone does not let {user} in: {answer.text}")
    return answer.headers["x-subject-token"]


def answers(control: Node, address: str) -> bool:
    """Say whether a URL answers in the control node."""
    with inside(control.network):
        try:
            return httpx.get(address, trust_env=False, timeout=5).status_code < httpx.codes.INTERNAL_SERVER_ERROR
        except httpx.HTTPError:
            return False


def _invitation(plan: Plan) -> str:
    where = f"{url(OCTAVIA)}/load-balancer/v2.0/octavia/hosts/invitations"
    headers = {"X-Auth-Token": token(plan)}
    answer = httpx.post(where, json={"invitation": {}}, headers=headers, trust_env=False, timeout=30)
    if not answer.is_success:
        raise HostError(f"Hydria invites no host: {answer.text}")
    return str(answer.json()["invitation"]["url"])


def _write(node: Node, text: str) -> None:
    file = node.home / "hydria.toml"
    file.touch(mode=0o600)
    file.write_text(text)
