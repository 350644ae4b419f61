"""`hydria host …` and the other commands on a server's machine, with a host that has polled once."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.own_commands import Said, hydria
from tests.support.served import Served, served

NAME = "machine-1"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server, without an agent."""
    with served(tmp_path_factory.mktemp("server"), noop=False) as found:
        yield found


@pytest.fixture
def name(server: Served) -> str:
    """The name of the server's only host, which has just polled."""
    secret = Path(server.settings["HYDRIA_STATE_DIR"], "agent.secret").read_text().strip()
    url = f"http://127.0.0.1:{server.settings['HYDRIA_SERVER_PORT']}/agent/v1/poll"
    headers = {"authorization": f"Bearer {secret}"}
    with contextlib.suppress(httpx.ReadTimeout):
        httpx.post(url, json={"host": "id-1", "name": NAME}, headers=headers, timeout=5, trust_env=False)
    return NAME


def test_a_host_is_shown_disabled_and_enabled(server: Served, name: str) -> None:
    assert hydria(server, "host", "disable", name).out.endswith("those that it has stay.\n")
    assert "disabled" in hydria(server, "host", "show", name).out
    assert hydria(server, "host", "drain", "--no-wait", name).out.startswith(f"{name} is being drained")
    assert "drained" in hydria(server, "host", "list").out
    assert hydria(server, "host", "enable", name) == Said(f"{name} gets amphorae.\n")
    assert "drained" not in hydria(server, "host", "list").out


def test_a_drain_waits_until_the_host_is_empty(server: Served, name: str) -> None:
    done = hydria(server, "host", "drain", name)
    assert f"{name} has no amphorae." in done.out
    hydria(server, "host", "enable", name)


def test_a_new_machine_is_invited(server: Served) -> None:
    url = "https://192.0.2.1:9877"
    command = hydria(server, "host", "invite", "--zone", "z1", "--url", url).out.splitlines()[1]
    assert command.startswith(f"hydria host join '{url}")
    assert "cannot be the URL" in hydria(server, "host", "invite", "--url", "http://192.0.2.1").error


def test_a_host_that_runs_or_is_not_there_is_not_forgotten(server: Served, name: str) -> None:
    assert "Stop it first" in hydria(server, "host", "forget", name).error
    assert hydria(server, "host", "show", "nothing").error == "Host nothing not found."


def test_dry_runs_change_nothing(server: Served, name: str) -> None:
    before = hydria(server, "host", "list").out
    for verb in ("drain", "disable"):
        assert hydria(server, "--dry-run", "host", verb, name).error == ""
    assert hydria(server, "host", "list").out == before
    assert "--dry-run" in hydria(server, "--dry-run", "up").error


def test_the_environment_of_clients_is_printed_or_written(server: Served, tmp_path: Path) -> None:
    assert f"export OS_AUTH_URL={server.credentials.auth_url}" in hydria(server, "env").out
    file = tmp_path / "clouds.yaml"
    assert "OS_CLOUD" in hydria(server, "env", "--clouds-yaml", str(file)).out
    assert server.credentials.password in file.read_text()
    assert "exists already" in hydria(server, "env", "--clouds-yaml", str(file)).error


def test_a_server_without_orphans_has_none_to_adopt(server: Served) -> None:
    assert hydria(server, "orphan", "list").error == ""
    assert hydria(server, "orphan", "adopt", "nothing").error != ""


def test_the_doctor_examines_the_machine(server: Served) -> None:
    found = json.loads(hydria(server, "doctor", "--json").out)
    assert {each["name"] for each in found} >= {"rights", "network namespaces"}


def test_the_version_is_printed(server: Served) -> None:
    assert hydria(server, "--version").out.startswith("hydria ")


@pytest.mark.skipif(os.geteuid() != 0, reason="it is for root: ./dev test")
def test_a_load_balancer_that_is_not_here_has_neither_logs_nor_amphorae(server: Served) -> None:
    for command in ("logs", "amphora"):
        assert "nothing" in hydria(server, command, "nothing").error
