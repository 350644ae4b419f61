"""`./dev openstack tempest`: Octavia's scenario tests (octavia-tempest-plugin) that start no virtual machine."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct
from rich.console import Console

from compare.tempest.suite import Outcome, Selection, Suite
from hydria.adapters.linux.netns import inside
from hydria.compose.credentials import Credentials
from hydria.errors import HostError
from stack.api import Api
from stack.cloud import Stack, running
from stack.plan import KEYSTONE, ROOT, Plan, url

ENVIRONMENT = ROOT / ".dev/tempest"

# Tests of traffic start virtual machines, and a flavor of Nova's is asked of Nova.
SCENARIO = Selection(
    folder="scenario",
    without=r"traffic_ops|with_compute_flavor",
    sections={
        # These tests send no traffic to VIPs, so their networks need no router.
        "network": {"project_networks_reachable": "true"},
        # The plugin's base class skips each test without Nova and Glance, also those that ask neither.
        "service_available": {
            **dict.fromkeys(("nova", "glance", "neutron", "load_balancer"), "true"),
            **dict.fromkeys(("cinder", "swift"), "false"),
        },
        "load_balancer": {
            # The polling interval for statuses, and how long a machine may be busy (seconds).
            "check_interval": "1",
            "check_timeout": "300",
            "build_interval": "1",
            "lb_build_interval": "1",
        },
    },
)


class Given(Struct, frozen=True, kw_only=True):
    """What the command was given: regular expressions of tests' names, processes, where all logs are kept."""

    patterns: Sequence[str] = ()
    concurrency: int = 2
    logs: Path | None = None


def tempest(directory: Path, console: Console, given: Given) -> None:
    """Start the cloud, run the tests, remove it. Raises HostError when a test fails, or none is run."""
    with running(Plan(directory=directory), lambda text: console.print(f"    {text}")) as stack:
        try:
            with tempfile.TemporaryDirectory(prefix="hydria-tempest-") as temporary:
                outcome = run(stack, given, given.logs or Path(temporary))
        finally:
            if given.logs:
                _keep_logs(directory, given.logs)
    console.print(outcome.text, soft_wrap=True, markup=False)
    told = f"{outcome.passed} passed, {outcome.skipped} skipped, {outcome.failed} failed"
    if outcome.failed or not outcome.passed:
        raise HostError(f"Octavia's scenario tests: {told}.")
    console.print(f"Octavia's scenario tests: {told}.")


def run(stack: Stack, given: Given, directory: Path) -> Outcome:
    """Run the tests on a cloud that is up, with their files in a directory. Raises HostError."""
    admin = Credentials(
        auth_url=f"{url(KEYSTONE)}/v3",
        username="admin",
        password=stack.plan.password,
        project_name="admin",
        region_name="RegionOne",
    )
    # Neutron reads its policies at the first request, and refuses (403) others that come meanwhile.
    Api(stack.plan, stack.control, "admin").neutron("GET", "networks")
    # Processes that this thread starts are where the services are reached.
    with inside(stack.control.network):
        return Suite(ENVIRONMENT, SCENARIO).run(directory, admin, given.patterns, concurrency=given.concurrency)


def _keep_logs(directory: Path, where: Path) -> None:
    """Copy the logs of all nodes, as `<node>-<program>.log`."""
    where.mkdir(parents=True, exist_ok=True)
    for log in directory.glob("*/*.log"):
        shutil.copyfile(log, where / f"{log.parent.name}-{log.name}")
