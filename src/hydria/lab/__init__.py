"""The tutorial's lab on one machine: a network, web servers as members, and a client for curl."""

from hydria.lab.surroundings import Lab

__all__ = ["Lab"]
