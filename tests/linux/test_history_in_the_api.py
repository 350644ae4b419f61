"""A whole installation: what a dry run says happens, what checks saw is explained, changes are taken back."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.linux.programs import Body, Product, product
from tests.support.waiting import wait_until

# All tests share one product.
pytestmark = pytest.mark.xdist_group("history_in_the_api")

MONITOR = {"type": "HTTP", "delay": 1, "timeout": 1, "max_retries": 1, "max_retries_down": 1, "url_path": "/check"}


class History:
    """One load balancer, its history and its explanations."""

    def __init__(self, made: Product) -> None:
        self.made = made
        form = made.form("lb", "10.0.0.100")
        form["listeners"][0]["default_pool"]["healthmonitor"] = MONITOR
        self.id = made.make("loadbalancers", "loadbalancer", **form)["id"]
        made.becomes("ACTIVE")

    def revisions(self) -> list[Body]:
        found: list[Body] = self.made.ask("GET", f"loadbalancers/{self.id}/revisions").json()["revisions"]
        return found

    def newest(self) -> Body:
        """Return the newest revision when every amphora serves it, with its way."""

        def served() -> bool:
            found = self.revisions()[0]["served"]
            return found["state"] == "served" and found["way"] is not None

        wait_until(served, say=self.revisions)
        return self.revisions()[0]

    def plan(self, method: str, path: str, body: Any = None) -> Body:
        """Return the plan of a dry run."""
        answer = self.made.ask(method, path, body, headers={"Dry-Run": "true"})
        assert answer.status_code == 200, answer.text
        found: Body = answer.json()["plan"]
        return found

    def explain(self) -> Body:
        found: Body = self.made.ask("GET", f"loadbalancers/{self.id}/explain").json()["explain"]
        return found


@pytest.fixture(scope="module")
def lb() -> Iterator[History]:
    with product() as made:
        made.start("server", "agent")
        made.surroundings(11, 12)
        yield History(made)
        made.delete()


def test_changes_go_the_way_that_their_plan_says(lb: History) -> None:
    assert lb.newest()["served"]["way"] == "start"
    (pool,), (listener,) = lb.made.all("pools"), lb.made.all("listeners")
    member = lb.made.all(f"pools/{pool['id']}/members")[0]
    changes: list[tuple[str, str, Any]] = [
        ("nothing", f"pools/{pool['id']}", {"pool": {"description": "x"}}),
        ("runtime", f"pools/{pool['id']}/members/{member['id']}", {"member": {"weight": 3}}),
        ("reload", f"listeners/{listener['id']}", {"listener": {"timeout_client_data": 12345}}),
    ]
    for way, path, body in changes:
        before = lb.revisions()
        plan = lb.plan("PUT", path, body)
        assert lb.revisions() == before
        assert plan["way"] == way, plan
        assert lb.made.ask("PUT", path, body).status_code == 200
        done = lb.newest()
        assert (done["revision"], done["changes"]) == (plan["revision"], plan["changes"])
        assert done["served"]["way"] == way, done
        assert done["served"]["lost_connections"] == done["served"]["lost_requests"] == 0
        assert 0 < done["served"]["seconds"] < 600


def test_failing_checks_are_explained(lb: History) -> None:
    def failing() -> list[Body]:
        found: list[Body] = lb.explain()["members"]
        return found

    wait_until(lambda: not failing(), say=failing)
    lb.made.webs[1].status = 503
    wait_until(lambda: len(failing()) == 1, say=failing)
    (check,) = failing()[0]["checks"]
    assert (check["state"], check["result"], check["code"]) == ("down", "L7STS", 503)
    assert failing()[0]["address"] == "10.0.0.12"
    summary = lb.explain()["summary"]
    assert summary.startswith("Member 10.0.0.12:80 does not pass its checks (1 of 2 members):")
    assert "it answers with status 503 instead of 200" in summary
    lb.made.webs[1].status = 200
    wait_until(lambda: not failing(), say=failing)
    lb.made.webs[0].stop()
    wait_until(lambda: len(failing()) == 1, say=failing)
    assert failing()[0]["checks"][0]["result"] == "L4CON"
    lb.made.webs[0].start()
    wait_until(lambda: not failing(), say=failing)


def test_a_deleted_listener_is_taken_back(lb: History) -> None:
    good = lb.newest()["revision"]
    (listener,) = lb.made.all("listeners")
    assert lb.made.ask("DELETE", f"listeners/{listener['id']}").status_code == 204
    wait_until(lambda: not lb.made.all("listeners"))
    answer = lb.made.ask("PUT", f"loadbalancers/{lb.id}/rollback", {"rollback": {"to": good}})
    assert answer.status_code == 202, answer.text
    assert lb.newest()["revision"] == answer.json()["rollback"]["revision"]
    (back,) = lb.made.all("listeners")
    assert (back["id"], back["provisioning_status"]) == (listener["id"], "ACTIVE")
    said = lb.made.run("explain", "lb", "--request", "GET http://10.0.0.100/")
    assert "could take it" in said
    assert "+ listener" in lb.made.run("history", "lb")
