"""The server's own /metrics, read by Prometheus' parser."""

import httpx
import pytest
from msgspec import structs
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette

from hydria.compose import metrics
from hydria.contract import Report
from hydria.controller.dropped_flows import DroppedFlows
from hydria.http.metrics import HttpMetrics
from hydria.settings import ServerSettings
from tests.support.api import Api
from tests.support.cloud import Cloud
from tests.support.worker import Worker


async def scrape(cloud: Cloud) -> dict[tuple[str, frozenset[str]], float]:
    answer = await cloud.http.get("/metrics")
    assert answer.status_code == 200
    return {
        (sample.name, frozenset(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


async def test_metrics_count_requests_load_balancers_and_changes(cloud: Cloud, api: Api, worker: Worker) -> None:
    before = await scrape(cloud)
    lb = await api.create("loadbalancer", vip_subnet_id=cloud.subnet.id)
    seen = await scrape(cloud)
    assert seen["hydria_load_balancers", frozenset({"PENDING_CREATE", "OFFLINE"})] == 1
    assert seen["hydria_change_served_seconds_count", frozenset()] == 0
    worker.step()
    await api.create("listener", loadbalancer_id=lb["id"], protocol="HTTP", protocol_port=80)
    worker.step()
    await api.fault("GET", "loadbalancers/nowhere", 404)
    seen = await scrape(cloud)
    assert seen["hydria_load_balancers", frozenset({"ACTIVE", "ONLINE"})] == 1
    assert seen["hydria_amphorae", frozenset({worker.holding.host})] == 1
    assert seen["hydria_change_served_seconds_count", frozenset()] == 2
    written = ("hydria_database_transactions_total", frozenset({"write"}))
    assert seen[written] > before[written]
    last_seen = seen["hydria_agent_last_seen_timestamp_seconds", frozenset({worker.holding.host})]
    assert last_seen == int(cloud.clock.now().timestamp())
    shown = [
        (labels, value)
        for (name, labels), value in seen.items()
        if name == "hydria_http_request_duration_seconds_count" and "404" in labels
    ]
    # Labels have the route, not the requested path, so that they stay few.
    assert [(value, any("{" in label for label in labels)) for labels, value in shown] == [(1, True)]
    assert not any("nowhere" in label for _, labels in seen for label in labels)


async def test_dropped_flows_are_counted_from_totals(cloud: Cloud, api: Api, worker: Worker) -> None:
    await api.create("loadbalancer", vip_subnet_id=cloud.subnet.id)
    worker.step()
    (amphora_id,) = worker.serving
    report = Report(amphora_id=amphora_id, generation=1, reachable=True)
    # The last total is of a new namespace.
    for total in (7, 7, 3):
        worker.send(structs.replace(report, dropped_flows=total))
    seen = await scrape(cloud)
    assert seen["hydria_dropped_flows_total", frozenset({worker.holding.host})] == 7 + 3


def test_flows_that_were_dropped_before_the_server_started_are_not_counted() -> None:
    flows = DroppedFlows()
    for total in (500, 507):
        flows.take("host-1", "amphora", total)
    (family,) = flows.counter.collect()
    assert [sample.value for sample in family.samples if sample.name.endswith("_total")] == [7]


@pytest.mark.parametrize(
    ("who", "client", "status"),
    [
        ("loopback", "127.0.0.1", 200),
        ("loopback", "::1", 200),
        ("loopback", "192.0.2.7", 403),
        ("open", "192.0.2.7", 200),
        ("off", "127.0.0.1", 404),
    ],
)
async def test_readers_of_metrics_are_a_setting(cloud: Cloud, who: str, client: str, status: int) -> None:
    settings = ServerSettings(metrics=who)  # type: ignore[arg-type]
    app = Starlette(routes=metrics.routes(settings, cloud.database, HttpMetrics()))
    transport = httpx.ASGITransport(app, client=(client, 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://cloud.test") as http:
        assert (await http.get("/metrics")).status_code == status
