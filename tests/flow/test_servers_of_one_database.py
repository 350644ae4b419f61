"""Two servers with the home cloud on one PostgreSQL: of parallel calls to both none is lost or refused."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from hydria.compose.clock import SystemClock
from hydria.compose.credentials import Credentials
from hydria.compose.schema import upgrade_database
from hydria.compose.server import make_app
from hydria.settings import Settings
from hydria.settings.values import DatabaseSettings
from hydria.store import Database
from tests.support.postgres import Postgres
from tests.support.waiting import eventually

MANY = 20
LBAAS = "/load-balancer/v2.0/lbaas"


@pytest.fixture
def settings(tmp_path: Path, postgres: Postgres) -> Iterator[Settings]:
    url = postgres.empty()
    yield Settings(state_dir=tmp_path / "state", run_dir=tmp_path / "run", database=DatabaseSettings(url=url))
    postgres.drop(url)


@pytest.fixture
async def servers(settings: Settings) -> AsyncIterator[list[httpx.AsyncClient]]:
    upgrade_database(settings)
    async with AsyncExitStack() as stack:
        clients = []
        for _ in range(2):
            database = Database(settings.database_url)
            stack.callback(database.close)
            app = make_app(settings, database, SystemClock())
            await stack.enter_async_context(app.router.lifespan_context(app))
            client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://cloud.test", timeout=60)
            clients.append(await stack.enter_async_context(client))
        token = await log_in(clients[0], Credentials.read(settings.credentials_file).password)
        for client in clients:
            client.headers["X-Auth-Token"] = token
        yield clients


async def log_in(client: httpx.AsyncClient, password: str) -> str:
    domain = {"domain": {"id": "default"}}
    user = {"user": {"name": "admin", "password": password, **domain}}
    scope = {"project": {"name": "admin", **domain}}
    identity = {"methods": ["password"], "password": user}
    answer = await client.post("/identity/v3/auth/tokens", json={"auth": {"identity": identity, "scope": scope}})
    assert answer.status_code == 201, answer.text
    return answer.headers["x-subject-token"]


async def made(client: httpx.AsyncClient, path: str, root: str, **attributes: Any) -> dict[str, Any]:
    answer = await client.post(path, json={root: attributes})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()[root]
    return found


async def test_parallel_calls_to_both(servers: list[httpx.AsyncClient]) -> None:
    network = await made(servers[0], "/network/v2.0/networks", "network", name="n")
    places = {"network_id": network["id"], "cidr": "10.0.0.0/24", "ip_version": 4}
    subnet = await made(servers[1], "/network/v2.0/subnets", "subnet", **places)
    body = {"loadbalancer": {"vip_subnet_id": subnet["id"]}}
    sent = (servers[number % 2].post(f"{LBAAS}/loadbalancers", json=body) for number in range(MANY))
    answers = await asyncio.gather(*sent)
    assert Counter(answer.status_code for answer in answers) == {201: MANY}
    assert len({answer.json()["loadbalancer"]["vip_address"] for answer in answers}) == MANY

    lb = answers[0].json()["loadbalancer"]["id"]
    pool = await made(
        servers[0], f"{LBAAS}/pools", "pool", loadbalancer_id=lb, protocol="HTTP", lb_algorithm="ROUND_ROBIN"
    )
    path = f"{LBAAS}/pools/{pool['id']}/members"
    bodies = [{"member": {"address": f"10.0.0.{100 + number}", "protocol_port": 80}} for number in range(MANY)]
    sent = (servers[number % 2].post(path, json=body) for number, body in enumerate(bodies))
    answers = await asyncio.gather(*sent)
    assert Counter(answer.status_code for answer in answers) == {201: MANY}
    assert len((await servers[1].get(path)).json()["members"]) == MANY
    # Each was a change of its own.
    assert len({answer.headers["etag"] for answer in answers}) == MANY


async def test_a_token_revoked_at_one_server_is_refused_by_the_other(servers: list[httpx.AsyncClient]) -> None:
    async def refused() -> bool:
        return (await servers[1].get(f"{LBAAS}/loadbalancers")).status_code == 401

    assert not await refused()
    going = {"X-Subject-Token": servers[0].headers["X-Auth-Token"]}
    assert (await servers[0].delete("/identity/v3/auth/tokens", headers=going)).status_code == 204
    assert (await servers[0].get(f"{LBAAS}/loadbalancers")).status_code == 401
    await eventually(refused)


async def test_text_that_postgresql_cannot_store_is_refused(servers: list[httpx.AsyncClient]) -> None:
    for path in ("loadbalancers?name=%00", "loadbalancers/%00", "pools?tags=a%00"):
        assert (await servers[0].get(f"{LBAAS}/{path}")).status_code == 400
