"""TLS at listeners and towards members: real handshakes, renewal without a reload, private keys."""

import asyncio
import http.client
import os
import socket
import ssl
import stat
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from hydria.adapters.linux.netns import inside
from hydria.contract import Instance
from hydria.model.tls import CIPHERS
from tests.linux.haproxies import Web, ask
from tests.linux.machines import VIP, Machine
from tests.linux.wires import host, interface, wait_for_listener
from tests.support import certificates
from tests.support.certificates import Signed
from tests.support.trees import AMPHORA, NETWORK, instance, key, listener, member, monitor, policy, pool, rule
from tests.support.waiting import eventually

PORT = 443
BASE = (pool(), member(1), member(2))
DEFAULT = certificates.leaf("www.example.org", VIP, by=certificates.intermediate())
OTHER = certificates.leaf("other.example.org")
RENEWED = certificates.leaf("www.example.org", VIP)
CLIENT = certificates.leaf(client=True, common_name="alice")
SECRETS = {
    "default": DEFAULT.bundle,
    "other": OTHER.bundle,
    "renewed": RENEWED.bundle,
    "ca": certificates.authority().pem,
    "client": CLIENT.bundle,
}


def terminating(number: int = 1, **values: Any) -> Any:
    common = {"protocol": "TERMINATED_HTTPS", "protocol_port": PORT, "default_tls_container_ref": "default"}
    return listener(number, **(common | values))


def served(*children: Any, generation: int = 1, **secrets: str) -> Instance:
    return instance(*children, generation=generation, secrets=SECRETS | secrets)


def context(*, by: Signed | None = None, client: Signed | None = None, directory: Path | None = None) -> ssl.SSLContext:
    found = ssl.create_default_context(cadata=(by or certificates.authority()).pem)
    if client is not None and directory is not None:
        file = directory / "client.pem"
        file.write_text(client.bundle)
        found.load_cert_chain(file)
    return found


@contextmanager
def connected(machine: Machine, how: ssl.SSLContext, name: str = "www.example.org") -> Iterator[ssl.SSLSocket]:
    with inside(machine.client):
        plain = socket.create_connection((VIP, PORT), timeout=5)
    with plain, how.wrap_socket(plain, server_hostname=name) as wrapped:
        yield wrapped


def shown(machine: Machine, name: str = "www.example.org") -> bytes:
    """Return the certificate for an SNI."""
    how = context()
    how.check_hostname = False
    with connected(machine, how, name) as wrapped:
        return wrapped.getpeercert(binary_form=True) or b""


def answer(
    machine: Machine, how: ssl.SSLContext | None = None, headers: dict[str, str] | None = None
) -> http.client.HTTPResponse:
    connection = http.client.HTTPSConnection(VIP, PORT, timeout=5, context=how or context())
    response, body = ask(machine.client, connection, "/", headers=headers)
    response.reason = body.strip().removeprefix("you hit: ")
    return response


def sent(web: list[Web], name: str) -> list[str]:
    """Return the values of a header in the newest requests of all web servers."""
    return [value for each in web for header, value in each.headers if header.lower() == name.lower()]


async def test_clients_get_the_certificate_of_their_sni(machine: Machine, web: list[Web]) -> None:
    await machine.host.serve(served(terminating(sni_container_refs=("other",)), *BASE))
    assert answer(machine).reason.startswith("web")
    assert shown(machine) == _der(DEFAULT)
    assert shown(machine, "other.example.org") == _der(OTHER)
    assert shown(machine, "unknown.example.org") == _der(DEFAULT)


