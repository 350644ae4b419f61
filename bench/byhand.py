"""The floor: a namespace, a veth pair on the bridge and HAProxy with the same configuration, made by hand."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

from msgspec import Struct

from hydria.adapters.linux.names import bridge
from hydria.adapters.linux.netns import remove_namespace
from hydria.render.haproxy.parts import ROOT
from stand import NETWORK, Stand, until

# As few programs as possible.
_SCRIPT = """\
set -e
ip netns add {namespace}
ip -n {switch} link add {link} master {bridge} up type veth peer name eth0 netns {namespace}
nsenter --net=/run/netns/{namespace} sh -ec 'ip -batch {directory}/links; \
    exec haproxy -D -p {directory}/haproxy.pid -f {directory}/haproxy.cfg'
"""
# A new address each time: the client's neighbour cache has the old one.
_addresses = (f"{NETWORK}.{202 + number // 250}.{1 + number % 250}" for number in count())

_LINKS = "link set lo up\naddr add {address}/16 dev eth0\nlink set eth0 up\n"


# A configuration for speed and nothing else.
_TUNED = """\
global
    user haproxy
    group haproxy
    nbthread 1
    maxconn {connections}
defaults
    mode http
    maxconn {connections}
    retries 3
    option redispatch
    timeout connect 5s
    timeout client 50s
    timeout server 50s
frontend tuned
    bind {vip}:80
    bind {vip}:443 ssl crt {certificate}
    default_backend members
backend members
    balance roundrobin
{servers}
"""


def tuned(vip: str, configuration: Path, servers: Sequence[str], certificate: Path) -> str:
    """Return the configuration of a hand-tuned HAProxy with the amphora's number of connections.

    `servers` are addresses with ports; `certificate` is a PEM file with its key.
    """
    words_of = (line.split() for line in configuration.read_text().splitlines())
    connections = next(words[1] for words in words_of if words[:1] == ["maxconn"])
    lines = (f"    server member{number} {server}" for number, server in enumerate(servers))
    return _TUNED.format(vip=vip, connections=connections, servers="\n".join(lines), certificate=certificate)


class Made(Struct, frozen=True):
    """A running proxy: its address, its process, and the time (`time.perf_counter`) when its creation began."""

    address: str
    pid: int
    begun: float


class ByHand:
    """Makes proxies like the amphora with a given configuration, one at a time."""

    def __init__(
        self, stand: Stand, vip: str, configuration: Path, text: str | None = None, name: str = "byhand"
    ) -> None:
        """`text` is a configuration to use instead of the amphora's. Those of other names can run beside each other."""
        self._namespace = f"{stand.names.prefix}-{name}"
        self._directory = stand.directory / name
        (self._directory / ROOT).mkdir(parents=True, exist_ok=True)
        self._pid_file = self._directory / "haproxy.pid"
        self._script = _SCRIPT.format(
            namespace=self._namespace,
            switch=stand.names.switch,
            bridge=bridge(stand.network_id),
            directory=self._directory,
            link=f"{name}0",
        )
        self._vip = vip
        self._text = (text or configuration.read_text()).replace(str(configuration.parent), str(self._directory))
        shutil.copy(configuration.with_name("servers.state"), self._directory)

    @contextlib.contextmanager
    def running(self) -> Iterator[Made]:
        """Make a proxy for the block."""
        address = next(_addresses)
        configuration = self._text.replace(f"bind {self._vip}:", f"bind {address}:")
        (self._directory / "haproxy.cfg").write_text(configuration)
        (self._directory / "links").write_text(_LINKS.format(address=address))
        begun = time.perf_counter()
        try:
            subprocess.run(["sh", "-c", self._script], check=True)
            yield Made(address, int(self._pid_file.read_text()), begun)
        finally:
            self._end()

    def _end(self) -> None:
        if self._pid_file.exists():
            pid = int(self._pid_file.read_text())
            os.kill(pid, signal.SIGKILL)
            until(lambda: not Path(f"/proc/{pid}").exists(), 10)
            self._pid_file.unlink()
        remove_namespace(self._namespace)
