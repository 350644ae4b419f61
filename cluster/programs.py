"""The programs of the nodes: PostgreSQL, server, agent, and what members run."""

import contextlib
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from cluster.nodes import STATE, Node, environment, missing_programs, until
from hydria.errors import HostError

# The account of Debian's package: PostgreSQL refuses to run as root.
_ACCOUNT = "postgres"
_START_SECONDS = 60.0

# A clock that can be set: PostgreSQL finds this function before its own of the same name.
_CLOCK = """
CREATE TABLE clock (ahead interval NOT NULL);
INSERT INTO clock VALUES ('0');
CREATE FUNCTION clock_timestamp() RETURNS timestamptz LANGUAGE sql
    AS 'SELECT pg_catalog.clock_timestamp() + (SELECT ahead FROM public.clock)';
ALTER DATABASE hydria SET search_path = public, pg_catalog;
"""

_NGINX = """\
daemon off;
pid {run}/nginx.pid;
error_log stderr warn;
worker_processes 1;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    keepalive_requests 100000;
    client_body_temp_path {run}/body;
    proxy_temp_path {run}/proxy;
    fastcgi_temp_path {run}/fastcgi;
    uwsgi_temp_path {run}/uwsgi;
    scgi_temp_path {run}/scgi;
    server {{
        listen 80 backlog=4096;
        default_type text/plain;
        location / {{ return 200 "you hit: {name}\\n"; }}
    }}
}}
"""


def check_machine() -> None:
    """Raise HostError when a program is missing."""
    packages = {"nginx": "nginx-light", "nft": "nftables", "nsenter": "util-linux", "haproxy": "haproxy"}
    missing = [packages[name] for name in missing_programs(*packages)]
    if missing or not _postgres_programs():
        lacking = [*missing, *(() if _postgres_programs() else ("postgresql",))]
        raise HostError(f"Programs are missing on this machine: apt-get install {' '.join(lacking)}")


def start_database(node: Node) -> None:
    """Start PostgreSQL, with an empty database `hydria` when its disk is empty. Raises HostError."""
    programs = _postgres_programs()
    assert programs is not None  # noqa: S101 - check_machine
    # It makes the directory itself, with the mode that it wants.
    home, data = node.home, node.home / STATE / "data"
    (home / STATE).mkdir(exist_ok=True)
    for directory in (home, node.state):
        shutil.chown(directory, _ACCOUNT, _ACCOUNT)
    account = ["setpriv", "--reuid", _ACCOUNT, "--regid", _ACCOUNT, "--clear-groups"]
    own = environment({})
    if not (node.state / "data").exists():
        made = ["--wal-segsize=1", "--auth=trust", "--username=hydria", "--encoding=UTF8", "--no-locale", "--no-sync"]
        node.run(*account, f"{programs}/initdb", "-D", str(data), *made, environment=own)
    # A simulated power cut loses no pages of the machine's memory.
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": str(home),
        "max_connections": "200",
        "shared_buffers": "32MB",
        "fsync": "off",
        "max_wal_size": "32MB",
    }
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    node.keep("postgres", [*account, f"{programs}/postgres", "-D", str(data), *options], own)

    def answers() -> bool:
        with contextlib.suppress(HostError):
            _ask(node, "postgres", "SELECT 1")
            return True
        return False

    until(answers, f"PostgreSQL does not start, see {home}/postgres.log", _START_SECONDS)
    try:
        _ask(node, "postgres", 'CREATE DATABASE "hydria" TEMPLATE template0')
    except HostError as error:
        if "already exists" not in str(error):
            raise
    else:
        _ask(node, "hydria", _CLOCK)


def set_database_clock(node: Node, seconds: int) -> None:
    """Let the clock of PostgreSQL, which all servers go by, be so many seconds ahead. Raises HostError."""
    _ask(node, "hydria", f"UPDATE clock SET ahead = '{seconds} seconds'")  # noqa: S608 - a number


def _ask(node: Node, database: str, statement: str) -> None:
    psql = [f"{_postgres_programs()}/psql", "-h", str(node.home), "-U", "hydria", "-v", "ON_ERROR_STOP=1"]
    node.run(*psql, "-c", statement, database, environment=environment({}))


def start_server(node: Node, settings: Mapping[str, str]) -> None:
    """Start the server."""
    node.keep("server", [_hydria(), "server"], environment({**settings, **own_settings(node)}))


def start_agent(node: Node, settings: Mapping[str, str]) -> None:
    """Start the agent."""
    node.keep("agent", [_hydria(), "agent"], environment({**settings, **own_settings(node)}))


def run_hydria(node: Node, *command: str) -> None:
    """Run a `hydria` command on a node to its end. Raises HostError."""
    node.run(_hydria(), *command, environment=environment(own_settings(node)))


def start_member(node: Node) -> None:
    """Start nginx, and the small server of names for TCP and UDP."""
    configuration = node.home / "nginx.conf"
    configuration.write_text(_NGINX.format(name=node.name, run="/run"))
    node.keep("nginx", ["nginx", "-c", str(configuration), "-e", "stderr"], environment({}))
    node.keep("member", [sys.executable, str(Path(__file__).with_name("member.py")), node.name], environment({}))


def own_settings(node: Node) -> dict[str, str]:
    """Return the environment variable with a node's settings file."""
    return {"HYDRIA_SETTINGS": str(node.home / "hydria.toml")}


def _hydria() -> str:
    return str(Path(sys.executable).with_name("hydria"))


def _postgres_programs() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None