# Characters with a meaning for the runtime socket and for lists of certificates.
@pytest.mark.parametrize("directory", ["a b;c"], indirect=True)
async def test_certificates_are_added_renewed_and_removed_without_a_reload(machine: Machine, web: list[Web]) -> None:
    await machine.host.serve(served(terminating(), *BASE))
    pid = machine.pid
    with connected(machine, context()) as lasting:
        await machine.host.serve(served(terminating(default_tls_container_ref="renewed"), *BASE, generation=2))
        assert shown(machine) == _der(RENEWED)
        both = terminating(default_tls_container_ref="renewed", sni_container_refs=("other",))
        await machine.host.serve(served(both, *BASE, generation=3))
        assert shown(machine, "other.example.org") == _der(OTHER)
        await machine.host.serve(served(terminating(), *BASE, generation=4))
        assert shown(machine, "other.example.org") == _der(DEFAULT)
        assert machine.pid == pid
        lasting.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert lasting.recv(100).startswith(b"HTTP/1.1 200")
    # The file on disk is the running configuration, so a restarted agent adopts it without the server.
    await machine.restart()
    (remembered,) = (await machine.host.remembered()).values()
    assert remembered.secrets == {"default": DEFAULT.bundle}
    await machine.host.serve(remembered)
    assert machine.pid == pid
    assert shown(machine) == _der(DEFAULT)


async def test_keys_are_readable_by_root_only_and_never_on_disk(machine: Machine, web: list[Web]) -> None:
    await machine.host.serve(served(terminating(sni_container_refs=("other",)), *BASE))
    files = list((machine.amphora_files / "tls").iterdir())
    assert len(files) == 3
    assert {stat.S_IMODE(os.stat(file).st_mode) for file in files} == {0o600}
    assert stat.S_IMODE(os.stat(machine.amphora_files / "tls").st_mode) == 0o700
    (memory,) = (machine.directory / "state" / "agent").iterdir()
    assert "PRIVATE KEY" not in memory.read_text()
    await machine.host.serve(served(terminating(), *BASE, generation=2))
    assert len(list((machine.amphora_files / "tls").iterdir())) == 2
    # A reboot empties /run: an amphora that needs certificates for all listeners waits for the server.
    for file in (machine.amphora_files / "tls").iterdir():
        file.unlink()
    assert await machine.host.remembered() == {}


async def test_plain_listeners_are_served_without_certificates(machine: Machine, web: list[Web]) -> None:
    by_tls = (listener(3, protocol_port=81, default_pool_id=key("2", 3)), pool(3, tls_enabled=True))
    whole = (listener(2), terminating(), *BASE, *by_tls, listener(4, protocol_port=82, default_pool_id=key("2", 4)))
    towards = pool(4, tls_enabled=True, ca_tls_container_ref="ca")
    await machine.host.serve(served(*whole, towards, generation=7))
    files = machine.amphora_files / "tls"
    gone = {file: file.read_text() for file in files.iterdir()}
    for file in gone:
        file.unlink()
    # Repeatedly: the listeners that are left out are remembered.
    for _ in range(2):
        await machine.restart()
        (part,) = (await machine.host.remembered()).values()
        assert part.generation == 0
        assert [each.protocol_port for each in part.tree.listeners] == [80, 81]
        await machine.host.serve(part)
        assert machine.get().startswith("web")
        with pytest.raises(ConnectionRefusedError):
            answer(machine)
    await machine.host.serve(served(*whole, towards, generation=7))
    assert answer(machine).status == 200
    assert machine.get().startswith("web")


async def test_a_bad_certificate_is_reported_without_its_key_and_the_last_one_is_served(
    machine: Machine, web: list[Web]
) -> None:
    await machine.host.serve(served(terminating(), *BASE))
    for bad in ("no certificate\n", DEFAULT.pem, ""):
        await machine.host.serve(served(terminating(timeout_client_data=1000), *BASE, generation=2, default=bad))
        (reason,) = (await machine.host.observe(AMPHORA)).troubles.values()
        assert "HAProxy cannot serve this" in reason
        assert "PRIVATE" not in reason
        assert shown(machine) == _der(DEFAULT)
        # A later change keeps it.
        for timeout in (2000, 3000):
            wanted = served(terminating(timeout_client_data=timeout), *BASE, generation=3, default=bad)
            await machine.host.serve(wanted)
            assert len((await machine.host.observe(AMPHORA)).troubles) == 1
        assert shown(machine) == _der(DEFAULT)
        (remembered,) = (await machine.host.remembered()).values()
        assert remembered.secrets == {"default": DEFAULT.bundle}
    await machine.host.serve(served(terminating(), *BASE, generation=4))
    assert shown(machine) == _der(DEFAULT)
    assert (await machine.host.observe(AMPHORA)).troubles == {}


