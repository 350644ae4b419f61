"""A Keystone and a Neutron on loopback, in a thread, for `hydria openstack`. They fail on demand."""

import json
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

ALIASES = (
    "binding", "allowed-address-pairs", "security-group", "port-security", "qos", "rbac-policies",
    "network-ip-availability", "net-mtu", "agent", "quota_details",
)  # fmt: skip
_COLLECTIONS = ("users", "projects", "roles", "services", "endpoints", "regions")


def agent(host: str, **values: Any) -> dict[str, Any]:
    """Return an agent as ML2/OVN shows it."""
    kind = "OVN Controller agent"
    return {"host": host, "agent_type": kind, "binary": "ovn-controller", "alive": True, "configurations": {}, **values}


class OpenStack:
    """The state. `refuse` returns the status and sentence with which a request is refused, or None to serve it."""

    def __init__(self) -> None:
        self.url = ""
        self.refuse: Callable[[str, str], tuple[int, str] | None] = lambda method, path: None
        # By collection, what was made, as Keystone shows it.
        self.kept: dict[str, list[dict[str, Any]]] = {name: [] for name in _COLLECTIONS}
        # Project, user and role ids.
        self.granted: set[tuple[str, str, str]] = set()
        self.changes: list[tuple[str, str]] = []
        self.aliases = set(ALIASES)
        self.networks: list[dict[str, Any]] = [{"id": "n1", "name": "web", "mtu": 1442}]
        self.agents = [agent("h1"), agent("h2")]
        self.ports: list[dict[str, Any]] = []
        self.quota = {name: {"limit": -1, "used": 0, "reserved": 0} for name in ("port", "security_group")}
        for name in ("admin", "service"):
            self.add("roles", name=name)
        self.kept["regions"].append({"id": "RegionOne", "description": "", "parent_region_id": None})
        project = self.add("projects", name="admin", domain_id="default")
        user = self.add("users", name="root", domain_id="default", password="secret")
        self.granted.add((project["id"], user["id"], self.kept["roles"][0]["id"]))

    def add(self, collection: str, **values: Any) -> dict[str, Any]:
        """Add an object and return it."""
        made = {"id": uuid.uuid4().hex, "enabled": True, **values}
        self.kept[collection].append(made)
        return made

    def one(self, collection: str, **values: Any) -> dict[str, Any]:
        """Return the only object with these values."""
        (found,) = self._matching(collection, values)
        return found

    def roles_of(self, user: str, project: str) -> set[str]:
        """Return the names of a user's roles in a project."""
        ids = (self.one("projects", name=project)["id"], self.one("users", name=user)["id"])
        return {role["name"] for role in self.kept["roles"] if (*ids, role["id"]) in self.granted}

    def add_service(self, kind: str, name: str, url: str) -> None:
        """Add a service with a public endpoint."""
        service = self.add("services", type=kind, name=name)
        self.add("endpoints", service_id=service["id"], interface="public", region_id="RegionOne", url=url)

    # --- answers ---

    def answer(self, method: str, target: str, body: Any) -> tuple[int, Any]:
        """Return the status and body of an answer."""
        path, query = urlsplit(target).path, {key: each[0] for key, each in parse_qs(urlsplit(target).query).items()}
        refused = self.refuse(method, path)
        if refused is not None:
            return refused[0], {"error": {"code": refused[0], "message": refused[1], "title": "Refused"}}
        if path.startswith("/identity/v3/"):
            return self._keystone(method, path.removeprefix("/identity/v3/").split("/"), query, body)
        if path.startswith("/network/v2.0/"):
            return self._neutron(path.removeprefix("/network/v2.0/"))
        if path.startswith("/identity"):
            links = [{"rel": "self", "href": f"{self.url}/identity/v3/"}]
            return 200, {"version": {"id": "v3.14", "status": "stable", "links": links}}
        return (200, {"versions": []}) if path.startswith(("/network", "/load-balancer", "/key-manager")) else (404, {})

    def _keystone(self, method: str, words: list[str], query: dict[str, str], body: Any) -> tuple[int, Any]:
        if words == ["auth", "tokens"]:
            return self._login(body["auth"])
        if words == [""]:
            return self.answer(method, "/identity", body)
        if words[0] == "projects" and len(words) == 6:
            return self._grant(method, (words[1], words[3], words[5]))
        return self._collection(method, words, query, body)

    def _collection(self, method: str, words: list[str], query: dict[str, str], body: Any) -> tuple[int, Any]:
        singular = words[0].removesuffix("s")
        if method == "POST":
            self.changes.append((method, words[0]))
            return 201, {singular: self.add(words[0], **body[singular])}
        if len(words) == 2:
            found = self._matching(words[0], {"id": words[1]})
            return (200, {singular: found[0]}) if found else (404, {"error": {"message": "Not found."}})
        return 200, {words[0]: self._matching(words[0], query), "links": {}}

    def _matching(self, collection: str, values: dict[str, Any]) -> list[dict[str, Any]]:
        return [
            each
            for each in self.kept[collection]
            if all(each.get(key, value) == value for key, value in values.items())
        ]

    def _grant(self, method: str, ids: tuple[str, str, str]) -> tuple[int, Any]:
        if method == "PUT":
            self.changes.append((method, "role"))
            self.granted.add(ids)
        return (204, None) if ids in self.granted else (404, {"error": {"message": "No such assignment."}})

    def _login(self, auth: Any) -> tuple[int, Any]:
        asked, project = auth["identity"]["password"]["user"], auth["scope"]["project"]["name"]
        users = self._matching("users", {"name": asked["name"], "password": asked["password"]})
        projects = self._matching("projects", {"name": project})
        roles = self.roles_of(asked["name"], project) if users and projects else set()
        if not roles:
            return 401, {"error": {"code": 401, "message": "The request you have made requires authentication."}}
        token = {
            "user": {"id": users[0]["id"], "name": asked["name"], "domain": {"id": "default", "name": "Default"}},
            "project": {"id": projects[0]["id"], "name": project, "domain": {"id": "default", "name": "Default"}},
            "roles": [{"id": name, "name": name} for name in roles],
            "expires_at": "2099-01-01T00:00:00.000000Z",
            "issued_at": "2026-01-01T00:00:00.000000Z",
            "methods": ["password"],
            "catalog": self._catalogue(),
        }
        return 201, {"token": token}

    def _catalogue(self) -> list[dict[str, Any]]:
        region = {"region_id": "RegionOne", "region": "RegionOne"}
        identity = {"id": "e", "interface": "public", "url": f"{self.url}/identity/v3", **region}
        found: list[dict[str, Any]] = [{"id": "k", "type": "identity", "name": "keystone", "endpoints": [identity]}]
        for service in self.kept["services"]:
            places = self._matching("endpoints", {"service_id": service["id"]})
            endpoints = [{**each, "region": each["region_id"]} for each in places]
            found.append(
                {"id": service["id"], "type": service["type"], "name": service["name"], "endpoints": endpoints}
            )
        return found

    def _neutron(self, path: str) -> tuple[int, Any]:
        if path.startswith("quotas/"):
            return 200, {"quota": self.quota}
        found: dict[str, Any] = {
            "extensions": [{"alias": each} for each in sorted(self.aliases)],
            "networks": self.networks,
            "agents": self.agents,
            "ports": self.ports,
        }
        return (200, {path: found[path]}) if path in found else (404, {"NeutronError": {"message": "Not found."}})


@contextmanager
def openstack_cloud() -> Iterator[OpenStack]:
    """Yield a cloud that answers on loopback, and end it."""
    cloud = OpenStack()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name in the base class
            """Log nothing."""

        def serve(self) -> None:
            size = int(self.headers.get("content-length") or 0)
            body = json.loads(self.rfile.read(size)) if size else None
            status, found = cloud.answer(self.command, self.path, body)
            content = b"" if found is None else json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            if self.path.endswith("/auth/tokens"):
                self.send_header("X-Subject-Token", "token")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_HEAD = serve  # noqa: N815

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        cloud.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield cloud
        finally:
            server.shutdown()
            thread.join()
