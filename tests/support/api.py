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
    "flavor": "flavors",
    "flavorprofile": "flavorprofiles",
    "availability_zone": "availabilityzones",
    "availability_zone_profile": "availabilityzoneprofiles",
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


async def make_tree(api: Api, subnet_id: str) -> dict[str, str]:
    """Make one load balancer with one resource of each kind; return their ids by the roots of their bodies."""
    lb = await api.create("loadbalancer", name="lb", vip_subnet_id=subnet_id)
    listener = await api.create("listener", loadbalancer_id=lb["id"], protocol="HTTP", protocol_port=80)
    pool = await api.create("pool", listener_id=listener["id"], protocol="HTTP", lb_algorithm="ROUND_ROBIN")
    member = await api.add_member(pool["id"], "10.0.0.11")
    monitor = await api.create("healthmonitor", pool_id=pool["id"], type="HTTP", delay=5, timeout=3, max_retries=2)
    policy = await api.create("l7policy", listener_id=listener["id"], action="REJECT")
    rule = await api.add_rule(policy["id"])
    return {
        "loadbalancer": lb["id"],
        "listener": listener["id"],
        "pool": pool["id"],
        "member": member["id"],
        "healthmonitor": monitor["id"],
        "l7policy": policy["id"],
        "rule": rule["id"],
    }


def paths_of(tree: dict[str, str]) -> dict[str, str]:
    """Return the paths of the resources that `make_tree` made, by the roots of their bodies."""
    collections = COLLECTIONS | {
        "member": f"pools/{tree['pool']}/members",
        "rule": f"l7policies/{tree['l7policy']}/rules",
    }
    return {root: f"{collections[root]}/{key}" for root, key in tree.items()}
