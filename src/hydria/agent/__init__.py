"""The agent of one host: it polls the server, converges the host, and reports."""

from hydria.agent.amphora_worker import AmphoraWorker
from hydria.agent.link import Link, LinkError
from hydria.agent.loop import Agent, Identity

__all__ = ["Agent", "AmphoraWorker", "Identity", "Link", "LinkError"]
