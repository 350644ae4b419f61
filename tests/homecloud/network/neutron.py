"""A home network behind the real dispatcher and a real database, and someone who asks it things."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import httpx

from hydria.adapters.memory import ManualClock, MemoryIdentity
from hydria.contract import Topology
from hydria.homecloud.network import HomeNetworking, HomeTopologies, bootstrap, mounts
from hydria.model.caller import Caller
from hydria.store import Transaction
from tests.support.databases import open_database
from tests.support.mounted import mounted

R = TypeVar("R")

START = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
ADMIN, DEMO, OTHER = "a" * 32, "d" * 32, "e" * 32

_CALLERS = {
    "admin": Caller(user_id="1", project_id=ADMIN, roles=frozenset({"admin", "member"})),
    "demo": Caller(user_id="2", project_id=DEMO, roles=frozenset({"member"})),
    "reader": Caller(user_id="3", project_id=DEMO, roles=frozenset({"reader"})),
    "other": Caller(user_id="4", project_id=OTHER, roles=frozenset({"member"})),
}


class Cloud:
    """The service, and the calls of several people; `demo` asks where nobody else is named."""

    def __init__(self, folder: Path, external_cidr: str = "203.0.113.0/24", *, url: str | None = None) -> None:
        """`url` is a database that has the tables; None makes a new one in the folder."""
        self.database = open_database(url or f"sqlite:///{folder / 'network.db'}")
        self.clock = ManualClock(START)
        self.work(lambda transaction: bootstrap(transaction, START, ADMIN, external_cidr))
        self.app = mounted(self.database, self.clock, MemoryIdentity(_CALLERS), mounts())
        self._client = httpx.AsyncClient(transport=httpx.ASGITransport(app=self.app), base_url="http://neutron")

    async def close(self) -> None:
        await self._client.aclose()
        self.database.close()

    def work(self, work: Callable[[Transaction], R]) -> R:
        return self.database.transact(work)

    def networking(self, work: Callable[[HomeNetworking], R]) -> R:
        return self.work(lambda transaction: work(HomeNetworking(transaction, self.clock.now())))

    def topology(self) -> Topology:
        return self.database.read(lambda transaction: HomeTopologies(transaction).topology())

    def generation(self) -> int:
        return self.database.read(lambda transaction: HomeTopologies(transaction).version()[0])

    async def ask(
        self, method: str, path: str, body: Any = None, *, who: str | None = "demo", raw: bytes | None = None
    ) -> httpx.Response:
        headers = {} if who is None else {"X-Auth-Token": who}
        outright = path == "/network" or path.startswith(("/network/", "http"))
        url = path if outright else f"/network/v2.0{path}"
        if raw is not None:
            return await self._client.request(method, url, content=raw, headers=headers)
        return await self._client.request(method, url, json=body, headers=headers)

    async def get(self, path: str, who: str = "demo") -> Any:
        answer = await self.ask("GET", path, who=who)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def names(self, path: str, who: str = "demo") -> list[str]:
        answer = await self.get(path, who)
        (rows,) = (value for key, value in answer.items() if not key.endswith("_links"))
        return [row["name"] for row in rows]

    async def make(self, path: str, who: str = "demo", **attributes: Any) -> Any:
        """POST to a collection, expect 201, and return what was made."""
        root = path.strip("/").removesuffix("s").replace("-", "_")
        body = {name.replace("__", ":"): value for name, value in attributes.items()}
        answer = await self.ask("POST", path, {root: body}, who=who)
        assert answer.status_code == 201, answer.text
        return answer.json()[root]

    async def put(self, path: str, body: Any, who: str = "demo") -> Any:
        answer = await self.ask("PUT", path, body, who=who)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def delete(self, path: str, who: str = "demo") -> None:
        answer = await self.ask("DELETE", path, who=who)
        assert (answer.status_code, answer.content) == (204, b""), answer.text

    async def refused(
        self, method: str, path: str, body: Any = None, *, who: str = "demo", raw: bytes | None = None
    ) -> tuple[int, str, str]:
        """Return status, type and message of a refusal."""
        answer = await self.ask(method, path, body, who=who, raw=raw)
        error = answer.json()["NeutronError"]
        assert answer.headers["x-openstack-request-id"].startswith("req-")
        assert error["detail"] == ""
        return answer.status_code, error["type"], error["message"]

    async def provider(self) -> Any:
        return (await self.get("/networks?name=provider"))["networks"][0]

    async def inside(self, cidr: str = "10.0.0.0/24", who: str = "demo", **more: Any) -> tuple[Any, Any]:
        """Make a network with a subnet and return both."""
        network = await self.make("/networks", who, name="net")
        subnet = await self.make("/subnets", who, name="sub", network_id=network["id"], ip_version=4, cidr=cidr, **more)
        return network, subnet

    async def way_out(self, subnet: Any, who: str = "demo") -> Any:
        """Make a router between a subnet and the external network."""
        external = await self.provider()
        router = await self.make("/routers", who, name="r1", external_gateway_info={"network_id": external["id"]})
        await self.put(f"/routers/{router['id']}/add_router_interface", {"subnet_id": subnet["id"]}, who)
        return router
