"""octavia-tempest-plugin in its own environment: its configuration, and a run with stestr."""

import configparser
import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from compare.sides import Running

# The API tests; the scenario tests need a cloud with virtual machines.
_API = "octavia_tempest_plugin/tests/api"


class Outcome(Struct, frozen=True, kw_only=True):
    """The numbers of passed, skipped and failed tests, and stestr's output."""

    passed: int
    skipped: int
    failed: int
    text: str


class Suite:
    """The plugin's API tests in an environment."""

    def __init__(self, environment: Path) -> None:
        """`environment` is a virtual environment with tempest and the plugin."""
        self._environment = environment
        self._packages = next(environment.glob("lib/python3*/site-packages"))

    def run(self, directory: Path, hydria: Running, patterns: Sequence[str] = (), *, concurrency: int = 2) -> Outcome:
        """Run the tests that match one of the patterns, or all; `directory` is for their files."""
        directory.mkdir(parents=True, exist_ok=True)
        _write(directory / "tempest.conf", _configuration(directory, hydria))
        stestr = {
            "test_path": str(self._packages / _API),
            "top_dir": str(self._packages),
            # Tests of one class share resources, so they stay in one process.
            "group_regex": r"([^\.]*\.)*",
        }
        _write(directory / ".stestr.conf", {"DEFAULT": stestr})
        command = [str(self._environment / "bin/stestr"), "run", "--concurrency", str(concurrency), *patterns]
        environ = {
            **os.environ,
            "PATH": f"{self._environment / 'bin'}:{os.environ['PATH']}",
            "TEMPEST_CONFIG_DIR": str(directory),
            "TEMPEST_CONFIG": "tempest.conf",
        }
        done = subprocess.run(
            command,
            cwd=directory,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        counted = {name: _counted(name, done.stdout) for name in ("Passed", "Skipped", "Failed")}
        # Without a single run test there are no totals.
        failed = max(counted["Failed"], 1 if done.returncode else 0)
        return Outcome(passed=counted["Passed"], skipped=counted["Skipped"], failed=failed, text=done.stdout)


def _configuration(directory: Path, hydria: Running) -> dict[str, dict[str, str]]:
    """Return the sections of tempest.conf for a Hydria in noop mode; all others are tempest's defaults."""
    return {
        "DEFAULT": {"log_dir": str(directory), "lock_path": str(directory)},
        "auth": {
            "admin_username": hydria.credentials.username,
            "admin_password": hydria.credentials.password,
            "admin_project_name": hydria.credentials.project_name,
            "admin_domain_name": "Default",
        },
        "identity": {"uri_v3": hydria.credentials.auth_url, "region": hydria.credentials.region_name},
        "oslo_concurrency": {"lock_path": str(directory)},
        # The only network is made up; there are no virtual machines, images or volumes.
        "network": {"project_networks_reachable": "true"},
        "service_available": dict.fromkeys(("nova", "glance", "cinder", "swift"), "false") | {"load_balancer": "true"},
        "load_balancer": {
            "test_with_noop": "true",
            # The zones for profiles in the tests; without them they send null, which no provider accepts.
            "availability_zone": "nova",
            "availability_zone2": "nova2",
            "availability_zone3": "nova3",
            # The polling interval for statuses (seconds), which are ACTIVE at once.
            "check_interval": "0.1",
            "build_interval": "0.1",
            "lb_build_interval": "0.1",
        },
    }


def _write(file: Path, sections: dict[str, dict[str, str]]) -> None:
    parser = configparser.RawConfigParser()
    parser.read_dict(sections)
    with file.open("w") as opened:
        parser.write(opened)


def _counted(name: str, text: str) -> int:
    found = re.search(rf"^ - {name}: (\d+)$", text, re.MULTILINE)
    return int(found[1]) if found else 0
