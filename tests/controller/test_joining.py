"""Hosts that join: invitations, secrets of their own, and what they may do with them."""

from datetime import timedelta
from typing import Any

import httpx
import msgspec
import pytest
from cryptography import x509
from sqlalchemy import update
from starlette.applications import Starlette

from hydria.contract import Holding, Joined, Joining, Orders, Report, Reports
from hydria.controller.agent_authority import RENEW_BEFORE, certificate, fingerprint, sign_leaf
from hydria.controller.joining import VALID_SECONDS, is_expected, runs
from hydria.errors import Conflict, Unavailable
from hydria.homecloud.secrets import Vault, new_key
from hydria.model import LoadBalancer
from hydria.store import columns
from hydria.store.hosts import AgentAuthority, Invitation
from hydria.store.resources import Amphora, KnownHost, Orphan
from hydria.store.tables import rows_of
from tests.support.api import Api
from tests.support.cloud import SECRET, Cloud
from tests.support.worker import Worker


@pytest.fixture
def agents(cloud: Cloud) -> httpx.AsyncClient:
    """A client of what hosts that join reach; there TLS is left out."""
    app = Starlette(routes=cloud.parts.routes_for_joined())
    cloud.exchange.poll_seconds = 0.05
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://server.test")


def invite(cloud: Cloud, zone: str = "") -> str:
    """Return the token of an invitation."""
    url = "https://server.test:9877"
    made = cloud.database.transact(lambda tx: cloud.hosts.invite(tx, cloud.clock.now(), url=url, zone=zone))
    address, _, secret = made["url"].partition("#")
    assert (address, made["command"]) == (url, f"hydria host join '{made['url']}'")
    token, _, shown = secret.partition(".")
    assert shown == cloud.database.read(lambda tx: fingerprint(certificate(tx, cloud.vault, cloud.clock.now())))
    return str(token)


async def join(agents: httpx.AsyncClient, token: str, host: str = "h-2", name: str = "two") -> httpx.Response:
    body = msgspec.json.encode(Joining(token=token, host=host, name=name))
    return await agents.post("/agent/v1/join", content=body)


async def joined(cloud: Cloud, agents: httpx.AsyncClient, host: str = "h-2", name: str = "two") -> str:
    """Let a host join, and return its secret."""
    answer = await join(agents, invite(cloud), host, name)
    assert answer.status_code == 200, answer.text
    return msgspec.json.decode(answer.content, type=Joined).secret


async def send(agents: httpx.AsyncClient, verb: str, secret: str, message: Any) -> httpx.Response:
    headers = {"authorization": f"Bearer {secret}"}
    return await agents.post(f"/agent/v1/{verb}", content=msgspec.json.encode(message), headers=headers)


def known(cloud: Cloud, host: str) -> KnownHost | None:
    return cloud.database.read(lambda tx: tx.get(KnownHost, host))


async def test_an_invitation_works_once(cloud: Cloud, agents: httpx.AsyncClient) -> None:
    token = invite(cloud, "zone-1")
    stored = cloud.database.read(lambda tx: tx.find(Invitation))
    assert token not in msgspec.json.encode(stored).decode()
    answer = await join(agents, token)
    found = msgspec.json.decode(answer.content, type=Joined)
    assert (found.zone, found.servers) == ("zone-1", ())
    host = known(cloud, "h-2")
    assert host is not None
    assert (host.name, host.secret_hash is None, found.secret in str(host)) == ("two", False, False)
    again = await join(agents, token, "h-3")
    assert (again.status_code, "hydria host invite" in again.text) == (403, True)


async def test_an_invitation_expires(cloud: Cloud, agents: httpx.AsyncClient) -> None:
    token = invite(cloud)
    cloud.clock.advance(VALID_SECONDS)
    assert (await join(agents, token)).status_code == 403
    assert (await join(agents, "")).status_code == 403
    # They are forgotten with the next one.
    invite(cloud)
    assert len(cloud.database.read(lambda tx: tx.find(Invitation))) == 1


async def test_a_host_speaks_only_for_itself(cloud: Cloud, agents: httpx.AsyncClient) -> None:
    secret, other = await joined(cloud, agents), await joined(cloud, agents, "h-3", "three")
    assert (await send(agents, "poll", secret, Holding(host="h-2", name="two"))).status_code == 200
    for verb, message in (("poll", Holding(host="h-3")), ("report", Reports(host="h-3"))):
        assert (await send(agents, verb, secret, message)).status_code == 403
        assert (await send(agents, verb, other, message)).status_code in (200, 204)
        assert (await send(agents, verb, "wrong", message)).status_code == 401
        # The shared secret is for hosts that have not joined.
        assert (await send(agents, verb, SECRET, message)).status_code == 403
    # The routes of the server's own machine are not there, and need the shared secret where they are.
    headers = {"authorization": f"Bearer {secret}"}
    assert (await agents.get("/agent/v1/admin/hosts", headers=headers)).status_code == 404
    for path in ("admin/hosts", "orphans", "hosts"):
        assert (await cloud.http.get(f"/agent/v1/{path}", headers=headers)).status_code == 401


async def test_a_report_about_the_amphora_of_another_host_is_ignored(
    cloud: Cloud, agents: httpx.AsyncClient, api: Api, worker: Worker
) -> None:
    lb = await api.create("loadbalancer", vip_subnet_id=cloud.subnet.id)
    orders = worker.fetch()
    (instance,) = orders.serve
    secret = await joined(cloud, agents)
    stolen = Report(amphora_id=instance.amphora_id, generation=instance.generation)
    assert (await send(agents, "report", secret, Reports(host="h-2", reports=(stolen,)))).status_code == 204
    assert (await api.show("loadbalancer", lb["id"]))["provisioning_status"] == "PENDING_CREATE"
    answer = await send(agents, "poll", secret, Holding(host="h-2", name="two", topology=0))
    assert msgspec.json.decode(answer.content, type=Orders).serve == ()


