"""Sessions of the dashboard: users of the cloud, in a cookie that scripts cannot read."""

import httpx

from tests.dashboard.conftest import Site

LIST = "/dashboard/api/load-balancer/v2/lbaas/loadbalancers"


async def test_a_user_of_the_cloud_logs_in(site: Site) -> None:
    answer = await site.log_in()
    assert answer.status_code == 200, answer.text
    session = answer.json()["session"]
    assert session["user"]["name"] == "admin"
    assert [one["name"] for one in session["projects"]] == ["admin"]
    assert "host:get_all" in session["rights"]
    assert (await site.browser.get(LIST)).json()["loadbalancers"] == []


async def test_the_cookie_is_for_the_dashboard_alone(site: Site) -> None:
    cookie = (await site.log_in()).headers["set-cookie"].lower()
    assert all(part in cookie for part in ("httponly", "samesite=strict", "path=/dashboard"))
    assert "secure" not in cookie


async def test_over_tls_the_cookie_is_secure(site: Site) -> None:
    transport = httpx.ASGITransport(site.app)
    async with httpx.AsyncClient(transport=transport, base_url="https://cloud.test") as browser:
        form = {"user": "admin", "password": site.password}
        answer = await browser.post("/dashboard/session", json=form, headers={"x-hydria-dashboard": "1"})
    assert "secure" in answer.headers["set-cookie"].lower()


async def test_a_wrong_password_makes_no_session(site: Site) -> None:
    answer = await site.log_in(password="wrong")
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers
    assert "is wrong" in answer.json()["faultstring"]


async def test_without_a_session_there_is_nothing_to_see(site: Site) -> None:
    assert (await site.browser.get("/dashboard/session")).json() == {"session": None}
    assert (await site.browser.get(LIST)).status_code == 401
    assert (await site.browser.get("/dashboard/events")).status_code == 401


async def test_a_body_that_is_no_login_is_refused(site: Site) -> None:
    assert (await site.browser.post("/dashboard/session", json={"user": "admin"})).status_code == 400
    assert (await site.browser.post("/dashboard/session", content=b"x" * 20_000)).status_code == 400


async def test_a_user_changes_to_another_project(site: Site) -> None:
    await site.log_in()
    identity = "/dashboard/api/identity/v3"
    made = await site.browser.post(f"{identity}/projects", json={"project": {"name": "other", "domain_id": "default"}})
    project = made.json()["project"]["id"]
    refused = await site.browser.put("/dashboard/session", json={"project_id": project})
    assert refused.status_code == 401
    user = (await site.browser.get("/dashboard/session")).json()["session"]["user"]["id"]
    roles = (await site.browser.get(f"{identity}/roles")).json()["roles"]
    member = next(role["id"] for role in roles if role["name"] == "member")
    await site.browser.put(f"{identity}/projects/{project}/users/{user}/roles/{member}")
    changed = await site.browser.put("/dashboard/session", json={"project_id": project})
    assert changed.json()["session"]["project"] == {"id": project, "name": "other"}
    assert "host:get_all" not in changed.json()["session"]["rights"]


async def test_logging_out_ends_the_token(site: Site) -> None:
    await site.log_in()
    cookie = site.browser.cookies["hydria_session"]
    assert (await site.browser.delete("/dashboard/session")).status_code == 204
    assert "hydria_session" not in site.browser.cookies
    site.browser.cookies.set("hydria_session", cookie)
    assert (await site.browser.get(LIST)).status_code == 401
