"""The settings `[hydria]` in octavia.conf, and the two APIs that they lead to."""

from functools import cache
from typing import Any

from keystoneauth1 import adapter, loading
from oslo_config import cfg

from hydria_octavia_provider.api import Api

GROUP = "hydria"
# Octavia's own user, whose credentials are in the octavia.conf of every Octavia.
OCTAVIA = "service_auth"

_OPTIONS = (
    cfg.StrOpt(
        "endpoint",
        help="The address of Hydria's API, such as http://hydria.example.org:9876/load-balancer. Without it the "
        "service `endpoint_type` of the catalogue of the group's credentials is taken.",
    ),
    cfg.StrOpt("endpoint_type", default="hydria", help="The type of Hydria's service in the catalogue."),
    cfg.StrOpt(
        "octavia_endpoint",
        help="The address of Octavia's API, where the agent finds the statuses that Octavia shows. Without it the "
        "service load-balancer of the catalogue is taken.",
    ),
    cfg.StrOpt("region_name", help="The region of both endpoints, where they are taken from the catalogue."),
    cfg.FloatOpt("interval", default=2.0, min=0.1, help="Seconds between two looks at pending load balancers."),
    cfg.FloatOpt(
        "status_interval",
        default=10.0,
        min=0.1,
        help="Seconds between two looks at operating statuses and statistics.",
    ),
    cfg.FloatOpt(
        "give_up_after",
        default=600.0,
        min=1,
        help="Seconds without an answer of Hydria after which pending load balancers are shown in ERROR, so that they "
        "can be deleted. They are shown as they are when Hydria answers again.",
    ),
)


def list_options() -> list[tuple[str, list[Any]]]:
    """Return the options, for the generator of sample configurations."""
    return [(GROUP, [*_OPTIONS, *loading.get_auth_common_conf_options(), *loading.get_session_conf_options()])]


def settings() -> Any:
    """Return the values of `[hydria]`."""
    register()
    return cfg.CONF[GROUP]


@cache
def register() -> None:
    """Register the options."""
    cfg.CONF.register_opts(_OPTIONS, GROUP)
    for group in (GROUP, OCTAVIA):
        loading.register_auth_conf_options(cfg.CONF, group)
        loading.register_session_conf_options(cfg.CONF, group)
    cfg.CONF.set_default("timeout", 60, GROUP)


@cache
def hydria() -> Api:
    """Return Hydria's API. The credentials are those of `[hydria]`, or Octavia's own."""
    values = settings()
    own = values.auth_type or values.auth_section
    return _api(GROUP if own else OCTAVIA, values.endpoint, values.endpoint_type)


@cache
def octavia() -> Api:
    """Return Octavia's API, with the credentials of Octavia's own user."""
    return _api(OCTAVIA, settings().octavia_endpoint, "load-balancer")


def _api(group: str, endpoint: str | None, service_type: str) -> Api:
    auth = loading.load_auth_from_conf_options(cfg.CONF, group)
    session = loading.load_session_from_conf_options(cfg.CONF, GROUP, auth=auth)
    client = adapter.Adapter(
        session,
        service_type=service_type,
        endpoint_override=endpoint,
        region_name=settings().region_name,
        connect_retries=1,
        user_agent="hydria-octavia-provider",
    )
    return Api(client)
