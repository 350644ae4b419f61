"""The versions of the API, which clients read first."""

from typing import Any

from hydria.homecloud.identity.access import v3
from hydria.http.operation import Call, Operation, Reply


def operations() -> tuple[Operation, ...]:
    """Return the operations; they are open to all."""
    ways = {"": _all, "/": _all, "/v3": _one, "/v3/": _one}
    return tuple(Operation(method="GET", path=path, work=work, open=True) for path, work in ways.items())


def _all(call: Call) -> Reply:
    return Reply(body={"versions": {"values": [_version(call)]}}, status=300, headers={"Vary": "X-Auth-Token"})


def _one(call: Call) -> Reply:
    return Reply(body={"version": _version(call)}, headers={"Vary": "X-Auth-Token"})


def _version(call: Call) -> dict[str, Any]:
    return {
        "id": "v3.14",
        "status": "stable",
        "updated": "2020-04-07T00:00:00Z",
        "links": [{"rel": "self", "href": v3(call) + "/"}],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}],
    }
