"""The service catalogue, made from the settings and the address that the client used."""

import uuid
from typing import Any

from hydria.homecloud.identity.access import DOMAIN, admin_or, only_admin, v3
from hydria.homecloud.identity.faults import missing
from hydria.homecloud.identity.listing import listing, wanted
from hydria.http.operation import Call, Operation

# (name, type, path, description)
_SERVICES = (
    ("keystone", "identity", "/identity/v3", "Projects, users and tokens"),
    ("neutron", "network", "/network", "Networks, ports, routers and floating IPs"),
    ("barbican", "key-manager", "/key-manager", "Secrets and certificates"),
    ("octavia", "load-balancer", "/load-balancer", "Load balancers"),
)
_INTERFACES = ("public", "internal", "admin")


class Catalogue:
    """The services of one region."""

    def __init__(self, region: str) -> None:
        """`region` is the region's name and id."""
        self._region = region

    def of(self, call: Call) -> list[dict[str, Any]]:
        """Return the catalogue as a token carries it."""
        return [
            {
                "id": service["id"],
                "name": service["name"],
                "type": service["type"],
                "endpoints": [
                    {
                        "id": endpoint["id"],
                        "interface": endpoint["interface"],
                        "region": self._region,
                        "region_id": self._region,
                        "url": endpoint["url"],
                    }
                    for endpoint in self._endpoints(call)
                    if endpoint["service_id"] == service["id"]
                ],
            }
            for service in self._services(call)
        ]

    def operations(self) -> tuple[Operation, ...]:
        """Return the operations; the catalogue is read only."""
        return tuple(
            Operation(method="GET", path=f"/v3/{path}", work=work)
            for path, work in {
                "services": self._list_services,
                "services/{id}": self._get_service,
                "endpoints": self._list_endpoints,
                "endpoints/{id}": self._get_endpoint,
                "regions": self._list_regions,
                "regions/{id}": self._get_region,
                "domains": _list_domains,
                "domains/{id}": _get_domain,
            }.items()
        )

    def _services(self, call: Call) -> list[dict[str, Any]]:
        return [
            {
                "id": _id(name),
                "name": name,
                "type": kind,
                "description": description,
                "enabled": True,
                "links": {"self": v3(call, "services", _id(name))},
            }
            for name, kind, _, description in _SERVICES
        ]

    def _endpoints(self, call: Call) -> list[dict[str, Any]]:
        return [
            {
                "id": _id(name, interface),
                "interface": interface,
                "region": self._region,
                "region_id": self._region,
                "service_id": _id(name),
                "url": call.base_url + path,
                "enabled": True,
                "links": {"self": v3(call, "endpoints", _id(name, interface))},
            }
            for name, _, path, _ in _SERVICES
            for interface in _INTERFACES
        ]

    def _regions(self, call: Call) -> list[dict[str, Any]]:
        return [
            {
                "id": self._region,
                "description": "",
                "parent_region_id": None,
                "links": {"self": v3(call, "regions", self._region)},
            }
        ]

    def _list_services(self, call: Call) -> Any:
        only_admin(call, "list_services")
        return listing(call, "services", _matching(call, self._services(call), ("name", "type")))

    def _get_service(self, call: Call) -> Any:
        only_admin(call, "get_service")
        return {"service": _one("service", self._services(call), call.path["id"])}

    def _list_endpoints(self, call: Call) -> Any:
        only_admin(call, "list_endpoints")
        found = _matching(call, self._endpoints(call), ("interface", "service_id", "region_id", "region"))
        return listing(call, "endpoints", found)

    def _get_endpoint(self, call: Call) -> Any:
        only_admin(call, "get_endpoint")
        return {"endpoint": _one("endpoint", self._endpoints(call), call.path["id"])}

    def _list_regions(self, call: Call) -> Any:
        return listing(call, "regions", _matching(call, self._regions(call), ("parent_region_id",)))

    def _get_region(self, call: Call) -> Any:
        return {"region": _one("region", self._regions(call), call.path["id"])}


def _id(*names: str) -> str:
    return uuid.uuid5(uuid.NAMESPACE_URL, "hydria:" + "/".join(names)).hex


def _matching(call: Call, items: list[dict[str, Any]], names: tuple[str, ...]) -> list[dict[str, Any]]:
    asked = {name: value for name in names if (value := call.query.last(name)) is not None}
    return [item for item in items if all(item[name] == value for name, value in asked.items())]


def _one(what: str, items: list[dict[str, Any]], key: str) -> dict[str, Any]:
    for item in items:
        if item["id"] == key:
            return item
    raise missing(what, key)


def _domain(call: Call) -> dict[str, Any]:
    return {
        **DOMAIN,
        "description": "The default domain",
        "enabled": True,
        "tags": [],
        "options": {},
        "links": {"self": v3(call, "domains", DOMAIN["id"])},
    }


def _list_domains(call: Call) -> Any:
    only_admin(call, "list_domains")
    found = _matching(call, [_domain(call)], ("name",))
    return listing(call, "domains", [] if wanted(call, "enabled") is False else found)


def _get_domain(call: Call) -> Any:
    key = call.path["id"]
    # Every user belongs to the only domain.
    admin_or(call, call.caller.user_id if key == DOMAIN["id"] else None, "get_domain")
    return {"domain": _one("domain", [_domain(call)], key)}
