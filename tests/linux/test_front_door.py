"""A user sets up TLS and L7 policies with the stock client, from nothing to traffic."""

import base64
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from demo.shell import Shell
from tests.support import certificates
from tests.support.warm_client import WarmShell

FIRST = certificates.leaf("www.example.org", by=certificates.intermediate())
SECOND = certificates.leaf("www.example.org")


class User:
    """A user at a shell; a failed command fails the test."""

    def __init__(self, shell: Shell, place: Path) -> None:
        self._shell = shell
        self._authority = place / "root.pem"
        self._authority.write_text(certificates.authority().pem)
        self.address = ""

    def type(self, command: str) -> str:
        answer = self._shell.type(command)
        assert answer.status == 0, answer
        return answer.out.strip()

    def refused(self, command: str) -> str:
        answer = self._shell.type(command)
        assert answer.status != 0, answer
        return answer.text

    def make(self, command: str) -> dict[str, Any]:
        made: dict[str, Any] = json.loads(self.type(f"openstack {command} -f json"))
        return made

    def store(self, name: str, bundle: bytes) -> str:
        payload = base64.b64encode(bundle).decode()
        octets = "--payload-content-type application/octet-stream --payload-content-encoding base64"
        return str(self.make(f"secret store --name {name} {octets} --payload {payload}")["Secret href"])

    def visit(self, path: str = "/", *options: str) -> str:
        """Send an HTTPS request from the lab's client; return the answer, or the code of a redirect."""
        words = f"--cacert {self._authority} --resolve www.example.org:443:{self.address} {' '.join(options)}"
        return self.type(f"hydria lab run client curl -sS --max-time 10 {words} https://www.example.org{path}")

    def serial(self) -> str:
        """Return the serial number of the served certificate."""
        look = f"openssl s_client -connect {self.address}:443 -servername www.example.org </dev/null 2>/dev/null"
        shown = self.type(f"hydria lab run client bash -c '{look} | openssl x509 -noout -serial'")
        return shown.removeprefix("serial=").lower().lstrip("0")


@pytest.fixture
def user(shell: Shell, place: Path) -> Iterator[User]:
    for command in ("hydria up --detach", "hydria lab up"):
        answer = shell.type(command)
        assert answer.status == 0, answer
    assert shell.source('eval "$(hydria env)"').status == 0
    with closing(WarmShell(shell, place / "state")) as warm:
        yield User(warm, place)


def test_a_secure_web_site_from_nothing(user: User) -> None:
    first = user.store("first", FIRST.pkcs12())
    site = user.make("loadbalancer create --name site --vip-subnet-id BeispielSubnet")
    user.address = user.make(f"floating ip create provider --port {site['vip_port_id']}")["floating_ip_address"]
    secure = "listener create --name secure --protocol TERMINATED_HTTPS --protocol-port 443 --hsts-max-age 300"
    assert "Could not retrieve certificate" in user.refused(
        f"openstack loadbalancer {secure} --default-tls-container-ref {first[:-4]}0000 site"
    )
    # The commands do not wait: a pending load balancer accepts further changes.
    user.make(f"loadbalancer {secure} --default-tls-container-ref {first} site")
    pool = "pool create --protocol HTTP --lb-algorithm ROUND_ROBIN"
    user.make(f"loadbalancer {pool} --name all --listener secure")
    user.make(f"loadbalancer {pool} --name two --loadbalancer site")
    for name, address in (("all", "10.0.0.11"), ("two", "10.0.0.12")):
        user.make(
            f"loadbalancer member create --subnet-id BeispielSubnet --address {address} --protocol-port 80 {name}"
        )
    user.make("loadbalancer l7policy create --name other --action REDIRECT_TO_POOL --redirect-pool two secure")
    user.make("loadbalancer l7rule create --type PATH --compare-type STARTS_WITH --value /index --wait other")
    assert user.visit() == "you hit: webserver1"
    assert user.visit("/index.html") == "you hit: webserver2"
    assert "strict-transport-security: max-age=300" in user.visit("/", "--head").lower()

    assert user.serial() == f"{FIRST.certificate.serial_number:x}"
    second = user.store("second", SECOND.pkcs12())
    user.type(f"openstack loadbalancer listener set --default-tls-container-ref {second} --wait secure")
    assert user.serial() == f"{SECOND.certificate.serial_number:x}"
