"""The agent, put together of its loops and this machine."""

import asyncio
import socket

import httpx

from hydria.adapters.linux.host import LinuxHost
from hydria.agent import Agent, Link
from hydria.locking import lock_once
from hydria.settings import Settings


def host_name(settings: Settings) -> str:
    """Return what the server knows this host by."""
    return settings.agent.host or socket.gethostname()


async def run_agent(settings: Settings, stop: asyncio.Event) -> None:
    """Keep this host until `stop` is set. Raises HostError when another agent has it."""
    # HAProxy, unprivileged, must reach the event socket inside.
    settings.run_dir.mkdir(mode=0o711, parents=True, exist_ok=True)
    with lock_once(settings.run_dir / "agent.lock", "agent on this host"):
        host = LinuxHost(settings.agent, settings.run_dir, settings.state_dir)
        await host.open()
        try:
            # A proxy of the environment is not for what stays on loopback or between our own machines.
            async with httpx.AsyncClient(base_url=settings.agent_server_url, trust_env=False) as client:
                link = Link(client, settings.agent_secret_file)
                await Agent(host_name(settings), host, link).run(stop)
        finally:
            await host.close()
