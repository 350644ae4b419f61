"""The routes of `hydria host`, which need the shared secret, and what the commands print."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from hydria.compose.hosts import HEADINGS, row
from hydria.contract import Facts, Holding
from hydria.store.resources import KnownHost
from tests.support.cloud import SECRET, Cloud


@pytest.fixture
def two(cloud: Cloud) -> Cloud:
    """Two hosts have polled."""
    for key, name in (("id-1", "one"), ("id-2", "two")):
        holding = Holding(host=key, name=name, facts=Facts(version="0.1.0", physical_networks=("physnet1",)))
        cloud.database.transact(lambda tx, h=holding: cloud.desired_state.heard_from(tx, h, cloud.clock.now()))  # type: ignore[misc]
    return cloud


async def ask(cloud: Cloud, method: str, path: str, body: Any = None) -> httpx.Response:
    headers = {"authorization": f"Bearer {SECRET}"}
    return await cloud.http.request(method, f"/agent/v1/admin/{path}", headers=headers, json=body)


async def test_hosts_are_listed_and_shown_by_id_or_name(two: Cloud) -> None:
    listed = (await ask(two, "GET", "hosts")).json()["hosts"]
    assert [host["name"] for host in listed] == ["one", "two"]
    for key in ("id-2", "two"):
        assert (await ask(two, "GET", f"hosts/{key}")).json()["host"] == listed[1]
    assert (await ask(two, "GET", "hosts/three")).status_code == 404
    same = Holding(host="id-3", name="two")
    two.database.transact(lambda tx: two.desired_state.heard_from(tx, same, two.clock.now()))
    answer = await ask(two, "GET", "hosts/two")
    assert (answer.status_code, "by its id" in answer.text) == (409, True)


async def test_hosts_are_drained_enabled_disabled_and_forgotten(two: Cloud) -> None:
    for verb, state in (("drain", "drained"), ("disable", "disabled"), ("enable", "up")):
        assert (await ask(two, "POST", f"hosts/two/{verb}")).status_code == 204
        assert (await ask(two, "GET", "hosts/two")).json()["host"]["state"] == state
    assert (await ask(two, "POST", "hosts/two/explode")).status_code == 404
    # It has the server's own secret, so that it would be back at once.
    answer = await ask(two, "POST", "hosts/two/forget?force=true")
    assert (answer.status_code, "hydria down" in answer.text) == (409, True)
    two.clock.advance(3600)
    assert (await ask(two, "POST", "hosts/two/forget?force=false")).status_code == 204
    assert two.database.read(lambda tx: tx.get(KnownHost, "id-2")) is None


async def test_changes_of_hosts_are_tried(two: Cloud) -> None:
    tried = await ask(two, "POST", "hosts/two/drain?dry_run=true")
    assert (tried.status_code, tried.json()["host"]["state"]) == (200, "drained")
    assert (await ask(two, "GET", "hosts/two")).json()["host"]["state"] == "up"
    assert (await ask(two, "POST", "hosts/two/forget?dry_run=true")).status_code == 409
    two.clock.advance(3600)
    assert (await ask(two, "POST", "hosts/two/forget?dry_run=true")).json() == {"host": None}
    assert (await ask(two, "POST", "hosts/three/forget?dry_run=true")).status_code == 404
    assert (await ask(two, "GET", "hosts/two")).json()["host"]["id"] == "id-2"


async def test_hosts_are_invited(two: Cloud) -> None:
    answer = await ask(two, "POST", "invitations", {"zone": "z", "url": "https://203.0.113.1:9877"})
    made = answer.json()["invitation"]
    assert made["command"] == f"hydria host join '{made['url']}'"
    # This server has not said by which address agents reach it.
    answer = await ask(two, "POST", "invitations", {})
    assert (answer.status_code, "--url" in answer.text) == (400, True)
    assert (await ask(two, "POST", "invitations", {"zone": 5})).status_code == 400


async def test_the_rows_of_a_list(two: Cloud) -> None:
    one, other = (await ask(two, "GET", "hosts")).json()["hosts"]
    assert dict(zip(HEADINGS, row(one), strict=True)) == {
        "name": "one",
        "id": "id-1",
        "zone": "",
        "networks": "local, physnet1",
        "amphorae": "0",
        "version": "0.1.0",
        "state": "up",
        "silent since": "",
    }
    assert row(other)[3] == "physnet1"
    two.clock.advance(minutes=5)
    silent, _ = (await ask(two, "GET", "hosts")).json()["hosts"]
    assert row(silent, datetime(2026, 1, 1, 0, 5, tzinfo=UTC))[-2:] == ("silent", "2026-01-01T00:00:00 UTC (5 min)")
