"""A user who repeats a request that a crash of the server interrupted, after checking whether it was carried out."""

import asyncio
from typing import Any

import httpx

from hydria.compose.credentials import Credentials
from tests.flow.world import World
from tests.support.waiting import eventually

LBAAS = "/load-balancer/v2.0/lbaas"
OCTAVIA = "/load-balancer/v2.0/octavia"
NAME = "web"
MEMBERS = ("10.0.0.11", "10.0.0.12")
NEW_MEMBER = "10.0.1.13"

Body = dict[str, Any]


class User:
    """The admin of the home cloud, with a subnet for VIPs and one for members. A crash of the server loses neither."""

    def __init__(self, world: World, token: str = "", subnets: tuple[str, ...] = ()) -> None:
        self.world = world
        self.token = token
        self.subnets = subnets

    async def ask(self, method: str, path: str, body: Any = None) -> httpx.Response | None:
        """Send a request; return None if the server crashed meanwhile or does not run."""
        request = httpx.Request(method, f"http://server.test{path}", json=body, headers={"X-Auth-Token": self.token})
        try:
            async with httpx.AsyncClient(transport=_Borrowed(self.world)) as client:
                answer = await client.send(request)
        except httpx.TransportError:
            self.world.sound()
            await asyncio.sleep(0.005)
            return None
        assert answer.status_code < 500, answer.text
        return answer

    async def get(self, path: str) -> Body | None:
        """Return the body, or None for a 404."""
        while (answer := await self.ask("GET", path)) is None:
            pass
        return None if answer.status_code == 404 else answer.json()

    async def log_in(self) -> None:
        """Get a token and make the subnets."""
        await self.get("/identity/v3")
        credentials = Credentials.read(self.world.settings.credentials_file)
        identity = {
            "methods": ["password"],
            "password": {"user": {"name": "admin", "domain": {"id": "default"}, "password": credentials.password}},
        }
        scope = {"project": {"name": "admin", "domain": {"id": "default"}}}
        answer = await self.ask("POST", "/identity/v3/auth/tokens", {"auth": {"identity": identity, "scope": scope}})
        assert answer is not None
        self.token = answer.headers["x-subject-token"]
        network = await self.ask("POST", "/network/v2.0/networks", {"network": {"name": "n"}})
        assert network is not None
        key = network.json()["network"]["id"]
        for cidr in ("10.0.0.0/24", "10.0.1.0/24"):
            form = {"network_id": key, "cidr": cidr, "ip_version": 4}
            subnet = await self.ask("POST", "/network/v2.0/subnets", {"subnet": form})
            assert subnet is not None
            self.subnets += (subnet.json()["subnet"]["id"],)

    # --- the scenario, each step of which may be taken again ---

    async def find(self, collection: str) -> list[Body]:
        found = await self.get(f"{LBAAS}/{collection}")
        assert found is not None
        return list(found[collection.rpartition("/")[2]])

    async def create(self) -> None:
        """Create the load balancer with its children, and wait for it."""
        while not await self.find("loadbalancers"):
            members = [{"address": each, "protocol_port": 80} for each in MEMBERS]
            pool = {"name": "pool", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "members": members}
            listener = {"name": "http", "protocol": "HTTP", "protocol_port": 80, "default_pool": pool}
            body = {"name": NAME, "vip_subnet_id": self.subnets[0], "listeners": [listener]}
            await self.ask("POST", f"{LBAAS}/loadbalancers", {"loadbalancer": body})
        await self.active()

    async def change(self) -> None:
        """Exchange a member for one on another subnet and change a listener, then wait for all of it."""
        (pool,) = await self.find("pools")
        (listener,) = await self.find("listeners")
        members = f"{LBAAS}/pools/{pool['id']}/members"
        new = {"member": {"address": NEW_MEMBER, "protocol_port": 80, "subnet_id": self.subnets[1]}}
        while (answer := await self.ask("POST", members, new)) is None or answer.status_code not in (201, 409):
            pass
        first = {each["address"]: each["id"] for each in await self.find(f"pools/{pool['id']}/members")}.get(MEMBERS[0])
        while first and ((answer := await self.ask("DELETE", f"{members}/{first}")) is None):
            pass
        slower = {"listener": {"timeout_client_data": 60000}}
        while await self.ask("PUT", f"{LBAAS}/listeners/{listener['id']}", slower) is None:
            pass
        await self.active()

    async def fail_over(self) -> None:
        """Replace the amphora, and wait until only the new one is there."""
        (before,) = await self.amphorae()
        (load_balancer,) = await self.find("loadbalancers")
        while await self.ask("PUT", f"{LBAAS}/loadbalancers/{load_balancer['id']}/failover") is None:
            pass

        async def replaced() -> bool:
            found = await self.amphorae()
            return len(found) == 1 and found != [before]

        await eventually(replaced)
        await self.active()

    async def amphorae(self) -> list[str]:
        """Return the ids of the amphorae."""
        found = await self.get(f"{OCTAVIA}/amphorae")
        assert found is not None
        return [each["id"] for each in found["amphorae"]]

    async def delete(self) -> None:
        """Delete the load balancer with its children and wait until it is gone."""
        for each in await self.find("loadbalancers"):
            while await self.ask("DELETE", f"{LBAAS}/loadbalancers/{each['id']}?cascade=true") is None:
                pass

        async def gone() -> bool:
            return not await self.find("loadbalancers")

        await eventually(gone)

    async def active(self) -> None:
        """Wait until everything is ACTIVE and all deleted children are gone."""

        async def all_active() -> bool:
            found = [each for kind in ("loadbalancers", "listeners", "pools") for each in await self.find(kind)]
            for pool in await self.find("pools"):
                found += await self.find(f"pools/{pool['id']}/members")
            return {each["provisioning_status"] for each in found} == {"ACTIVE"}

        await eventually(all_active)

    async def ports(self) -> list[Body]:
        """Return the ports of load balancers in the home cloud."""
        found = await self.get("/network/v2.0/ports")
        assert found is not None
        return [each for each in found["ports"] if each["device_owner"] == "Octavia"]


class _Borrowed(httpx.AsyncBaseTransport):
    """The line to the server, which stays open when a client of the user is closed."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self.world.line.handle_async_request(request)
