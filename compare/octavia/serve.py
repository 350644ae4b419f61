"""The real Octavia as one process on loopback, run by its own environment: python serve.py DIRECTORY PORT.

Its API with its SQLite schema, Keystone's middleware left out (`auth_strategy = testing`: the headers that it would
set come from the caller, so policy and quotas are enforced), its noop network driver, and its amphora provider whose
calls to a worker go nowhere. In the worker's place every object that a call left PENDING is settled with Octavia's own
`DriverUpdater`, before the call is answered. Ends when its standard input does.
"""

import os
import sys
import threading
from pathlib import Path
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

_CONF = """\
[DEFAULT]
debug = False
default_log_levels = octavia=WARNING,oslo=WARNING
transport_url = fake:/
[database]
connection = {connection}
[oslo_messaging]
topic = octavia
[api_settings]
auth_strategy = testing
bind_host = 127.0.0.1
healthcheck_enabled = True
allow_prometheus_listeners = True
pagination_max_limit = 1000
[controller_worker]
network_driver = network_noop_driver
compute_driver = compute_noop_driver
volume_driver = volume_noop_driver
image_driver = image_noop_driver
amphora_driver = amphora_noop_driver
amp_flavor_id = 6e0f0f5e-0000-4000-8000-000000000001
amp_boot_network_list = 6e0f0f5e-0000-4000-8000-000000000002
[certificates]
cert_manager = noop_cert_manager
"""


def write_conf(directory, connection):
    """Write Octavia's configuration for a database at an SQLAlchemy URL; returns the file."""
    conf = directory / "octavia.conf"
    conf.write_text(_CONF.format(connection=connection))
    return conf


class Server(ThreadingMixIn, WSGIServer):
    """A WSGI server with a thread for each request."""

    daemon_threads = True
    request_queue_size = 64


class Handler(WSGIRequestHandler):
    """A handler that logs nothing and closes the connection."""

    protocol_version = "HTTP/1.0"

    def log_message(self, *_):
        """Log nothing."""


class Settled:
    """A WSGI application in front of Octavia: one call at a time, and nothing stays pending after it."""

    def __init__(self, app):
        from octavia.api.drivers.driver_agent.driver_updater import DriverUpdater

        self._app = app
        self._lock = threading.Lock()
        self._updater = DriverUpdater()

    def __call__(self, environ, start_response):
        """Answer one call, then settle."""
        with self._lock:
            answer = list(self._app(environ, start_response))
            if environ["REQUEST_METHOD"] != "GET":
                self._settle()
        return answer

    def _settle(self):
        from octavia.common import constants as c
        from octavia.db import api, models

        kinds = {
            c.MEMBERS: models.Member,
            c.HEALTHMONITORS: models.HealthMonitor,
            c.POOLS: models.Pool,
            c.L7RULES: models.L7Rule,
            c.L7POLICIES: models.L7Policy,
            c.LISTENERS: models.Listener,
            c.LOADBALANCERS: models.LoadBalancer,
        }
        status = {name: [] for name in kinds}
        session = api.get_session()
        pending = (c.PENDING_CREATE, c.PENDING_UPDATE)
        with session.begin():
            lb = models.LoadBalancer
            going = {row.id for row in session.query(lb).filter_by(provisioning_status=c.PENDING_DELETE)}
            for name, model in kinds.items():
                rows = session.query(model)
                if not going:
                    rows = rows.filter(model.provisioning_status.in_((*pending, c.PENDING_DELETE)))
                for row in rows:
                    if row.provisioning_status == c.PENDING_DELETE or _load_balancer_of(row, model, models) in going:
                        settled = c.DELETED
                    elif row.provisioning_status in pending:
                        settled = c.ACTIVE
                    else:
                        continue
                    status[name].append({"id": row.id, c.PROVISIONING_STATUS: settled, **_measured(row, settled, name)})
                    if name == c.HEALTHMONITORS and settled == c.DELETED:
                        members = session.query(models.Member).filter_by(pool_id=row.pool_id)
                        members.update({"operating_status": c.NO_MONITOR})
        answer = self._updater.update_loadbalancer_status(status)
        if answer["status_code"] != 200:
            print("settling failed:", answer, file=sys.stderr, flush=True)  # noqa: T201 - its log