async def test_versions_ciphers_and_alpn_are_those_of_the_listener(machine: Machine, web: list[Web]) -> None:
    only = terminating(
        tls_versions=("TLSv1.2",),
        tls_ciphers="ECDHE-ECDSA-AES256-GCM-SHA384:TLS_AES_128_GCM_SHA256",
        alpn_protocols=("http/1.1",),
        hsts_max_age=300,
        hsts_include_subdomains=True,
        hsts_preload=True,
    )
    await machine.host.serve(served(only, *BASE))
    how = context()
    how.set_alpn_protocols(["h2", "http/1.1"])
    with connected(machine, how) as wrapped:
        assert wrapped.version() == "TLSv1.2"
        assert (wrapped.cipher() or ("",))[0] == "ECDHE-ECDSA-AES256-GCM-SHA384"
        assert wrapped.selected_alpn_protocol() == "http/1.1"
    assert answer(machine).getheader("strict-transport-security") == "max-age=300; includeSubDomains; preload"
    newer = context()
    newer.minimum_version = ssl.TLSVersion.TLSv1_3
    with pytest.raises(ssl.SSLError), connected(machine, newer):
        pass
    gap = terminating(tls_versions=("TLSv1.1", "TLSv1.3"), alpn_protocols=("h2", "http/1.1"))
    await machine.host.serve(served(gap, *BASE, generation=2))
    with connected(machine, how) as wrapped:
        assert (wrapped.version(), wrapped.selected_alpn_protocol()) == ("TLSv1.3", "h2")


@pytest.mark.parametrize("ciphers", [CIPHERS, "ECDHE-ECDSA-AES256-SHA"], ids=["default", "own"])
async def test_old_tls_versions_work_when_the_listener_names_them(machine: Machine, ciphers: str) -> None:
    old: dict[str, Any] = {"tls_versions": ("TLSv1", "TLSv1.1"), "tls_ciphers": ciphers}
    towards = pool(tls_enabled=True, tls_versions=("TLSv1",), tls_ciphers=ciphers)
    namespace = await asyncio.to_thread(host, machine.names, "old", interface(NETWORK, "10.0.0.11/24"))
    weak = ("-cipher", "ALL:@SECLEVEL=0")
    bundle = machine.directory / "old.pem"
    bundle.write_text(DEFAULT.bundle)

    async def handshake(version: str) -> str:
        command = ("openssl", "s_client", "-connect", f"{VIP}:{PORT}", f"-{version}", *weak, "-ign_eof")
        with inside(machine.client):
            client = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL)
        answer, _ = await asyncio.wait_for(client.communicate(b"GET / HTTP/1.0\r\n\r\n"), 10)
        return answer.decode(errors="replace")

    member_of_old = ("openssl", "s_server", "-accept", "10.0.0.11:80", "-cert", str(bundle), "-tls1", *weak, "-www")
    with inside(namespace):
        server = await asyncio.create_subprocess_exec(*member_of_old, stdout=DEVNULL, stderr=DEVNULL)
    try:
        await asyncio.to_thread(wait_for_listener, namespace, 80)
        await machine.host.serve(served(terminating(**old), towards, member(1), monitor(delay=1, max_retries=1)))
        for version in ("tls1", "tls1_1"):
            assert "200 ok" in await handshake(version)
        assert "200 ok" not in await handshake("tls1_2")
        await machine.host.serve(served(terminating(tls_ciphers=CIPHERS), towards, member(1), generation=2))
        assert "Cipher is (NONE)" in await handshake("tls1_1")
        assert "200 ok" in await handshake("tls1_2")
    finally:
        server.kill()
        await server.wait()


