"""The dashboard of a real load balancer in a real browser: traffic, a member that breaks, and what is said about it."""

from collections.abc import Iterator

import pytest

from tests.linux.haproxies import Load
from tests.linux.programs import Product, product
from tests.support.browser import Looked
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]

VIP = "10.0.0.100"


@pytest.fixture(scope="module")
def served() -> Iterator[Product]:
    """A load balancer with two members that are checked each second."""
    with product(look_seconds=3) as made:
        made.start("server", "agent")
        made.surroundings(11, 12)
        form = made.form("shop", VIP)
        monitor = {"type": "HTTP", "delay": 1, "timeout": 1, "max_retries": 1, "max_retries_down": 1}
        form["listeners"][0]["default_pool"]["healthmonitor"] = monitor
        made.make("loadbalancers", "loadbalancer", **form)
        made.becomes("ACTIVE", "shop")
        yield made
        made.delete("shop")


def test_traffic_and_a_broken_member_are_seen_live(served: Product, look: Looked) -> None:
    found = served.balancer("shop")
    assert found is not None
    with Load(served.client, VIP):
        look.page.get_by_role("link", name="shop").wait_for()
        wait_until(lambda: look.page.locator(".row .requests .number").first.inner_text() not in ("", "0"))
        look.shoot("real-overview")
        look.open(f"/loadbalancers/{found['id']}")
        wait_until(lambda: look.page.locator(".node.member .rate").count() == 2)
        look.shoot("real-picture")
        served.webs[1].stop()
        look.page.locator(".node.member.bad").wait_for()
        look.page.locator(".page-head").get_by_text("Degraded").wait_for()
        look.shoot("real-broken")
        look.open(f"/loadbalancers/{found['id']}/members")
        look.sees("10.0.0.12:80")
        look.shoot("real-members")
        look.open(f"/loadbalancers/{found['id']}/log")
        look.page.locator(".log tr").first.wait_for()
        look.shoot("real-log")
        look.open(f"/loadbalancers/{found['id']}/traffic")
        look.page.locator(".chart").first.wait_for(timeout=150_000)
        look.shoot("real-traffic")
        look.open(f"/loadbalancers/{found['id']}/history")
        look.page.locator(".history li").first.wait_for()
        look.shoot("real-history")
        served.webs[1].start()
        look.open(f"/loadbalancers/{found['id']}")
        look.page.locator(".node.member.bad").wait_for(state="detached")


def test_an_operator_sees_hosts_and_amphorae(served: Product, look: Looked) -> None:
    look.open("/hosts")
    look.page.get_by_role("rowheader", name="this").wait_for()
    look.shoot("real-hosts")
    look.open("/amphorae")
    look.page.get_by_role("link", name="shop").wait_for()
    look.shoot("real-amphorae")
