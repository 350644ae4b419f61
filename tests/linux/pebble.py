"""Pebble, Let's Encrypt's test authority, and its name server, which resolves every name to one address."""

import json
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.certificates import authority, leaf

_HOST = "127.0.0.1"

# External networks that the machine itself reaches, so that the authority reaches the VIPs in them. Each test module
# has its own: tests run at the same time, and of two routes to one network the machine uses only the first.
ACME_NETWORK = "198.51.100.0/24"
NEWCOMER_NETWORK = "198.18.0.0/24"


class Pebble:
    """A running authority; its certificates are valid for `life` seconds."""

    def __init__(self, directory: Path, address: str, life: int) -> None:
        """Every name resolves to `address`."""
        own = leaf(_HOST, "localhost")
        self.cafile = directory / "pebble-ca.pem"
        self.cafile.write_text(authority().pem)
        files = {"certificate": own.pem, "privateKey": own.key_pem}
        for name, text in files.items():
            (directory / f"pebble-{name}.pem").write_text(text)
        acme, management, names, control = _free_ports(4)
        self.url = f"https://{_HOST}:{acme}/dir"
        self._management = f"https://{_HOST}:{management}"
        settings = {name: str(directory / f"pebble-{name}.pem") for name in files} | {
            "listenAddress": f"{_HOST}:{acme}",
            "managementListenAddress": f"{_HOST}:{management}",
            "httpPort": 80,
            "tlsPort": 443,
            "certificateValidityPeriod": life,
        }
        configuration = directory / "pebble.json"
        configuration.write_text(json.dumps({"pebble": settings}))
        self.log = directory / "pebble.log"
        nothing = ["-http01", "", "-https01", "", "-tlsalpn01", ""]
        dns = ["-dns01", f"{_HOST}:{names}", "-management", f"{_HOST}:{control}"]
        self._programs = [
            self._start("pebble-challtestsrv", *dns, *nothing, "-defaultIPv4", address, "-defaultIPv6", ""),
            self._start("pebble", "-config", str(configuration), "-dnsserver", f"{_HOST}:{names}"),
        ]
        self._wait()

    def _start(self, *command: str) -> subprocess.Popen[bytes]:
        environment = {"PATH": "/usr/bin", "PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0"}
        with self.log.open("ab") as log:
            return subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    def _wait(self) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                self.root()
                return
            except (urllib.error.URLError, OSError):
                assert time.monotonic() < deadline, self.log.read_text()
                time.sleep(0.05)

    def settings(self, network: str) -> dict[str, str]:
        """Return the settings of a product that uses this authority, with `network` (a CIDR) as external network."""
        return {
            "HYDRIA_HOMECLOUD_EXTERNAL_CIDR": network,
            "HYDRIA_ACME_DIRECTORY_URL": self.url,
            "HYDRIA_ACME_CAFILE": str(self.cafile),
            "HYDRIA_ACME_EMAIL": "owner@example.org",
        }

    def root(self) -> str:
        """Return its root certificate."""
        trust = ssl.create_default_context(cafile=str(self.cafile))
        with urllib.request.urlopen(f"{self._management}/roots/0", context=trust, timeout=5) as answer:  # noqa: S310
            text: str = answer.read().decode()
        return text

    def close(self) -> None:
        """End the processes."""
        for program in self._programs:
            program.kill()
            program.wait()


@contextmanager
def pebble(address: str, *, life: int) -> Iterator[Pebble]:
    """Run Pebble for the block."""
    with TemporaryDirectory() as directory:
        running = Pebble(Path(directory), address, life)
        try:
            yield running
        finally:
            running.close()


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server((_HOST, 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
