"""A case's conversation with one side: sends requests and records the exchanges in a comparable form."""

import json
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from compare.normal import CHOSEN, Names, route_of
from compare.sides import Answer, Side

SUBNET = f"{CHOSEN}-0000-4000-8000-000000000001"
NETWORK = f"{CHOSEN}-0000-4000-8000-000000000002"
PORT = f"{CHOSEN}-0000-4000-8000-000000000003"
# An id that no resource has.
NOTHING = f"{CHOSEN}-0000-4000-8000-0000000000ff"
ADDRESS = "203.0.113.10"

_UNDER = "/v2/lbaas/"


class Exchange(Struct, frozen=True, kw_only=True):
    """One request and its answer.

    `about` is the tested attribute, `needed` means that later steps need this one, `part` that only some of the body is
    kept.
    """

    user: str | None
    method: str
    path: str
    route: str
    sent: Any = None
    status: int
    body: Any
    headers: dict[str, str | None] = {}
    about: str | None = None
    needed: bool = False
    part: bool = False


class Talk:
    """One case's exchanges with one side."""

    def __init__(self, side: Side) -> None:
        self._side = side
        self._names = Names(side.known)
        self._made: list[str] = []
        self.exchanges: list[Exchange] = []

    def project(self, name: str) -> str:
        """Return the id of a project by its name."""
        return next(key for key, known in self._side.known.items() if known == f"<project {name}>")

    def send(  # noqa: PLR0913 - all that there is to say of a request
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        user: str | None = "alice",
        raw: bytes | None = None,
        about: str | None = None,
        needed: bool = False,
    ) -> Answer:
        """Send a request and record it. A path without a leading slash is below `/v2/lbaas/`."""
        path = path if path.startswith("/") else _UNDER + path
        content = raw if raw is not None else (None if body is None else json.dumps(body).encode())
        answer = self._side.send(method, path, user=user, content=content)
        # Names must not shift when only one side created a resource.
        self._names.step = len(self.exchanges)
        exchange = Exchange(
            user=user,
            method=method,
            path=self._names.text(path),
            route=route_of(method, path.removeprefix("/v2/lbaas")),
            sent=self._names.plain(body) if raw is None else raw.decode(errors="replace"),
            status=answer.status,
            body=self._names.plain(answer.body),
            headers=_headers(answer),
            about=about,
            needed=needed,
        )
        self.exchanges.append(exchange)
        key = _key(answer)
        if method == "POST" and key:
            self._made.append(f"{path.split('?')[0]}/{key}")
        return answer

    def get(self, path: str, **how: Any) -> Answer:
        """Send a GET."""
        return self.send("GET", path, **how)

    def make(self, path: str, root: str, /, user: str = "alice", **attributes: Any) -> str:
        """Create a resource that the rest of the case needs; return its id."""
        answer = self.send("POST", path, {root: attributes}, user=user, needed=True)
        return _key(answer) or NOTHING

    def lb(self, **attributes: Any) -> str:
        """Make a load balancer."""
        return self.make(
            "loadbalancers", "loadbalancer", **{"vip_subnet_id": SUBNET, "vip_address": ADDRESS, **attributes}
        )

    def listener(self, lb: str, **attributes: Any) -> str:
        """Make a listener, HTTP on port 80."""
        values = {"loadbalancer_id": lb, "protocol": "HTTP", "protocol_port": 80, **attributes}
        return self.make("listeners", "listener", **values)

    def pool(self, **attributes: Any) -> str:
        """Make a pool of a `loadbalancer_id` or `listener_id`."""
        return self.make("pools", "pool", **{"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", **attributes})

    def member(self, pool: str, **attributes: Any) -> str:
        """Make a member."""
        return self.make(
            f"pools/{pool}/members", "member", **{"address": "192.0.2.1", "protocol_port": 80, **attributes}
        )

    def monitor(self, pool: str, **attributes: Any) -> str:
        """Make a health monitor."""
        values = {"pool_id": pool, "type": "HTTP", "delay": 5, "timeout": 4, "max_retries": 3, **attributes}
        return self.make("healthmonitors", "healthmonitor", **values)

    def policy(self, listener: str, **attributes: Any) -> str:
        """Make an L7 policy."""
        return self.make("l7policies", "l7policy", **{"listener_id": listener, "action": "REJECT", **attributes})

    def rule(self, policy: str, **attributes: Any) -> str:
        """Make an L7 rule."""
        values = {"type": "PATH", "compare_type": "STARTS_WITH", "value": "/a", **attributes}
        return self.make(f"l7policies/{policy}/rules", "rule", **values)

    def forget(self, path: str) -> None:
        """Remove a resource of the case without recording it."""
        path = _UNDER + path
        if path in self._made:
            self._made.remove(path)
            self._remove(path)

    def tidy(self) -> None:
        """Remove the resources of the case without recording it."""
        for path in reversed(self._made):
            self._remove(path)
        self._made.clear()

    def _remove(self, path: str) -> None:
        query = "?cascade=true" if "/loadbalancers/" in path else ""
        self._side.send("DELETE", path + query, user="admin", content=None)


Case = Callable[[Talk], None]


def transcript(side: Side, case: Case) -> list[Exchange]:
    """Run a case against one side and return its exchanges."""
    talk = Talk(side)
    try:
        case(talk)
    finally:
        talk.tidy()
    return talk.exchanges


def _key(answer: Answer) -> str | None:
    if answer.status != 201 or not isinstance(answer.body, dict):
        return None
    made = next(iter(answer.body.values()), None)
    if not isinstance(made, dict):
        return None
    return made.get("id") or made.get("name")


def _headers(answer: Answer) -> dict[str, str | None]:
    kind = answer.headers.get("content-type")
    request_id = answer.headers.get("x-openstack-request-id")
    return {
        "content-type": kind.split(";")[0] if kind and answer.body is not None else None,
        "x-openstack-request-id": "req" if request_id and request_id.startswith("req-") else None,
    }
