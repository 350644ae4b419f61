"""Certificates by ACME, from a listener's reference to its amphora: issued, renewed, refused, deleted."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509

from hydria.adapters.memory import MemoryAuthority
from hydria.controller.acme import Certifier
from hydria.controller.acme.threads import run_in_daemon_thread
from hydria.errors import AuthorityError
from hydria.store.certificates import AcmeOrder
from tests.support.api import Api, Body
from tests.support.certificates import leaf
from tests.support.cloud import Cloud
from tests.support.worker import Worker

SHOP = "acme:shop.example.org"


class Scene:
    """An authority that checks the answers of amphorae, and the loop that orders from it."""

    def __init__(self, cloud: Cloud, api: Api, worker: Worker) -> None:
        self.cloud = cloud
        self.api = api
        self.worker = worker
        self.authority = MemoryAuthority(self._make, self._check)
        # The share of what a pause may be longer.
        self.longer = 0.0
        self.certifier = Certifier(
            cloud.database,
            cloud.clock,
            self.authority,
            cloud.vault,
            uniform=lambda least, most: least + self.longer * (most - least),
        )
        self.serves = True

    def _make(self, names: Sequence[str]) -> str:
        # Good for 30 days from the day before it is made; the clock of the test begins there.
        return leaf(*names, begin=self.cloud.clock.now() - timedelta(days=1)).bundle

    def _check(self, challenges: Mapping[str, str]) -> None:
        answered = [each.challenges for each in self.worker.serving.values()]
        if challenges not in answered:
            raise AuthorityError(f"nobody answers: {answered}")

    async def listen(self, *references: str, **attributes: Any) -> Body:
        """Create a load balancer with a listener for these references."""
        form = {"protocol": "TERMINATED_HTTPS", "protocol_port": 443, "default_tls_container_ref": references[0]}
        form |= {"sni_container_refs": list(references[1:])} | attributes
        lb = await self.api.create("loadbalancer", vip_subnet_id=self.cloud.subnet.id, listeners=[form])
        self.worker.step()
        return lb

    async def work(self) -> None:
        """Run everything until no order is unfinished."""
        await self.certifier.take_up()
        async with self._served():
            await self.certifier.finished()
        self.worker.step()

    @asynccontextmanager
    async def _served(self) -> AsyncIterator[None]:
        async def serve() -> None:
            while True:
                if self.serves:
                    self.worker.step()
                await asyncio.sleep(0.01)

        task = asyncio.create_task(serve())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def carried(self, reference: str = SHOP) -> x509.Certificate:
        """The certificate that the only amphora has now."""
        (instance,) = self.worker.serving.values()
        assert instance.challenges == {}
        return x509.load_pem_x509_certificate(instance.secrets[reference].encode())

    def orders(self) -> list[AcmeOrder]:
        return self.cloud.database.read(lambda tx: tx.find(AcmeOrder))


@pytest.fixture
def scene(cloud: Cloud, api: Api, worker: Worker) -> Scene:
    return Scene(cloud, api, worker)


def issuer(certificate: x509.Certificate) -> str:
    return certificate.issuer.rfc4514_string()


async def test_a_certificate_comes_once_the_amphora_answers_and_is_renewed_in_time(scene: Scene) -> None:
    lb = await scene.listen(SHOP)
    # The listener serves at once, with a self-signed certificate.
    assert issuer(scene.carried()) == "CN=no certificate yet"
    await scene.work()
    first = scene.carried()
    assert issuer(first) == "CN=root"
    assert (await scene.api.show("loadbalancer", lb["id"]))["provisioning_status"] == "ACTIVE"
    # It has 30 days; with ten of them left the next one comes.
    for days, orders in ((18, 1), (1.5, 2), (1, 2)):
        scene.cloud.clock.advance(days=days)
        await scene.work()
        assert len(scene.authority.orders) == orders
    assert scene.carried().serial_number != first.serial_number


async def test_the_database_holds_no_private_key_in_clear(scene: Scene) -> None:
    await scene.listen(SHOP)
    await scene.work()
    (order,) = scene.orders()
    assert order.sealed is not None
    assert "BEGIN" not in order.sealed
    assert "PRIVATE KEY" in scene.cloud.vault.open(order.sealed).decode()


async def test_listeners_of_a_project_share_a_certificate(scene: Scene) -> None:
    await scene.listen(SHOP, "acme:a.example.org,b.example.org")
    await scene.listen("stored", SHOP)
    await scene.work()
    assert sorted(scene.authority.orders) == [("a.example.org", "b.example.org"), ("shop.example.org",)]
    assert len({instance.secrets[SHOP] for instance in scene.worker.serving.values()}) == 1


@pytest.mark.parametrize("verb", ["order", "finish"])
async def test_a_refusal_is_shown_and_tried_again_with_growing_pauses(scene: Scene, verb: str) -> None:
    await scene.listen(SHOP)
    scene.authority.faults.set(verb, AuthorityError("not today"))
    tries = []
    for seconds in (0, 59, 1, 239, 1):
        scene.cloud.clock.advance(seconds)
        await scene.work()
        (order,) = scene.orders()
        tries.append(order.failures)
        assert order.reason == "not today"
        assert order.challenges == {}
    assert tries == [1, 1, 2, 2, 3]
    assert issuer(scene.carried()) == "CN=no certificate yet"
    scene.authority.faults.clear()
    scene.cloud.clock.advance(days=1)
    await scene.work()
    (order,) = scene.orders()
    assert (order.failures, order.reason) == (0, None)
    assert issuer(scene.carried()) == "CN=root"


async def test_pauses_differ_and_are_never_shorter(scene: Scene) -> None:
    await scene.listen(SHOP)
    scene.authority.faults.set("order", AuthorityError("not today"))
    scene.longer = 1.0
    tries = []
    for seconds in (0, 60, 14, 1):
        scene.cloud.clock.advance(seconds)
        await scene.work()
        tries.append(scene.orders()[0].failures)
    assert tries == [1, 1, 1, 2]


async def test_a_certificate_that_cannot_be_renewed_stays_in_use(scene: Scene) -> None:
    await scene.listen(SHOP)
    await scene.work()
    scene.authority.faults.set("order", AuthorityError("not today"))
    scene.cloud.clock.advance(days=25)
    await scene.work()
    assert scene.orders()[0].failures == 1
    assert issuer(scene.carried()) == "CN=root"


async def test_an_amphora_that_answers_no_challenge_is_named(scene: Scene) -> None:
    lb = await scene.listen(SHOP)
    scene.worker.trouble = "no room"
    await scene.work()
    (order,) = scene.orders()
    assert order.reason == f"Load balancer {lb['id']} cannot answer the authority: no room"
    scene.worker.trouble = None
    scene.cloud.clock.advance(60)
    await scene.work()
    assert issuer(scene.carried()) == "CN=root"


async def test_an_order_is_taken_up_after_a_crash(scene: Scene) -> None:
    await scene.listen(SHOP)
    scene.serves = False
    await scene.certifier.take_up()

    async with asyncio.timeout(10):
        while not scene.orders()[0].challenges:  # noqa: ASYNC110 - a thread works on it
            await asyncio.sleep(0.01)
    stop = asyncio.Event()
    stop.set()
    await scene.certifier.run(stop)
    scene.serves = True
    # Somebody else might still be at it.
    await scene.work()
    assert len(scene.authority.orders) == 1
    scene.cloud.clock.advance(600)
    await scene.work()
    assert issuer(scene.carried()) == "CN=root"


def test_a_server_stops_while_an_authority_does_not_answer() -> None:
    begun, over = threading.Event(), threading.Event()

    def silent() -> None:
        begun.set()
        over.wait(30)

    async def stop_meanwhile() -> None:
        task = asyncio.create_task(run_in_daemon_thread(silent))
        while not begun.is_set():  # noqa: ASYNC110 - a thread sets it
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    before = time.monotonic()
    asyncio.run(stop_meanwhile())
    assert time.monotonic() - before < 10
    over.set()


async def test_an_unused_certificate_is_not_renewed_and_deleted_when_it_expires(scene: Scene) -> None:
    lb = await scene.listen(SHOP)
    await scene.work()
    (listener,) = lb["listeners"]
    await scene.api.put(f"listeners/{listener['id']}", {"listener": {"default_tls_container_ref": "stored"}})
    scene.worker.step()
    scene.cloud.clock.advance(days=25)
    await scene.work()
    assert len(scene.orders()) == len(scene.authority.orders) == 1
    # Wanted again, it is there.
    await scene.api.put(f"listeners/{listener['id']}", {"listener": {"sni_container_refs": [SHOP]}})
    scene.worker.step()
    assert issuer(scene.carried()) == "CN=root"
    await scene.api.put(f"listeners/{listener['id']}", {"listener": {"sni_container_refs": []}})
    scene.cloud.clock.advance(days=5)
    await scene.work()
    assert scene.orders() == []


async def test_no_certificate_is_ordered_for_a_listener_that_is_off(scene: Scene) -> None:
    await scene.listen(SHOP, admin_state_up=False)
    await scene.work()
    assert scene.authority.orders == []


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("acme:*.example.org", "acme:*.example.org asks for a wildcard, which HTTP-01 cannot prove. Name each host."),
        ("acme:", "acme: does not name hosts."),
        ("acme:localhost", "acme:localhost does not name hosts."),
        ("acme:10.0.0.1", "acme:10.0.0.1 does not name hosts."),
        ("acme:a.example.org b", "acme:a.example.org b does not name hosts."),
        ("acme:a.example.org\n", "acme:a.example.org\n does not name hosts."),
    ],
)
async def test_names_that_no_challenge_can_prove_are_refused_at_once(scene: Scene, reference: str, said: str) -> None:
    form = {"protocol": "TERMINATED_HTTPS", "protocol_port": 443, "default_tls_container_ref": reference}
    body = {"loadbalancer": {"vip_subnet_id": scene.cloud.subnet.id, "listeners": [form]}}
    refusal = await scene.api.post("loadbalancers", body, status=400)
    assert refusal["faultstring"].startswith(said)


async def test_no_certificate_is_ordered_for_a_pool(scene: Scene) -> None:
    lb = await scene.listen("stored")
    pool = {"loadbalancer_id": lb["id"], "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "tls_enabled": True}
    refusal = await scene.api.post("pools", {"pool": pool | {"tls_container_ref": SHOP}}, status=400)
    assert "which ACME does not make" in refusal["faultstring"]
