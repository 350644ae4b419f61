"""One host's agent: asks the server what to serve, keeps its host at it, and says how it is."""

from hydria.agent.amphora_worker import AmphoraWorker
from hydria.agent.link import Link, LinkError
from hydria.agent.loop import Agent, Identity

__all__ = ["Agent", "AmphoraWorker", "Identity", "Link", "LinkError"]
