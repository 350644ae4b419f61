"""Messages of the version before are understood, and the version before understands those that it gets.

`recorded_messages_of_version_0.json` has messages with every field, as the code of commit 5edc0d9 encoded them.
"""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hydria.contract import Description, Holding, Instance, Orders, Topology
from hydria.controller.messages import decode_holding, decode_reports
from tests.support.api import Api, make_tree
from tests.support.cloud import Cloud

RECORDED: dict[str, Any] = json.loads(Path(__file__).with_name("recorded_messages_of_version_0.json").read_text())

# Parts that every kind of message may lack: dictionaries by id.
_BY_ID = frozenset(
    {"amphorae", "change_ids", "servers", "counters", "troubles", "operating", "networks_down"}
    | {"flavor", "zone", "secrets", "lost", "challenges"}
)


def raw(name: str) -> bytes:
    return json.dumps(RECORDED[name]).encode()


def lacking(old: Any, new: Any, path: str = "") -> list[str]:
    """Return what is in a message of the version before and not, or of another type, in one of today."""
    if isinstance(old, dict) and isinstance(new, dict):
        names = old.keys() & new.keys() if path.rpartition(".")[2] in _BY_ID else old.keys()
        missing = [f"{path}.{name}" for name in names if name not in new]
        below = ((name, lacking(old[name], new[name], f"{path}.{name}")) for name in names & new.keys())
        return missing + [each for _, found in below for each in found]
    if isinstance(old, list) and isinstance(new, list):
        return [each for one in new[:1] for other in old[:1] for each in lacking(other, one, f"{path}[]")]
    alike = old is None or new is None or isinstance(new, type(old))
    return [] if alike else [f"{path} is {type(new).__name__}"]


def test_holdings_of_the_version_before_are_read() -> None:
    holding = decode_holding(raw("holding"))
    assert (holding.speaks, holding.servers, holding.facts.version) == (0, (), "")
    assert lacking(RECORDED["holding"], json.loads(msgspec.json.encode(holding))) == []
    assert decode_holding(raw("holding_without_identity")).name == ""


def test_reports_of_the_version_before_are_read() -> None:
    reports, refused = decode_reports(raw("reports"))
    assert refused == []
    (report,) = reports.reports
    assert (report.carries_vip, report.generation, report.reason) == (None, 7, "no")
    (described,) = reports.described
    assert isinstance(described, Description)
    assert described.instance is not None
    assert lacking(RECORDED["reports"], json.loads(msgspec.json.encode(reports))) == []


def test_orders_of_a_server_of_the_version_before_are_read() -> None:
    orders = msgspec.json.decode(raw("orders"), type=Orders)
    (instance,) = orders.serve
    assert (instance.vips, instance.duty, instance.vrrp, instance.siblings) == ((), "active", None, ())
    assert orders.topology is not None
    assert orders.topology.networks[1].vlan is None
    assert lacking(RECORDED["orders"], json.loads(msgspec.json.encode(orders))) == []


def test_what_a_host_of_the_version_before_remembers_is_read() -> None:
    """An agent is upgraded in place: the instances and the topology on its disk are those of the version before."""
    orders = RECORDED["orders"]
    instance = msgspec.convert(orders["serve"][0], Instance)
    assert (instance.generation, len(instance.interfaces)) == (7, 2)
    assert msgspec.convert(orders["topology"], Topology).generation == 5


@pytest.mark.parametrize("name", ["holding", "holding_without_identity"])
async def test_an_agent_of_the_version_before_gets_orders_that_it_reads(cloud: Cloud, api: Api, name: str) -> None:
    holding = msgspec.structs.replace(decode_holding(raw(name)), amphorae={}, change_ids=None, withdrawing=())
    cloud.database.transact(lambda tx: cloud.desired_state.heard_from(tx, holding, cloud.clock.now()))
    await make_tree(api, cloud.subnet.id)
    cloud.controller.work()
    orders = cloud.database.read(lambda tx: cloud.desired_state.orders(tx, holding))
    (instance,) = orders.serve
    assert instance.vips == ()
    (vip,) = [each.ip for each in instance.interfaces[0].addresses]
    assert vip == instance.tree.load_balancer.vip_address
    sent = json.loads(msgspec.json.encode(orders))
    wanted = RECORDED["orders"]["serve"][0]
    assert lacking(wanted, sent["serve"][0], "instance") == []
    assert lacking(RECORDED["orders"], sent) == []


def test_a_server_of_the_version_before_reads_what_an_agent_says_today() -> None:
    """A server ignores fields that its version does not know."""
    said = json.loads(msgspec.json.encode(Holding(host="h", name="n", change_ids={}, topology_change=1)))
    assert lacking(RECORDED["holding"], said) == []
