"""A PROMETHEUS listener, scraped over the VIP and parsed by Prometheus' own parser."""

import asyncio
import http.client
import ssl
from collections.abc import Iterator

import pytest
from msgspec import structs
from prometheus_client.parser import text_string_to_metric_families

from tests.linux import datagrams
from tests.linux.datagrams import Echo, echoes
from tests.linux.haproxies import Web, ask, get
from tests.linux.machines import VIP, Machine
from tests.support import certificates
from tests.support.trees import AMPHORA, NETWORK, instance, key, listener, member, monitor, pool
from tests.support.waiting import eventually

PORT = 8088
TREE = (
    listener(),
    listener(2, protocol="PROMETHEUS", protocol_port=PORT, default_pool_id=None),
    pool(),
    member(1),
    member(2),
)
POOL = f"{key('2', 1)}:{key('1', 1)}"

# The labels of a sample come before its value.
LABELS = ("listener", "pool", "member", "state", "code")

Samples = dict[tuple[str, ...], float]


def page(machine: Machine, path: str, method: str = "GET") -> tuple[http.client.HTTPResponse, str]:
    return ask(machine.client, http.client.HTTPConnection("10.0.0.10", PORT, timeout=5), path, method=method)


def scrape(machine: Machine) -> Samples:
    answer, text = page(machine, "/metrics")
    assert answer.status == 200, text
    assert answer.getheader("content-type", "").startswith("text/plain; version=0.0.4")
    return {
        (sample.name, *(sample.labels[label] for label in LABELS if label in sample.labels)): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_a_scrape_has_octavias_metrics_of_this_load_balancer(machine: Machine, web: list[Web]) -> None:
    await machine.host.serve(instance(*TREE, monitor(delay=1, timeout=1, max_retries=1)))

    async def up() -> bool:
        return (await machine.host.observe(AMPHORA)).servers[key("3", 2)] == "up"

    await eventually(up)
    for _ in range(4):
        machine.get()
    seen = await asyncio.to_thread(scrape, machine)
    assert seen["octavia_listener_http_responses_total", key("1", 1), "2xx"] == 4
    assert seen["octavia_listener_status", key("1", 1), "UP"] == 1
    assert seen["octavia_pool_http_requests_total", POOL] == 4
    assert seen["octavia_pool_active_members", POOL] == 2
    assert seen["octavia_member_sessions_total", POOL, key("3", 1)] == 2
    assert seen["octavia_member_status", POOL, key("3", 1), "UP"] == 1
    assert seen["octavia_loadbalancer_listeners",] == 2
    # Including the scrape itself.
    assert seen["octavia_loadbalancer_requests_total",] == 5
    assert 0 < seen["octavia_loadbalancer_memory",] < 100
    assert not [sample for sample in seen if any("hydria" in part or "agent" in part for part in sample)]
    # Only GET /metrics: a client cannot name another amphora.
    refused = [("/", "GET"), (f"/{AMPHORA}", "GET"), (f"http://x/{AMPHORA}", "GET"), ("/metrics", "POST")]
    statuses = [(await asyncio.to_thread(page, machine, *each))[0].status for each in refused]
    assert statuses == [404, 404, 404, 405]


@pytest.fixture
def echo(machine: Machine) -> Iterator[Echo]:
    """A UDP server at member 1's address."""
    with echoes(machine.names, NETWORK, "10.0.0.11/24") as (running,):
        yield running


async def test_datagram_listeners_have_the_same_metrics(machine: Machine, echo: Echo) -> None:
    dns = listener(protocol="UDP", protocol_port=53, connection_limit=50)
    others = (member(2, weight=0), member(3, backup=True), member(4, admin_state_up=False))
    await machine.host.serve(instance(dns, TREE[1], pool(protocol="UDP"), member(1, protocol_port=5353), *others))
    for _ in range(3):
        datagrams.ask(machine.client, VIP)
    seen = await asyncio.to_thread(scrape, machine)
    listener_, pool_ = ("octavia_listener", key("1", 1)), ("octavia_pool", POOL)
    for (kind, *whose), name, wanted in (
        (listener_, "sessions_total", 3),
        (listener_, "connections_total", 3),
        (listener_, "current_sessions", 3),
        (listener_, "limit_sessions", 50),
        # IP and UDP headers are 28 bytes; an answer begins with `echo1 `.
        (listener_, "bytes_in_total", 3 * 29),
        (pool_, "bytes_out_total", 3 * 35),
        (pool_, "loadbalanced_total", 3),
        (pool_, "active_members", 1),
        (pool_, "backup_members", 1),
        (("octavia_member", POOL, key("3", 1)), "current_sessions", 3),
        (("octavia_member", POOL, key("3", 1)), "weight", 1),
    ):
        assert seen[f"{kind}_{name}", *whose] == wanted, name
    status = {
        (kind.removeprefix("octavia_"), whose[-2][-1]): whose[-1]
        for (kind, *whose), value in seen.items()
        if kind.endswith("_status") and value
    }
    listed = {("listener_status", "1"): "UP", ("listener_status", "2"): "UP", ("pool_status", "1"): "UP"}
    members = {("member_status", str(each)): state for each, state in enumerate(("UP", "DRAIN", "UP", "MAINT"), 1)}
    assert status == listed | members
    assert seen["octavia_loadbalancer_listeners",] == 2


async def test_counters_go_on_over_reloads_of_haproxy_and_restarts_of_the_agent(
    machine: Machine, web: list[Web]
) -> None:
    await machine.host.serve(instance(*TREE))
    for _ in range(4):
        machine.get()
    pid = machine.pid
    await machine.host.serve(instance(*TREE, listener(3, protocol_port=8080), generation=2))
    assert machine.pid != pid
    machine.get()
    await machine.restart()
    await machine.host.serve(instance(*TREE, listener(3, protocol_port=8080), generation=2))
    seen = await asyncio.to_thread(scrape, machine)
    assert seen["octavia_listener_http_responses_total", key("1", 1), "2xx"] == 5
    assert seen["octavia_pool_http_requests_total", POOL] == 5


async def test_without_an_agent_a_scrape_gets_503_and_traffic_goes_on(machine: Machine, web: list[Web]) -> None:
    await machine.host.serve(instance(*TREE))
    await machine.stop()
    answer, _ = await asyncio.to_thread(page, machine, "/metrics")
    assert answer.status == 503
    assert get(machine.client, "10.0.0.10")[0] == 200
    await machine.host.open()


@pytest.mark.parametrize("listeners", [TREE[1:2]])
async def test_a_load_balancer_with_only_this_listener_can_be_scraped(
    machine: Machine, listeners: tuple[object, ...]
) -> None:
    await machine.host.serve(instance(*listeners))
    seen = await asyncio.to_thread(scrape, machine)
    assert seen["octavia_loadbalancer_listeners",] == 1


async def test_only_allowed_sources_may_scrape(machine: Machine) -> None:
    allowed = structs.replace(TREE[1], allowed_cidrs=("10.0.0.51/32",))
    await machine.host.serve(instance(TREE[0], allowed))
    with pytest.raises(OSError):  # noqa: PT011 - reset or closed, both are possible
        await asyncio.to_thread(page, machine, "/metrics")
    await machine.host.serve(instance(TREE[0], structs.replace(allowed, allowed_cidrs=("10.0.0.50/32",))))
    await asyncio.to_thread(scrape, machine)


async def test_a_scrape_may_use_tls(machine: Machine) -> None:
    bundle = certificates.leaf("10.0.0.10")
    over_tls = structs.replace(TREE[1], default_tls_container_ref="certificate")
    await machine.host.serve(instance(TREE[0], over_tls, secrets={"certificate": bundle.bundle}))
    trusted = ssl.create_default_context(cadata=certificates.authority().pem)
    connection = http.client.HTTPSConnection("10.0.0.10", PORT, timeout=5, context=trusted)
    answer, text = await asyncio.to_thread(ask, machine.client, connection, "/metrics")
    assert answer.status == 200
    assert "octavia_loadbalancer_ssl_connections_total 1.0" in text
