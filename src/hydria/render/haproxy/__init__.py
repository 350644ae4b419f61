"""An instance as HAProxy's configuration, and which way a change of it takes. Pure.

Only what touches traffic is in the text, so a rename changes nothing.
"""

from hydria.render.haproxy.configuration import needs_no_haproxy, ports, render
from hydria.render.haproxy.parts import Rendering, Server, Surroundings

__all__ = ["Rendering", "Server", "Surroundings", "needs_no_haproxy", "ports", "render"]
