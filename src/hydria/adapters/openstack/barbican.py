"""Barbican's API v1, as far as load balancers need it, by Hydria's own user."""

from collections.abc import Mapping
from typing import Any

from hydria.adapters.openstack.session import Service

_PLAIN = "text/plain"
# Secrets have consumers since this microversion.
_CONSUMERS = "1.1"


class Barbican:
    """The calls. All raise the Refusal that Barbican answers with, or Unavailable."""

    def __init__(self, service: Service) -> None:
        self.service = service

    async def check_visible(self, collection: str, key: str, token: str) -> None:
        """Refuse what the user of a token does not see; `collection` is secrets or containers."""
        await self.service.get_as(token, f"/v1/{collection}/{key}")

    async def payload(self, secret_id: str) -> bytes:
        """Return the payload of a secret, which Hydria's user may read by the secret's access list."""
        path = f"/v1/secrets/{secret_id}"
        kinds = (await self.service.get(path)).get("content_types") or {}
        return await self.service.download(f"{path}/payload", kinds.get("default", _PLAIN))

    async def parts(self, container_id: str) -> dict[str | None, str]:
        """Return the references of a container's secrets by their names there."""
        found = await self.service.get(f"/v1/containers/{container_id}")
        return {each.get("name"): str(each["secret_ref"]) for each in found["secret_refs"]}

    async def store_secret(self, token: str, name: str, payload: str) -> str:
        """Store a text as the user of a token; return its reference."""
        secret = {"name": name, "payload": payload, "payload_content_type": _PLAIN}
        return str((await self.service.call_as(token, "POST", "/v1/secrets", secret))["secret_ref"])

    async def store_container(self, token: str, name: str, parts: Mapping[str | None, str]) -> str:
        """Store a container of references by name as the user of a token; return its reference."""
        references = [{"name": part, "secret_ref": reference} for part, reference in parts.items()]
        container = {"type": "certificate", "name": name, "secret_refs": references}
        return str((await self.service.call_as(token, "POST", "/v1/containers", container))["container_ref"])

    async def share(self, token: str, collection: str, key: str) -> None:
        """Let Hydria's user read what the user of a token stored."""
        read = {"users": [(await self.service.login()).user.id], "project-access": True}
        await self.service.call_as(token, "PUT", f"/v1/{collection}/{key}/acl", {"read": read})

    async def register(self, collection: str, key: str, load_balancer_id: str) -> None:
        """Register a load balancer as a consumer of a secret or container; once more has no effect."""
        await self._consumers("POST", collection, key, load_balancer_id)

    async def unregister(self, collection: str, key: str, load_balancer_id: str) -> None:
        """Remove a load balancer from the consumers."""
        await self._consumers("DELETE", collection, key, load_balancer_id)

    async def _consumers(self, method: str, collection: str, key: str, load_balancer_id: str) -> None:
        body: dict[str, Any]
        if collection == "containers":
            body = {"name": "load-balancer", "URL": f"lbaas://loadbalancers/{load_balancer_id}"}
        else:
            body = {"service": "load-balancer", "resource_type": "loadbalancers", "resource_id": load_balancer_id}
        await self.service.call(method, f"/v1/{collection}/{key}/consumers", body, version=_CONSUMERS)
