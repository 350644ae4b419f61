"""octavia-tempest-plugin in its own environment: its configuration, and a run with stestr."""

import configparser
import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from hydria.compose.credentials import Credentials

_PLUGIN = "octavia_tempest_plugin/tests"


class Selection(Struct, frozen=True, kw_only=True):
    """Which tests of the plugin are run: a folder, less those whose names match `without`; and for which cloud.

    `sections` are those of tempest.conf that say what the cloud has.
    """

    folder: str
    without: str | None = None
    sections: dict[str, dict[str, str]]


# The API tests, for noop mode.
API = Selection(
    folder="api",
    sections={
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
    },
)


class Outcome(Struct, frozen=True, kw_only=True):
    """The numbers of passed, skipped and failed tests, and stestr's output."""

    passed: int
    skipped: int
    failed: int
    text: str


class Suite:
    """Tests of the plugin in an environment."""

    def __init__(self, environment: Path, selection: Selection = API) -> None:
        """`environment` is a virtual environment with tempest and the plugin."""
        self._environment = environment
        self._selection = selection
        self._packages = next(environment.glob("lib/python3*/site-packages"))

    def run(
        self, directory: Path, admin: Credentials, patterns: Sequence[str] = (), *, concurrency: int = 2
    ) -> Outcome:
        """Run the tests that match one of the patterns, or all; `directory` is for their files."""
        directory.mkdir(parents=True, exist_ok=True)
        _write(directory / "tempest.conf", _of_every_run(directory, admin) | self._selection.sections)
        stestr = {
            "test_path": str(self._packages / _PLUGIN / self._selection.folder),
            "top_dir": str(self._packages),
            # Tests of one class share resources, so they stay in one process.
            "group_regex": r"([^\.]*\.)*",
        }
        _write(directory / ".stestr.conf", {"DEFAULT": stestr})
        without = ["--exclude-regex", self._selection.without] if self._selection.without else []
        command = [str(self._environment / "bin/stestr"), "run", "--concurrency", str(concurrency), *without, *patterns]
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


def _of_every_run(directory: Path, admin: Credentials) -> dict[str, dict[str, str]]:
    """Return the sections of tempest.conf that no selection has; what neither has is tempest's default."""
    return {
        "DEFAULT": {"log_dir": str(directory), "lock_path": str(directory)},
        "auth": {
            "admin_username": admin.username,
            "admin_password": admin.password,
            "admin_project_name": admin.project_name,
            "admin_domain_name": "Default",
        },
        "identity": {"uri_v3": admin.auth_url, "region": admin.region_name},
        "oslo_concurrency": {"lock_path": str(directory)},
    }


def _write(file: Path, sections: dict[str, dict[str, str]]) -> None:
    parser = configparser.RawConfigParser()
    parser.read_dict(sections)
    with file.open("w") as opened:
        parser.write(opened)


def _counted(name: str, text: str) -> int:
    found = re.search(rf"^ - {name}: (\d+)$", text, re.MULTILINE)
    return int(found[1]) if found else 0