async def test_a_running_host_cannot_be_replaced_by_another_that_joins(cloud: Cloud, agents: httpx.AsyncClient) -> None:
    secret = await joined(cloud, agents)
    await send(agents, "poll", secret, Holding(host="h-2", name="two"))
    token = invite(cloud)
    assert (await join(agents, token)).status_code == 409
    cloud.clock.advance(3600 - 1)
    fresh = await join(agents, token)
    assert fresh.status_code == 200
    assert (await send(agents, "poll", secret, Holding(host="h-2"))).status_code == 401


async def test_hosts_are_told_all_servers_once(cloud: Cloud, agents: httpx.AsyncClient) -> None:
    secret = await joined(cloud, agents)
    now = cloud.clock.now()
    for key, url in (("1", "https://a:9877"), ("2", "https://b:9877")):
        cloud.database.transact(lambda tx, key=key, url=url: runs(tx, key, url, now))  # type: ignore[misc]
    holding = Holding(host="h-2", name="two")
    answer = msgspec.json.decode((await send(agents, "poll", secret, holding)).content, type=Orders)
    assert answer.servers == ("https://a:9877", "https://b:9877")
    holding = msgspec.structs.replace(holding, servers=answer.servers)
    answer = msgspec.json.decode((await send(agents, "poll", secret, holding)).content, type=Orders)
    assert answer == Orders()
    # A server that has not run for a day is forgotten; one that comes back with a new identity replaces itself.
    cloud.clock.advance(24 * 3600 + 1)
    cloud.database.transact(lambda tx: runs(tx, "3", "https://a:9877", cloud.clock.now()))
    answer = msgspec.json.decode((await send(agents, "poll", secret, holding)).content, type=Orders)
    assert answer.servers == ("https://a:9877",)


async def test_agents_are_expected_when_one_is_invited_or_has_joined(cloud: Cloud, agents: httpx.AsyncClient) -> None:
    def expected() -> bool:
        return cloud.database.read(lambda tx: is_expected(tx, cloud.clock.now()))

    assert not expected()
    invite(cloud)
    assert expected()
    cloud.clock.advance(VALID_SECONDS)
    assert not expected()
    await joined(cloud, agents)
    assert expected()


async def test_a_forgotten_host_is_locked_out_and_leaves_nothing(cloud: Cloud, agents: httpx.AsyncClient) -> None:
    secret = await joined(cloud, agents)
    await send(agents, "poll", secret, Holding(host="h-2", name="two", amphorae={"unknown": 1}))
    await send(agents, "report", secret, Reports(host="h-2", networks_down={"n": "no bridge"}))
    cloud.database.transact(lambda tx: cloud.hosts.forget(tx, "two", cloud.clock.now(), force=False))
    assert cloud.topologies.down == {}
    assert known(cloud, "h-2") is None
    assert cloud.database.read(lambda tx: tx.find(Orphan)) == []
    for verb, message in (("poll", Holding(host="h-2")), ("report", Reports(host="h-2"))):
        assert (await send(agents, verb, secret, message)).status_code == 401
    assert known(cloud, "h-2") is None


async def test_a_host_with_amphorae_is_forgotten_only_by_force(cloud: Cloud, api: Api, worker: Worker) -> None:
    lb = await api.create("loadbalancer", vip_subnet_id=cloud.subnet.id)
    worker.step()
    (amphora,) = cloud.database.read(lambda tx: tx.find(Amphora))
    cloud.clock.advance(3600)
    other = Worker(cloud, "host-2")
    now = cloud.clock.now()
    with pytest.raises(Conflict, match="has 1 amphorae"):
        cloud.database.transact(lambda tx: cloud.hosts.forget(tx, amphora.host, now, force=False))
    cloud.database.transact(lambda tx: cloud.hosts.forget(tx, amphora.host, now, force=True))
    # Local networks are only at home, which the lost host was.
    home = update(rows_of(KnownHost).table).where(columns(KnownHost).id == "host-2").values(home=True)
    cloud.database.transact(lambda tx: tx.execute(home))
    other.step()
    (placed,) = cloud.database.read(lambda tx: tx.find(Amphora))
    assert (placed.host, placed.id == amphora.id) == ("host-2", False)
    assert cloud.database.read(lambda tx: tx.get(LoadBalancer, lb["id"])) is not None
    assert (await api.show("loadbalancer", lb["id"]))["provisioning_status"] == "ACTIVE"


def test_certificates_are_signed_by_one_authority_whose_key_is_sealed(cloud: Cloud) -> None:
    now = cloud.clock.now()
    leaf = cloud.database.transact(lambda tx: sign_leaf(tx, cloud.vault, now))
    (stored,) = cloud.database.read(lambda tx: tx.find(AgentAuthority))
    assert "PRIVATE" not in stored.certificate + stored.sealed
    authority = x509.load_pem_x509_certificate(stored.certificate.encode())
    x509.load_pem_x509_certificate(leaf.pem.encode()).verify_directly_issued_by(authority)
    assert leaf.not_after - now > RENEW_BEFORE + timedelta(days=1)
    again = cloud.database.transact(lambda tx: sign_leaf(tx, cloud.vault, now))
    x509.load_pem_x509_certificate(again.pem.encode()).verify_directly_issued_by(authority)
    with pytest.raises(Unavailable, match=r"secrets\.key"):
        cloud.database.transact(lambda tx: sign_leaf(tx, Vault(new_key()), now))
