"""The agent, put together of its loops and this machine."""

import asyncio
import resource
import socket
import uuid

import httpx

from hydria.adapters.linux.host import LinuxHost
from hydria.adapters.linux.libc import give_back_memory
from hydria.agent import Agent, Identity, Link
from hydria.compose.credentials import HOST_ID, kept_secret
from hydria.errors import HostError
from hydria.files import make_directory
from hydria.locking import lock_once
from hydria.settings import Settings
from hydria.tasks import endless

# What fits in sockaddr_un, without the end mark.
_LONGEST_SOCKET = 107
_UUID = 36

# How often memory that is free goes back to the system (seconds): what comes and goes leaves holes.
_TRIM_SECONDS = 30.0


def host_identity(settings: Settings) -> Identity:
    """Return what the server knows this host by; the id is made the first time. Raises HostError."""
    key = kept_secret(settings, HOST_ID, lambda: str(uuid.uuid4()).encode()).decode()
    return Identity(id=key, name=settings.agent.host or socket.gethostname())


def _check_depth(settings: Settings) -> None:
    """Raise HostError when a socket's path would be longer than the kernel takes."""
    most = _LONGEST_SOCKET - len("/amphorae//haproxy.sock.1234567.tmp") - _UUID
    if len(str(settings.run_dir)) > most:
        raise HostError(
            f"run_dir is too deep: {settings.run_dir} has more than the {most} characters that sockets leave."
        )


async def run_agent(settings: Settings, stop: asyncio.Event) -> None:
    """Keep this host until `stop` is set. Raises HostError when another agent has it."""
    _check_depth(settings)
    # Each amphora costs a few descriptors: its process, its watch, its socket while it is asked.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    make_directory(settings.run_dir)
    make_directory(settings.state_dir)
    with lock_once(settings.run_dir / "agent.lock", "agent on this host"):
        identity = host_identity(settings)
        host = LinuxHost(settings.agent, settings.run_dir, settings.state_dir)
        await host.open()
        trimming = endless(_stay_small(), "memory")
        try:
            # A proxy of the environment is not for what stays on loopback or between our own machines.
            async with httpx.AsyncClient(base_url=settings.agent_server_url, trust_env=False) as client:
                link = Link(client, settings.agent_secret_file)
                await Agent(identity, host, link).run(stop)
        finally:
            trimming.cancel()
            await host.close()


async def _stay_small() -> None:
    while True:
        await asyncio.sleep(_TRIM_SECONDS)
        give_back_memory()
