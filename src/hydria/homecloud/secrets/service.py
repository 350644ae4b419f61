"""The key manager: its operations and the document of its versions."""

from typing import Any

from msgspec import Struct

from hydria.homecloud.secrets import acls, consumers, containers, orders
from hydria.homecloud.secrets.access import VERSION
from hydria.homecloud.secrets.dialect import BarbicanDialect
from hydria.homecloud.secrets.secrets import Secrets
from hydria.homecloud.secrets.vault import Vault
from hydria.http.operation import Call, Mount, Operation

_ROOT = "/key-manager"


class KeyManager:
    """Barbican's part of the home cloud."""

    def __init__(self, vault: Vault, orders: type[Struct]) -> None:
        """`orders` are rows with what `hydria.homecloud.secrets.orders.Order` has."""
        self._secrets = Secrets(vault)
        self._orders = orders

    def mounts(self) -> tuple[Mount, ...]:
        """Return the versions, and the API below the current one."""
        operations = (
            *self._secrets.operations(),
            *containers.operations(),
            *consumers.operations(),
            *acls.operations(),
            *orders.operations(self._orders),
        )
        versions = (
            *(Operation(method="GET", path=path, work=_versions, status=300, open=True) for path in ("", "/")),
            *(Operation(method="GET", path=path, work=_version, open=True) for path in ("/v1", "/v1/")),
        )
        dialect = BarbicanDialect()
        return (
            Mount(prefixes=(_ROOT,), operations=versions, dialect=dialect),
            Mount(prefixes=(VERSION,), operations=operations, dialect=dialect, slashes=True),
        )


def _versions(call: Call) -> Any:
    return {"versions": [_document(call)]}


def _version(call: Call) -> Any:
    return {"version": _document(call)}


def _document(call: Call) -> dict[str, Any]:
    return {
        "id": "v1",
        "status": "CURRENT",
        "min_version": "1.0",
        "max_version": "1.1",
        "updated": "2015-04-28T00:00:00Z",
        "links": [{"rel": "self", "href": f"{call.base_url}{VERSION}/"}],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.key-manager-v1+json"}],
    }
