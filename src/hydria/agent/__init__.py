"""One host's agent: asks the server what to serve, keeps its host at it, and says how it is."""

from hydria.agent.keeper import Keeper
from hydria.agent.link import Link, LinkError
from hydria.agent.loop import Agent, Identity

__all__ = ["Agent", "Identity", "Keeper", "Link", "LinkError"]