def _measured(row, settled, name):
    """Return the operating status that a worker writes, which exists only for resources without measurements."""
    if settled != "ACTIVE" or name not in ("healthmonitors", "l7policies", "l7rules"):
        return {}
    return {"operating_status": "ONLINE" if row.enabled else "OFFLINE"}


def _load_balancer_of(row, model, models):
    if model is models.LoadBalancer:
        return row.id
    if model in (models.Member, models.HealthMonitor):
        return row.pool.load_balancer_id
    if model is models.L7Policy:
        return row.listener.load_balancer_id
    if model is models.L7Rule:
        return row.l7policy.listener.load_balancer_id
    return row.load_balancer_id


def main():
    """Make the database, start, and serve until standard input ends."""
    directory, port = Path(sys.argv[1]), int(sys.argv[2])
    directory.mkdir(parents=True, exist_ok=True)
    conf = write_conf(directory, f"sqlite:///{directory}/octavia.db")
    from octavia.api import app

    # Reads the configuration, which the other modules need.
    octavia = app.setup_app(argv=["octavia-api", "--config-file", str(conf)])
    make_database()
    served = Settled(octavia)
    server = make_server("127.0.0.1", port, served, server_class=Server, handler_class=Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print("ready", flush=True)  # noqa: T201 - the parent process waits for this
    while os.read(0, 4096):
        pass


def make_database():
    """Make Octavia's schema in an empty database."""
    from octavia.db import (
        api,
        base_models,
        models,  # noqa: F401 - the tables register themselves
    )
    from oslo_config import cfg

    # SQLite's pool has no such option, and the file cannot unset it.
    cfg.CONF.set_override("pool_timeout", None, group="database")
    engine = api.get_engine()
    base_models.BASE.metadata.create_all(engine)
    _look_ups(engine)


def _look_ups(engine):
    """Fill the lookup tables that foreign keys refer to, as Octavia's migrations do."""
    from octavia.common import constants as c
    from octavia.db import models
    from sqlalchemy.orm import Session

    names = {
        models.ProvisioningStatus: c.SUPPORTED_PROVISIONING_STATUSES,
        models.OperatingStatus: c.SUPPORTED_OPERATING_STATUSES,
        models.Protocol: c.SUPPORTED_PROTOCOLS,
        models.Algorithm: c.SUPPORTED_LB_ALGORITHMS,
        models.HealthMonitorType: c.SUPPORTED_HEALTH_MONITOR_TYPES,
        models.SessionPersistenceType: c.SUPPORTED_SP_TYPES,
        models.L7RuleType: c.SUPPORTED_L7RULE_TYPES,
        models.L7RuleCompareType: c.SUPPORTED_L7RULE_COMPARE_TYPES,
        models.L7PolicyAction: c.SUPPORTED_L7POLICY_ACTIONS,
        models.AmphoraRoles: c.SUPPORTED_AMPHORA_ROLES,
        models.LBTopology: c.SUPPORTED_LB_TOPOLOGIES,
        models.VRRPAuthMethod: c.SUPPORTED_VRRP_AUTH,
        models.ClientAuthenticationMode: c.SUPPORTED_CLIENT_AUTH_MODES,
    }
    with Session(engine) as session, session.begin():
        for model, values in names.items():
            session.add_all(model(name=value) for value in values)
        session.flush()
        nothing = {"id": c.NIL_UUID, "name": "DELETED-PLACEHOLDER"}
        session.add(models.FlavorProfile(**nothing, provider_name=c.DELETED, flavor_data="{}"))
        session.add(models.AvailabilityZoneProfile(**nothing, provider_name=c.DELETED, availability_zone_data="{}"))
        session.flush()
        session.add(models.Flavor(**nothing, flavor_profile_id=c.NIL_UUID, enabled=False))
        session.add(models.AvailabilityZone(name=c.NIL_UUID, availability_zone_profile_id=c.NIL_UUID, enabled=False))


if __name__ == "__main__":
    main()
