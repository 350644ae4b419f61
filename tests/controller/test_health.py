"""Operating statuses of a load balancer from what several hosts report, and from agents of the version before."""

import json
from typing import Any

from msgspec import structs

from hydria.contract import Instance, Report
from hydria.controller.messages import decode_reports
from hydria.model import LoadBalancer
from hydria.model.status import AmphoraHealth, ServerState
from hydria.store import Transaction
from hydria.store.resources import Amphora
from tests.support.api import Api
from tests.support.cloud import Cloud
from tests.support.trees import AMPHORA, LB, key
from tests.support.worker import Worker

MEMBERS = ("10.0.0.11", "10.0.0.12")


async def make(cloud: Cloud, api: Api) -> dict[str, str]:
    """Make a load balancer with two monitored members, and return the ids of everything by name."""
    monitor = {"type": "TCP", "delay": 5, "timeout": 3, "max_retries": 2}
    members = [{"address": each, "protocol_port": 80} for each in MEMBERS]
    pool = {"name": "pool", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "members": members}
    listener = {"protocol": "HTTP", "protocol_port": 80, "default_pool": {**pool, "healthmonitor": monitor}}
    made = await api.create("loadbalancer", vip_subnet_id=cloud.subnet.id, listeners=[listener])
    (pool_id,) = (each["id"] for each in (await api.get("pools"))["pools"])
    of_members = {each["address"]: each["id"] for each in (await api.get(f"pools/{pool_id}/members"))["members"]}
    (monitor_id,) = (each["id"] for each in (await api.get("healthmonitors"))["healthmonitors"])
    return {"lb": made["id"], "listener": made["listeners"][0]["id"], "pool": pool_id, "hm": monitor_id, **of_members}


async def statuses(api: Api, ids: dict[str, str]) -> list[str]:
    """Return the operating statuses of load balancer, listener, pool and the two members."""
    root = (await api.get(f"loadbalancers/{ids['lb']}/status"))["statuses"]["loadbalancer"]
    (listener,) = root["listeners"]
    (pool,) = listener["pools"]
    of_members = {each["address"]: each for each in pool["members"]}
    return [each["operating_status"] for each in (root, listener, pool, *(of_members[address] for address in MEMBERS))]


def send(cloud: Cloud, host: str, report: Report) -> None:
    cloud.database.transact(lambda tx: cloud.reporter.take(tx, host, report, cloud.clock.now()))


def add_amphora(cloud: Cloud, like: Amphora) -> Amphora:
    """Give a load balancer a second amphora, on another host."""
    Worker(cloud, "host-2")
    second = Amphora(
        id="second", load_balancer_id=like.load_balancer_id, host="host-2", created_at=like.created_at, priority=90
    )

    def add(transaction: Transaction) -> None:
        transaction.insert(second)
        transaction.update(structs.replace(like, priority=100))
        root = transaction.get(LoadBalancer, like.load_balancer_id)
        assert root is not None
        transaction.update(structs.replace(root, topology="ACTIVE_STANDBY"))

    cloud.database.transact(add)
    return second


async def test_two_amphorae_report_differently_of_one_member(cloud: Cloud, api: Api, worker: Worker) -> None:
    ids = await make(cloud, api)
    worker.step()
    assert await statuses(api, ids) == ["ONLINE"] * 5
    (first,) = cloud.database.read(lambda tx: tx.find(Amphora))
    second = add_amphora(cloud, first)

    def report(amphora: Amphora, one: ServerState, two: ServerState) -> None:
        servers = {ids[MEMBERS[0]]: one, ids[MEMBERS[1]]: two}
        send(cloud, amphora.host, Report(amphora_id=amphora.id, generation=1, reachable=True, servers=servers))

    report(second, "down", "up")
    apart = ["DEGRADED", "ONLINE", "DEGRADED", "DEGRADED", "ONLINE"]
    assert await statuses(api, ids) == apart
    # The last report does not decide alone.
    report(first, "up", "up")
    assert await statuses(api, ids) == apart
    report(first, "down", "up")
    assert await statuses(api, ids) == ["DEGRADED", "ONLINE", "DEGRADED", "ERROR", "ONLINE"]
    report(first, "up", "up")
    report(second, "up", "up")
    assert await statuses(api, ids) == ["ONLINE"] * 5


async def test_one_of_two_hosts_is_silent(cloud: Cloud, api: Api, worker: Worker) -> None:
    ids = await make(cloud, api)
    worker.step()
    (first,) = cloud.database.read(lambda tx: tx.find(Amphora))
    second = add_amphora(cloud, first)
    up: dict[str, ServerState] = {ids[each]: "up" for each in MEMBERS}
    said = Report(amphora_id=second.id, generation=1, reachable=True, servers=up)
    send(cloud, second.host, said)
    cloud.clock.advance(91)
    worker.announce()
    cloud.controller.work()
    assert await statuses(api, ids) == ["DEGRADED", *["ONLINE"] * 4]
    # It polls again, and says what it said before.
    Worker(cloud, second.host)
    send(cloud, second.host, said)
    assert await statuses(api, ids) == ["ONLINE"] * 5


