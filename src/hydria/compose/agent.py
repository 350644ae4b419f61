"""The composition of the agent: its loops, this machine as its host, its link to the server."""

import asyncio
import resource
import socket
import sys
import uuid
from functools import partial
from importlib.metadata import version

import httpx

from hydria.adapters.linux.host import LinuxHost
from hydria.adapters.linux.ovsdb import Ovsdb
from hydria.adapters.linux.physical_networks import physical_networks
from hydria.agent import Agent, Identity, Link
from hydria.agent.link import KEEP_ALIVE
from hydria.agent.membership import Membership, membership
from hydria.compose import memory_tuning
from hydria.compose.credentials import HOST_ID, kept_secret
from hydria.contract import Facts
from hydria.errors import HostError
from hydria.files import make_directory
from hydria.locking import lock_once
from hydria.settings import AgentSettings, Settings
from hydria.tasks import endless

# The longest path in sockaddr_un (characters), without the terminating zero.
_LONGEST_SOCKET = 107
_UUID = 36

# How often free heap memory is returned to the kernel (seconds). Fragmentation would otherwise keep it.
_TRIM_SECONDS = 30.0


def host_identity(settings: Settings) -> Identity:
    """Return the id and name by which the server knows this host; make the id the first time. Raises HostError."""
    key = kept_secret(settings, HOST_ID, lambda: str(uuid.uuid4()).encode()).decode()
    return Identity(id=key, name=settings.agent.host or socket.gethostname())


def _facts(settings: AgentSettings, zone: str) -> Facts:
    """Return what the server is told about this host; `zone` is its invitation's. Raises HostError."""
    return Facts(
        version=version("hydria"),
        zone=settings.zone or zone,
        physical_networks=physical_networks(settings.bridges),
        neutron_host=_neutron_host(settings),
    )


def _neutron_host(settings: AgentSettings) -> str:
    """Return the name by which Neutron knows this host. Raises HostError when Open vSwitch does not answer."""
    if settings.ovsdb is None:
        return ""
    return settings.neutron_host or Ovsdb(settings.ovsdb).hostname()


def _check_run_dir_length(settings: Settings) -> None:
    """Raise HostError when a socket's path would be longer than the kernel accepts."""
    most = _LONGEST_SOCKET - len("/amphorae//haproxy.sock.1234567.tmp") - _UUID
    if len(str(settings.run_dir)) > most:
        raise HostError(
            f"run_dir is too long: {settings.run_dir} has more than {most} characters, and the paths of sockets below "
            "it would exceed the kernel's limit. Set run_dir to a shorter path."
        )


async def run_agent(settings: Settings, stop: asyncio.Event) -> None:
    """Run the agent until `stop` is set. Raises HostError when another agent runs on this host."""
    _check_run_dir_length(settings)
    # Each amphora needs a few descriptors: its process, its file watch, its socket during a request.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    make_directory(settings.run_dir)
    make_directory(settings.state_dir)
    if sys.version_info < (3, 12):
        # Later versions do so themselves. The other way starts a thread for each program that the agent runs.
        watcher = asyncio.PidfdChildWatcher()
        watcher.attach_loop(asyncio.get_running_loop())
        asyncio.set_child_watcher(watcher)
    with lock_once(settings.run_dir / "agent.lock", "agent on this host"):
        identity = host_identity(settings)
        host = LinuxHost(settings.agent, settings.run_dir, settings.state_dir)
        await host.open()
        trimming = endless(_return_free_memory(), "memory")
        try:
            member = membership(settings.state_dir)
            facts = partial(_facts, settings.agent, member.zone if member else "")
            async with _client(settings, member) as client:
                if member is None:
                    link = Link(client, settings.agent_secret_file)
                else:
                    link = Link.of_member(client, member, settings.state_dir)
                agent = Agent(identity, host, link, facts)
                agent.look_seconds = settings.agent.look_seconds
                await agent.run(stop)
        finally:
            trimming.cancel()
            await host.close()


def _client(settings: Settings, member: Membership | None) -> httpx.AsyncClient:
    """Return an HTTP client for the server, or for all servers of a host that has joined."""
    # Ignore the environment's proxy: it is not meant for loopback or for traffic between our own hosts.
    if member is None:
        return httpx.AsyncClient(base_url=settings.agent_server_url, trust_env=False)
    transport = httpx.AsyncHTTPTransport(verify=member.context(), socket_options=KEEP_ALIVE, trust_env=False)
    return httpx.AsyncClient(transport=transport)


async def _return_free_memory() -> None:
    while True:
        await asyncio.sleep(_TRIM_SECONDS)
        memory_tuning.return_free_memory()
