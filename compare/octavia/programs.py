"""Octavia's API or its driver agent as a process, run by its own environment: python programs.py WHAT CONF ….

`api CONF PORT` makes the schema in an empty SQLite database and serves until standard input ends. `agent CONF` is
octavia-driver-agent.
"""

import os
import sys
import threading
from wsgiref.simple_server import make_server

from serve import Handler, Server, make_database


def serve(conf, port):
    """Serve the API."""
    from octavia.api import app

    octavia = app.setup_app(argv=["octavia-api", "--config-file", conf])
    make_database()
    server = make_server("127.0.0.1", int(port), octavia, server_class=Server, handler_class=Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    while os.read(0, 4096):
        pass


def follow(conf):
    """Run the driver agent."""
    from octavia.cmd import driver_agent
    from octavia.common import service
    from oslo_config import cfg

    prepare = service.prepare_service

    def prepared(arguments):
        prepare(arguments)
        # SQLite's pool has no such option, and the file cannot unset it.
        cfg.CONF.set_override("pool_timeout", None, group="database")

    service.prepare_service = prepared
    sys.argv = ["octavia-driver-agent", "--config-file", conf]
    driver_agent.main()


if __name__ == "__main__":
    {"api": serve, "agent": follow}[sys.argv[1]](*sys.argv[2:])
