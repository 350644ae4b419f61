"""Discovery: versions, extensions, availability zones."""

from typing import Any

from hydria.homecloud.network.faults import fault
from hydria.homecloud.network.kinds import KINDS
from hydria.homecloud.network.listing import chosen
from hydria.homecloud.network.views import ZONE
from hydria.http.operation import Call, Operation

ROOT = "/network"
VERSION = f"{ROOT}/v2.0"

_UPDATED = "2025-01-01T00:00:00-00:00"

# Only extensions that work here: clients use what a service announces.
_EXTENSIONS = {
    "allowed-address-pairs": "Allowed Address Pairs",
    "availability_zone": "Availability Zone",
    "binding": "Port Binding",
    "empty-string-filtering": "Empty String Filtering Extension",
    "ext-gw-mode": "Neutron L3 Configurable external gateway mode",
    "external-net": "Neutron external network",
    "fip-port-details": "Floating IP Port Details Extension",
    "ip-substring-filtering": "IP address substring filtering",
    "net-mtu": "Network MTU",
    "net-mtu-writable": "Network MTU (writable)",
    "network_availability_zone": "Network Availability Zone",
    "pagination": "Pagination support",
    "port-security": "Port Security",
    "project-id": "project_id field enabled",
    "provider": "Provider Network",
    "qos": "Quality of Service",
    "qos-bw-limit-direction": "Direction for QoS bandwidth limit rule",
    "router": "Neutron L3 Router",
    "router_availability_zone": "Router Availability Zone",
    "security-group": "security-group",
    "sorting": "Sorting support",
    "standard-attr-description": "standard-attr-description",
    "standard-attr-revisions": "Resource revision numbers",
    "standard-attr-tag": "Tag support for resources with standard attribute",
    "standard-attr-timestamp": "Resource timestamps",
    "stateful-security-group": "Stateful security group",
}


def _versions(call: Call) -> Any:
    link = {"rel": "self", "href": f"{call.base_url}{VERSION}/"}
    return {"versions": [{"id": "v2.0", "status": "CURRENT", "links": [link]}]}


def _resources(call: Call) -> Any:
    return {
        "resources": [
            {
                "name": kind.name,
                "collection": kind.plural,
                "links": [{"rel": "self", "href": f"{call.base_url}{VERSION}{kind.path}"}],
            }
            for kind in KINDS
        ]
    }


def _extension(alias: str) -> dict[str, Any]:
    name = _EXTENSIONS[alias]
    return {"alias": alias, "name": name, "description": name, "updated": _UPDATED, "links": []}


def _extensions(call: Call) -> Any:
    wanted = set(call.query.all("alias")) or set(_EXTENSIONS)
    return {"extensions": [chosen(call, _extension(alias)) for alias in _EXTENSIONS if alias in wanted]}


def _show_extension(call: Call) -> Any:
    alias = call.path["alias"]
    if alias not in _EXTENSIONS:
        raise fault("HTTPNotFound", msg=f"Extension with alias {alias} does not exist")
    return {"extension": _extension(alias)}


def _zones(_call: Call) -> Any:
    kinds = ("network", "router")
    return {"availability_zones": [{"name": ZONE, "resource": kind, "state": "available"} for kind in kinds]}


VERSIONS = tuple(Operation(method="GET", path=path, work=_versions, open=True) for path in ("", "/"))

OPERATIONS = (
    *(Operation(method="GET", path=path, work=_resources, open=True) for path in ("", "/")),
    Operation(method="GET", path="/extensions", work=_extensions),
    Operation(method="GET", path="/extensions/{alias}", work=_show_extension),
    Operation(method="GET", path="/availability_zones", work=_zones),
)
