"""A client of Octavia's API that asserts the expected status."""

from typing import Any

import httpx

LBAAS = "/load-balancer/v2.0/lbaas"
Body = dict[str, Any]

# The path of a collection, by the root key of its bodies.
COLLECTIONS = {
    "loadbalancer": "loadbalancers",
    "listener": "listeners",
    "pool": "pools",
    "healthmonitor": "healthmonitors",
    "l7policy": "l7policies",
}


class Api:
    """The API as one user sees it."""

    def __init__(self, http: httpx.AsyncClient, token: str | None) -> None:
        self._http = http
        self._headers = {} if token is None else {"X-Auth-Token": token}

    async def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send any request; a path without a slash is below `/lbaas`."""
        url = path if path.startswith("/") else f"{LBAAS}/{path}"
        return await self._http.request(method, url, headers={**self._headers, **options.pop("headers", {})}, **options)

    async def get(self, path: str, **query: Any) -> Body:
        """Return the body of a GET that must succeed."""
        answer = await self.send("GET", path, params=query or None)
        assert answer.status_code == 200, answer.text
        body: Body = answer.json()
        return body

    async def post(self, path: str, body: Any, *, status: int = 201) -> Body:
        """Return the body of a POST that must end in `status`."""
        answer = await self.send("POST", path, json=body)
        assert answer.status_code == status, answer.text
        found: Body = answer.json()
        return found

    async def put(self, path: str, body: Any, *, status: int = 200) -> Body:
        """Return the body of a PUT that must end in `status`."""
        answer = await self.send("PUT", path, json=body)
        assert answer.status_code == status, answer.text
        found: Body = answer.json()
        return found

    async def delete(self, path: str, *, status: int = 204, **query: Any) -> None:
        """Send a DELETE that must end in `status`."""
        answer = await self.send("DELETE", path, params=query or None)
        assert answer.status_code == status, answer.text

    async def fault(self, method: str, path: str, status: int, body: Any = None, **options: Any) -> str:
        """Return the message of a refusal, which must have Octavia's fault body and this status."""
        if body is not None:
            options["json"] = body
        answer = await self.send(method, path, **options)
        assert answer.status_code == status, answer.text
        found = answer.json()
        assert set(found) == {"faultcode", "faultstring", "debuginfo"}
        assert found["faultcode"] == ("Client" if status < 500 else "Server")
        assert found["debuginfo"] is None
        assert answer.headers["x-openstack-request-id"].startswith("req-")
        return str(found["faultstring"])

    async def create(self, root: str, **attributes: Any) -> Body:
        """Create a resource and return it."""
        found: Body = (await self.post(COLLECTIONS[root], {root: attributes}))[root]
        return found

    async def show(self, root: str, key: str) -> Body:
        """Return a resource."""
        found: Body = (await self.get(f"{COLLECTIONS[root]}/{key}"))[root]
        return found

    async def change(self, root: str, key: str, **attributes: Any) -> Body:
        """Change a resource and return it."""
        found: Body = (await self.put(f"{COLLECTIONS[root]}/{key}", {root: attributes}))[root]
        return found

    async def add_member(self, pool_id: str, address: str, port: int = 80, **attributes: Any) -> Body:
        """Create a member and return it."""
        body = {"member": {"address": address, "protocol_port": port, **attributes}}
        found: Body = (await self.post(f"pools/{pool_id}/members", body))["member"]
        return found

    async def add_rule(self, policy_id: str, **attributes: Any) -> Body:
        """Create an L7 rule (of a path by default) and return it."""
        rule = {"type": "PATH", "compare_type": "STARTS_WITH", "value": "/images", **attributes}
        found: Body = (await self.post(f"l7policies/{policy_id}/rules", {"rule": rule}))["rule"]
        return found
