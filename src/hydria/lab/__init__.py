"""The tutorial's surroundings on one machine: a network, web servers to balance, a client to type curl on."""

from hydria.lab.surroundings import Lab

__all__ = ["Lab"]