async def test_http_2_reaches_members_that_speak_http_1(machine: Machine, web: list[Web]) -> None:
    await machine.host.serve(served(terminating(alpn_protocols=("h2", "http/1.1")), *BASE))
    authority = machine.directory / "root.pem"
    authority.write_text(certificates.authority().pem)
    command = f"curl --silent --show-error --http2 --cacert {authority} --write-out %{{http_version}} https://{VIP}/"
    with inside(machine.client):
        process = await asyncio.create_subprocess_exec(*command.split(), stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    assert out.decode().startswith("you hit: web")
    assert out.decode().endswith("2")


async def test_client_certificates_are_verified(machine: Machine, web: list[Web], tmp_path: Path) -> None:
    names = ["Verify", "Has-Cert", "DN", "CN", "SHA1", "Not-Before", "Not-After"]
    headers = {**{f"X-SSL-Client-{name}": "true" for name in names}, "X-SSL-Issuer": "true"}
    asking: dict[str, Any] = {
        "client_ca_tls_container_ref": "ca",
        "client_authentication": "OPTIONAL",
        "insert_headers": headers,
    }
    await machine.host.serve(served(terminating(**asking), *BASE))
    known = context(client=CLIENT, directory=tmp_path)
    # Headers of the client are replaced.
    assert answer(machine, headers={"X-SSL-Client-CN": "mallory", "X-SSL-Client-Has-Cert": "1"}).status == 200
    assert "mallory" not in str(sent(web, "X-SSL-Client-CN"))
    assert sent(web, "X-SSL-Client-Has-Cert") == ["0"]
    for each in web:
        each.headers = []
    assert answer(machine, known).status == 200
    assert sent(web, "X-SSL-Client-CN") == ["alice"]
    assert sent(web, "X-SSL-Client-Has-Cert") == ["1"]
    assert sent(web, "X-SSL-Client-Verify") == ["0"]
    assert sent(web, "X-SSL-Client-DN") == ["/CN=alice"]
    assert sent(web, "X-SSL-Issuer") == ["/CN=root"]
    assert all(sent(web, f"X-SSL-Client-{name}") for name in ("SHA1", "Not-Before", "Not-After"))

    must = asking | {"client_authentication": "MANDATORY"}
    await machine.host.serve(served(terminating(**must), *BASE, generation=2))
    assert answer(machine, known).status == 200
    with pytest.raises((ssl.SSLError, ConnectionError)):
        answer(machine)
    stranger = certificates.leaf(client=True, by=certificates.authority("another"))
    with pytest.raises((ssl.SSLError, ConnectionError)):
        answer(machine, context(client=stranger, directory=tmp_path))

    listed = must | {"client_crl_container_ref": "crl"}
    await machine.host.serve(served(terminating(**listed), *BASE, generation=3, crl=certificates.revoked()))
    assert answer(machine, known).status == 200
    pid = machine.pid
    await machine.host.serve(served(terminating(**listed), *BASE, generation=4, crl=certificates.revoked(CLIENT)))
    with pytest.raises((ssl.SSLError, ConnectionError)):
        answer(machine, known)
    # In another process: this one would resume sessions of clients that were trusted before.
    assert machine.pid != pid


async def test_policies_match_the_clients_certificate(machine: Machine, web: list[Web], tmp_path: Path) -> None:
    asking: dict[str, Any] = {"client_ca_tls_container_ref": "ca", "client_authentication": "OPTIONAL"}
    rejecting = (
        policy(1),
        rule(1, type="SSL_CONN_HAS_CERT", compare_type="EQUAL_TO", value="True", invert=True),
        policy(2),
        rule(2, l7policy_id=key("5", 2), type="SSL_DN_FIELD", compare_type="EQUAL_TO", key="CN", value="bob"),
        policy(3),
        rule(3, l7policy_id=key("5", 3), type="SSL_VERIFY_RESULT", compare_type="EQUAL_TO", value="0", invert=True),
    )
    await machine.host.serve(served(terminating(**asking), *BASE, *rejecting))
    assert answer(machine, context(client=CLIENT, directory=tmp_path)).status == 200
    assert answer(machine).status == 403
    bob = certificates.leaf(client=True, common_name="bob")
    assert answer(machine, context(client=bob, directory=tmp_path)).status == 403


@pytest.mark.parametrize("directory", ["a b;c"], indirect=True)
async def test_members_are_connected_by_tls(machine: Machine, web: list[Web], tmp_path: Path) -> None:
    secure = certificates.leaf("member.example.org", "www.example.org")
    trusting = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=certificates.authority().pem)
    file = tmp_path / "member.pem"
    file.write_text(secure.bundle)
    trusting.load_cert_chain(file)
    trusting.verify_mode = ssl.CERT_REQUIRED
    for each in web:
        each.stop()
        each.tls = trusting
        each.start()
    towards = pool(tls_enabled=True, ca_tls_container_ref="ca", tls_container_ref="client", tls_versions=("TLSv1.3",))
    # Special characters reach the configuration and the runtime socket alike.
    towards = structs.replace(towards, tls_ciphers="ECDHE+AESGCM:!aNULL:TLS_AES_128_GCM_SHA256")
    tree = (terminating(), towards, member(1), monitor(delay=1, timeout=1, max_retries=1))
    await machine.host.serve(served(*tree))

    async def up() -> bool:
        return (await machine.host.observe(AMPHORA)).servers[key("3", 1)] == "up"

    await eventually(up)
    assert answer(machine).reason == "web1"
    pid = machine.pid
    await machine.host.serve(served(*tree, member(2), generation=2))
    assert machine.pid == pid
    assert {answer(machine).reason for _ in range(4)} == {"web1", "web2"}
    # A member that the CA did not sign gets no requests.
    strict = (terminating(), towards, member(1))
    await machine.host.serve(served(*strict, generation=3, ca=certificates.authority("another").pem))
    assert answer(machine).status == 503


