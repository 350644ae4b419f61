"""`hydria up --detach`: start Hydria in the background and return when a load balancer can be created."""

import subprocess
import sys
import time
from pathlib import Path

import httpx

from hydria.compose import supervisor
from hydria.errors import HostError
from hydria.files import make_directory, open_private_log
from hydria.settings import Settings

_TIMEOUT = 60.0


def start(settings: Settings, settings_file: Path | None, *, noop: bool = False) -> Path:
    """Start Hydria and wait until the agent has polled the server; return the log file. Raises HostError."""
    if (pid := supervisor.running(settings)) is not None:
        raise HostError(f"Hydria runs already (process {pid}). Stop it by: hydria down")
    make_directory(settings.state_dir)
    log_file = settings.state_dir / "hydria.log"
    given = ("--settings", str(settings_file.absolute())) if settings_file else ()
    with open(open_private_log(log_file), "ab") as log:
        child = subprocess.Popen(
            [
                *(sys.executable, "-m", "hydria.cli", *given),
                *("up", "--log-file", str(log_file), *(("--noop",) if noop else ())),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
        )
    deadline = time.monotonic() + _TIMEOUT
    while not (_answers(settings) if noop else _ready(settings)):
        if child.poll() is not None or time.monotonic() > deadline:
            raise HostError(f"Hydria did not start. The end of its log {log_file}:\n{_end_of(log_file)}")
        time.sleep(0.05)
    return log_file


def _ready(settings: Settings) -> bool:
    """Return True when this machine's agent has polled the server."""
    try:
        host = settings.host_id_file.read_text().strip()
        headers = {"authorization": f"Bearer {settings.agent_secret_file.read_text().strip()}"}
        url = f"{settings.agent_server_url}/agent/v1/hosts"
        answer = httpx.get(url, headers=headers, trust_env=False, timeout=5)
        return host in answer.raise_for_status().json()["hosts"]
    except (httpx.HTTPError, OSError, ValueError):
        return False


def _answers(settings: Settings) -> bool:
    """Return True when the server answers; noop mode has no agent to wait for."""
    try:
        httpx.get(f"{settings.loopback_url}/load-balancer/", trust_env=False, timeout=5).raise_for_status()
    except httpx.HTTPError:
        return False
    return True


def _end_of(log_file: Path) -> str:
    return "\n".join(log_file.read_text(errors="replace").splitlines()[-8:])
