"""An identity service over a real database, asked over HTTP in the same process."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from hydria.adapters.memory import ManualClock
from hydria.homecloud.identity import Identity, Passwords, new_key
from hydria.model.caller import Caller
from hydria.protocols import Clock
from tests.support.databases import open_database
from tests.support.mounted import mounted

PASSWORD = "correct horse"
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
# Wrong passwords for a user from an address.
PER_MINUTE = 10


class Keystone:
    """The service and what a test needs around it."""

    def __init__(self, path: Path, clock: Clock | None = None) -> None:
        self.clock = ManualClock(START)
        clock = clock or self.clock
        self.database = open_database(f"sqlite:///{path / 'test.db'}")
        self.identity = Identity(
            region="RegionOne",
            key=new_key(),
            token_hours=2,
            passwords=Passwords(PER_MINUTE, clock.monotonic),
            subscribe=self.database.subscribe,
            now=clock.now,
        )
        self.project_id = self.bootstrap()
        self.app = mounted(self.database, clock, self.identity, (self.identity.mount(),))
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://cloud")

    def bootstrap(self, password: str = PASSWORD) -> str:
        project_id = self.database.transact(lambda tx: self.identity.bootstrap(tx, self.clock.now(), password))
        self.identity.expect(self.database, password)
        return project_id

    def caller(self, token: str) -> Caller | None:
        return self.database.read(lambda tx: self.identity.resolve(tx, token))

    async def login(self, auth: dict[str, Any], **query: str) -> httpx.Response:
        return await self.http.post("/identity/v3/auth/tokens", json={"auth": auth}, params=query)

    async def token(self, user: str, password: str = PASSWORD, project: str | None = None) -> str:
        answer = await self.login(by_password(user, password, project))
        assert answer.status_code == 201, answer.text
        return str(answer.headers["x-subject-token"])

    async def admin(self) -> "Session":
        return Session(self, await self.token("admin", project="admin"))


class Session:
    """Requests with one token; paths are below /identity/v3."""

    def __init__(self, keystone: Keystone, token: str) -> None:
        self.keystone = keystone
        self.token = token

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        return await self.keystone.http.request(
            method, f"/identity/v3/{path}", json=body, headers={"x-auth-token": self.token, **headers}
        )

    async def create(self, kind: str, path: str | None = None, **values: Any) -> dict[str, Any]:
        answer = await self.call("POST", path or f"{kind}s", {kind: values})
        assert answer.status_code == 201, answer.text
        return dict(answer.json()[kind])

    async def list(self, kind: str, query: str = "") -> list[dict[str, Any]]:
        answer = await self.call("GET", f"{kind}?{query}")
        assert answer.status_code == 200, answer.text
        return list(answer.json()[kind.rpartition("/")[2]])

    async def role(self, name: str) -> str:
        return str((await self.list("roles", f"name={name}"))[0]["id"])

    async def grant(self, project: str, user: str, role: str) -> str:
        path = f"projects/{project}/users/{user}/roles/{await self.role(role)}"
        assert (await self.call("PUT", path)).status_code == 204
        return path

    async def member(self, name: str = "alice", role: str = "member") -> "Member":
        """Make a project and a user of this name, and log it in."""
        project = await self.create("project", name=f"{name}s")
        user = await self.create("user", name=name, password=PASSWORD, domain_id="default")
        grant = await self.grant(project["id"], user["id"], role)
        token = await self.keystone.token(name, project=f"{name}s")
        return Member(self.keystone, token, project["id"], user["id"], grant)


class Member(Session):
    """Somebody with one role in one project; `grant` is the path of the role's assignment."""

    def __init__(self, keystone: Keystone, token: str, project_id: str, user_id: str, grant: str) -> None:
        super().__init__(keystone, token)
        self.project_id = project_id
        self.user_id = user_id
        self.grant_path = grant


def by_password(user: str, password: str = PASSWORD, project: str | None = None) -> dict[str, Any]:
    """Return the body of a login."""
    domain = {"name": "Default"}
    who = {"name": user, "domain": domain, "password": password}
    auth: dict[str, Any] = {"identity": {"methods": ["password"], "password": {"user": who}}}
    if project is not None:
        auth["scope"] = {"project": {"name": project, "domain": domain}}
    return auth
