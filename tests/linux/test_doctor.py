"""The doctor on a machine without problems, and on one with each kind of problem."""

import socket
from pathlib import Path

import pytest
from msgspec import structs

from hydria.adapters.linux.kernel import ensure_interface, ensure_switch
from hydria.adapters.linux.names import Names
from hydria.adapters.linux.netns import namespaces, netlink
from hydria.adapters.linux.topology import TROUBLE
from hydria.doctor import Finding, examine, external_network
from hydria.locking import lock_once
from hydria.settings import AgentSettings, HomeCloudSettings, ServerSettings, Settings
from tests.linux.wires import interface, uuid


@pytest.fixture
def settings(names: Names, tmp_path: Path) -> Settings:
    with socket.create_server(("127.0.0.1", 0)) as free:
        number = free.getsockname()[1]
    return Settings(
        state_dir=tmp_path / "state",
        run_dir=tmp_path / "run",
        server=ServerSettings(port=number),
        agent=AgentSettings(prefix=names.prefix),
    )


def _by_name(settings: Settings) -> dict[str, Finding]:
    return {finding.name: finding for finding in examine(settings)}


def test_a_good_machine_has_no_findings_and_is_not_changed(settings: Settings) -> None:
    found = _by_name(settings)
    assert [finding for finding in found.values() if finding.ok == "bad"] == []
    assert {"nftables", "haproxy starts", "veth and bridges", "leftovers", "port"} <= set(found)
    assert namespaces(settings.agent.prefix) == []
    assert not settings.state_dir.exists()
    assert all(finding.mend for finding in found.values() if finding.ok != "ok")


def test_a_port_in_use_is_found(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", settings.server.port)):
        assert _by_name(settings)["port"].ok == "bad"
        with lock_once(settings.state_dir / "server.lock", "server"):
            assert _by_name(settings)["port"].ok == "ok"


def test_a_missing_old_or_broken_haproxy_is_found(settings: Settings, tmp_path: Path) -> None:
    program = tmp_path / "haproxy"

    def with_script(script: str) -> dict[str, Finding]:
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        return _by_name(structs.replace(settings, agent=AgentSettings(haproxy=str(program))))

    assert "not installed" in _by_name(structs.replace(settings, agent=AgentSettings(haproxy="nosuch")))["haproxy"].seen
    assert with_script("echo HAProxy version 2.2.9-1")["haproxy"].ok == "bad"
    assert with_script("echo hello")["haproxy"].ok == "bad"
    broken = with_script('[ "$1" = -v ] && exec echo HAProxy version 3.1; echo "[ALERT] no memory" >&2; exit 1')
    assert (broken["haproxy"].ok, broken["haproxy starts"].seen) == ("ok", "[ALERT] no memory")


def test_an_unknown_account_is_found(settings: Settings) -> None:
    settings = structs.replace(settings, agent=AgentSettings(haproxy_user="nosuchuser"))
    assert _by_name(settings)["haproxy's account"].ok == "bad"


def test_leftovers_are_found_until_an_agent_runs(settings: Settings, names: Names) -> None:
    ensure_switch(names)
    assert _by_name(settings)["leftovers"].ok == "warning"
    with lock_once(settings.run_dir / "agent.lock", "agent"):
        assert _by_name(settings)["leftovers"].ok == "ok"


def test_addresses_hidden_by_the_external_network_are_found(settings: Settings, names: Names, tmp_path: Path) -> None:
    resolver = tmp_path / "resolv.conf"
    resolver.write_text("search example.org\nnameserver 203.0.113.53\nnameserver 198.51.100.53\nnameserver ::1\nbad\n")
    own = "/proc/thread-self/ns/net"
    ensure_interface(names, own, "eth7", interface(uuid(), "198.51.100.5/24"))

    def hidden() -> set[str]:
        found = list(external_network(settings, resolver))
        assert {each.ok for each in found} == {"warning"}
        assert all("homecloud.external_cidr" in each.mend for each in found)
        return {each.seen.removeprefix("203.0.113.0/24 hides ") for each in found}

    server = f"the name server 203.0.113.53 ({resolver})"
    assert hidden() == {server}
    with netlink(own) as here:
        (index,) = here.link_lookup(ifname="eth7")
        here.route("add", dst="203.0.113.128/25", gateway="198.51.100.1", oif=index)
        here.route("add", dst="192.0.2.0/24", gateway="203.0.113.200", oif=index, flags=["onlink"])
        here.route("add", dst="0.0.0.0/0", gateway="198.51.100.1", oif=index)
    routed = {"the route to 203.0.113.128/25", "the gateway 203.0.113.200 of the route to 192.0.2.0/24"}
    assert hidden() == {server} | routed
    # A connection of the machine to a peer in the range.
    with netlink(own) as here:
        here.addr("add", index=1, address="203.0.113.9", prefixlen=32)
        with socket.create_server(("203.0.113.9", 0)) as there:
            client = socket.create_connection(there.getsockname(), source_address=("127.0.0.1", 0))
            with client, there.accept()[0]:
                here.addr("del", index=1, address="203.0.113.9", prefixlen=32)
                assert hidden() == {server, "203.0.113.9, to which the machine has a connection"} | routed


def test_an_external_network_that_the_machine_has_already_is_found(settings: Settings, names: Names) -> None:
    ensure_interface(names, "/proc/thread-self/ns/net", "eth7", interface(uuid(), "198.51.100.5/24"))
    assert _by_name(settings)["external network"].ok == "ok"
    clash = structs.replace(settings, homecloud=HomeCloudSettings(external_cidr="198.51.100.0/25"))
    assert "eth7" in _by_name(clash)["external network"].seen


def test_more_connections_than_open_files_are_found(settings: Settings) -> None:
    agent = structs.replace(settings.agent, max_connections=2_000_000)
    finding = _by_name(structs.replace(settings, agent=agent))["open files"]
    assert finding.ok == "bad" or finding.seen == "no limit"


def test_networks_that_the_agent_could_not_make_are_found(settings: Settings) -> None:
    with lock_once(settings.run_dir / "agent.lock", "agent"):
        assert _by_name(settings)["networks"].ok == "ok"
        (settings.run_dir / TROUBLE).write_text("No bridge br0.")
        assert (_by_name(settings)["networks"].ok, _by_name(settings)["networks"].seen) == ("bad", "No bridge br0.")
    # The file of an agent that has ended is ignored.
    assert _by_name(settings)["networks"].ok == "ok"