async def test_the_health_of_an_amphora_that_is_gone_does_not_count(cloud: Cloud, api: Api, worker: Worker) -> None:
    ids = await make(cloud, api)
    worker.down = set(ids.values())
    worker.step()
    assert (await statuses(api, ids))[0] == "ERROR"
    answer = await cloud.api("admin").send("PUT", f"loadbalancers/{ids['lb']}/failover")
    assert answer.status_code == 202
    worker.down = set()
    worker.step()
    assert await statuses(api, ids) == ["ONLINE"] * 5
    found = cloud.database.read(lambda tx: tx.find(AmphoraHealth))
    assert [each.amphora_id for each in found] == list(worker.serving)


async def test_states_of_unknown_members_are_not_kept(cloud: Cloud, api: Api, worker: Worker) -> None:
    ids = await make(cloud, api)
    worker.step()
    (amphora_id,) = worker.serving
    servers: dict[str, ServerState] = {ids[MEMBERS[0]]: "down", "nobody": "up"}
    send(cloud, "host-1", Report(amphora_id=amphora_id, generation=1, reachable=True, servers=servers))
    (kept,) = cloud.database.read(lambda tx: tx.find(AmphoraHealth))
    assert kept.servers == {ids[MEMBERS[0]]: "down"}


# Recorded from an agent of commit df6b743, which derived operating statuses itself.
OLDER = (
    '{"host":"host-1","reports":[{"amphora_id":"bbbbbbbb-0000-4000-8000-000000000001","generation":1,"change_id":0,'
    '"attempted":0,"reason":null,"operating":{"33333333-0000-4000-8000-000000000001":"ERROR",'
    '"33333333-0000-4000-8000-000000000002":"ONLINE","44444444-0000-4000-8000-000000000001":"ONLINE",'
    '"11111111-0000-4000-8000-000000000001":"ONLINE","22222222-0000-4000-8000-000000000001":"DEGRADED",'
    '"cccccccc-0000-4000-8000-000000000001":"DEGRADED"},"counters":{"11111111-0000-4000-8000-000000000001":'
    '{"bytes_in":0,"bytes_out":0,"active_connections":0,"total_connections":0,"request_errors":0}},"troubles":{}}],'
    '"withdrawn":[],"topology":0,"topology_change":0,"topology_reason":null,"networks_down":null,"described":[],'
    '"held":[],"unknown":null}'
)


def older(ids: dict[str, str], instance: Instance, **operating: str) -> Report:
    """Return the recorded report as one of this instance, with other statuses by name."""
    recorded = {
        key("3", 1): ids[MEMBERS[0]],
        key("3", 2): ids[MEMBERS[1]],
        key("4", 1): ids["hm"],
        key("1", 1): ids["listener"],
        key("2", 1): ids["pool"],
        LB: ids["lb"],
        AMPHORA: instance.amphora_id,
    }
    text = OLDER.replace('"change_id":0', f'"change_id":{instance.tree.load_balancer.change_id}')
    for before, now in recorded.items():
        text = text.replace(before, now)
    message: dict[str, Any] = json.loads(text)
    message["reports"][0]["operating"] |= {ids[name]: status for name, status in operating.items()}
    reports, refused = decode_reports(json.dumps(message).encode())
    assert refused == []
    return reports.reports[0]


async def test_reports_of_the_version_before_are_understood(cloud: Cloud, api: Api, worker: Worker) -> None:
    ids = await make(cloud, api)
    (instance,) = worker.fetch().serve
    send(cloud, "host-1", older(ids, instance))
    assert await statuses(api, ids) == ["DEGRADED", "ONLINE", "DEGRADED", "ERROR", "ONLINE"]
    assert (await api.show("loadbalancer", ids["lb"]))["provisioning_status"] == "ACTIVE"
    send(cloud, "host-1", older(ids, instance, **{MEMBERS[0]: "ONLINE", "pool": "ONLINE", "lb": "ONLINE"}))
    assert await statuses(api, ids) == ["ONLINE"] * 5
    # The amphora cannot be asked.
    off = {MEMBERS[0]: "OFFLINE", MEMBERS[1]: "OFFLINE", "pool": "OFFLINE", "hm": "OFFLINE"}
    send(cloud, "host-1", older(ids, instance, lb="ERROR", listener="ERROR", **off))
    assert await statuses(api, ids) == ["ERROR", "ERROR", "OFFLINE", "OFFLINE", "OFFLINE"]
