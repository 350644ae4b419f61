"""The users, projects, roles, services and endpoints of the simulated OpenStack, made over Keystone's API."""

from typing import Any

import httpx

from stack.plan import BARBICAN, KEYSTONE, NEUTRON, OCTAVIA, url

# Roles by user in a project. The roles of `hydria` are those of Octavia's own user.
_USERS = {
    ("neutron", "service"): ("service", "admin"),
    ("barbican", "service"): ("service", "admin"),
    ("hydria", "service"): ("service", "admin"),
    ("demo", "demo"): ("member", "creator", "load-balancer_member"),
    ("other", "other"): ("member", "creator", "load-balancer_member"),
}
_SERVICES = {
    "neutron": ("network", url(NEUTRON)),
    "barbican": ("key-manager", url(BARBICAN)),
    "hydria": ("load-balancer", f"{url(OCTAVIA)}/load-balancer"),
}


class _Keystone:
    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def ensure(self, kind: str, name: str, **values: Any) -> str:
        """Return the id of an object of this name; make it when there is none."""
        found = self._call("GET", f"/{kind}s?name={name}")[f"{kind}s"]
        if found:
            return str(found[0]["id"])
        return str(self._call("POST", f"/{kind}s", {kind: {"name": name, **values}})[kind]["id"])

    def endpoint(self, service_id: str, address: str) -> None:
        for interface in ("public", "internal"):
            where = f"service_id={service_id}&interface={interface}"
            if not self._call("GET", f"/endpoints?{where}")["endpoints"]:
                values = {"service_id": service_id, "interface": interface, "url": address, "region_id": "RegionOne"}
                self._call("POST", "/endpoints", {"endpoint": values})

    def assign(self, project_id: str, user_id: str, role_id: str) -> None:
        self._http.put(f"/projects/{project_id}/users/{user_id}/roles/{role_id}").raise_for_status()

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        answer = self._http.request(method, path, json=body)
        answer.raise_for_status()
        return answer.json()


def make(password: str) -> None:
    """Make everything that is missing. Call it where Keystone can be reached. Raises httpx.HTTPError."""
    address = f"{url(KEYSTONE)}/v3"
    user = {"name": "admin", "password": password, "domain": {"id": "default"}}
    scope = {"project": {"name": "admin", "domain": {"id": "default"}}}
    login = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
    with httpx.Client(trust_env=False, timeout=60) as http:
        answer = http.post(f"{address}/auth/tokens", json=login)
        answer.raise_for_status()
        token = answer.headers["x-subject-token"]
    with httpx.Client(base_url=address, trust_env=False, timeout=60, headers={"X-Auth-Token": token}) as http:
        keystone = _Keystone(http)
        for (name, project), roles in _USERS.items():
            project_id = keystone.ensure("project", project, domain_id="default")
            user_id = keystone.ensure("user", name, password=password, domain_id="default")
            for role in roles:
                keystone.assign(project_id, user_id, keystone.ensure("role", role))
        for name, (kind, where) in _SERVICES.items():
            keystone.endpoint(keystone.ensure("service", name, type=kind), where)
