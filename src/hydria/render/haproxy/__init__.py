"""An instance as HAProxy's configuration, and the way to apply a change of it. Pure.

The text contains only what affects traffic, so a rename changes nothing.
"""

from hydria.render.haproxy.configuration import needs_no_haproxy, ports, render
from hydria.render.haproxy.parts import Rendering, Server, Surroundings

__all__ = ["Rendering", "Server", "Surroundings", "needs_no_haproxy", "ports", "render"]
