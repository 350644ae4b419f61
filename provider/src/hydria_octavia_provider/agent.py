"""The provider agent: a process of octavia-driver-agent that reports what Hydria shows, until it is told to end."""

import time
from typing import Any

from octavia_lib.api.drivers.driver_lib import DriverLibrary
from oslo_config import cfg
from oslo_log import log as logging

from hydria_octavia_provider import settings
from hydria_octavia_provider.api import Unreachable
from hydria_octavia_provider.following import Follower

LOG = logging.getLogger(__name__)


def run(exit_event: Any) -> None:
    """Follow Hydria until the event is set."""
    values = settings.settings()
    sockets = cfg.CONF.driver_agent
    library = DriverLibrary(
        status_socket=sockets.status_socket_path,
        stats_socket=sockets.stats_socket_path,
        get_socket=sockets.get_socket_path,
    )
    follower = Follower(settings.octavia(), settings.hydria(), library, give_up_after=values.give_up_after)
    LOG.info("The provider agent of Hydria has started.")
    watched = None
    while not exit_event.is_set():
        try:
            follower.settle()
            if watched is None or time.monotonic() - watched >= values.status_interval:
                watched = time.monotonic()
                follower.watch()
        except Unreachable as error:
            LOG.warning("Octavia's API cannot be reached: %s. Trying again.", error)
        except Exception:
            # An agent that ends would leave everything pending.
            LOG.exception("A round of Hydria's provider agent failed. Trying again.")
        exit_event.wait(values.interval)
    LOG.info("The provider agent of Hydria ends.")