async def test_a_first_member_is_added_with_tls(machine: Machine, web: list[Web], tmp_path: Path) -> None:
    secure = certificates.leaf("www.example.org")
    trusting = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    file = tmp_path / "member.pem"
    file.write_text(secure.bundle)
    trusting.load_cert_chain(file)
    for each in web:
        each.stop()
        each.tls = trusting
        each.start()
    # A pool without members needs no files in the configuration, a listener without client authentication no CA.
    towards = pool(tls_enabled=True, ca_tls_container_ref="ca", tls_container_ref="client")
    asking = terminating(client_authentication="NONE", client_ca_tls_container_ref="ca")
    await machine.host.serve(served(asking, towards, ca=certificates.authority("another").pem))
    pid = machine.pid
    await machine.host.serve(served(asking, towards, generation=2))
    assert machine.pid == pid
    await machine.host.serve(served(asking, towards, member(1), generation=3))
    assert answer(machine).reason == "web1"


async def test_secrets_are_not_interpreted_as_commands(machine: Machine, web: list[Web]) -> None:
    await machine.host.serve(served(terminating(), *BASE))
    pid = machine.pid
    # Authorities put empty lines between the certificates of a chain.
    chained = certificates.leaf("www.example.org", VIP, by=certificates.intermediate())
    spaced = f"{chained.pem}\n\nshutdown frontend {key('1', 1)}\n\r\n{chained.chain_pem}\n{chained.key_pem}"
    await machine.host.serve(served(terminating(), *BASE, generation=2, default=spaced))
    assert machine.pid == pid
    assert shown(machine) == _der(chained)
    assert answer(machine).status == 200


def _der(signed: Signed) -> bytes:
    return ssl.PEM_cert_to_DER_cert(signed.pem)


async def test_a_crash_during_a_renewal_is_recovered(machine: Machine, web: list[Web]) -> None:
    await machine.host.serve(served(terminating(), *BASE))
    pid = machine.pid
    # The state after a crash between the new files and the end of the change.
    (machine.amphora_files / "changing").touch()
    (machine.amphora_files / "tls" / f"{key('1', 1)}.default.pem").write_text(RENEWED.bundle)
    await machine.restart()
    await machine.host.serve(served(terminating(default_tls_container_ref="renewed"), *BASE, generation=2))
    assert machine.pid != pid
    assert shown(machine) == _der(RENEWED)
    assert not (machine.amphora_files / "changing").exists()
